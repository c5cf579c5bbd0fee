//! Detectors for each kernel of each snapshot.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use super::finding::Finding;
use super::kernel::{Detectors, Interval};
use crate::histogram::Histogram;
use crate::snapshot::{KernelTelemetry, Snapshot};

/// Watches each kernel of a row of snapshots: its throughput, error rate, median and 99th percentile of its latencies, its queue,
/// and the latencies' distribution.
///
/// How much a kernel is given to do is no finding: less throughput is one while messages wait, and more is none.
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

/// What a kernel had counted at the last snapshot.
#[derive(Clone, Debug)]
struct Kernel {
    time: SystemTime,
    processed: u64,
    errors: u64,
    latency: Arc<Histogram>,
    detectors: Box<Detectors>,
}

impl Watch {
    /// Makes one that has seen no snapshot.
    pub fn new() -> Self {
        Watch::default()
    }

    /// Returns what is not as it was in the time between the snapshot before and this one. Snapshots come in order of time; a
    /// kernel that a snapshot does not have is forgotten; between a reset and the snapshot before it there is nothing to say.
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
        Kernel {
            time,
            processed: first.messages_processed,
            errors: first.errors,
            latency: Arc::clone(&first.histogram),
            detectors: Box::new(Detectors::new()),
        }
    }

    fn push(&mut self, time: SystemTime, now: &KernelTelemetry, found: &mut Vec<Finding>) {
        let lasted = time.duration_since(self.time).unwrap_or_default();
        if lasted.is_zero() || now.state.has_ended() {
            return;
        }
        let was_reset = now.messages_processed < self.processed || now.errors < self.errors;
        if !was_reset {
            let interval = Interval {
                time,
                lasted,
                processed: now.messages_processed - self.processed,
                errors: now.errors - self.errors,
                latency: now.histogram.since(&self.latency),
                queue_depth: now.queue_depth,
            };
            self.detectors.push(&now.kernel_id, &interval, found);
        }
        (self.time, self.processed, self.errors) = (time, now.messages_processed, now.errors);
        self.latency = Arc::clone(&now.histogram);
    }
}
