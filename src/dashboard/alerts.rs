//! Alerts for Prometheus. Each works by itself: none needs a recorded series.

use super::metric::*;
use super::yaml::{Line, document, item, pair};

/// An alert: a value, and what of it is too much.
pub(super) struct Alert {
    pub(super) name: &'static str,
    pub(super) expr: String,
    /// How long it must hold before somebody is told.
    pub(super) hold: &'static str,
    pub(super) severity: &'static str,
    pub(super) summary: &'static str,
    pub(super) description: &'static str,
}

pub(super) struct Group {
    pub(super) name: &'static str,
    pub(super) alerts: Vec<Alert>,
}

const NOTE: &str = "Alerts on ringscope's telemetry, for Prometheus. Made of ringscope's catalog of metrics; docs/dashboards.md has the alerts in a
table. Limits that depend on the application are to be changed here: how slow is slow, how hot is hot.";
const BY_KERNEL: &str = "job, instance, kernel";
const CRITICAL: &str = "critical";
const WARNING: &str = "warning";

/// All of them.
pub(super) fn groups() -> Vec<Group> {
    vec![
        Group { name: "ringscope-kernel-alerts", alerts: kernels() },
        Group { name: "ringscope-operation-alerts", alerts: operations() },
        Group { name: "ringscope-resource-alerts", alerts: resources() },
        Group { name: "ringscope-telemetry-alerts", alerts: telemetry() },
    ]
}

/// The file.
pub(super) fn file() -> String {
    let mut lines = Vec::new();
    for group in groups() {
        if !lines.is_empty() {
            lines.push(Line::Gap);
        }
        let alerts: Vec<Line> = group.alerts.iter().map(alert).collect();
        lines.push(item(vec![pair("name", group.name), pair("rules", alerts)]));
    }
    document(vec![Line::Comment(NOTE), pair("groups", lines)])
}

fn alert(alert: &Alert) -> Line {
    item(vec![
        pair("alert", alert.name),
        pair("expr", alert.expr.clone()),
        pair("for", alert.hold),
        pair("labels", vec![pair("severity", alert.severity)]),
        pair("annotations", vec![pair("summary", alert.summary), pair("description", alert.description)]),
    ])
}

/// What of `all` is `part`, where there is any.
fn fraction(by: &str, part: &str, all: &str) -> String {
    format!("sum by ({by}) (rate({part}[5m]))\n  / (sum by ({by}) (rate({all}[5m])) > 0)")
}

#[rustfmt::skip]
fn kernels() -> Vec<Alert> {
    let failing = format!(
        "sum by ({BY_KERNEL}) (rate({ERRORS}[5m]))\n  \
         / (sum by ({BY_KERNEL}) (rate({ERRORS}[5m]) + rate({PROCESSED}[5m])) > 0)\n  > 0.05"
    );
    let slow = format!("(\n  {}\n) > 0.1", HANDLING.quantile("0.99", BY_KERNEL, "[5m]"));
    vec![
        Alert { name: "RingscopeKernelStalled", expr: format!("time() - {STALLED_SINCE} > 0"), hold: "0m", severity: CRITICAL,
            summary: "A block of kernel {{ $labels.kernel }} has stopped moving",
            description: "For {{ $value | humanizeDuration }} the block has come to no other place. `/stuck` of {{ $labels.instance }} says where its blocks are and what they wait for." },
        Alert { name: "RingscopeKernelFailed", expr: format!("{STATE}{{state=\"failed\"}} == 1"), hold: "0m", severity: CRITICAL,
            summary: "Kernel {{ $labels.kernel }} has failed",
            description: "It ended by an error of the device. Its last numbers are still on the page of {{ $labels.instance }}." },
        Alert { name: "RingscopeKernelSilent", expr: format!("time() - {SIGN_OF_LIFE} > 60 and ignoring (state) {STATE}{{state=\"active\"}} == 1"), hold: "1m", severity: CRITICAL,
            summary: "Kernel {{ $labels.kernel }} is active and gives no sign of life",
            description: "None of its blocks has had a heartbeat for {{ $value | humanizeDuration }}." },
        Alert { name: "RingscopeKernelErrors", expr: failing, hold: "5m", severity: WARNING,
            summary: "Kernel {{ $labels.kernel }} refuses messages",
            description: "It refuses {{ $value | humanizePercentage }} of them; the limit is 5 %." },
        Alert { name: "RingscopeKernelSlow", expr: slow, hold: "5m", severity: WARNING,
            summary: "Kernel {{ $labels.kernel }} takes long to handle messages",
            description: "One of a hundred messages takes longer than {{ $value | humanizeDuration }}; the limit is 100 ms." },
        Alert { name: "RingscopeKernelQueueFull", expr: format!("rate({QUEUE_FULL}[5m]) > 0"), hold: "10m", severity: WARNING,
            summary: "The queue of kernel {{ $labels.kernel }} is full again and again",
            description: "{{ $value | printf \"%.3g\" }} sends a second find it full, and wait or are refused." },
        Alert { name: "RingscopeKernelDropped", expr: format!("increase({DROPPED}[15m]) > 0"), hold: "0m", severity: WARNING,
            summary: "Kernel {{ $labels.kernel }} was stopped with messages in its queues",
            description: "{{ $value | printf \"%.0f\" }} messages or replies were lost." },
    ]
}

