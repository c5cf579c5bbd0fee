//! OpenTelemetry's protocol: one message, in protobuf and in JSON.
//!
//! It has spans. What it has no place for, instants and samples of counters, is not in it; spans that go on are not either,
//! since who receives a span takes it for ended. How many records were lost is an attribute of the scope.

mod json;
mod messages;

use prost::Message;

use self::messages::{
    AnyValue, Event, ExportTraceServiceRequest, InstrumentationScope, KeyValue, OneValue, Resource, ResourceSpans,
    ScopeSpans, Status as OtlpStatus,
};
use crate::trace::{Attribute, DeviceTrack, Name, Span, SpanKind, Status, Time, Trace, Track, Value};

/// Writes the trace in protobuf.
pub(super) fn protobuf(trace: &Trace) -> Vec<u8> {
    request(trace).encode_to_vec()
}

/// Writes the trace in JSON, on one line.
pub(super) fn json(trace: &Trace) -> Result<String, serde_json::Error> {
    serde_json::to_string(&json::Request(&request(trace)))
}

fn request(trace: &Trace) -> ExportTraceServiceRequest {
    let mut scopes = vec![scope(trace, None)];
    let mut devices: Vec<&DeviceTrack> = Vec::new();
    for span in trace.spans.iter().filter(|span| span.end.is_some()) {
        let place = match span.track.device().map(|device| &**device) {
            None => 0,
            Some(device) => devices.iter().position(|known| *known == device).map_or_else(
                || {
                    devices.push(device);
                    scopes.push(scope(trace, Some(device)));
                    scopes.len() - 1
                },
                |known| known + 1,
            ),
        };
        scopes[place].spans.extend(otlp_span(span));
    }
    scopes.retain(|scope| !scope.spans.is_empty());
    let resource_spans = ResourceSpans { resource: Some(resource(trace)), scope_spans: scopes };
    ExportTraceServiceRequest { resource_spans: vec![resource_spans] }
}

fn resource(trace: &Trace) -> Resource {
    let mut attributes = vec![
        pair("service.name", Value::Text(trace.source.service.clone())),
        pair("process.pid", trace.source.pid.into()),
        pair("telemetry.sdk.name", "ringscope".into()),
        pair("telemetry.sdk.language", "rust".into()),
        pair("telemetry.sdk.version", env!("CARGO_PKG_VERSION").into()),
    ];
    attributes.extend(trace.source.attributes.iter().map(attribute));
    Resource { attributes }
}

/// Who recorded spans: the host, or a device. Its loss is that of its tracks.
fn scope(trace: &Trace, device: Option<&DeviceTrack>) -> ScopeSpans {
    let of = |track: &Track| track.device().map(|device| &**device) == device;
    let lost =
        trace.lost.iter().filter(|lost| of(&lost.track)).fold(0_u64, |sum, lost| sum.saturating_add(lost.records));
    let mut attributes = Vec::new();
    if let Some(device) = device {
        attributes.push(pair("hw.id", device.ordinal.to_string().into()));
        attributes.push(pair("hw.name", device.name.clone().into()));
    }
    if lost > 0 {
        attributes.push(pair("ringscope.lost_records", lost.into()));
    }
    let name = if device.is_some() { "ringscope.device" } else { "ringscope" };
    let version = env!("CARGO_PKG_VERSION").to_owned();
    ScopeSpans { scope: Some(InstrumentationScope { name: name.to_owned(), version, attributes }), spans: Vec::new() }
}

fn otlp_span(span: &Span) -> Option<messages::Span> {
    let end = span.end?;
    let context = &span.context;
    let event = |event: &crate::trace::SpanEvent| Event {
        time_unix_nano: event.time.unix_ns,
        name: event.name.to_string(),
        attributes: event.attributes.iter().map(attribute).collect(),
    };
    Some(messages::Span {
        trace_id: context.trace_id().to_bytes().to_vec(),
        span_id: context.span_id().to_bytes().to_vec(),
        trace_state: context.tracestate().unwrap_or_default().to_owned(),
        parent_span_id: span.parent.map(|parent| parent.to_bytes().to_vec()).unwrap_or_default(),
        name: span.name.to_string(),
        kind: kind(span.kind),
        start_time_unix_nano: span.begin.unix_ns,
        end_time_unix_nano: end_unix_ns(&span.begin, &end),
        attributes: span.attributes.iter().map(attribute).chain(places(span)).collect(),
        dropped_attributes_count: span.dropped_attributes,
        events: span.events.iter().map(event).collect(),
        dropped_events_count: span.dropped_events,
        status: status(&span.status),
        flags: context.flags().into(),
    })
}

/// As long after the begin as the clock that took both says: Unix times of a device are each off a little.
fn end_unix_ns(begin: &Time, end: &Time) -> u64 {
    begin.unix_ns.saturating_add(end.since_ns(begin))
}

/// Where it was, and which message it handled.
fn places(span: &Span) -> impl Iterator<Item = KeyValue> {
    let mut places = Vec::new();
    match &span.track {
        Track::Thread(thread) => {
            places.push(pair("thread.id", thread.id.into()));
            places.extend((!thread.name.is_empty()).then(|| pair("thread.name", thread.name.clone().into())));
        }
        Track::Sm(sm) => places.push(pair("ringscope.sm", sm.sm.into())),
        Track::Block(block) => {
            places.push(pair("ringscope.sm", block.sm.sm.into()));
            places.push(pair("ringscope.kernel", block.kernel.to_string().into()));
            places.push(pair("ringscope.block", block.block.into()));
            places.push(pair("ringscope.role", block.role.into()));
        }
        _ => {}
    }
    if span.begin.uncertainty_ns > 0 {
        places.push(pair("ringscope.clock_uncertainty_ns", span.begin.uncertainty_ns.into()));
    }
    if let Some(message) = &span.message {
        places.push(pair("messaging.destination.name", message.kernel.to_string().into()));
        places.push(pair("messaging.message.id", message.number.to_string().into()));
    }
    places.into_iter()
}

/// `Span.SpanKind`.
fn kind(kind: SpanKind) -> i32 {
    match kind {
        SpanKind::Internal => 1,
        SpanKind::Server => 2,
        SpanKind::Client => 3,
        SpanKind::Producer => 4,
        SpanKind::Consumer => 5,
    }
}

/// `Status.StatusCode`.
fn status(status: &Status) -> Option<OtlpStatus> {
    match status {
        Status::Unset => None,
        Status::Ok => Some(OtlpStatus { message: String::new(), code: 1 }),
        Status::Error(why) => Some(OtlpStatus { message: why.to_string(), code: 2 }),
    }
}

fn attribute(attribute: &Attribute) -> KeyValue {
    pair(attribute.name.clone(), attribute.value.clone())
}

fn pair(key: impl Into<Name>, value: Value) -> KeyValue {
    let value = match value {
        Value::Bool(value) => OneValue::Bool(value),
        Value::Int(value) => OneValue::Int(value),
        Value::Float(value) => OneValue::Double(value),
        Value::Text(text) => OneValue::String(text.into_owned()),
    };
    KeyValue { key: key.into().into_owned(), value: Some(AnyValue { value: Some(value) }) }
}
