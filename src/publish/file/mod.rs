//! Files for programs that read them: a page for Prometheus's textfile collector, a JSON document, a stream of JSON lines.
//!
//! Writing to a file blocks, and a disk may take its time. Where there is a tokio runtime, its pool of threads for such calls
//! writes, so that no worker waits; elsewhere the caller's thread does.

mod lines;
mod place;
mod replace;
mod whole;

pub use lines::JsonLines;
pub use whole::{JsonFile, PrometheusFile};
