//! What a trace consists of: spans, instants, samples of counters, and places where records are missing.

use std::sync::Arc;

use super::context::TraceContext;
use super::id::{FlowId, SpanId};
use super::time::Time;
use super::track::Track;
use super::value::{Attribute, Name};

/// Something that took time.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Span {
    /// What it did.
    pub name: Name,
    /// Its trace and number, and what is handed on to others.
    pub context: TraceContext,
    /// The span that it is a part of; `None` for the first of a trace.
    pub parent: Option<SpanId>,
    /// What it is to the spans beside it.
    pub kind: SpanKind,
    /// Where it began.
    pub track: Track,
    /// When it began.
    pub begin: Time,
    /// When it ended; `None` if it has not yet.
    pub end: Option<Time>,
    /// How it ended.
    pub status: Status,
    /// What is known of it.
    pub attributes: Vec<Attribute>,
    /// Attributes that were over the bound.
    pub dropped_attributes: u32,
    /// What happened in it.
    pub events: Vec<SpanEvent>,
    /// Events that were over the bound.
    pub dropped_events: u32,
    /// The arrows that touch it where it begins.
    pub flows: Vec<FlowId>,
    /// The message that it handled.
    pub message: Option<Message>,
}

impl Span {
    /// Makes one that is its trace's first, has not ended, and of which nothing else is known; set the fields that are.
    pub fn new(name: impl Into<Name>, context: TraceContext, track: Track, begin: Time) -> Self {
        Span {
            name: name.into(),
            context,
            parent: None,
            kind: SpanKind::Internal,
            track,
            begin,
            end: None,
            status: Status::Unset,
            attributes: Vec::new(),
            dropped_attributes: 0,
            events: Vec::new(),
            dropped_events: 0,
            flows: Vec::new(),
            message: None,
        }
    }

    /// Returns how long it took, in nanoseconds; `None` if it has not ended.
    pub fn duration_ns(&self) -> Option<u64> {
        self.end.map(|end| end.since_ns(&self.begin))
    }
}

/// What a span is to the spans beside it, as OpenTelemetry has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpanKind {
    /// Work of its own.
    Internal,
    /// Answers a request from outside.
    Server,
    /// Waits for the answer to a request.
    Client,
    /// Sends a message, and does not wait for what becomes of it.
    Producer,
    /// Handles a message.
    Consumer,
}

/// How a span ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// Nobody said.
    #[default]
    Unset,
    /// It did what it was to do.
    Ok,
    /// It failed, and why.
    Error(Name),
}

/// Something that happened in a span.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SpanEvent {
    /// What.
    pub name: Name,
    /// When.
    pub time: Time,
    /// What is known of it.
    pub attributes: Vec<Attribute>,
}

impl SpanEvent {
    /// Makes one.
    pub fn new(name: impl Into<Name>, time: Time, attributes: Vec<Attribute>) -> Self {
        SpanEvent { name: name.into(), time, attributes }
    }
}

/// A message of a kernel.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Message {
    /// The kernel's id.
    pub kernel: Arc<str>,
    /// The message's number, which its reply carries.
    pub number: u64,
}

impl Message {
    /// Names one.
    pub fn new(kernel: impl Into<Arc<str>>, number: u64) -> Self {
        Message { kernel: kernel.into(), number }
    }
}

/// Something that happened at one moment.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Instant {
    /// What.
    pub name: Name,
    /// Which kind.
    pub kind: InstantKind,
    /// Where.
    pub track: Track,
    /// When.
    pub time: Time,
    /// What is known of it.
    pub attributes: Vec<Attribute>,
    /// The arrows that touch it.
    pub flows: Vec<FlowId>,
    /// The span in which it happened.
    pub context: Option<TraceContext>,
    /// The message that it belongs to.
    pub message: Option<Message>,
}

impl Instant {
    /// Makes one of which nothing else is known; set the fields that are.
    pub fn new(name: impl Into<Name>, kind: InstantKind, track: Track, time: Time) -> Self {
        let (name, attributes, flows) = (name.into(), Vec::new(), Vec::new());
        Instant { name, kind, track, time, attributes, flows, context: None, message: None }
    }
}

/// What an [`Instant`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InstantKind {
    /// Something happened.
    Event,
    /// The block came to a place that its author named.
    Waypoint,
    /// A line for people.
    Log,
    /// A message went to a kernel.
    Send,
    /// A reply was taken.
    Receive,
}

/// What something amounted to at one moment.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CounterSample {
    /// What.
    pub name: Name,
    /// In which unit; `None` for plain numbers.
    pub unit: Option<Name>,
    /// Where.
    pub track: Track,
    /// When.
    pub time: Time,
    /// How much.
    pub value: f64,
}

impl CounterSample {
    /// Makes one.
    pub fn new(name: impl Into<Name>, track: Track, time: Time, value: f64) -> Self {
        CounterSample { name: name.into(), unit: None, track, time, value }
    }
}

/// Records that are missing, at the place where they would be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lost {
    /// Where.
    pub track: Track,
    /// When the last of them was.
    pub time: Time,
    /// How many.
    pub records: u64,
}

impl Lost {
    /// Makes one.
    pub fn new(track: Track, time: Time, records: u64) -> Self {
        Lost { track, time, records }
    }
}