#[rustfmt::skip]
fn operations() -> Vec<Alert> {
    let failed = |metric: Metric, by| fraction(by, &format!("{metric}{{status=\"failed\"}}"), &metric.to_string()) + "\n  > 0.05";
    vec![
        Alert { name: "RingscopeOperationsFail", expr: failed(OPERATIONS, "job, instance, name"), hold: "5m", severity: WARNING,
            summary: "Operations {{ $labels.name }} fail",
            description: "{{ $value | humanizePercentage }} of them fail; the limit is 5 %." },
        Alert { name: "RingscopeNetworkFails", expr: failed(NETWORK, "job, instance, kind, peer"), hold: "5m", severity: WARNING,
            summary: "Network operations with {{ $labels.peer }} fail",
            description: "{{ $value | humanizePercentage }} of those of kind {{ $labels.kind }} fail; the limit is 5 %." },
    ]
}

#[rustfmt::skip]
fn resources() -> Vec<Alert> {
    vec![
        Alert { name: "RingscopeCpuBusy", expr: format!("{CPU} > 0.95"), hold: "15m", severity: WARNING,
            summary: "The processors of {{ $labels.instance }} are busy",
            description: "They work {{ $value | humanizePercentage }} of the time; what reads the kernels may come too late." },
        Alert { name: "RingscopeGpuMemoryFull", expr: format!("{GPU_MEMORY_USED} / {GPU_MEMORY_TOTAL} > 0.95"), hold: "5m", severity: WARNING,
            summary: "The memory of GPU {{ $labels.gpu }} of {{ $labels.instance }} is nearly full",
            description: "{{ $value | humanizePercentage }} of it are in use, by all processes together." },
        Alert { name: "RingscopeGpuHot", expr: format!("{GPU_TEMPERATURE} > 85"), hold: "5m", severity: WARNING,
            summary: "GPU {{ $labels.gpu }} of {{ $labels.instance }} is hot",
            description: "It has {{ $value | printf \"%.0f\" }} °C." },
        Alert { name: "RingscopeGpuThrottled", expr: format!("{GPU_THROTTLED} == 1"), hold: "15m", severity: WARNING,
            summary: "GPU {{ $labels.gpu }} of {{ $labels.instance }} runs with throttled clocks",
            description: "For heat, power or by a setting: nvidia-smi -q -d PERFORMANCE says which." },
        Alert { name: "RingscopeGpuMemoryErrors", expr: format!("increase({GPU_ECC_UNCORRECTED}[1h]) > 0"), hold: "0m", severity: CRITICAL,
            summary: "GPU {{ $labels.gpu }} of {{ $labels.instance }} has memory errors that ECC could not correct",
            description: "{{ $value | printf \"%.0f\" }} within an hour. What it computed may be wrong." },
    ]
}

