//! Counts by name and by peer, bounded in number.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use super::record::Kept;
use crate::histogram::Histogram as ExponentialHistogram;
use crate::metrics::{Buckets, Counter, Counters, Distribution, Histogram, OVERFLOW};
use crate::snapshot::{NetworkTelemetry, OperationCounts, OperationStatus, OperationTelemetry};

/// Series by their keys. Looking one up takes no lock; adding one copies the map, which happens as often as there are
/// series. What has no room is counted in one that is called [`OVERFLOW`], as is what is called so.
pub(super) struct Table<S> {
    by_key: ArcSwap<HashMap<Arc<str>, Arc<S>>>,
    limit: usize,
    all: Mutex<All<S>>,
}

struct All<S> {
    /// In the order of their first use.
    series: Vec<Arc<S>>,
    counters: Counters,
}

/// What a series is made of.
pub(super) trait Countable: Sized {
    /// `key` is one that was asked for, or [`OVERFLOW`].
    type Of<'a>: Copy;
    const OVERFLOW: Self::Of<'static>;
    fn make(of: Self::Of<'_>, counters: &mut Counters, scale: u32, kept: &Arc<Kept>) -> Self;
}

impl<S: Countable> Table<S> {
    pub(super) fn new(limit: usize) -> Self {
        let all = All { series: Vec::new(), counters: Counters::default() };
        Table { by_key: ArcSwap::default(), limit, all: Mutex::new(all) }
    }

    /// The series of that key, which is added if it is new.
    pub(super) fn get(&self, key: &str, of: S::Of<'_>, scale: u32, kept: &Arc<Kept>) -> Arc<S> {
        if let Some(series) = self.by_key.load().get(key) {
            return Arc::clone(series);
        }
        self.add(key, of, scale, kept)
    }

    #[cold]
    fn add(&self, key: &str, of: S::Of<'_>, scale: u32, kept: &Arc<Kept>) -> Arc<S> {
        let mut all = self.all();
        let known = self.by_key.load();
        let is_full = known.len() - usize::from(known.contains_key(OVERFLOW)) >= self.limit;
        let of = (!is_full && key != OVERFLOW).then_some(of);
        let kept_under = if of.is_some() { key } else { OVERFLOW };
        // Another thread may have added it meanwhile.
        if let Some(series) = known.get(key).or_else(|| known.get(kept_under)) {
            return Arc::clone(series);
        }
        let series = match of {
            Some(of) => S::make(of, &mut all.counters, scale, kept),
            None => S::make(S::OVERFLOW, &mut all.counters, scale, kept),
        };
        let series = Arc::new(series);
        let mut more = HashMap::clone(&known);
        more.insert(kept_under.into(), Arc::clone(&series));
        self.by_key.store(Arc::new(more));
        all.series.push(Arc::clone(&series));
        series
    }

    fn all(&self) -> MutexGuard<'_, All<S>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them, in the order of their first use.
    pub(super) fn series(&self) -> Vec<Arc<S>> {
        self.all().series.clone()
    }
}

/// How many began, and how they ended.
struct Outcomes {
    started: Counter,
    ended: [Counter; 3],
}

impl Outcomes {
    fn new(counters: &mut Counters) -> Self {
        Outcomes { started: counters.make(), ended: std::array::from_fn(|_| counters.make()) }
    }

    fn end(&self, status: OperationStatus) {
        self.ended[status as usize].inc();
    }

    fn counts(&self) -> OperationCounts {
        // What ended first: nothing ends that did not begin.
        let ended = self.ended.each_ref().map(Counter::get);
        OperationCounts::new(self.started.get(), ended)
    }
}

/// Nanoseconds, and the last that was read of them: what did not move is not read again.
struct Durations {
    histogram: Histogram,
    read: Mutex<(u64, Arc<ExponentialHistogram>)>,
}

impl Durations {
    fn new(scale: u32) -> Self {
        let histogram = Histogram::new(&Buckets::Exponential { scale }, true);
        Durations { histogram, read: Mutex::new((0, Arc::new(ExponentialHistogram::new(scale)))) }
    }

    /// `ended` is how many had been observed before.
    fn value(&self, ended: u64) -> Arc<ExponentialHistogram> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if read.0 != ended
            && let Distribution::Exponential(values) = self.histogram.value().distribution
        {
            *read = (ended, Arc::new(values));
        }
        Arc::clone(&read.1)
    }
}

