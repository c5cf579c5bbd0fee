//! A document as one page of HTML that needs nothing else: no script, no network, no other file.

mod escape;
mod heat;
mod lanes;
mod lines;
mod page;
mod svg;
mod table;

pub use page::page;
