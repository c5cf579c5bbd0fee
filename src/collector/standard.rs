//! Ready-made sets of metrics, filled from what the kernels count.
//!
//! They are filled while a snapshot is made, from the same reading, so that a snapshot's metrics and its kernels agree.
//! What is added is the difference of what was counted since the launch: a reset of the kernels does not show.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::health::{HealthLimits, HealthSet};
use super::registry::Entry;
use super::{TelemetryCollector, TelemetryError};
use crate::abi::Counter as Counted;
use crate::histogram::Histogram as Buckets;
use crate::metrics::{
    Builder, Counter, CounterBuilder, Gauge, GaugeBuilder, Histogram, HistogramBuilder, MetricError, OVERFLOW,
};
use crate::reader::KernelSums;
use crate::snapshot::{KernelState, KernelTelemetry};

/// A set of metrics that fills itself. Latencies and processing times are those of handling; their buckets' bounds are
/// powers of two of nanoseconds, which the kernels' own buckets share, so that nothing is counted in a wrong one.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum StandardMetrics {
    /// `coordination_messages_total`, messages that any kernel took; `coordination_active_nodes`, kernels that take
    /// messages now; `coordination_message_latency_seconds`.
    Coordination,
    /// For each kernel, with the label `kernel_id`: `messages_sent_total`, its replies; `messages_received_total`;
    /// `message_queue_size`; `message_processing_duration_seconds`.
    Messaging,
    /// `health_status`, 0 unknown, 1 healthy, 2 degraded, 3 unhealthy, of the worst kernel and the device;
    /// `kernel_health_status` for each kernel, with the label `kernel_id`; `health_checks_total`, one with each snapshot;
    /// `health_check_duration_seconds`.
    Health(HealthLimits),
}

impl TelemetryCollector {
    /// Registers a set of metrics, and fills it with every snapshot from the next one on. What kernels counted before
    /// is counted too. A second time changes nothing but the health's limits.
    ///
    /// ```
    /// use ringscope::collector::StandardMetrics;
    ///
    /// let telemetry = ringscope::TelemetryCollector::new(true);
    /// telemetry.install(StandardMetrics::Messaging)?;
    /// telemetry.record_receive("parser")?;
    /// let snapshot = telemetry.snapshot()?;
    /// let received = snapshot.metric("messages_received").unwrap().value(&[("kernel_id", "parser")]);
    /// assert_eq!(received.and_then(|v| v.counter()), Some(1));
    /// # Ok::<(), ringscope::TelemetryError>(())
    /// ```
    ///
    /// # Errors
    /// [`TelemetryError::Disabled`]; names that are taken by other metrics, or no room for more.
    pub fn install(&self, set: StandardMetrics) -> Result<(), TelemetryError> {
        if !self.inner.enabled {
            return Err(TelemetryError::Disabled);
        }
        let make = Registrar(&self.inner.metrics);
        let mut core = self.inner.core();
        let sets = &mut core.sets;
        match set {
            StandardMetrics::Coordination if sets.coordination.is_none() => {
                sets.coordination = Some(Coordination::new(make)?);
            }
            StandardMetrics::Messaging if sets.messaging.is_none() => sets.messaging = Some(Messaging::new(make)?),
            StandardMetrics::Coordination | StandardMetrics::Messaging => {}
            StandardMetrics::Health(limits) => match &mut sets.health {
                Some(health) => health.limits = limits,
                None => sets.health = Some(HealthSet::new(make, limits)?),
            },
        }
        Ok(())
    }
}

/// Those that are installed.
#[derive(Default)]
pub(super) struct StandardSets {
    coordination: Option<Coordination>,
    messaging: Option<Messaging>,
    pub(super) health: Option<HealthSet>,
}

/// One kernel of a reading.
#[derive(Clone, Copy)]
pub(super) struct ObservedKernel<'a> {
    pub(super) entry: &'a Entry,
    pub(super) totals: &'a KernelSums,
    pub(super) telemetry: &'a KernelTelemetry,
}

impl StandardSets {
    /// Whether there is nothing to fill.
    pub(super) fn are_empty(&self) -> bool {
        self.coordination.is_none() && self.messaging.is_none() && self.health.is_none()
    }

    pub(super) fn fill<'a>(
        &mut self,
        kernels: impl Iterator<Item = ObservedKernel<'a>> + Clone,
        make: Registrar<'_>,
        dropped: &AtomicU64,
    ) {
        if let Some(set) = &mut self.coordination {
            set.fill(kernels.clone());
        }
        if let Some(set) = &mut self.messaging {
            set.fill(kernels.clone(), make, dropped);
        }
        if let Some(set) = &mut self.health {
            set.fill(kernels, make, dropped);
        }
    }
}

/// Upper bounds in seconds: from a quarter of a microsecond to 17 seconds, each twice the one before.
fn latency_bounds() -> Vec<f64> {
    (8..=34).map(|octave| (1u64 << octave) as f64 / 1e9).collect()
}

/// Makes metrics.
#[derive(Clone, Copy)]
pub(super) struct Registrar<'a>(pub(super) &'a Arc<crate::metrics::Registry>);

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

/// What was counted of one kernel when a set was last filled.
struct Before {
    id: Arc<str>,
    sent: u64,
    received: u64,
    latency: Arc<Buckets>,
}

