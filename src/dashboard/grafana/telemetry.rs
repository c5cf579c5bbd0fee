//! Telemetry itself: what it costs, what it drops, whether what is published arrives.

use super::Metric;
use super::model::{Dashboard, Kind, Panel, Row};
use super::promql::{RANGE, classic, max, of, rate, since, sum};
use crate::dashboard::metric::*;

const INSTANCE: &str = "{{instance}}";
const DESTINATION: &str = "instance, destination";
const TO: &str = "{{instance}} {{destination}}";

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        uid: "ringscope-telemetry",
        title: "ringscope: telemetry itself",
        description: "What telemetry costs, what it had to drop, and whether what is published arrives.",
        variables: &[],
        rows: vec![
            Row::new("Collection", collection()),
            Row::new("Metrics and losses", losses()),
            Row::new("The device's clock", clock()),
            Row::new("Publishing", publishing()),
        ],
    }
}

fn lines(title: &'static str, says: &str, unit: &'static str, metric: Metric) -> Panel {
    Panel::new(title, says, unit).size(8, 7).ask(max("instance", metric), INSTANCE)
}

fn rates(title: &'static str, says: &str, metric: Metric) -> Panel {
    Panel::new(title, says, "ops").size(8, 7).ask(rate(metric, "instance"), INSTANCE)
}

fn collection() -> Vec<Panel> {
    let p99 = format!("histogram_quantile(0.99, sum by (instance, le) (rate({}{RANGE})))", bucket(COLLECTION_DURATION));
    vec![
        rates("Snapshots", "Snapshots taken, on demand and by periodic collection, per second.", COLLECTIONS),
        rates("Snapshots failed", "Snapshots that failed because of a device error, per second.", COLLECTION_FAILURES),
        lines(
            "Number of the snapshot",
            "Sequence number of the newest snapshot; it begins again with the process.",
            "short",
            SNAPSHOTS,
        ),
        Panel::new("Duration of a snapshot", "Snapshots by the time that they took.", "s")
            .kind(Kind::Heatmap)
            .ask(classic(COLLECTION_DURATION), "{{le}}"),
        Panel::new("Duration of a snapshot, p99", "The time that 99 of 100 snapshots take.", "s").ask(p99, INSTANCE),
        lines(
            "Copy",
            "Duration of the copy from the device; counters of a snapshot are at most this far apart.",
            "s",
            COPY_SECONDS,
        ),
        lines("Copied", "Bytes copied from the device for a snapshot.", "bytes", COPIED_BYTES),
        Panel::new("Age of the snapshot", "Time since the newest snapshot was taken.", "s")
            .size(8, 7)
            .ask(since(SNAPSHOT_TIME, "instance"), INSTANCE),
    ]
}

/// A classic histogram's buckets, of what the variables choose.
fn bucket(metric: Metric) -> String {
    of(metric).replacen('{', "_bucket{", 1)
}

fn losses() -> Vec<Panel> {
    let latency = sum("instance, quantile", &of(TASK_LATENCY));
    vec![
        Panel::new("Dropped", "Items dropped, per second, by what they were: each list and queue is bounded.", "ops")
            .kind(Kind::Stacked)
            .size(8, 7)
            .ask(rate(TELEMETRY_DROPPED, "instance, what"), "{{instance}} {{what}}"),
        Panel::new(
            "Values not counted",
            "Values that a histogram could not count, not finite or out of its range, per second.",
            "ops",
        )
        .size(8, 7)
        .ask(rate(VALUES_DROPPED, "instance, metric"), "{{instance}} {{metric}}"),
        Panel::new(
            "Look-ups missed",
            "Look-ups by kernels that found no metric of their index and kind, and pens of roles that they were not registered with, \
             per second.",
            "ops",
        )
        .size(8, 7)
        .ask(rate(LOOKUP_MISSES, "instance"), "{{instance}} metrics")
        .ask(rate(ROLE_MISSES, "instance"), "{{instance}} roles"),
        lines("Metrics", "Registered metrics; all label sets of one name are one.", "short", REGISTERED),
        lines("Series", "Series of registered metrics.", "short", SERIES),
        rates("Events", "Events that were reported, per second.", EVENTS),
        rates("Hooks that panicked", "Calls of hooks that panicked, per second.", HOOK_PANICS),
        Panel::new(
            "Latency since the start",
            "Quantiles over all messages of a process since its start or last reset.",
            "s",
        )
        .size(16, 7)
        .ask(latency, "{{instance}} {{quantile}}"),
    ]
}

