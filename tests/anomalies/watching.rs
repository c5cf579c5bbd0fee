//! Runs as a row of snapshots, and what a watch finds in them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ringscope::alert::anomaly::{Finding, Watch};
use ringscope::histogram::Histogram;
use ringscope::snapshot::Snapshot;

use super::generator::{Run, SECONDS};

/// When each run begins.
pub const START: SystemTime = SystemTime::UNIX_EPOCH;
/// So long after its end, what is found is found because of it; and what is wrong for shorter counts as so long.
pub const SHORTEST: usize = 60;
/// The first seconds do not count, as in the Numenta Anomaly Benchmark: 15 of 100.
const UNCOUNTED: usize = SECONDS * 15 / 100;

/// What a watch found in a run.
pub struct Judged {
    /// Seconds that count.
    pub seconds: usize,
    /// Seconds from when it went wrong to the first finding.
    pub delay: Option<usize>,
    /// Findings while something was wrong.
    pub rightly: Vec<Finding>,
    /// Findings while nothing was.
    pub wrongly: Vec<Finding>,
}

/// Returns the snapshots of a run: one before the first second, and one after each.
pub fn snapshots(run: &Run) -> impl Iterator<Item = Snapshot> + '_ {
    let collector = ringscope::TelemetryCollector::new(true);
    collector.record_receive("kernel").expect("a good name");
    let mut snapshot = (*collector.snapshot().expect("it is enabled")).clone();
    snapshot.time = START;
    let mut all = Histogram::new(3);
    let first = snapshot.clone();
    let rest = run.seconds.iter().map(move |second| {
        snapshot.time += Duration::from_secs(1);
        snapshot.sequence += 1;
        all.merge(&second.latency);
        let kernel = &mut snapshot.kernels[0];
        kernel.messages_processed += second.processed;
        kernel.errors += second.errors;
        kernel.queue_depth = second.queue;
        kernel.histogram = Arc::new(all.clone());
        snapshot.clone()
    });
    std::iter::once(first).chain(rest)
}

/// Returns what a watch finds in a run.
pub fn judge(run: &Run) -> Judged {
    let mut watch = Watch::new();
    let mut judged = Judged { seconds: SECONDS - UNCOUNTED, delay: None, rightly: Vec::new(), wrongly: Vec::new() };
    for (number, snapshot) in snapshots(run).enumerate() {
        let found = watch.push(&snapshot);
        // The snapshot after the first second is the second one.
        let Some(second) = number.checked_sub(1).filter(|second| *second >= UNCOUNTED) else { continue };
        for finding in found {
            match run.wrong.as_ref().filter(|wrong| (wrong.start..wrong.end + SHORTEST).contains(&second)) {
                Some(wrong) => {
                    judged.delay.get_or_insert(second - wrong.start);
                    judged.rightly.push(finding);
                }
                None => judged.wrongly.push(finding),
            }
        }
    }
    judged
}
