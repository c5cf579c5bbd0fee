//! Below the options of `ringscope diff --help`.

use crate::cli::help::Part::{Example, Prose, Term, Title};
use crate::cli::help::page;

/// Lays the page out.
pub fn diff(width: usize) -> String {
    page(
        &[
            Title("Examples:"),
            Example("ringscope diff old.rscope new.rscope", "what has changed"),
            Example("ringscope diff old.rscope new.rscope --fail-if 'p99 > +5 %'", "fail if any kernel became slower"),
            Example(
                "ringscope diff a.rscope b.rscope --fail-if 'worker_*:throughput < -10 %' --fail-if 'error_rate > 1 %'",
                "some kernels; a change, and a value of B",
            ),
            Example("ringscope diff a.rscope b.rscope --json | jq .failed", "the result as JSON"),
            Title("Conditions:"),
            Prose(
                "[KERNELS:]METRIC, then >, >=, < or <=, then a number. With a sign it is the change from A to B: '+5 %' of A's \
                 value, '+200us', '-1000/s', or '+0.5 pp', percentage points of what is a part itself. Without a sign it is the \
                 value of B: '2ms', '5000/s', '1 %'. KERNELS is a name, in which * is any text and ? any character. A change \
                 that may be noise does not hold, unless --even-noise is given. A condition about a kernel or a value that is \
                 not in both is an error.",
            ),
            Title("Metrics:"),
            Term("throughput", "messages handled without error, per second"),
            Term("error_rate", "messages refused, as a part of those handled"),
            Term("p50, p90, p99, max", "latency of handling"),
            Term("waiting_p50, …, waiting_max", "time in the queue"),
            Term("shape", "largest part of the messages that moved across any latency"),
            Term("queue", "messages waiting, on average"),
            Term("busy", "time in the handler as a part of the time, per block"),
            Title("Exit codes:"),
            Term("0", "the recordings were compared, and no condition holds"),
            Term("1", "a condition holds"),
            Term("2", "wrong usage, or a recording cannot be read"),
        ],
        width,
    )
}
