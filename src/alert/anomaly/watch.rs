//! Detectors for each kernel of each snapshot.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use super::detector::{Detector, Scored};
use super::distribution::Distribution;
use super::finding::{Finding, Measure};
use crate::snapshot::{KernelTelemetry, Snapshot, rate, ratio};

/// Watches each kernel of a row of snapshots: its throughput, error rate, median and 99th percentile of its latencies, its queue,
/// and the latencies' distribution.
///
/// ```
/// use ringscope::alert::anomaly::Watch;
///
/// let telemetry = ringscope::TelemetryCollector::new(true);
/// telemetry.record_processed("parser", None)?;
/// let mut watch = Watch::new();
/// assert!(watch.push(&*telemetry.snapshot()?).is_empty());
/// # Ok::<(), ringscope::TelemetryError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Watch {
    kernels: HashMap<Arc<str>, Kernel>,
}

/// The detectors of one kernel, and what it was at the last snapshot.
#[derive(Clone, Debug)]
struct Kernel {
    time: SystemTime,
    before: KernelTelemetry,
    numbers: [Detector; 5],
    latency: Distribution,
}

const NUMBERS: [Measure; 5] =
    [Measure::Throughput, Measure::ErrorRate, Measure::P50, Measure::P99, Measure::QueueDepth];

impl Watch {
    /// Makes one that has seen no snapshot.
    pub fn new() -> Self {
        Watch::default()
    }

    /// Returns what is not as it was in the time between the snapshot before and this one. Snapshots come in order of time; a
    /// kernel that a snapshot does not have is forgotten.
    pub fn push(&mut self, snapshot: &Snapshot) -> Vec<Finding> {
        let mut found = Vec::new();
        self.kernels.retain(|id, _| snapshot.kernel(id).is_some());
        for now in &snapshot.kernels {
            match self.kernels.get_mut(&now.kernel_id) {
                Some(kernel) => kernel.push(snapshot.time, now, &mut found),
                None => drop(self.kernels.insert(Arc::clone(&now.kernel_id), Kernel::new(snapshot.time, now))),
            }
        }
        found
    }
}

impl Kernel {
    fn new(time: SystemTime, first: &KernelTelemetry) -> Self {
        let numbers = NUMBERS.map(|measure| Detector::new(measure.name()));
        Kernel { time, before: first.clone(), numbers, latency: Distribution::new(Measure::Latency.name()) }
    }

    fn push(&mut self, time: SystemTime, now: &KernelTelemetry, found: &mut Vec<Finding>) {
        let over = time.duration_since(self.time).unwrap_or_default();
        if over.is_zero() {
            return;
        }
        let processed = now.messages_processed.saturating_sub(self.before.messages_processed);
        let errors = now.errors.saturating_sub(self.before.errors);
        let recorded = now.histogram.since(&self.before.histogram);
        let quantile = |q| (recorded.count() > 0).then(|| recorded.quantile(q));
        let values = [
            Some(rate(processed, over)),
            (processed + errors > 0).then(|| ratio(errors as f64, (processed + errors) as f64)),
            quantile(0.5),
            quantile(0.99),
            Some(now.queue_depth as f64),
        ];
        let of = |measure| Some((Arc::clone(&now.kernel_id), measure));
        let mut take = |scored: Scored, measure| {
            found.extend(scored.finding.map(|finding| Finding { of: of(measure), ..finding }));
        };
        for ((detector, value), measure) in self.numbers.iter_mut().zip(values).zip(NUMBERS) {
            if let Some(value) = value {
                take(detector.push(time, value), measure);
            }
        }
        take(self.latency.push(time, &recorded), Measure::Latency);
        (self.time, self.before) = (time, now.clone());
    }
}
