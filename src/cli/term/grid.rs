//! Small tables of text: the first column to the left, the others to the right.

use crate::cli::term::text::{Text, columns, paragraphs, plain, shortened};

const GAP: usize = 2;
/// Columns that prose is read in.
const PROSE: usize = 100;
/// Columns that a long first cell keeps.
const NAME: usize = 8;

/// Returns what a table shows, in words, and the table below it, as [`grid`] does.
pub fn explained(says: &str, keys: usize, titles: &[&str], rows: &[Vec<String>], width: usize) -> Vec<Text> {
    let table = grid(keys, titles, rows, width).into_iter().map(|line| Text::from(vec![plain(&line)]));
    let says = paragraphs(says, width.min(PROSE));
    says.into_iter().chain([Text::default()]).chain(table).collect()
}

/// Returns lines of cells that line up under their titles, in at most `width` columns; a row may be shorter than the
/// titles. Where not all columns fit, the table is cut into several, one below the other, each with the first `keys`
/// columns, which tell the rows apart.
fn grid(keys: usize, titles: &[&str], rows: &[Vec<String>], width: usize) -> Vec<String> {
    let needed = |i: usize| rows.iter().filter_map(|row| row.get(i)).map(|cell| columns(cell)).max().unwrap_or(0);
    let mut widths: Vec<usize> = (0..titles.len()).map(|i| needed(i).max(columns(titles[i]))).collect();
    let taken = |widths: &[usize], of: &[usize]| of.iter().map(|i| widths[*i] + GAP).sum::<usize>();
    let key_columns: Vec<usize> = (0..keys).collect();
    // The widest number must have a place beside the keys.
    let widest = (keys..titles.len()).map(|i| widths[i] + GAP).max().unwrap_or(0);
    let over = (taken(&widths, &key_columns) + widest).saturating_sub(width);
    widths[0] = widths[0].saturating_sub(over).max(NAME.min(widths[0]));
    let mut tables = vec![key_columns.clone()];
    for i in keys..titles.len() {
        let last = tables.len() - 1;
        if tables[last].len() > keys && taken(&widths, &tables[last]) + widths[i] + GAP > width {
            tables.push(key_columns.clone());
        }
        tables.last_mut().into_iter().for_each(|table| table.push(i));
    }
    let titles: Vec<String> = titles.iter().map(|title| (*title).to_owned()).collect();
    let mut lines = Vec::new();
    for table in &tables {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.push(line(&titles, table, &widths));
        lines.extend(rows.iter().map(|row| line(row, table, &widths)));
    }
    lines
}

fn line(cells: &[String], table: &[usize], widths: &[usize]) -> String {
    let mut line = String::new();
    for i in table.iter().copied().filter(|i| *i < cells.len()) {
        let cell = shortened(&cells[i], widths[i]);
        let pad = " ".repeat(widths[i] - columns(&cell));
        line += &if i == 0 { format!("  {cell}{pad}") } else { format!("  {pad}{cell}") };
    }
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
        let lines = grid(2, &titles, &rows, 40);
        assert_eq!(
            lines,
            [
                "  design    blocks               level 1",
                "  one …cks       4  0.998 [0.990, 1.004]",
                "  crc32c         4  0.998 [0.990, 1.004]",
                "",
                "  design    blocks  msg/s",
                "  one …cks       4  1.2 M",
                "  crc32c         4  1.2 M"
            ]
        );
        for width in [40, 60, 80, 100] {
            assert!(grid(2, &titles, &rows, width).iter().all(|line| columns(line) <= width), "{width}");
        }
    }
}