#[rustfmt::skip]
fn telemetry() -> Vec<Alert> {
    let gone = format!("up == 0 and on (job, instance) last_over_time({SNAPSHOT_TIME}[1h])");
    let slow = format!("histogram_quantile(0.99, sum by (job, instance, le) (rate({COLLECTION_DURATION}_bucket[5m]))) > 1");
    vec![
        Alert { name: "RingscopeProcessGone", expr: gone, hold: "1m", severity: CRITICAL,
            summary: "{{ $labels.instance }} is no longer scraped",
            description: "It showed telemetry within the last hour, and does not answer now." },
        Alert { name: "RingscopeAbsent", expr: format!("absent({SNAPSHOT_TIME})"), hold: "5m", severity: WARNING,
            summary: "Nobody shows telemetry",
            description: "Prometheus has no process with ringscope at all: is it scraped?" },
        Alert { name: "RingscopeSnapshotStale", expr: format!("time() - {SNAPSHOT_TIME} > 120"), hold: "1m", severity: WARNING,
            summary: "{{ $labels.instance }} shows an old snapshot",
            description: "It is {{ $value | humanizeDuration }} old: something has stopped reading the kernels." },
        Alert { name: "RingscopeCollectionFails", expr: format!("increase({COLLECTION_FAILURES}[10m]) > 0"), hold: "0m", severity: WARNING,
            summary: "{{ $labels.instance }} cannot read its kernels",
            description: "{{ $value | printf \"%.0f\" }} snapshots failed within ten minutes because of a device error." },
        Alert { name: "RingscopeCollectionSlow", expr: slow, hold: "5m", severity: WARNING,
            summary: "Snapshots of {{ $labels.instance }} take long",
            description: "One of a hundred takes longer than {{ $value | humanizeDuration }}; the limit is one second." },
        Alert { name: "RingscopeTelemetryDropped", expr: format!("increase({TELEMETRY_DROPPED}{{what!=\"history\"}}[15m]) > 0"), hold: "0m", severity: WARNING,
            summary: "{{ $labels.instance }} drops telemetry: {{ $labels.what }}",
            description: "{{ $value | printf \"%.0f\" }} within 15 minutes, because a bounded list or queue was full." },
        Alert { name: "RingscopeTraceRecordsLost", expr: format!("increase({TRACE_LOST}[15m]) > 0"), hold: "0m", severity: "info",
            summary: "Events of kernel {{ $labels.kernel }} are overwritten before they are read",
            description: "{{ $value | printf \"%.0f\" }} records within 15 minutes: larger rings, a filter, or shorter intervals help." },
        Alert { name: "RingscopeValuesDropped", expr: format!("increase({VALUES_DROPPED}[15m]) > 0"), hold: "0m", severity: WARNING,
            summary: "The histogram {{ $labels.metric }} of {{ $labels.instance }} is given values that it cannot count",
            description: "{{ $value | printf \"%.0f\" }} within 15 minutes were not finite or out of its range." },
        Alert { name: "RingscopeHookPanics", expr: format!("increase({HOOK_PANICS}[15m]) > 0"), hold: "0m", severity: WARNING,
            summary: "Hooks of {{ $labels.instance }} panic",
            description: "{{ $value | printf \"%.0f\" }} calls within 15 minutes." },
        Alert { name: "RingscopeDestinationDown", expr: format!("{PUBLISH_CIRCUIT_OPEN} == 1"), hold: "5m", severity: WARNING,
            summary: "{{ $labels.instance }} cannot publish to {{ $labels.destination }}",
            description: "Too many attempts in a row failed; it tries again now and then, and what is not sent waits in a queue." },
        Alert { name: "RingscopePublishingDrops", expr: format!("increase({PUBLISH_DROPPED}[15m]) > 0"), hold: "0m", severity: WARNING,
            summary: "{{ $labels.instance }} drops what it should publish to {{ $labels.destination }}: {{ $labels.reason }}",
            description: "{{ $value | printf \"%.0f\" }} items within 15 minutes." },
    ]
}
