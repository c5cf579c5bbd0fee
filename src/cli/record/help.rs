//! Below the options of `ringscope record --help`.

use crate::cli::help::Part::{Example, Prose, Term, Title};
use crate::cli::help::page;

/// Lays the page out.
pub fn record(width: usize) -> String {
    page(
        &[
            Title("Examples:"),
            Example("ringscope record", "a run of ringscope's own executable, in run.rscope"),
            Example("ringscope record -o day.rscope --duration 24h", "a day"),
            Example("ringscope record --connect http://gpu7:9464 -o gpu7.rscope", "what a server has to tell"),
            Example("ringscope record --append", "go on with run.rscope"),
            Title("Size:"),
            Prose(
                "Everything is recorded exactly, as long as that takes fewer than --bytes-per-day. Beyond that, latencies by \
                 bucket are recorded every 10 to 20 s, blocks every 2 minutes and whenever a kernel's state changes, and times \
                 to a thousandth of the interval; counts are exact always. docs/recordings.md has the format and the sizes.",
            ),
            Title("Exit codes:"),
            Term("0", "everything was recorded, and of a workload every reply was correct, as for `ringscope run`"),
            Term("1", "as `ringscope run`; or something could not be recorded; stderr says why"),
            Term("2", "wrong usage"),
            Term("130", "ended by a second Ctrl-C"),
        ],
        width,
    )
}