/// What came since.
struct New {
    sent: u64,
    received: u64,
    latency: Option<Buckets>,
}

impl Before {
    fn new(id: &Arc<str>, totals: &KernelSums) -> Self {
        Before { id: Arc::clone(id), sent: 0, received: 0, latency: Arc::new(Buckets::new(totals.latency.scale())) }
    }

    fn new_in(&mut self, totals: &KernelSums) -> New {
        let (sent, received) = (totals.counter(Counted::Sent), totals.counter(Counted::Received));
        // A reading is never older than the one before, so this is never less.
        let new = New {
            sent: sent.saturating_sub(self.sent),
            received: received.saturating_sub(self.received),
            latency: (!Arc::ptr_eq(&self.latency, &totals.latency)).then(|| totals.latency.since(&self.latency)),
        };
        (self.sent, self.received, self.latency) = (sent, received, Arc::clone(&totals.latency));
        new
    }
}

/// What is remembered of each kernel, in their order. One whose registration was taken back left its place to another.
fn nth<T>(of: &mut Vec<T>, i: usize, is: impl Fn(&T) -> bool, make: impl FnOnce() -> T) -> &mut T {
    if of.get(i).is_none_or(|known| !is(known)) {
        of.truncate(i);
        of.push(make());
    }
    &mut of[i]
}

// ---- coordination ------------------------------------------------------------------------------------

struct Coordination {
    messages: Counter,
    active_nodes: Gauge,
    latency: Histogram,
    before: Vec<Before>,
}

impl Coordination {
    fn new(make: Registrar<'_>) -> Result<Self, MetricError> {
        let name = "coordination_message_latency_seconds";
        Ok(Coordination {
            messages: make.counter("coordination_messages", "Messages taken by any kernel").on_host()?,
            active_nodes: make.gauge("coordination_active_nodes", "Kernels that take messages").on_host()?,
            latency: make.latency(name, "Time in the handlers of all kernels").on_host()?,
            before: Vec::new(),
        })
    }

    fn fill<'a>(&mut self, kernels: impl Iterator<Item = ObservedKernel<'a>>) {
        let mut active = 0u32;
        for (i, kernel) in kernels.enumerate() {
            let (id, totals) = (&kernel.entry.id, kernel.totals);
            let before = nth(&mut self.before, i, |b| Arc::ptr_eq(&b.id, id), || Before::new(id, totals));
            let new = before.new_in(totals);
            self.messages.inc_by(new.received);
            if let Some(latency) = &new.latency {
                self.latency.add_nanoseconds(latency);
            }
            active += u32::from(kernel.telemetry.state == KernelState::Active);
        }
        self.active_nodes.set(active.into());
    }
}

// ---- messaging ---------------------------------------------------------------------------------------

struct Messaging {
    kernels: Vec<(Before, Traffic)>,
    overflow: Traffic,
}

#[derive(Clone)]
struct Traffic {
    sent: Counter,
    received: Counter,
    queue: Gauge,
    processing: Histogram,
}

impl Messaging {
    fn new(make: Registrar<'_>) -> Result<Self, MetricError> {
        Ok(Messaging { kernels: Vec::new(), overflow: Traffic::of(make, OVERFLOW)? })
    }

    fn fill<'a>(
        &mut self,
        kernels: impl Iterator<Item = ObservedKernel<'a>>,
        make: Registrar<'_>,
        dropped: &AtomicU64,
    ) {
        for (i, kernel) in kernels.enumerate() {
            let (id, totals) = (&kernel.entry.id, kernel.totals);
            let overflow = &self.overflow;
            let make = || {
                let traffic = Traffic::of(make, id);
                (Before::new(id, totals), or_overflow(traffic, overflow, dropped))
            };
            let (before, traffic) = nth(&mut self.kernels, i, |(b, _)| Arc::ptr_eq(&b.id, id), make);
            let new = before.new_in(totals);
            traffic.sent.inc_by(new.sent);
            traffic.received.inc_by(new.received);
            traffic.queue.set(kernel.telemetry.queue_depth as f64);
            if let Some(latency) = &new.latency {
                traffic.processing.add_nanoseconds(latency);
            }
        }
    }
}

impl Traffic {
    fn of(make: Registrar<'_>, id: &str) -> Result<Self, MetricError> {
        let (name, help) = ("message_processing_duration_seconds", "Time in the kernel's handler");
        Ok(Traffic {
            sent: make.counter("messages_sent", "Replies of the kernel").label("kernel_id", id).on_host()?,
            received: make
                .counter("messages_received", "Messages taken by the kernel")
                .label("kernel_id", id)
                .on_host()?,
            queue: make
                .gauge("message_queue_size", "Messages waiting for the kernel")
                .label("kernel_id", id)
                .on_host()?,
            processing: make.latency(name, help).label("kernel_id", id).on_host()?,
        })
    }
}

/// Where there is no room for more series, the one that is there for this.
pub(super) fn or_overflow<T: Clone>(made: Result<T, MetricError>, overflow: &T, dropped: &AtomicU64) -> T {
    made.unwrap_or_else(|_| {
        dropped.fetch_add(1, Ordering::Relaxed);
        overflow.clone()
    })
}
