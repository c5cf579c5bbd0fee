//! What is on the dashboard.

use super::model::Column::{Count, Last, Max, Percentile, Ranges, Sum, Time, Values};
use super::model::{Chart, Column, Data, Search, Shape, handling};
use crate::dashboard::metric::{HANDLING, STATE};

const DURATION: &str = "event.duration";
const NAME: &str = "event.action";
const PEER: &str = "server.address";
const KERNEL: &str = "labels.kernel";
const OPERATIONS: &str = "not event.category: \"network\"";
const NETWORK: &str = "event.category: \"network\"";
const FAILED: &str = "event.outcome: \"failure\"";
const HALF: (u32, u32) = (24, 12);
const THIRD: (u32, u32) = (16, 12);

fn percentiles(field: &str) -> [Column; 3] {
    [50, 95, 99].map(|percent| Percentile(field.to_owned(), percent))
}

pub(super) fn charts() -> Vec<Chart> {
    let mut all = durations();
    all.extend(statuses());
    all.extend(network());
    all.extend(kernels());
    all
}

#[rustfmt::skip]
fn durations() -> Vec<Chart> {
    let [p50, p95, p99] = percentiles(DURATION);
    vec![
        Chart { id: "duration-distribution", title: "Durations of operations", description: "Operations by how long they took.",
            data: Data::Operations, only: OPERATIONS, shape: Shape::Bars, columns: vec![Ranges(DURATION), Count], size: HALF },
        Chart { id: "duration-percentiles", title: "Durations over time", description: "The times that 50, 95 and 99 of 100 operations took.",
            data: Data::Operations, only: OPERATIONS, shape: Shape::Lines, columns: vec![Time, p50, p95, p99], size: HALF },
        Chart { id: "duration-heatmap", title: "Durations over time, each operation", description: "How many operations took how long, over time.",
            data: Data::Operations, only: OPERATIONS, shape: Shape::Heatmap, columns: vec![Time, Ranges(DURATION), Count], size: HALF },
        Chart { id: "operations-by-name", title: "Operations by name", description: "Of each name: how many ended, the times that 50 and 99 of 100 took, the longest.",
            data: Data::Operations, only: OPERATIONS, shape: Shape::Table,
            columns: vec![Values(NAME, 20), Count, Percentile(DURATION.into(), 50), Percentile(DURATION.into(), 99), Max(DURATION.into())], size: HALF },
    ]
}

#[rustfmt::skip]
fn statuses() -> Vec<Chart> {
    vec![
        Chart { id: "status-over-time", title: "Status over time", description: "Operations that ended, by how.",
            data: Data::Operations, only: "", shape: Shape::StackedBars, columns: vec![Time, Values("ringscope.status", 3), Count], size: HALF },
        Chart { id: "status", title: "Status", description: "Operations that ended, by how, as parts of all.",
            data: Data::Operations, only: "", shape: Shape::Donut, columns: vec![Values("ringscope.status", 3), Count], size: (12, 12) },
        Chart { id: "retries-by-name", title: "Retries", description: "Retries of operations, by name.",
            data: Data::Operations, only: OPERATIONS, shape: Shape::Table, columns: vec![Values(NAME, 10), Sum("ringscope.retries".into())], size: (12, 12) },
        Chart { id: "failures-over-time", title: "Failures over time", description: "Operations that failed, by name.",
            data: Data::Operations, only: FAILED, shape: Shape::StackedBars, columns: vec![Time, Values(NAME, 10), Count], size: HALF },
        Chart { id: "events-over-time", title: "Events over time", description: "Events of kernels (launched, stalled, failed, …) and of the application, by name.",
            data: Data::Events, only: "", shape: Shape::StackedBars, columns: vec![Time, Values(NAME, 10), Count], size: HALF },
    ]
}

#[rustfmt::skip]
fn network() -> Vec<Chart> {
    let latency = || Percentile("ringscope.latency".into(), 95);
    vec![
        Chart { id: "network-traffic", title: "Network traffic", description: "Bytes sent and received, by time.",
            data: Data::Operations, only: NETWORK, shape: Shape::Lines, columns: vec![Time, Sum("client.bytes".into()), Sum("server.bytes".into())], size: THIRD },
        Chart { id: "network-latency", title: "Network latency", description: "The time in which 95 of 100 network operations got a peer's answer, by peer.",
            data: Data::Operations, only: NETWORK, shape: Shape::Lines, columns: vec![Time, Values(PEER, 10), latency()], size: THIRD },
        Chart { id: "network-peers", title: "Peers", description: "Of each peer: operations that ended, bytes of both ways, latency.",
            data: Data::Operations, only: NETWORK, shape: Shape::Table, columns: vec![Values(PEER, 20), Count, Sum("network.bytes".into()), latency()], size: THIRD },
    ]
}

#[rustfmt::skip]
fn kernels() -> Vec<Chart> {
    let handled = format!("summary.{}.count", HANDLING.classic.name());
    vec![
        Chart { id: "kernel-messages", title: "Messages handled", description: "Messages that kernels handled, by kernel.",
            data: Data::Metrics, only: "", shape: Shape::StackedBars, columns: vec![Time, Values(KERNEL, 10), Sum(handled)], size: THIRD },
        Chart { id: "kernel-latency", title: "Handling time, p99", description: "The time that 99 of 100 messages are handled in, by kernel; of the device's own buckets.",
            data: Data::Metrics, only: "", shape: Shape::Lines, columns: vec![Time, Values(KERNEL, 10), Percentile(handling(), 99)], size: THIRD },
        Chart { id: "kernel-states", title: "States", description: "The state that each kernel was in at last.",
            data: Data::Metrics, only: "", shape: Shape::Table, columns: vec![Values(KERNEL, 100), Last(format!("state.{}", STATE.name()))], size: THIRD },
    ]
}

#[rustfmt::skip]
pub(super) fn searches() -> Vec<Search> {
    vec![
        Search { id: "failures", title: "Failures", description: "Operations that failed, the newest first, with what went wrong.",
            data: Data::Operations, only: FAILED, fields: &[NAME, DURATION, "error.message", "ringscope.kernel", "service.name"] },
        Search { id: "kernel-events", title: "Events of kernels", description: "What happened to kernels, the newest first.",
            data: Data::Events, only: "event.provider: \"kernel\"", fields: &[NAME, "ringscope.kernel", "message", "service.name"] },
    ]
}
