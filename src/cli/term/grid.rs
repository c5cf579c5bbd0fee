//! Small tables of text: the first column to the left, the others to the right.

/// Lines of cells that line up under their titles; a row may be shorter than the titles.
pub fn grid(titles: &[&str], rows: &[Vec<String>]) -> String {
    let width = |i: usize| {
        let cells = rows.iter().filter_map(|row| row.get(i)).map(|cell| cell.chars().count());
        cells.chain([titles[i].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..titles.len()).map(width).collect();
    let line = |cells: &[String]| {
        let mut line = String::from(" ");
        for (i, (cell, width)) in cells.iter().zip(&widths).enumerate() {
            let pad = " ".repeat(width - cell.chars().count());
            line += &if i == 0 { format!(" {cell}{pad}") } else { format!("  {pad}{cell}") };
        }
        line.trim_end().to_owned() + "\n"
    };
    let titles: Vec<String> = titles.iter().map(|title| (*title).to_owned()).collect();
    std::iter::once(line(&titles)).chain(rows.iter().map(|row| line(row))).collect()
}

#[cfg(test)]
mod tests {
    use super::grid;

    #[test]
    fn columns_line_up() {
        let rows = [vec!["µs".to_owned(), "1".to_owned()], vec!["longer".to_owned(), "12345".to_owned()]];
        assert_eq!(grid(&["what", "n"], &rows), "  what        n\n  µs          1\n  longer  12345\n");
        assert_eq!(grid(&["what", "n"], &[vec!["a".to_owned()]]), "  what  n\n  a\n");
    }
}
