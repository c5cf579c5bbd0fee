//! What all clones of a tracer share.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::config::TracerConfig;
use super::messages::Messages;
use super::store::{Bounded, Open, OpenSpans, lock};
use crate::trace::cursor::{HostCursor, TraceCursor};
use crate::trace::record::{CounterSample, Instant, Span};
use crate::trace::recorded::{Source, Trace};
use crate::trace::time::{HostClock, Time};
use crate::trace::value::Attribute;

/// How much a tracer did not keep, since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TracerLosses {
    /// Ended spans that there was no room for.
    pub spans: u64,
    /// Instants that there was no room for.
    pub instants: u64,
    /// Samples of counters that there was no room for.
    pub counters: u64,
    /// Messages whose sender was forgotten before anybody asked.
    pub messages: u64,
    /// Attributes over their bound, of anything.
    pub attributes: u64,
    /// Events over the bound of their span.
    pub events: u64,
}

pub(super) struct Shared {
    pub(super) on: AtomicBool,
    pub(super) clock: HostClock,
    pub(super) config: TracerConfig,
    pub(super) messages: Mutex<Messages>,
    pub(super) dropped_attributes: AtomicU64,
    pub(super) dropped_events: AtomicU64,
    source: Source,
    open: OpenSpans,
    kept: Mutex<Kept>,
}

struct Kept {
    /// Since then; what is taken begins anew.
    begin: Time,
    spans: Bounded<Arc<Span>>,
    instants: Bounded<Arc<Instant>>,
    counters: Bounded<CounterSample>,
}

impl Shared {
    pub(super) fn new(source: Source, config: TracerConfig, on: bool) -> Self {
        let clock = HostClock::start();
        let kept = Kept {
            begin: clock.now(),
            spans: Bounded::new(config.spans),
            instants: Bounded::new(config.instants),
            counters: Bounded::new(config.counters),
        };
        Shared {
            on: AtomicBool::new(on),
            clock,
            config,
            messages: Mutex::new(Messages::new(config.messages)),
            dropped_attributes: AtomicU64::new(0),
            dropped_events: AtomicU64::new(0),
            source,
            open: OpenSpans::new(config.open),
            kept: Mutex::new(kept),
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    /// As many as there is room for, and how many there was none for, which are counted.
    pub(super) fn all_attributes(&self, given: impl IntoIterator<Item = Attribute>) -> (Vec<Attribute>, u32) {
        let (attributes, dropped) = self.config.all(given);
        self.dropped_attributes.fetch_add(dropped.into(), Ordering::Relaxed);
        (attributes, dropped)
    }

    pub(super) fn begin(&self, span: Span) -> Open {
        let id = span.context.span_id();
        let open = Arc::new(Mutex::new(span));
        self.open.add(id, &open);
        open
    }

    pub(super) fn end(&self, open: Open) {
        let id = lock(&open).context.span_id();
        self.open.remove(id);
        // Nobody else has it now: who takes a trace copies it under the list's lock.
        let own = |open: Mutex<Span>| open.into_inner().unwrap_or_else(PoisonError::into_inner);
        let Some(mut span) = Arc::into_inner(open).map(own) else { return };
        span.end = Some(self.clock.now());
        lock(&self.kept).spans.push(Arc::new(span), |span| span.end.unwrap_or(span.begin));
    }

    pub(super) fn instant(&self, instant: Instant) {
        lock(&self.kept).instants.push(Arc::new(instant), |instant| instant.time);
    }

    pub(super) fn counter(&self, sample: CounterSample) {
        lock(&self.kept).counters.push(sample, |sample| sample.time);
    }

    pub(super) fn spans(&self) -> Vec<Arc<Span>> {
        lock(&self.kept).spans.copy()
    }

    /// What is kept, and the spans that go on. One that ends meanwhile may be missing from both, and is in the next trace.
    pub(super) fn trace(&self, take: bool) -> Trace {
        let open = self.open.copy();
        let mut kept = lock(&self.kept);
        let mut trace = Trace::new(self.source.clone(), kept.begin, self.clock.now());
        trace.lost.extend(kept.spans.lost_here());
        trace.lost.extend(kept.instants.lost_here());
        trace.lost.extend(kept.counters.lost_here());
        if take {
            kept.begin = trace.end;
            (trace.spans, trace.instants, trace.counters) =
                (kept.spans.take(), kept.instants.take(), kept.counters.take());
        } else {
            (trace.spans, trace.instants, trace.counters) =
                (kept.spans.copy(), kept.instants.copy(), kept.counters.copy());
        }
        drop(kept);
        let ended: HashSet<_> = trace.spans.iter().map(|span| span.context.span_id()).collect();
        trace.spans.extend(open.into_iter().filter(|span| !ended.contains(&span.context.span_id())));
        trace
    }

    /// What ended since then, without the spans that go on. It stays kept.
    pub(super) fn trace_since(&self, cursor: &mut TraceCursor) -> Trace {
        let kept = lock(&self.kept);
        let host = cursor.host.get_or_insert_with(|| HostCursor {
            begin: kept.begin,
            spans: kept.spans.first(),
            instants: kept.instants.first(),
            counters: kept.counters.first(),
        });
        let mut trace = Trace::new(self.source.clone(), host.begin, self.clock.now());
        host.begin = trace.end;
        trace.spans = kept.spans.since(&mut host.spans, &mut cursor.missed);
        trace.instants = kept.instants.since(&mut host.instants, &mut cursor.missed);
        trace.counters = kept.counters.since(&mut host.counters, &mut cursor.missed);
        trace
    }

    pub(super) fn losses(&self) -> TracerLosses {
        let messages = lock(&self.messages).lost();
        let kept = lock(&self.kept);
        TracerLosses {
            spans: kept.spans.lost(),
            instants: kept.instants.lost(),
            counters: kept.counters.lost(),
            messages,
            attributes: self.dropped_attributes.load(Ordering::Relaxed),
            events: self.dropped_events.load(Ordering::Relaxed),
        }
    }
}
