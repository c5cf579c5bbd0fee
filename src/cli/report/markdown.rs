//! A document as Markdown: CommonMark, with the tables that GitHub and others know.

use std::fmt::Write;

use super::document::{Block, Cell, Document, Figure, Mood, Picture, Section, Table};
use super::when;
use crate::cli::term::text::escaped;

/// Writes the document. Times have so many decimals of a second.
pub fn page(document: &Document, decimals: usize) -> String {
    let mut page = format!("# {}\n\n", code(&document.title));
    for (name, value) in &document.facts {
        let _ = writeln!(page, "- {}: {}", sentence(name), sentence(value));
    }
    let tile = |tile: &super::document::Tile| {
        let text = format!("{} {}", tile.number, sentence(&tile.says));
        if matches!(tile.mood, Mood::Bad) { format!("**{text}**") } else { text }
    };
    let tiles: Vec<String> = document.tiles.iter().map(tile).collect();
    let _ = writeln!(page, "- {}", tiles.join(", "));
    for section in &document.sections {
        page += &one_section(section, decimals);
    }
    let _ = writeln!(page, "\n---\n");
    for note in &document.notes {
        let _ = writeln!(page, "{}", sentence(note));
    }
    page
}

fn one_section(section: &Section, decimals: usize) -> String {
    let title = if section.is_name { code(&section.title) } else { sentence(&section.title) };
    let mut text = format!("\n## {title}\n\n");
    if !section.beside.is_empty() {
        let _ = writeln!(text, "{}\n", sentence(&section.beside));
    }
    for block in &section.blocks {
        text += &match block {
            Block::Prose(prose) => format!("{}\n\n", sentence(prose)),
            Block::Table(one) => table(one, decimals) + "\n",
            Block::Figures(figures) => figures.iter().map(|one| figure(one, decimals)).collect(),
        };
    }
    text.truncate(text.trim_end().len());
    text + "\n"
}

/// The numbers are the picture.
fn figure(figure: &Figure, decimals: usize) -> String {
    let spark = match &figure.picture {
        Picture::Lines(chart) => chart.series.first().map(|first| format!("{}\n\n", code(&bars(&first.values)))),
        _ => None,
    };
    let (title, says) = (sentence(&figure.title), sentence(&figure.says));
    format!("### {title}\n\n{says}\n\n{}{}\n", spark.unwrap_or_default(), table(&figure.table, decimals))
}

fn table(table: &Table, decimals: usize) -> String {
    let is_number = |column: usize| table.rows.iter().any(|row| row.get(column).is_some_and(Cell::is_number));
    let mut text = format!("| {} |\n|", table.titles.join(" | "));
    for column in 0..table.titles.len() {
        text += if is_number(column) { " ---: |" } else { " --- |" };
    }
    text.push('\n');
    for row in &table.rows {
        let cells: Vec<String> = row.iter().map(|one| cell(one, decimals)).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    text
}

fn cell(cell: &Cell, decimals: usize) -> String {
    match cell {
        Cell::Text(text) | Cell::Sentence(text) => sentence(text),
        Cell::Word(word, Mood::Bad) if !word.is_empty() => format!("**{}**", sentence(word)),
        Cell::Word(word, _) | Cell::Number(word) => sentence(word),
        Cell::Name(name) | Cell::Link(name, _) => code(name).replace('|', "\\|"),
        Cell::Spark(values) => bars(values),
        Cell::Time(time) => when::clock(*time, decimals),
        Cell::Nothing => String::new(),
    }
}

/// A name as it is, in which nothing has a meaning: as code.
fn code(name: &str) -> String {
    let name = escaped(name);
    let longest = name.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = if name.starts_with('`') || name.ends_with('`') || name.trim().is_empty() { " " } else { "" };
    format!("{fence}{pad}{name}{pad}{fence}")
}

/// Words, in which no sign has a meaning.
fn sentence(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut before = ' ';
    let text = escaped(text);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let inside_word = before.is_alphanumeric() && chars.peek().is_some_and(|next| next.is_alphanumeric());
        match c {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '_' if inside_word => safe.push(c),
            // Addresses and mentions would become links.
            ':' if chars.peek() == Some(&'/') => safe.push_str("&#58;"),
            '@' => safe.push_str("&#64;"),
            'w' | 'W'
                if chars.peek().is_some_and(|next| next.eq_ignore_ascii_case(&'w')) && !before.is_alphanumeric() =>
            {
                let _ = write!(safe, "&#{};", u32::from(c));
            }
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '~' | '!' | '$' => {
                safe.push('\\');
                safe.push(c);
            }
            c => safe.push(c),
        }
        before = c;
    }
    safe
}

/// A row of values as bars of text.
fn bars(values: &[Option<f64>]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    const MOST: usize = 60;
    let per = values.len().div_ceil(MOST).max(1);
    let most = |some: &[Option<f64>]| some.iter().flatten().copied().reduce(f64::max);
    let values: Vec<Option<f64>> = values.chunks(per).map(most).collect();
    let most = values.iter().flatten().copied().fold(0.0, f64::max);
    let bar = |value: &Option<f64>| match value {
        None => ' ',
        Some(value) if most > 0.0 => BARS[((value / most * 7.0).round() as usize).min(7)],
        Some(_) => BARS[0],
    };
    values.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_sentences_are_text() {
        assert_eq!(code("worker_0"), "`worker_0`");
        assert_eq!(code("a`b``c"), "```a`b``c```");
        assert_eq!(code("`"), "`` ` ``");
        assert_eq!(code("a\nb"), "`a\\nb`");
        assert_eq!(sentence("<b> *x* worker_0 _y_ a|b"), "&lt;b&gt; \\*x\\* worker_0 \\_y\\_ a\\|b");
        assert_eq!(sentence("see https://evil.example @you www.x"), "see https&#58;//evil.example &#64;you &#119;ww.x");
        assert_eq!(bars(&[Some(0.0), None, Some(4.0), Some(8.0)]), "▁ ▅█");
        assert_eq!(bars(&[]), "");
    }
}
