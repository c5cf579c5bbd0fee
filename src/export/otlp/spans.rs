//! Spans. What OpenTelemetry has no place for, instants and samples of counters, is not in a request; spans that go on are
//! not either, since who receives a span takes it for ended. How many records were lost is an attribute of the scope.

use super::attributes::{attribute, pair, resource, scope};
use super::messages::{self, Event, KeyValue, Status as OtlpStatus};
#[cfg(feature = "otlp")]
use super::operations::{self, Operations};
#[cfg(feature = "otlp")]
use super::requests::Request;
use super::requests::{Encoding, Form, Names, Requests};
#[cfg(feature = "otlp")]
use crate::trace::Source;
use crate::trace::{DeviceTrack, Span, SpanKind, Status, Time, Trace, Track};

pub(super) const NAMES: Names = Names { resources: "resourceSpans", scopes: "scopeSpans", items: "spans" };

/// Writes the trace as one request.
pub(in crate::export) fn whole(trace: &Trace, encoding: Encoding) -> Result<Vec<u8>, serde_json::Error> {
    let form = Form { encoding, most_bytes: usize::MAX };
    let mut requests = Requests::new(&NAMES, form, &resource(&trace.source));
    write(trace, &mut requests);
    requests.finish_one()
}

/// Writes the spans of a trace, and those of operations, in requests of a limited size.
#[cfg(feature = "otlp")]
pub(crate) fn traces(
    source: &Source,
    trace: Option<&Trace>,
    ended: Operations<'_>,
    form: Form,
) -> Result<Vec<Request>, serde_json::Error> {
    let mut requests = Requests::new(&NAMES, form, &resource(source));
    if let Some(trace) = trace {
        write(trace, &mut requests);
    }
    requests.scope(&scope("ringscope.operations", Vec::new()));
    operations::spans(ended).for_each(|span| requests.message(&span));
    requests.finish()
}

fn write(trace: &Trace, requests: &mut Requests) {
    for (device, spans) in by_device(trace) {
        requests.scope(&scope_of(trace, device));
        spans.iter().filter_map(|span| otlp_span(span)).for_each(|span| requests.message(&span));
    }
}

/// The spans that ended, those of the host first.
fn by_device(trace: &Trace) -> Vec<(Option<&DeviceTrack>, Vec<&Span>)> {
    let mut groups: Vec<(Option<&DeviceTrack>, Vec<&Span>)> = vec![(None, Vec::new())];
    for span in trace.spans.iter().filter(|span| span.end.is_some()) {
        let device = span.track.device().map(|device| &**device);
        match groups.iter_mut().find(|(known, _)| *known == device) {
            Some((_, spans)) => spans.push(span),
            None => groups.push((device, vec![span])),
        }
    }
    groups
}

/// Who recorded spans: the host, or a device. Its loss is that of its tracks.
fn scope_of(trace: &Trace, device: Option<&DeviceTrack>) -> messages::InstrumentationScope {
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
    scope(if device.is_some() { "ringscope.device" } else { "ringscope" }, attributes)
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
