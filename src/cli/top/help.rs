//! Below the options of `ringscope top --help`.

use crate::cli::help::Part::{Example, Prose, Term, Title};
use crate::cli::help::page;

/// Lays the page out.
pub fn top(width: usize) -> String {
    page(
        &[
            Title("Examples:"),
            Example("ringscope top", "three ring kernels on this machine, until q"),
            Example("ringscope top --kernels 16 --blocks 64", "more of them, each with a map of its blocks"),
            Example("ringscope top --inject-errors 0.1", "with errors to look at"),
            Example("ringscope top --connect http://gpu7:9464", "a `ringscope serve`, or a program that serves itself"),
            Example("ringscope top --replay run.rscope --speed 10", "a recording, ten times as fast"),
            Example("ringscope top --replay run.rscope | grep hangs", "without a terminal: lines"),
            Title("Pages:"),
            Term("1 kernels", "a table of all of them: sort by s or a click on a title, filter by /"),
            Term("2 kernel", "one over time: latencies as a heat map, throughput, queue, errors, rates over windows"),
            Term("3 blocks", "each block a cell, coloured by where it is: a hang is an island"),
            Term("4 log", "what happened: kernels, events, failed and slow operations, alerts"),
            Term("5 machine", "processors, memory, GPUs"),
            Term("6 alerts", "what rules found"),
            Term("7 telemetry", "what telemetry itself costs, and what it lost"),
            Title("Keys:"),
            Prose(
                "? shows all keys. Enter looks closer, Esc goes back; Space holds what is shown, and , and . step through \
                 the moments that are kept; + and - zoom the time; y copies what is selected; q quits. The mouse works too.",
            ),
            Title("Servers:"),
            Prose(
                "What --connect shows comes from the path /live.rscope, moment by moment. When the server is gone, the newest \
                 numbers stay, dimmed, with how old they are, and it is tried again after 1 s, 2 s, 4 s, up to 30 s.",
            ),
            Title("Colours:"),
            Prose(
                "Colours are told apart by people who do not see all of them, and none stands alone: a sign or a word says \
                 the same. NO_COLOR turns them off; COLORTERM=truecolor is for terminals with all of them. Without a UTF-8 \
                 locale everything is drawn in ASCII.",
            ),
            Title("Exit codes:"),
            Term("0", "you have quit; of a workload of its own: every reply was correct, as for `ringscope run`"),
            Term("1", "as `ringscope run`; or there is no terminal that can be drawn on, or a file cannot be read"),
            Term("2", "wrong usage"),
        ],
        width,
    )
}
