//! What the standard metrics are made with, and from.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::super::registry::Entry;
use crate::abi::Counter as Counted;
use crate::histogram::Histogram as Buckets;
use crate::metrics::{Builder, CounterBuilder, GaugeBuilder, HistogramBuilder, MetricError, Registry};
use crate::reader::KernelSums;
use crate::snapshot::KernelTelemetry;

/// One kernel of a reading.
#[derive(Clone, Copy)]
pub(in crate::collector) struct ObservedKernel<'a> {
    pub(in crate::collector) entry: &'a Entry,
    pub(in crate::collector) sums: &'a KernelSums,
    pub(in crate::collector) telemetry: &'a KernelTelemetry,
}

/// Upper bounds in seconds: from a quarter of a microsecond to 17 seconds, each twice the one before.
fn latency_bounds() -> Vec<f64> {
    (8..=34).map(|octave| (1u64 << octave) as f64 / 1e9).collect()
}

/// Makes metrics of the host.
#[derive(Clone, Copy)]
pub(in crate::collector) struct Registrar<'a>(pub(in crate::collector) &'a Arc<Registry>);

impl Registrar<'_> {
    pub(super) fn counter(self, name: &str, help: &str) -> CounterBuilder {
        Builder::new(Arc::clone(self.0), name, help)
    }

    pub(super) fn gauge(self, name: &str, help: &str) -> GaugeBuilder {
        Builder::new(Arc::clone(self.0), name, help)
    }

    pub(super) fn latency(self, name: &str, help: &str) -> HistogramBuilder {
        Builder::new(Arc::clone(self.0), name, help).unit("seconds").buckets(&latency_bounds())
    }
}

/// What one kernel had counted when a set was last filled.
pub(super) struct Before {
    pub(super) id: Arc<str>,
    sent: u64,
    received: u64,
    latency: Arc<Buckets>,
}

/// What came since.
pub(super) struct New {
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) latency: Option<Buckets>,
}

impl Before {
    pub(super) fn new(id: &Arc<str>, sums: &KernelSums) -> Self {
        Before { id: Arc::clone(id), sent: 0, received: 0, latency: Arc::new(Buckets::new(sums.latency.scale())) }
    }

    pub(super) fn new_in(&mut self, sums: &KernelSums) -> New {
        let (sent, received) = (sums.counter(Counted::Sent), sums.counter(Counted::Received));
        // A reading is never older than the one before, so this is never less.
        let new = New {
            sent: sent.saturating_sub(self.sent),
            received: received.saturating_sub(self.received),
            latency: (!Arc::ptr_eq(&self.latency, &sums.latency)).then(|| sums.latency.since(&self.latency)),
        };
        (self.sent, self.received, self.latency) = (sent, received, Arc::clone(&sums.latency));
        new
    }
}

/// What is remembered of each kernel, in their order. One that was forgotten, or lives again, left its place to another.
pub(super) fn nth<T>(of: &mut Vec<T>, i: usize, is: impl Fn(&T) -> bool, make: impl FnOnce() -> T) -> &mut T {
    match of.get(i).map(is) {
        Some(true) => {}
        Some(false) => of[i] = make(),
        None => of.push(make()),
    }
    &mut of[i]
}

/// Where there is no room for more series, the one that is there for this.
pub(super) fn or_overflow<T: Clone>(made: Result<T, MetricError>, overflow: &T, dropped: &AtomicU64) -> T {
    made.unwrap_or_else(|_| {
        dropped.fetch_add(1, Ordering::Relaxed);
        overflow.clone()
    })
}
