//! Tables, and the small lines in them.

use super::escape;
use super::svg::n;
use crate::cli::report::document::{Cell, Table};
use crate::cli::report::when;

/// A table that can be scrolled where the page is narrow.
pub fn table(table: &Table, decimals: usize) -> String {
    // A column of numbers has its title at the right.
    let is_number = |column: usize| table.rows.iter().any(|row| row.get(column).is_some_and(Cell::is_number));
    let title = |(column, title): (usize, &&str)| {
        let class = if is_number(column) { " class=\"n\"" } else { "" };
        format!("<th scope=\"col\"{class}>{title}</th>")
    };
    let titles: String = table.titles.iter().enumerate().map(title).collect();
    let row = |row: &Vec<Cell>| {
        let cells: String = row.iter().enumerate().map(|(column, one)| cell(one, column == 0, decimals)).collect();
        format!("<tr>{cells}</tr>\n")
    };
    let rows: String = table.rows.iter().map(row).collect();
    format!(
        "<div class=\"scroll\" tabindex=\"0\"><table><thead><tr>{titles}</tr></thead><tbody>\n{rows}</tbody></table></div>"
    )
}

fn cell(cell: &Cell, is_first: bool, decimals: usize) -> String {
    let (class, inside) = match cell {
        Cell::Text(text) => ("", escape::text(text)),
        Cell::Word(word, mood) => ("", format!("<span class=\"w {}\">{}</span>", mood.name(), escape::text(word))),
        Cell::Name(name) => ("", escape::name(name)),
        Cell::Link(name, to) => ("", format!("<a href=\"#{to}\">{}</a>", escape::name(name))),
        Cell::Sentence(text) => (" class=\"s\"", escape::name(text)),
        Cell::Number(number) => (" class=\"n\"", escape::text(number)),
        Cell::Spark(values) => ("", spark(values)),
        Cell::Time(time) => (" class=\"t\"", when::clock(*time, decimals)),
        Cell::Nothing => ("", String::new()),
    };
    match is_first {
        true => format!("<th scope=\"row\"{class}>{inside}</th>"),
        false => format!("<td{class}>{inside}</td>"),
    }
}

/// A small line without numbers: they stand beside it.
fn spark(values: &[Option<f64>]) -> String {
    const WIDTH: f64 = 120.0;
    const HEIGHT: f64 = 20.0;
    let most = values.iter().flatten().copied().fold(0.0, f64::max);
    let step = WIDTH / values.len().max(1) as f64;
    let mut path = String::new();
    let mut pen = 'M';
    for (at, value) in values.iter().enumerate() {
        let Some(value) = value else {
            pen = 'M';
            continue;
        };
        let height = if most > 0.0 { value / most } else { 0.0 };
        let (x, y) = (step * (at as f64 + 0.5), HEIGHT - 1.5 - (HEIGHT - 3.0) * height);
        path += &format!("{pen}{} {}", n(x), n(y));
        pen = 'L';
    }
    if values.iter().flatten().count() == 1 {
        path += "h3";
    }
    format!(
        "<svg class=\"spark\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" aria-hidden=\"true\"><path class=\"line c0\" d=\"{path}\"/></svg>"
    )
}
