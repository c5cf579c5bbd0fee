//! One trace: all that was recorded in a period.

use std::sync::Arc;

use super::record::{CounterSample, Instant, Lost, Span};
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
