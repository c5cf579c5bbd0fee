//! The records of one shard as spans, instants, samples and losses.
//!
//! A span is recorded when it ends, so in the order of their numbers the records of a shard are what a walk over a tree gives
//! that visits children first: a span has for children the records just before it that lie inside its time and have no parent
//! yet. Where two times are the same tick, it is the numbers that tell what was inside what.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use super::record::{DeviceRecord, RecordKind};
use crate::abi::status;
use crate::trace::context::TraceContext;
use crate::trace::record::{CounterSample, Instant, InstantKind, Lost, Message, Span, SpanKind, Status};
use crate::trace::recorded::Trace;
use crate::trace::time::Time;
use crate::trace::tracer::SentMessage;
use crate::trace::track::Track;
use crate::trace::value::{Attribute, Name};

/// A record, and who sent the message that it is of.
pub(super) struct Kept {
    pub(super) record: DeviceRecord,
    pub(super) sent: Option<Box<SentMessage>>,
}

/// Adds records of one shard, in the order of their numbers, to a trace. `key` makes the numbers of spans.
pub(super) fn shard(records: &[&Kept], track: &Track, key: &RandomState, trace: &mut Trace) {
    let around = enclosing(records);
    let mut contexts: Vec<Option<TraceContext>> = vec![None; records.len()];
    // Spans around others first: they have the higher numbers.
    for (place, kept) in records.iter().enumerate().rev() {
        let record = &kept.record;
        let outer =
            around[place].and_then(|outer| Some((contexts[outer].clone()?, message_of(&records[outer].record))));
        match &record.kind {
            RecordKind::Message { .. } | RecordKind::Span { .. } => {
                let span = span(kept, outer.map(|(context, _)| context), track, key);
                contexts[place] = Some(span.context.clone());
                trace.spans.push(Arc::new(span));
            }
            _ => point(record, outer, track, trace),
        }
    }
}

/// For each record the place of the innermost span that it is inside of.
fn enclosing(records: &[&Kept]) -> Vec<Option<usize>> {
    let mut around = vec![None; records.len()];
    // Those that nothing is around of yet.
    let mut outermost: Vec<usize> = Vec::new();
    for (place, kept) in records.iter().enumerate() {
        let record = &kept.record;
        if duration(record).is_some() {
            let inside = |inner: &mut usize| {
                let inner = &records[*inner].record;
                // Messages of one block come one after the other, also within one tick.
                let apart = is_message(inner) && is_message(record);
                !apart && moment(&inner.time) >= moment(&record.time)
            };
            while let Some(inner) = outermost.pop_if(inside) {
                around[inner] = Some(place);
            }
        }
        outermost.push(place);
    }
    around
}

fn span(kept: &Kept, outer: Option<TraceContext>, track: &Track, key: &RandomState) -> Span {
    let record = &kept.record;
    let number = |part: u8| key.hash_one((part, &record.kernel, record.shard, record.number, moment(&record.time)));
    let parent = kept.sent.as_ref().map(|sent| sent.context.clone()).or(outer);
    let context = TraceContext::numbered(parent.as_ref(), number);
    let name: Name = match &record.kind {
        RecordKind::Span { name, .. } => name.to_string().into(),
        _ => "message".into(),
    };
    let mut span = Span::new(name, context, track.clone(), record.time);
    span.parent = parent.map(|parent| parent.span_id());
    span.end = Some(later(&record.time, duration(record).unwrap_or(0)));
    if let RecordKind::Message { status, .. } = record.kind {
        span.kind = SpanKind::Consumer;
        span.message = message_of(record);
        span.status = status_of(status);
        span.attributes.push(Attribute::new("code", status));
        span.flows.extend(kept.sent.as_ref().map(|sent| sent.flow));
    }
    span
}

/// What happened at one moment, inside of a span with that context, of that message.
fn point(record: &DeviceRecord, outer: Option<(TraceContext, Option<Message>)>, track: &Track, trace: &mut Trace) {
    let (context, message) = outer.map_or((None, None), |(context, message)| (Some(context), message));
    let instant = |name: &Arc<str>, kind, attributes| {
        let mut instant = Instant::new(name.to_string(), kind, track.clone(), record.time);
        (instant.context, instant.message, instant.attributes) = (context, message, attributes);
        Arc::new(instant)
    };
    match &record.kind {
        RecordKind::Event { name, value } => {
            trace.instants.push(instant(name, InstantKind::Event, vec![Attribute::new("value", *value)]));
        }
        RecordKind::Log { name, severity, text } => {
            let attributes = vec![Attribute::new("severity", severity.name()), Attribute::new("text", text.clone())];
            trace.instants.push(instant(name, InstantKind::Log, attributes));
        }
        RecordKind::Sample { name, value } => {
            trace.counters.push(CounterSample::new(name.to_string(), track.clone(), record.time, value.as_f64()));
        }
        RecordKind::Lost { records } => trace.lost.push(Lost::new(track.clone(), record.time, *records)),
        RecordKind::Message { .. } | RecordKind::Span { .. } => {}
    }
}

/// By the device's clock, where it took the time.
fn moment(time: &Time) -> u64 {
    time.device_ns.unwrap_or(time.unix_ns)
}

/// When it was over, by the same clock.
pub(super) fn end_ns(record: &DeviceRecord) -> u64 {
    moment(&record.time).saturating_add(duration(record).unwrap_or(0))
}

fn later(time: &Time, by_ns: u64) -> Time {
    let unix_ns = time.unix_ns.saturating_add(by_ns);
    match time.device_ns {
        Some(device_ns) => Time::device(device_ns.saturating_add(by_ns), unix_ns, time.uncertainty_ns),
        None => Time::host(unix_ns),
    }
}

fn duration(record: &DeviceRecord) -> Option<u64> {
    match record.kind {
        RecordKind::Message { duration_ns, .. } | RecordKind::Span { duration_ns, .. } => Some(duration_ns),
        _ => None,
    }
}

fn is_message(record: &DeviceRecord) -> bool {
    matches!(record.kind, RecordKind::Message { .. })
}

fn message_of(record: &DeviceRecord) -> Option<Message> {
    match record.kind {
        RecordKind::Message { number, .. } => number.map(|number| Message::new(Arc::clone(&record.kernel), number)),
        _ => None,
    }
}

fn status_of(code: u32) -> Status {
    match code {
        status::OK => Status::Ok,
        status::REFUSED => Status::Error("refused by error injection".into()),
        status::BAD_MESSAGE => Status::Error("a message that the handler cannot take".into()),
        status::REPLY_TOO_LARGE => Status::Error("the reply does not fit a slot".into()),
        code => Status::Error(format!("code {code}").into()),
    }
}
