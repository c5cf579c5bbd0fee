//! Jaeger's own JSON, which its page opens: what its query service answers for `/api/traces`.
//!
//! Its times are whole microseconds; a tag of each span has its duration in nanoseconds. Spans that go on end with the trace
//! and have the tag `ringscope.open`, so that a hang can be looked at.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::trace::{Attribute, DeviceTrack, Name, Span, SpanKind, Status, Trace, TraceId, Track, Value};

/// The whole document.
#[derive(Serialize)]
pub(super) struct Document<'a> {
    data: Vec<OneTrace<'a>>,
    total: usize,
    limit: usize,
    offset: usize,
    errors: Option<()>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OneTrace<'a> {
    #[serde(rename = "traceID")]
    trace_id: String,
    spans: Vec<OneSpan<'a>>,
    processes: BTreeMap<String, Process>,
    warnings: Option<()>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OneSpan<'a> {
    #[serde(rename = "traceID")]
    trace_id: String,
    #[serde(rename = "spanID")]
    span_id: String,
    operation_name: &'a str,
    references: Vec<Reference>,
    start_time: u64,
    duration: u64,
    tags: Vec<Tag>,
    logs: Vec<Log>,
    #[serde(rename = "processID")]
    process_id: String,
    warnings: Option<Vec<String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reference {
    ref_type: &'static str,
    #[serde(rename = "traceID")]
    trace_id: String,
    #[serde(rename = "spanID")]
    span_id: String,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Process {
    service_name: String,
    tags: Vec<Tag>,
}

#[derive(Clone, Serialize)]
struct Tag {
    key: String,
    #[serde(rename = "type")]
    kind: &'static str,
    value: TagValue,
}

#[derive(Clone, Serialize)]
#[serde(untagged)]
enum TagValue {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
}

#[derive(Serialize)]
struct Log {
    timestamp: u64,
    fields: Vec<Tag>,
}

impl<'a> Document<'a> {
    pub(super) fn from_trace(trace: &'a Trace) -> Self {
        let mut traces: BTreeMap<TraceId, OneTrace<'a>> = BTreeMap::new();
        for span in &trace.spans {
            let trace_id = span.context.trace_id();
            let of = traces.entry(trace_id).or_insert_with(|| OneTrace {
                trace_id: trace_id.to_string(),
                spans: Vec::new(),
                processes: BTreeMap::new(),
                warnings: None,
            });
            let (process_id, process) = process(trace, span.track.device().map(|device| &**device));
            of.processes.entry(process_id.clone()).or_insert_with(process);
            of.spans.push(one_span(trace, span, process_id));
        }
        let data: Vec<_> = traces.into_values().collect();
        Document { total: data.len(), data, limit: 0, offset: 0, errors: None }
    }
}

/// The host, or a device: each is a service of its own there.
fn process<'a>(trace: &'a Trace, device: Option<&'a DeviceTrack>) -> (String, impl FnOnce() -> Process + 'a) {
    let id = device.map_or("p1".to_owned(), |device| format!("p{}", u64::from(device.ordinal) + 2));
    let make = move || {
        let source = &trace.source;
        let service_name = match device {
            None => source.service.to_string(),
            Some(device) => format!("{} device {}", source.service, device.ordinal),
        };
        let mut tags = vec![tag("pid", source.pid)];
        tags.extend(device.map(|device| tag("hw.name", device.name.clone())));
        tags.extend(source.attributes.iter().map(tag_of));
        Process { service_name, tags }
    };
    (id, make)
}

fn one_span<'a>(trace: &Trace, span: &'a Span, process_id: String) -> OneSpan<'a> {
    let duration_ns = span.duration_ns().unwrap_or_else(|| trace.end.unix_ns.saturating_sub(span.begin.unix_ns));
    let trace_id = span.context.trace_id().to_string();
    let parent = span.parent.map(|parent| Reference {
        ref_type: "CHILD_OF",
        trace_id: trace_id.clone(),
        span_id: parent.to_string(),
    });
    let log = |event: &crate::trace::SpanEvent| {
        let name = std::iter::once(tag("event", event.name.clone()));
        Log { timestamp: event.time.unix_ns / 1000, fields: name.chain(event.attributes.iter().map(tag_of)).collect() }
    };
    let dropped = u64::from(span.dropped_attributes) + u64::from(span.dropped_events);
    OneSpan {
        trace_id,
        span_id: span.context.span_id().to_string(),
        operation_name: &span.name,
        references: parent.into_iter().collect(),
        start_time: span.begin.unix_ns / 1000,
        duration: duration_ns / 1000,
        tags: tags(span, duration_ns),
        logs: span.events.iter().map(log).collect(),
        process_id,
        warnings: (dropped > 0).then(|| vec![format!("{dropped} attributes and events were over their bounds")]),
    }
}

fn tags(span: &Span, duration_ns: u64) -> Vec<Tag> {
    let mut tags: Vec<Tag> = span.attributes.iter().map(tag_of).collect();
    tags.push(tag("duration_ns", duration_ns));
    let kind = match span.kind {
        SpanKind::Internal => "internal",
        SpanKind::Server => "server",
        SpanKind::Client => "client",
        SpanKind::Producer => "producer",
        SpanKind::Consumer => "consumer",
    };
    tags.push(tag("span.kind", kind));
    match &span.status {
        Status::Unset => {}
        Status::Ok => tags.push(tag("otel.status_code", "OK")),
        Status::Error(why) => {
            tags.push(tag("error", true));
            tags.push(tag("otel.status_description", why.clone()));
        }
    }
    match &span.track {
        Track::Thread(thread) => {
            tags.push(tag("thread.id", thread.id));
            tags.push(tag("thread.name", thread.name.clone()));
        }
        Track::Block(block) => {
            tags.push(tag("ringscope.sm", block.sm.sm));
            tags.push(tag("ringscope.kernel", block.kernel.to_string()));
            tags.push(tag("ringscope.block", block.block));
        }
        _ => {}
    }
    tags.extend(span.message.as_ref().map(|message| tag("ringscope.message", message.number)));
    tags.extend(span.context.tracestate().map(|state| tag("w3c.tracestate", state.to_owned())));
    if span.end.is_none() {
        tags.push(tag("ringscope.open", true));
    }
    tags
}

fn tag_of(attribute: &Attribute) -> Tag {
    tag(attribute.name.clone(), attribute.value.clone())
}

fn tag(key: impl Into<Name>, value: impl Into<Value>) -> Tag {
    let (kind, value) = match value.into() {
        Value::Bool(value) => ("bool", TagValue::Bool(value)),
        Value::Int(value) => ("int64", TagValue::Int(value)),
        Value::Float(value) if value.is_finite() => ("float64", TagValue::Float(value)),
        // JSON has no number for them.
        Value::Float(value) => ("string", TagValue::Text(value.to_string())),
        Value::Text(text) => ("string", TagValue::Text(text.into_owned())),
    };
    Tag { key: key.into().into_owned(), kind, value }
}
