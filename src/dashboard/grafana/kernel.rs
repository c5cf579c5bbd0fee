//! One kernel, or some: work, latencies, queue, life, records of events.

use super::Metric;
use super::model::{Dashboard, Kind, Panel, Row};
use super::overview::KERNELS_TO_CHOOSE;
use super::promql::{classic, max, native, quantile, rate, since, state_number, states};
use crate::dashboard::metric::*;

const KERNEL: &str = "instance, kernel";
const SERIES: &str = "{{instance}} {{kernel}}";

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        uid: "ringscope-kernel",
        title: "ringscope: kernel",
        description: "One kernel: what it does, how long that takes, what waits, and whether it lives.",
        variables: &[KERNELS_TO_CHOOSE],
        rows: vec![
            Row::new("Work", work()),
            Row::new("Latency", latency()),
            Row::new("Latency in classic buckets, for a Prometheus without native histograms", fallback()).closed(),
            Row::new("Queue", queue()),
            Row::new("Life", life()),
            Row::new("Records of events and spans", records()),
        ],
    }
}

/// Per second, of each metric.
fn rates(panel: Panel, metrics: &[(Metric, &str)]) -> Panel {
    metrics.iter().fold(panel, |panel, (metric, what)| panel.ask(rate(*metric, KERNEL), format!("{SERIES} {what}")))
}

fn work() -> Vec<Panel> {
    let busy = Panel::new("Busy", "Fraction of time spent handling messages, averaged over all blocks.", "percentunit");
    vec![
        Panel::new("State", "What state the kernel is in.", "short")
            .kind(Kind::States(states()))
            .size(24, 4)
            .ask(state_number(STATE, KERNEL), SERIES),
        rates(
            Panel::new(
                "Messages",
                "Messages taken from the queue, handled without error, and replies published, per second.",
                "ops",
            ),
            &[(RECEIVED, "received"), (PROCESSED, "handled"), (SENT, "replies")],
        ),
        rates(
            Panel::new(
                "Errors and losses",
                "Messages refused, replies that had to wait for room, and what was lost when a kernel was stopped, per second.",
                "ops",
            ),
            &[(ERRORS, "refused"), (RETRIES, "waited for room"), (DROPPED, "dropped")],
        ),
        rates(
            Panel::new("Bytes", "Payload bytes of received messages and of replies, per second.", "Bps"),
            &[(RECEIVED_BYTES, "in"), (SENT_BYTES, "out")],
        ),
        busy.ask(max(KERNEL, BUSY_RATIO), SERIES),
        rates(
            Panel::new("Blocks at work", "How many blocks handle messages, and how many wait, on average.", "short"),
            &[(BUSY_SECONDS, "at work"), (WAIT_SECONDS, "waiting")],
        ),
        rates(Panel::new("Empty polls", "Polls that found the queue empty, per second.", "ops"), &[(POLLS, "polls")]),
    ]
}

fn latency() -> Vec<Panel> {
    let quantiles = |title, says: &str, of: Durations| {
        let panel = Panel::new(title, says, "s");
        [("0.5", "p50"), ("0.95", "p95"), ("0.99", "p99")]
            .into_iter()
            .fold(panel, |panel, (q, name)| panel.ask(quantile(of, q, KERNEL), format!("{SERIES} {name}")))
    };
    let heat = |title, says: &str, of| Panel::new(title, says, "ns").kind(Kind::Heatmap).ask(native(of), "");
    vec![
        heat("Handling time", "Messages by the time to handle them, in the buckets that the device counted.", HANDLING),
        quantiles(
            "Handling time, percentiles",
            "The times that 50, 95 and 99 of 100 messages are handled in.",
            HANDLING,
        ),
        heat("Waiting time", "Messages by the time that they waited in the queue.", WAITING),
        quantiles(
            "Waiting time, percentiles",
            "The times that 50, 95 and 99 of 100 messages wait in the queue at most.",
            WAITING,
        ),
    ]
}

fn fallback() -> Vec<Panel> {
    let heat = |title, says: &str, of: Durations| {
        Panel::new(title, says, "s").kind(Kind::Heatmap).ask(classic(of.classic), "{{le}}")
    };
    vec![
        heat("Handling time, classic", "Messages by the time to handle them, in powers of two.", HANDLING),
        heat("Waiting time, classic", "Messages by the time that they waited in the queue, in powers of two.", WAITING),
    ]
}

fn queue() -> Vec<Panel> {
    vec![
        Panel::new("Queue", "Messages in the queue, and the most that were in it at once.", "short")
            .ask(max(KERNEL, QUEUE_DEPTH), format!("{SERIES} now"))
            .ask(max(KERNEL, QUEUE_HIGH_WATER), format!("{SERIES} most")),
        rates(
            Panel::new("Queue full", "Sends that found the queue full, and waited or were refused, per second.", "ops"),
            &[(QUEUE_FULL, "full")],
        ),
    ]
}

fn life() -> Vec<Panel> {
    let stat =
        |title, says: &str, unit, expr: String| Panel::new(title, says, unit).stat().size(8, 5).ask(expr, SERIES);
    let milliseconds = |metric| format!("1000 * {}", max(KERNEL, metric));
    vec![
        stat(
            "Running for",
            "Time since the kernel started; of an ended kernel, how long it ran.",
            "s",
            max(KERNEL, UPTIME),
        ),
        stat("Started", "When the kernel's first block started.", "dateTimeAsIso", milliseconds(START_TIME)),
        stat("Blocks", "Blocks of the kernel; 0 for a host actor.", "short", max(KERNEL, BLOCKS)),
        stat(
            "Life",
            "Which life under its id it is: one more each time that it is launched again after its end.",
            "short",
            max(KERNEL, GENERATION),
        ),
        stat("Last message", "Time since a message was completed.", "s", since(LAST_MESSAGE, KERNEL)),
        stat(
            "Last sign of life",
            "Time since the most recent heartbeat of any block.",
            "s",
            since(SIGN_OF_LIFE, KERNEL),
        ),
        stat(
            "Stalled for",
            "Time since the last heartbeat of the block that has stopped moving; 0 while none has.",
            "s",
            format!("{}\n  or 0 * {}", since(STALLED_SINCE, KERNEL), max(KERNEL, BLOCKS)),
        )
        .limits(0.001, 10.0),
    ]
}

fn records() -> Vec<Panel> {
    vec![
        rates(
            Panel::new(
                "Records",
                "Records written into the rings while a trace stream was open, and read from there, per second.",
                "ops",
            ),
            &[(TRACE_WRITTEN, "written"), (TRACE_READ, "read")],
        ),
        rates(
            Panel::new("Records lost", "Records overwritten before they were read, per second.", "ops"),
            &[(TRACE_LOST, "lost")],
        ),
    ]
}
