//! Below the options of `ringscope report --help`.

use crate::cli::help::Part::{Example, Term, Title};
use crate::cli::help::page;

/// Lays the page out.
pub fn report(width: usize) -> String {
    page(
        &[
            Title("Examples:"),
            Example("ringscope report run.rscope", "write run.html"),
            Example("ringscope report run.rscope -o report.html", "write another file"),
            Example("ringscope report run.rscope -o - --format markdown", "Markdown on stdout"),
            Title("Exit codes:"),
            Term("0", "the report is written; of a damaged recording it says where it was cut"),
            Term("1", "the recording cannot be read, or the report not be written; stderr says why"),
            Term("2", "wrong usage"),
        ],
        width,
    )
}
