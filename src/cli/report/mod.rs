//! `ringscope report`: a recording as one page, or as Markdown. What it tells (`tell`) is a document, and a document becomes a page
//! (`html`) or Markdown; only `write` touches files.

pub mod args;
mod axis;
mod chart;
mod command;
mod document;
pub mod error;
pub mod help;
mod html;
mod markdown;
mod tell;
mod when;
mod write;

pub use command::report;