/// The operations of one name.
pub(super) struct OperationSeries {
    pub(super) name: Arc<str>,
    pub(super) kept: Arc<Kept>,
    pub(super) retries: Counter,
    outcomes: Outcomes,
    durations: Durations,
}

impl Countable for OperationSeries {
    type Of<'a> = &'a str;
    const OVERFLOW: &'static str = OVERFLOW;

    fn make(name: &str, counters: &mut Counters, scale: u32, kept: &Arc<Kept>) -> Self {
        OperationSeries {
            name: name.into(),
            kept: Arc::clone(kept),
            retries: counters.make(),
            outcomes: Outcomes::new(counters),
            durations: Durations::new(scale),
        }
    }
}

impl OperationSeries {
    pub(super) fn begin(&self) {
        self.outcomes.started.inc();
    }

    /// Observed first: what was counted as ended has its duration in the buckets.
    pub(super) fn end(&self, status: OperationStatus, took_ns: u64) {
        self.durations.histogram.observe(took_ns);
        self.outcomes.end(status);
    }

    pub(super) fn telemetry(&self) -> OperationTelemetry {
        let counts = self.outcomes.counts();
        OperationTelemetry {
            name: Arc::clone(&self.name),
            counts,
            retries: self.retries.get(),
            duration: self.durations.value(counts.ended()),
        }
    }
}

/// The network operations of one kind with one peer.
pub(super) struct NetworkSeries {
    pub(super) kept: Arc<Kept>,
    pub(super) kind: Arc<str>,
    pub(super) host: Arc<str>,
    pub(super) port: u16,
    peer: Arc<str>,
    pub(super) sent: Counter,
    pub(super) received: Counter,
    /// When it was first used.
    pub(super) since_ns: u64,
    outcomes: Outcomes,
    latency: Durations,
}

/// Kind, host and port of a network operation.
#[derive(Clone, Copy)]
pub(super) struct Peer<'a> {
    pub(super) kind: &'a str,
    pub(super) host: &'a str,
    pub(super) port: u16,
}

impl Peer<'_> {
    /// Kinds and hosts may hold any character; the length tells where the kind ends.
    pub(super) fn key(self) -> String {
        if (self.kind, self.host, self.port) == (OVERFLOW, OVERFLOW, 0) {
            return OVERFLOW.into();
        }
        format!("{}:{}{}:{}", self.kind.len(), self.kind, self.host, self.port)
    }

    fn name(self) -> Arc<str> {
        match (self.host, self.port) {
            (OVERFLOW, 0) => OVERFLOW.into(),
            (host, port) if host.contains(':') => format!("[{host}]:{port}").into(),
            (host, port) => format!("{host}:{port}").into(),
        }
    }
}

impl Countable for NetworkSeries {
    type Of<'a> = Peer<'a>;
    const OVERFLOW: Peer<'static> = Peer { kind: OVERFLOW, host: OVERFLOW, port: 0 };

    fn make(of: Peer<'_>, counters: &mut Counters, scale: u32, kept: &Arc<Kept>) -> Self {
        NetworkSeries {
            kept: Arc::clone(kept),
            kind: of.kind.into(),
            host: of.host.into(),
            port: of.port,
            peer: of.name(),
            sent: counters.make(),
            received: counters.make(),
            since_ns: kept.clock.now_ns(),
            outcomes: Outcomes::new(counters),
            latency: Durations::new(scale),
        }
    }
}

impl NetworkSeries {
    pub(super) fn begin(&self) {
        self.outcomes.started.inc();
    }

    pub(super) fn end(&self, status: OperationStatus, latency_ns: u64) {
        self.latency.histogram.observe(latency_ns);
        self.outcomes.end(status);
    }

    pub(super) fn telemetry(&self) -> NetworkTelemetry {
        let counts = self.outcomes.counts();
        NetworkTelemetry {
            kind: Arc::clone(&self.kind),
            peer: Arc::clone(&self.peer),
            counts,
            bytes_sent: self.sent.get(),
            bytes_received: self.received.get(),
            latency: self.latency.value(counts.ended()),
        }
    }
}
