//! Below the options of `ringscope replay --help`.

use crate::cli::help::Part::{Example, Term, Title};
use crate::cli::help::page;

/// Lays the page out.
pub fn replay(width: usize) -> String {
    page(
        &[
            Title("Examples:"),
            Example("ringscope replay run.rscope", "as fast as it happened"),
            Example("ringscope replay run.rscope --speed 60", "a minute in a second"),
            Example("ringscope replay run.rscope --from 2h --until 2h5m", "five minutes of it"),
            Example("ringscope replay run.rscope --json | jq .snapshot.kernels", "each moment as JSON"),
            Title("Exit codes:"),
            Term("0", "the recording is whole, or was looked at up to --until"),
            Term("1", "it is damaged, or cannot be read; stderr says where"),
            Term("2", "wrong usage"),
        ],
        width,
    )
}
