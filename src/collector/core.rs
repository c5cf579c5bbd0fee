//! From a reading to a snapshot: what one reader at a time needs.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::costs::Costs;
use super::event::EventKind;
use super::rate_windows::RateWindows;
use super::registry::{Entry, FROM_BLOCKS, Origin, Registry};
use super::standard::{ObservedKernel, Registrar, StandardSets};
use super::track::{KernelTracker, ReadContext, window_counts};
use super::{Inner, TelemetryError};
use crate::machine::Sampler;
use crate::reader::{KernelSums, Reader, Reading, ShardRange};
use crate::snapshot::{KernelState, KernelTelemetry, RatesBuilder, Snapshot};

/// What a reading needs, one reader at a time.
pub(super) struct Collection {
    pub(super) reader: Option<Reader>,
    /// The registry's entries as of `version`: they change rarely, and are read often.
    pub(super) entries: Arc<[Arc<Entry>]>,
    pub(super) spans: Vec<ShardRange>,
    pub(super) version: u64,
    /// Of the host actors, in their order; the reader has those of the device's kernels.
    pub(super) of_actors: Vec<KernelSums>,
    pub(super) tracks: Vec<KernelTracker>,
    pub(super) metrics: crate::metrics::View,
    pub(super) rate_windows: RateWindows,
    /// How many counts the windows of the last snapshot had.
    pub(super) rates: usize,
    pub(super) sequence: u64,
    pub(super) costs: Costs,
    pub(super) sets: StandardSets,
    /// Asks the machine, from the first snapshot on.
    pub(super) machine: Option<Sampler>,
    /// Where the collector's steady clock starts.
    pub(super) epoch: Instant,
}

impl Collection {
    /// Reads the totals of all entries, in their order.
    pub(super) fn read(&mut self, inner: &Inner) -> Result<Reading, TelemetryError> {
        self.catch_up(&inner.registry);
        let reading = match &mut self.reader {
            Some(reader) => {
                let reading = reader.read(&self.spans)?;
                let copied_bytes = reading.copied_bytes + inner.metrics.read_device()?;
                Reading { copied_bytes, copy_duration: reading.at.elapsed(), ..reading }
            }
            None => Reading::without_device(),
        };
        self.of_actors.clear();
        self.of_actors.extend(self.entries.iter().filter_map(|e| e.actor()).map(|actor| actor.totals()));
        Ok(reading)
    }

    /// Whether the last reading of `only`, or of any kernel, has counters and buckets of different moments.
    pub(super) fn is_torn(&self, only: Option<usize>) -> bool {
        self.totals().enumerate().any(|(i, (_, totals))| only.is_none_or(|only| only == i) && totals.is_torn())
    }

    /// The entries, with what was read of each.
    pub(super) fn totals(&self) -> impl Iterator<Item = (&Arc<Entry>, &KernelSums)> + Clone {
        let mut of_device = self.reader.as_ref().map_or(&[][..], Reader::totals).iter();
        let mut of_actors = self.of_actors.iter();
        self.entries.iter().filter_map(move |entry| {
            let totals = match entry.origin {
                Origin::Device(_) => of_device.next(),
                Origin::Host(_) => of_actors.next(),
            };
            totals.map(|totals| (entry, totals))
        })
    }

    pub(super) fn catch_up(&mut self, registry: &RwLock<Registry>) {
        let registry = registry.read().unwrap_or_else(PoisonError::into_inner);
        if registry.version != self.version {
            self.version = registry.version;
            self.entries = registry.entries.as_slice().into();
            self.spans = self.entries.iter().filter_map(|e| e.span()).collect();
            self.tracks.resize_with(self.entries.len(), KernelTracker::default);
        }
    }

    pub(super) fn derive(&mut self, inner: &Inner, reading: &Reading) -> Snapshot {
        self.costs.begin(reading);
        let mut tracks = std::mem::take(&mut self.tracks);
        let bases = self.rate_windows.bases(reading.at);
        let mut moment = ReadContext {
            reading,
            now_ns: reading.at.saturating_duration_since(self.epoch).as_nanos() as u64,
            stall_limit: inner.config.stall_limit,
            longest: (0..bases.len()).max_by_key(|i| bases[*i].over).unwrap_or(0),
            bases: &bases,
            rates: None,
            room: self.rates,
        };
        let mut kernels = Vec::with_capacity(self.entries.len());
        // A loop, not `extend`: that moves each value once more, which shows with thousands of kernels.
        for (i, ((entry, totals), track)) in self.totals().zip(&mut tracks).enumerate() {
            let stalled = track.watch.stalls();
            kernels.push(track.derive(i, entry, totals, &mut moment));
            note(inner, entry, stalled, kernels[i].state);
        }
        self.rates = moment.rates.map_or(0, RatesBuilder::finish);
        self.tracks = tracks;
        if self.rate_windows.is_due(reading.at) {
            self.rate_windows.push(reading.at, self.totals().map(|(_, totals)| window_counts(totals)).collect());
        }
        if self.sequence == 0 {
            self.machine = Sampler::start(inner.config.sample_interval);
        }
        self.sequence += 1;
        self.fill_sets(inner, &kernels);
        let metrics = self.metrics.read();
        let sample = self.machine.as_ref().map(Sampler::newest).unwrap_or_default();
        let snapshot = Snapshot {
            sequence: self.sequence,
            time: UNIX_EPOCH + Duration::from_nanos(reading.unix_ns),
            copy_duration: reading.copy_duration,
            copied_bytes: reading.copied_bytes,
            kernels,
            self_metrics: self.costs.metrics(inner, reading, metrics.iter().map(|family| family.series.len()).sum()),
            metrics,
            system: sample.system,
            gpus: sample.gpus,
        };
        self.costs.end(reading);
        snapshot
    }
}

impl Collection {
    /// From the reading that the snapshot is of, and before its metrics are read: so they agree with its kernels.
    fn fill_sets(&mut self, inner: &Inner, kernels: &[KernelTelemetry]) {
        if self.sets.are_empty() {
            return;
        }
        let mut sets = std::mem::take(&mut self.sets);
        let kernels =
            self.totals().zip(kernels).map(|((entry, totals), telemetry)| ObservedKernel { entry, totals, telemetry });
        sets.fill(kernels, Registrar(&inner.metrics), &inner.counts.dropped_series);
        self.sets = sets;
    }
}

/// Tells what happened to a kernel that nobody commands, and what the watchdog found.
#[inline(always)]
fn note(inner: &Inner, entry: &Entry, stalled: bool, state: KernelState) {
    let stalls = state == KernelState::Stalled;
    // Who was told to stop, or died, has not recovered.
    let over = matches!(state, KernelState::Terminating | KernelState::Failed);
    if stalls != stalled && !over {
        inner.emit(&entry.id, if stalls { EventKind::Stalled } else { EventKind::Recovered });
    }
    if !stalls && (state == KernelState::Failed || entry.state.load(Ordering::Relaxed) == FROM_BLOCKS) {
        inner.announce(entry, state);
    }
}

impl Reading {
    /// Of a collector without a device.
    pub(super) fn without_device() -> Self {
        let unix_ns = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64;
        let (copy_duration, device_ns) = (Duration::ZERO, unix_ns);
        Reading { at: Instant::now(), copy_duration, copied_bytes: 0, device_ns, unix_ns, lookup_misses: 0 }
    }
}
