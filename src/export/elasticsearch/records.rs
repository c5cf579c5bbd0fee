//! What happened, one document each: operations, network operations, events of the application, events of kernels.

use std::time::Duration;

use super::json::Fields;
use crate::collector::{ApplicationEvent, EventKind, KernelEvent, NetworkRecord, OperationRecord, ThreadInfo};
use crate::snapshot::OperationStatus;

/// The fields of `event.outcome`'s three values.
fn outcome(status: OperationStatus) -> &'static str {
    match status {
        OperationStatus::Succeeded => "success",
        OperationStatus::Failed => "failure",
        OperationStatus::Abandoned => "unknown",
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn error(fields: &mut Fields, error: Option<&str>) {
    error.iter().for_each(|error| fields.text(&["error.message"], error));
}

fn thread(fields: &mut Fields, thread: &ThreadInfo) {
    thread.id.iter().for_each(|id| fields.count(&["process.thread.id"], (*id).into()));
    thread.name.iter().for_each(|name| fields.text(&["process.thread.name"], name));
}

/// How it ended and how long it took; its time is that of its begin.
fn ended(fields: &mut Fields, status: OperationStatus, start: std::time::SystemTime, duration: Duration) {
    fields.time(&["@timestamp"], start);
    if let Some(end) = start.checked_add(duration) {
        fields.time(&["event.end"], end);
    }
    fields.text(&["event.kind"], "event");
    fields.count(&["event.duration"], nanos(duration));
    fields.text(&["event.outcome"], outcome(status));
    fields.text(&["ringscope.status"], status.name());
}

pub(super) fn operation(record: &OperationRecord) -> Fields {
    let mut fields = Fields::default();
    ended(&mut fields, record.status, record.start_time, record.duration);
    fields.text(&["event.action"], &record.name);
    record.id.iter().for_each(|id| fields.text(&["event.id"], id));
    fields.count(&["ringscope.retries"], record.retries.into());
    error(&mut fields, record.error.as_deref());
    fields.named("labels.", record.labels.iter());
    record.thread.iter().for_each(|by| thread(&mut fields, by));
    if let Some(device) = &record.device {
        fields.text(&["ringscope.kernel"], &device.kernel);
        device.block.iter().for_each(|block| fields.count(&["ringscope.block"], (*block).into()));
        device.number.iter().for_each(|number| fields.count(&["ringscope.message"], *number));
        fields.count(&["ringscope.code"], device.code.into());
        fields.count(&["ringscope.messages"], device.messages);
    }
    fields
}

pub(super) fn network(record: &NetworkRecord) -> Fields {
    let mut fields = Fields::default();
    ended(&mut fields, record.status, record.start_time, record.duration);
    fields.text(&["event.category"], "network");
    fields.text(&["event.type"], "connection");
    fields.text(&["event.action"], &record.kind);
    fields.text(&["network.protocol"], &record.kind.to_lowercase());
    fields.text(&["network.direction"], "egress");
    fields.count(&["network.bytes"], record.bytes_sent.saturating_add(record.bytes_received));
    fields.text(&["server.address"], &record.host);
    fields.count(&["server.port"], record.port.into());
    fields.text(&["url.domain"], &record.host);
    fields.count(&["client.bytes"], record.bytes_sent);
    fields.count(&["server.bytes"], record.bytes_received);
    fields.count(&["ringscope.latency"], nanos(record.latency));
    error(&mut fields, record.error.as_deref());
    thread(&mut fields, &record.thread);
    fields
}

pub(super) fn application_event(event: &ApplicationEvent) -> Fields {
    let mut fields = Fields::default();
    fields.time(&["@timestamp"], event.time);
    fields.text(&["event.kind"], "event");
    fields.text(&["event.provider"], "application");
    fields.text(&["event.action"], &event.name);
    fields.count(&["event.sequence"], event.number);
    fields.real(&["ringscope.value"], event.value);
    fields.named("labels.", event.labels.iter());
    if event.metadata.iter().len() > 0 {
        fields.flattened(&["ringscope.metadata"], event.metadata.iter());
    }
    fields
}

pub(super) fn kernel_event(event: &KernelEvent) -> Fields {
    let mut fields = Fields::default();
    fields.time(&["@timestamp"], event.time);
    fields.text(&["event.kind"], "event");
    fields.text(&["event.provider"], "kernel");
    fields.text(&["event.action"], event.kind.name());
    fields.text(&["ringscope.kernel"], &event.kernel_id);
    let mut message = format!("kernel {} {}", event.kernel_id.escape_debug(), event.kind);
    if let Some(stall) = &event.stall {
        message.push_str(&format!(": {}", stall.status));
        fields.count(&["ringscope.block"], stall.block.into());
        fields.time(&["ringscope.stalled_since"], stall.since);
        fields.text(&["ringscope.place"], &stall.status.place.to_string());
    }
    if matches!(event.kind, EventKind::Failed | EventKind::Stalled) {
        fields.text(&["event.outcome"], "failure");
    }
    error(&mut fields, event.died_of.as_deref());
    fields.text(&["message"], &message);
    fields
}
