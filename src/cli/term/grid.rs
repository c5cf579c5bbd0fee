//! Small tables of text: the first column to the left, the others to the right.

use crate::cli::term::text::{Text, columns, paragraphs, plain};

const GAP: usize = 2;
/// Columns that prose is read in.
const PROSE: usize = 100;

/// Returns what a table shows, in words, and the table below it, as [`grid`] does.
pub fn explained(says: &str, keys: usize, titles: &[&str], rows: &[Vec<String>], width: usize) -> Vec<Text> {
    let table = grid(keys, titles, rows, width).into_iter().map(|line| Text::from(vec![plain(&line)]));
    let says = paragraphs(says, width.min(PROSE));
    says.into_iter().chain([Text::default()]).chain(table).collect()
}

/// Returns lines of cells that line up under their titles, in at most `width` columns; a row may be shorter than the
/// titles. Where not all columns fit, the table is cut into several, one below the other, each with the first `keys`
/// columns, which tell the rows apart; where not even one fits beside them, each row is a list.
fn grid(keys: usize, titles: &[&str], rows: &[Vec<String>], width: usize) -> Vec<String> {
    let needed = |i: usize| rows.iter().filter_map(|row| row.get(i)).map(|cell| columns(cell)).max().unwrap_or(0);
    let widths: Vec<usize> = (0..titles.len()).map(|i| needed(i).max(columns(titles[i])) + GAP).collect();
    let taken = |of: &[usize]| of.iter().map(|i| widths[*i]).sum::<usize>();
    let key_columns: Vec<usize> = (0..keys).collect();
    let mut tables = vec![key_columns.clone()];
    for (i, column) in widths.iter().enumerate().skip(keys) {
        let last = tables.len() - 1;
        if tables[last].len() > keys && taken(&tables[last]) + column > width {
            tables.push(key_columns.clone());
        }
        tables.last_mut().into_iter().for_each(|table| table.push(i));
    }
    if tables.iter().any(|table| taken(table) > width) {
        return rows.iter().flat_map(|row| list(keys, titles, row)).collect();
    }
    let titles: Vec<String> = titles.iter().map(|title| (*title).to_owned()).collect();
    let below = |table: &Vec<usize>| {
        let lines = rows.iter().map(|row| line(row, table, &widths));
        [vec![String::new(), line(&titles, table, &widths)], lines.collect()].concat()
    };
    tables.iter().flat_map(below).skip(1).collect()
}

/// A row by itself: what tells it apart, and below it each title with its cell.
fn list(keys: usize, titles: &[&str], row: &[String]) -> Vec<String> {
    let wide = titles[keys..].iter().map(|title| columns(title)).max().unwrap_or(0);
    let key = |(i, cell): (usize, &String)| if i == 0 { cell.clone() } else { format!("{}: {cell}", titles[i]) };
    let head: Vec<String> = row.iter().take(keys).enumerate().map(key).collect();
    let cells = titles.iter().zip(row).skip(keys);
    let cells = cells.map(|(title, cell)| format!("  {title}{}  {cell}", " ".repeat(wide - columns(title))));
    [head.join(", ")].into_iter().chain(cells).collect()
}

fn line(cells: &[String], table: &[usize], widths: &[usize]) -> String {
    let cell = |i: usize| {
        let pad = " ".repeat(widths[i] - GAP - columns(&cells[i]));
        if i == 0 { format!("  {}{pad}", cells[i]) } else { format!("  {pad}{}", cells[i]) }
    };
    let line: String = table.iter().filter(|i| **i < cells.len()).map(|i| cell(*i)).collect();
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [vec!["µs".to_owned(), "1".to_owned()], vec!["設定 x".to_owned(), "12345".to_owned()]];
        let lines = grid(1, &["what", "n"], &rows, usize::MAX);
        assert_eq!(lines, ["  what        n", "  µs          1", "  設定 x  12345"]);
        assert_eq!(grid(1, &["what", "n"], &[vec!["a".to_owned()]], 80), ["  what  n", "  a"]);
    }

    #[test]
    fn columns_that_do_not_fit_go_below() {
        let row = |name: &str| [name, "4", "0.998 [0.990, 1.004]", "1.2 M"].map(str::to_owned).to_vec();
        let rows = [row("one line for all blocks"), row("crc32c")];
        let titles = ["design", "blocks", "level 1", "msg/s"];
        assert_eq!(
            grid(2, &titles, &rows, 60),
            [
                "  design                   blocks               level 1",
                "  one line for all blocks       4  0.998 [0.990, 1.004]",
                "  crc32c                        4  0.998 [0.990, 1.004]",
                "",
                "  design                   blocks  msg/s",
                "  one line for all blocks       4  1.2 M",
                "  crc32c                        4  1.2 M"
            ]
        );
        assert_eq!(
            grid(2, &titles, &rows, 40)[..4],
            [
                "one line for all blocks, blocks: 4",
                "  level 1  0.998 [0.990, 1.004]",
                "  msg/s    1.2 M",
                "crc32c, blocks: 4",
            ]
        );
        for width in [40, 60, 80, 100] {
            assert!(grid(2, &titles, &rows, width).iter().all(|line| columns(line) <= width), "{width}");
        }
    }
}
