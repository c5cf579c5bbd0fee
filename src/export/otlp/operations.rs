//! Operations and network operations: what is known of them, and spans of them.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::time::{Duration, SystemTime};

use super::attributes::pair;
use super::messages::{KeyValue, Span, Status};
use super::time::unix_ns;
use crate::collector::{NetworkRecord, OperationRecord, ThreadInfo};
use crate::snapshot::OperationStatus;
use crate::trace::Value;

// `Span.SpanKind`.
const INTERNAL: i32 = 1;
const CLIENT: i32 = 3;

/// What ended since the last time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Operations<'a> {
    pub(crate) operations: &'a [OperationRecord],
    pub(crate) network: &'a [NetworkRecord],
}

pub(super) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// When it ended, in Unix time.
pub(super) fn ended_ns(start: SystemTime, duration: Duration) -> u64 {
    unix_ns(start).saturating_add(nanoseconds(duration))
}

/// What is known of an operation, but for its times.
pub(super) fn attributes(of: &OperationRecord) -> Vec<KeyValue> {
    let mut attributes = vec![
        pair("ringscope.operation", of.name.to_string().into()),
        pair("ringscope.status", of.status.name().into()),
    ];
    attributes.extend(of.id.as_ref().map(|id| pair("ringscope.operation.id", id.to_string().into())));
    attributes.extend((of.retries > 0).then(|| pair("ringscope.retries", of.retries.into())));
    attributes.extend(of.error.as_ref().map(|error| pair("error.message", error.to_string().into())));
    if let Some(device) = &of.device {
        attributes.push(pair("ringscope.kernel", device.kernel.to_string().into()));
        attributes.extend(device.block.map(|block| pair("ringscope.block", block.into())));
        attributes.extend(device.number.map(|number| pair("messaging.message.id", number.to_string().into())));
        attributes.push(pair("ringscope.code", device.code.into()));
        attributes.push(pair("ringscope.messages", device.messages.into()));
    }
    attributes.extend(thread(of.thread.as_deref()));
    for (key, value) in of.labels.iter() {
        // Keys are unique.
        if !attributes.iter().any(|known| known.key == key) {
            attributes.push(pair(key.to_owned(), value.to_owned().into()));
        }
    }
    attributes
}

/// What is known of a network operation, but for its times.
pub(super) fn network_attributes(of: &NetworkRecord) -> Vec<KeyValue> {
    let mut attributes = vec![
        pair("network.protocol.name", of.kind.to_string().into()),
        pair("server.address", of.host.to_string().into()),
        pair("server.port", of.port.into()),
        pair("ringscope.status", of.status.name().into()),
        pair("ringscope.sent_bytes", of.bytes_sent.into()),
        pair("ringscope.received_bytes", of.bytes_received.into()),
        pair("ringscope.latency_ns", nanoseconds(of.latency).into()),
    ];
    attributes.extend(of.error.as_ref().map(|error| pair("error.message", error.to_string().into())));
    attributes.extend(thread(Some(&of.thread)));
    attributes
}

fn thread(of: Option<&ThreadInfo>) -> impl Iterator<Item = KeyValue> {
    let id = of.and_then(|thread| thread.id).map(|id| pair("thread.id", id.into()));
    let name =
        of.and_then(|thread| thread.name.as_ref()).map(|name| pair("thread.name", Value::from(name.to_string())));
    id.into_iter().chain(name)
}

/// Each as the only span of a trace of its own: what it was a part of, nobody knows. Messages of kernels are not among them:
/// those that are known one by one are spans of the trace.
pub(super) fn spans<'a>(all: Operations<'a>) -> impl Iterator<Item = Span> + 'a {
    let operations = all.operations.iter().filter(|of| of.device.is_none()).map(operation_span);
    operations.chain(all.network.iter().map(network_span))
}

fn operation_span(of: &OperationRecord) -> Span {
    let ids = ids((&of.name, &of.id, of.start_time, of.duration, of.thread.as_ref().map(|t| t.id)));
    Span {
        name: of.name.to_string(),
        kind: INTERNAL,
        attributes: attributes(of),
        ..span(ids, of.start_time, of.duration, of.status, of.error.as_deref())
    }
}

fn network_span(of: &NetworkRecord) -> Span {
    let ids = ids((&of.kind, &of.host, of.port, of.start_time, of.duration, of.thread.id));
    Span {
        name: format!("{} {}:{}", of.kind, of.host, of.port),
        kind: CLIENT,
        attributes: network_attributes(of),
        ..span(ids, of.start_time, of.duration, of.status, of.error.as_deref())
    }
}

fn span(
    [trace_id, span_id]: [Vec<u8>; 2],
    start: SystemTime,
    duration: Duration,
    status: OperationStatus,
    error: Option<&str>,
) -> Span {
    let failed = || Status { message: error.unwrap_or_default().to_owned(), code: 2 };
    Span {
        trace_id,
        span_id,
        start_time_unix_nano: unix_ns(start),
        end_time_unix_nano: ended_ns(start, duration),
        status: match status {
            OperationStatus::Succeeded => Some(Status { message: String::new(), code: 1 }),
            OperationStatus::Failed => Some(failed()),
            OperationStatus::Abandoned => None,
        },
        flags: 1,
        ..Span::default()
    }
}

/// Numbers of a trace and a span that are the same each time that the record is written, and another record's are others.
fn ids(of: impl Hash) -> [Vec<u8>; 2] {
    let number = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, std::process::id(), &of).hash(&mut hasher);
        // Zero is none.
        (hasher.finish() | 1).to_be_bytes()
    };
    [[number(0), number(1)].concat(), number(2).to_vec()]
}
