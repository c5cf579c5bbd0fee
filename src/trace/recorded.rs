//! One trace: all that was recorded in a period.

use std::collections::HashSet;
use std::sync::Arc;

use super::record::{CounterSample, Instant, InstantKind, Lost, Span};
use super::time::{DeviceClock, Time};
use super::value::{Attribute, Name};

/// What was recorded in a period, on the host and on devices: what [`export`](crate::export#traces) writes.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Trace {
    /// Who recorded it.
    pub source: Source,
    /// When the period began.
    pub begin: Time,
    /// When it ended.
    pub end: Time,
    /// Those that ended in the period, and those that are not ended yet.
    pub spans: Vec<Arc<Span>>,
    /// What happened at one moment.
    pub instants: Vec<Arc<Instant>>,
    /// What something amounted to.
    pub counters: Vec<CounterSample>,
    /// What is missing.
    pub lost: Vec<Lost>,
    /// The clocks of the devices that took times in it.
    pub clocks: Vec<DeviceClock>,
}

impl Trace {
    /// Makes one in which nothing was recorded.
    pub fn new(source: Source, begin: Time, end: Time) -> Self {
        let (spans, instants, counters, lost, clocks) = Default::default();
        Trace { source, begin, end, spans, instants, counters, lost, clocks }
    }

    /// Leaves out where messages were sent and answered that left no span, as a [filter](super::TraceFilter) has it.
    pub fn leave_out_unspanned_messages(&mut self) {
        let wanted: HashSet<_> = self.spans.iter().filter_map(|span| span.message.clone()).collect();
        let received = self.instants.iter().filter(|instant| instant.kind == InstantKind::Receive);
        let messages = received.filter_map(|instant| instant.message.clone());
        let unwanted: HashSet<_> = messages.filter(|message| !wanted.contains(message)).collect();
        self.instants.retain(|instant| instant.message.as_ref().is_none_or(|message| !unwanted.contains(message)));
    }
}

/// The process that recorded a trace.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Source {
    /// What it is called where traces of many are shown, `service.name` of OpenTelemetry.
    pub service: Name,
    /// The process's number.
    pub pid: u32,
    /// What else is known of it.
    pub attributes: Vec<Attribute>,
}

impl Source {
    /// Makes one that stands for this process.
    pub fn this_process(service: impl Into<Name>) -> Self {
        Source { service: service.into(), pid: std::process::id(), attributes: Vec::new() }
    }
}
