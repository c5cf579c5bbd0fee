//! What a report says, before it is a page or Markdown.

use std::time::SystemTime;

use ringscope::alert::Severity;

use super::chart::{HeatMap, Lanes, LineChart};

/// A report.
#[derive(Debug)]
pub struct Document {
    pub title: String,
    /// When, how long, which device: a name and what it is.
    pub facts: Vec<(String, String)>,
    pub tiles: Vec<Tile>,
    pub sections: Vec<Section>,
    /// What made it, and how to read it.
    pub notes: Vec<String>,
}

/// A number that is seen first.
#[derive(Debug)]
pub struct Tile {
    pub number: String,
    pub says: String,
    pub mood: Mood,
}

/// Whether something is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Plain,
    Good,
    Warn,
    Bad,
}

impl Mood {
    /// In a word, for who does not see colours, and for the style sheet.
    pub fn name(self) -> &'static str {
        match self {
            Mood::Plain => "plain",
            Mood::Good => "good",
            Mood::Warn => "warn",
            Mood::Bad => "bad",
        }
    }
}

impl From<Severity> for Mood {
    fn from(severity: Severity) -> Mood {
        match severity {
            Severity::Critical => Mood::Bad,
            Severity::Warning => Mood::Warn,
            _ => Mood::Plain,
        }
    }
}

/// A part with a heading.
#[derive(Debug)]
pub struct Section {
    /// What links to it name.
    pub id: String,
    pub title: String,
    /// The title is a name that somebody gave.
    pub is_name: bool,
    /// Shown when asked for.
    pub folded: bool,
    /// Beside the title.
    pub beside: String,
    pub blocks: Vec<Block>,
}

impl Section {
    pub fn new(id: impl Into<String>, title: &str, blocks: Vec<Block>) -> Section {
        let (id, title) = (id.into(), title.to_owned());
        Section { id, title, is_name: false, folded: false, beside: String::new(), blocks }
    }
}

#[derive(Debug)]
pub enum Block {
    Prose(String),
    Table(Table),
    Figures(Vec<Figure>),
}

/// A picture, what it shows in words, and the numbers behind it.
#[derive(Debug)]
pub struct Figure {
    pub title: String,
    pub says: String,
    pub picture: Picture,
    pub table: Table,
    /// As wide as the page.
    pub wide: bool,
}

#[derive(Debug)]
pub enum Picture {
    Lines(LineChart),
    Heat(HeatMap),
    Lanes(Lanes),
}

#[derive(Debug, Default)]
pub struct Table {
    pub titles: Vec<&'static str>,
    pub rows: Vec<Vec<Cell>>,
}

#[derive(Clone, Debug)]
pub enum Cell {
    /// Words of the program's own.
    Text(String),
    /// A word, and whether it is a good one.
    Word(String, Mood),
    /// Something that somebody else named.
    Name(String),
    /// A name, and the section that tells of it.
    Link(String, String),
    /// A sentence with anything in it.
    Sentence(String),
    Number(String),
    /// A row of values over time; `None` where there was none.
    Spark(Vec<Option<f64>>),
    Time(SystemTime),
    Nothing,
}

impl Cell {
    pub fn number(number: impl Into<String>) -> Cell {
        Cell::Number(number.into())
    }

    /// What stands in a column of numbers.
    pub fn is_number(&self) -> bool {
        matches!(self, Cell::Number(_))
    }
}
