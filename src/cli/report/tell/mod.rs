//! What a recording tells, as a document: pure functions of what was read.

mod about;
mod columns;
mod kernels;
mod losses;
mod machine;
mod story;
mod summary;

use crate::cli::past::Past;
use crate::cli::report::document::{Block, Document, Section};

pub use about::About;

/// Tells of a recording.
pub fn document(past: &Past, about: &About) -> Document {
    let mut sections = Vec::new();
    if past.moments > 0 {
        sections.push(Section::new("kernels", "Kernels", summary::kernels(past)));
        sections.push(Section::new("happened", "What happened", story::blocks(past, about)));
        sections.extend(kernels::all(past));
        sections.extend(kernels::each(past));
        sections.extend(machine::section(past));
        sections.extend(losses::destinations(past));
        sections.push(losses::section(past, about));
    } else {
        let nothing = "The recording holds no moment: nothing had been recorded when it ended.";
        let blocks = about.damage.iter().map(|damage| Block::Prose(damage.clone()));
        let blocks = std::iter::once(Block::Prose(nothing.to_owned())).chain(blocks).collect();
        sections.push(Section::new("kernels", "Nothing to tell", blocks));
    }
    Document {
        title: about.name.clone(),
        facts: summary::facts(past, about),
        tiles: summary::tiles(past, about),
        sections,
        notes: summary::notes(past),
    }
}
