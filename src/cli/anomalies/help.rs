//! Below the options of `ringscope anomalies --help`.

use crate::cli::help::Part::{Example, Prose, Term, Title};
use crate::cli::help::page;

/// Lays the page out.
pub fn anomalies(width: usize) -> String {
    page(
        &[
            Title("Examples:"),
            Example("ringscope anomalies load.csv", "a score for each row, and what was found"),
            Example("ringscope anomalies load.csv --findings", "only the rows with a finding"),
            Example("ringscope anomalies load.csv --json | jq .findings", "the same as JSON"),
            Title("The score:"),
            Prose(
                "From 0 to 1: how probable it is that ten thousand rows of a series that is as it was have none so unusual. A row \
                 with 0.5 or more is a finding. While a change lasts, the score is high once. The first rows have the score 0: \
                 there is nothing to compare them with. docs/anomalies.md has the formulas.",
            ),
            Title("Exit codes:"),
            Term("0", "every row has a score, whether or not anything was found"),
            Term("1", "the file cannot be used; stderr says why, with the line and the column"),
            Term("2", "wrong usage"),
        ],
        width,
    )
}