fn clock() -> Vec<Panel> {
    vec![
        lines(
            "Uncertainty",
            "How far times of the device may be from the truth; 0 where both clocks are one.",
            "s",
            CLOCK_UNCERTAINTY,
        ),
        lines("Drift", "How much faster the device's clock runs than the host's.", "percentunit", CLOCK_DRIFT),
        rates(
            "Learned anew",
            "Times that what was known of the device's clock turned out to be wrong, per second.",
            CLOCK_RESTARTS,
        ),
        lines("Devices", "1 for each device of the collector.", "short", DEVICE_INFO),
        lines(
            "Readable",
            "1 for each device that could be read for the newest snapshot, else 0.",
            "short",
            DEVICE_READABLE,
        ),
    ]
}

fn publishing() -> Vec<Panel> {
    let panel = |title, says: &str, unit| Panel::new(title, says, unit).size(8, 7);
    let of_each = |panel: Panel, metrics: &[(Metric, &str)]| {
        metrics
            .iter()
            .fold(panel, |panel, (metric, what)| panel.ask(rate(*metric, DESTINATION), format!("{TO} {what}")))
    };
    vec![
        of_each(
            panel(
                "Items",
                "Items (series, spans, events, documents) to be published, and those that the destination took, per second.",
                "ops",
            ),
            &[(PUBLISH_ENCODED, "offered"), (PUBLISHED, "taken")],
        ),
        panel("Items dropped", "Items that were dropped, per second, by reason.", "ops")
            .kind(Kind::Stacked)
            .ask(rate(PUBLISH_DROPPED, "instance, destination, reason"), format!("{TO} {{{{reason}}}}")),
        panel("Waiting", "Items that wait to be sent, in memory or on disk.", "short")
            .ask(max(DESTINATION, PUBLISH_QUEUED), TO),
        of_each(
            panel(
                "Attempts",
                "Attempts to send, those that failed, and those of what was tried before, per second.",
                "ops",
            ),
            &[(PUBLISH_ATTEMPTS, "attempts"), (PUBLISH_FAILURES, "failures"), (PUBLISH_RETRIES, "again")],
        ),
        of_each(
            panel(
                "Publications",
                "Publications that were offered, and those of which nothing was taken, per second.",
                "ops",
            ),
            &[(PUBLICATIONS, "offered"), (PUBLISH_SKIPPED, "skipped")],
        ),
        panel("Bytes waiting", "Bytes that wait to be sent, in memory or on disk.", "bytes")
            .ask(max(DESTINATION, PUBLISH_QUEUED_BYTES), TO),
        panel("Bytes sent", "Bytes of what the destination took, per second.", "Bps")
            .ask(rate(PUBLISH_BYTES, DESTINATION), TO),
        panel("Last success", "Time since the destination took something.", "s")
            .ask(since(PUBLISH_LAST_SUCCESS, DESTINATION), TO),
        panel(
            "Circuit",
            "Open while only one attempt is made now and then, after too many failures in a row.",
            "short",
        )
        .kind(Kind::States(vec![(0, "closed", "#009E73"), (1, "open", "#D55E00")]))
        .ask(max(DESTINATION, PUBLISH_CIRCUIT_OPEN), TO),
    ]
}
