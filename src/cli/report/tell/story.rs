//! What happened, in order: a picture of the run, and a list.

use std::time::SystemTime;

use ringscope::KernelState;

use super::about::About;
use super::columns::{shaded, span};
use crate::cli::past::{Happening, KernelPast, Past, What};
use crate::cli::report::chart::{Lane, Lanes, Shade};
use crate::cli::report::document::{Block, Cell, Figure, Mood, Picture, Table};
use crate::cli::term::units;

/// Lanes that one looks at.
const MOST_LANES: usize = 64;

/// The picture, the list, and where the file was damaged.
pub fn blocks(past: &Past, about: &About) -> Vec<Block> {
    let mut blocks: Vec<Block> = about.damage.iter().map(|damage| Block::Prose(damage.clone())).collect();
    if !past.columns.is_empty() && !past.kernels.is_empty() {
        blocks.push(Block::Figures(vec![picture(past)]));
    }
    let told = &past.happened.all;
    if told.is_empty() {
        blocks.push(Block::Prose("Nothing worth telling: no hang, no failure, no alert, no event.".to_owned()));
        return blocks;
    }
    let titles = vec!["when", "lasted", "what", "of", "in words"];
    blocks.push(Block::Table(Table { titles, rows: list(told) }));
    if past.happened.left_out > 0 {
        let left_out = format!("{} more happened, of the least severity.", units::exact(past.happened.left_out));
        blocks.push(Block::Prose(left_out));
    }
    blocks
}

/// A row for each; where many kernels were launched or ended one after the other, a row for each thing that happened to them.
fn list(told: &[Happening]) -> Vec<Vec<Cell>> {
    const MANY: usize = 4;
    let is_lifecycle = |happening: &Happening| happening.what == What::Lifecycle;
    let together = told.chunk_by(|a, b| is_lifecycle(a) && is_lifecycle(b));
    together.flat_map(|run| if run.len() > MANY { by_text(run) } else { run.iter().map(row).collect() }).collect()
}

fn by_text(run: &[Happening]) -> Vec<Vec<Cell>> {
    const MOST: usize = 12;
    let mut texts: Vec<&str> = Vec::new();
    run.iter().for_each(|one| {
        if !texts.contains(&one.text.as_str()) {
            texts.push(&one.text)
        }
    });
    let of_text = |text: &&str| {
        let of: Vec<&Happening> = run.iter().filter(|one| one.text == *text).collect();
        let names: Vec<&str> = of.iter().take(MOST).map(|one| &*one.subject).collect();
        let more = if of.len() > MOST { format!(", and {} more", of.len() - MOST) } else { String::new() };
        let mut cells = of.first().map(|first| row(first)).unwrap_or_default();
        if of.len() > 1 && cells.len() > 4 {
            cells[3] = Cell::Text(format!("{} kernels", of.len()));
            cells[4] = Cell::Sentence(format!("{text}: {}{more}", names.join(", ")));
        }
        cells
    };
    texts.iter().map(of_text).collect()
}

fn row(happening: &Happening) -> Vec<Cell> {
    let lasted = happening.until.map(|until| until.duration_since(happening.time).unwrap_or_default());
    let lasted = match (lasted, happening.lasts) {
        (Some(lasted), false) => units::elapsed(lasted),
        (Some(lasted), true) => format!("{}, to the end", units::elapsed(lasted)),
        (None, _) => String::new(),
    };
    let subject = &happening.subject;
    vec![
        Cell::Time(happening.time),
        Cell::Number(lasted),
        Cell::Word(happening.what.name().to_owned(), Mood::from(happening.severity)),
        if subject.is_empty() { Cell::Nothing } else { Cell::Name(subject.to_string()) },
        Cell::Sentence(happening.text.clone()),
    ]
}

fn picture(past: &Past) -> Figure {
    // Of too many, those that something happened to, and the first of the others.
    let mut order: Vec<&KernelPast> = past.kernels.iter().collect();
    let calm = |kernel: &&KernelPast| {
        let of_this = |happening: &&Happening| {
            happening.subject == kernel.id && matches!(happening.what, What::Hang | What::Failure)
        };
        !past.happened.all.iter().any(|happening| of_this(&happening))
    };
    if order.len() > MOST_LANES {
        order.sort_by_key(calm);
        order.truncate(MOST_LANES);
    }
    let lanes: Vec<Lane> = order.iter().map(|kernel| lane(past, kernel)).collect();
    let left_out = past.kernels.len() - lanes.len();
    let more = if left_out > 0 { format!("; {left_out} more kernels are not shown") } else { String::new() };
    let rows = order.iter().flat_map(|kernel| rows(past, kernel)).collect();
    Figure {
        title: "The run".to_owned(),
        says: format!("The state of each kernel over time; hangs, gaps and alerts marked{more}."),
        picture: Picture::Lanes(Lanes { span: span(past), lanes, shaded: shaded(past, None), flags: flags(past) }),
        table: Table { titles: vec!["kernel", "from", "until", "state"], rows },
        wide: true,
    }
}

fn lane(past: &Past, kernel: &KernelPast) -> Lane {
    let hangs = shaded(past, Some(kernel)).into_iter().filter(|shade| shade.what == "hang").collect();
    Lane { name: kernel.id.to_string(), parts: parts(past, kernel), hangs }
}

/// Neighbours of one state together.
fn parts(past: &Past, kernel: &KernelPast) -> Vec<(SystemTime, SystemTime, KernelState)> {
    let mut parts: Vec<(SystemTime, SystemTime, KernelState)> = Vec::new();
    for (column, sums) in past.columns.iter().zip(&kernel.columns) {
        let Some(sums) = sums else { continue };
        match parts.last_mut() {
            Some((_, to, state)) if *to == column.from && *state == sums.state => *to = column.to,
            _ => parts.push((column.from, column.to, sums.state)),
        }
    }
    parts
}

fn rows(past: &Past, kernel: &KernelPast) -> Vec<Vec<Cell>> {
    let row = |(from, to, state): (SystemTime, SystemTime, KernelState)| {
        vec![Cell::Name(kernel.id.to_string()), Cell::Time(from), Cell::Time(to), Cell::Text(state.to_string())]
    };
    parts(past, kernel).into_iter().map(row).collect()
}

/// Alerts and failures.
fn flags(past: &Past) -> Vec<Shade> {
    let flag = |happening: &Happening| {
        let what = match happening.what {
            What::Alert => "alert",
            What::Failure => "failure",
            _ => return None,
        };
        let (from, to) = (happening.time, happening.until.unwrap_or(happening.time));
        Some(Shade { from, to, what, says: format!("{}: {}", happening.subject, happening.text) })
    };
    past.happened.all.iter().filter_map(flag).collect()
}
