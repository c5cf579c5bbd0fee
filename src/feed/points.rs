//! What a chart shows of a kernel: what it did between one snapshot and the next.

use std::sync::Arc;
use std::time::SystemTime;

use crate::histogram::Histogram;
use crate::snapshot::{KernelState, KernelTelemetry, Snapshot, rate, ratio};

/// What a kernel did between two snapshots, and how it was at the second.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct KernelPoint {
    /// The time of the second snapshot.
    pub time: SystemTime,
    /// Its state then.
    pub state: KernelState,
    /// Messages handled without error, per second.
    pub messages_per_second: f64,
    /// Messages refused, per second.
    pub errors_per_second: f64,
    /// Payload bytes received, per second.
    pub bytes_in_per_second: f64,
    /// Latencies of handling of the messages between the two, in nanoseconds. Empty where nothing was handled.
    pub latency: Arc<Histogram>,
    /// Messages waiting at the second.
    pub queue_depth: u64,
    /// Time in the handler between the two as a fraction of the time, per block.
    pub busy_ratio: f64,
}

impl KernelPoint {
    /// Returns a quantile of the latencies, in nanoseconds; `None` where nothing was handled.
    pub fn quantile_ns(&self, q: f64) -> Option<f64> {
        (self.latency.count() > 0).then(|| self.latency.quantile(q))
    }

    fn between(before: &KernelTelemetry, at: SystemTime, now: &KernelTelemetry, time: SystemTime) -> Self {
        let over = time.duration_since(at).unwrap_or_default();
        let per_second = |before: u64, now: u64| rate(now.saturating_sub(before), over);
        let busy = now.busy_time.saturating_sub(before.busy_time);
        KernelPoint {
            time,
            state: now.state,
            messages_per_second: per_second(before.messages_processed, now.messages_processed),
            errors_per_second: per_second(before.errors, now.errors),
            bytes_in_per_second: per_second(before.bytes_in, now.bytes_in),
            latency: Arc::new(now.histogram.since(&before.histogram)),
            queue_depth: now.queue_depth,
            busy_ratio: ratio(busy.as_secs_f64(), over.as_secs_f64() * f64::from(now.blocks.max(1))),
        }
    }
}

/// Makes a point of each two neighbours of `snapshots`, which come in order of time. There is none where one of the two does not
/// have the kernel; a reset begins anew, from zero. Where latencies are not in each snapshot, as in recordings of many kernels, each
/// point has those of the time from one snapshot with them to the next.
pub fn points<'a>(snapshots: impl IntoIterator<Item = &'a Snapshot>, kernel: &str) -> Vec<KernelPoint> {
    let mut before: Option<&Snapshot> = None;
    let mut points: Vec<KernelPoint> = Vec::new();
    // Points whose latencies come with a later snapshot.
    let mut untold: Vec<usize> = Vec::new();
    for now in snapshots {
        let both = before.and_then(|before| Some((before.kernel(kernel)?, before.time, now.kernel(kernel)?)));
        before = Some(now);
        let Some((then, at, kernel)) = both else {
            untold.clear();
            continue;
        };
        let point = KernelPoint::between(then, at, kernel, now.time);
        if !Arc::ptr_eq(&then.histogram, &kernel.histogram) {
            untold.drain(..).for_each(|i| points[i].latency = Arc::clone(&point.latency));
        } else if kernel.handled() > then.handled() {
            untold.push(points.len());
        }
        points.push(point);
    }
    points
}

/// Makes a point of each kernel of `now`, in its order; `None` for one that `before` does not have.
pub fn points_between<'a>(before: &'a Snapshot, now: &'a Snapshot) -> impl Iterator<Item = Option<KernelPoint>> + 'a {
    now.kernels.iter().enumerate().map(move |(i, kernel)| {
        // Kernels keep their order, mostly.
        let same = before.kernels.get(i).filter(|then| then.kernel_id == kernel.kernel_id);
        let then = same.or_else(|| before.kernel(&kernel.kernel_id))?;
        Some(KernelPoint::between(then, before.time, kernel, now.time))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TelemetryCollector;
    use std::time::Duration;

    #[test]
    fn a_point_is_what_lies_between_two_snapshots() {
        let collector = TelemetryCollector::new(true);
        let read = |handled: u64, ms: u64| {
            for _ in 0..handled {
                collector.record_processed("a", Some(Duration::from_millis(ms))).unwrap();
            }
            let mut snapshot = (*collector.snapshot().unwrap()).clone();
            snapshot.time = SystemTime::UNIX_EPOCH + Duration::from_secs(2 * snapshot.sequence);
            snapshot
        };
        let snapshots = [read(1, 1), read(10, 4), read(0, 0), read(4, 100)];
        let points = points(&snapshots, "a");
        let rates: Vec<f64> = points.iter().map(|point| point.messages_per_second).collect();
        assert_eq!(rates, [5.0, 0.0, 2.0]);
        let p50 = points.iter().map(|point| point.quantile_ns(0.5).map(|ns| (ns / 1e6).round()));
        let p50: Vec<_> = p50.collect();
        assert!(p50[0].is_some_and(|ms| (3.0..=5.0).contains(&ms)) && p50[1].is_none(), "{p50:?}");
        assert!(p50[2].is_some_and(|ms| (90.0..=110.0).contains(&ms)), "{p50:?}");
        assert!(super::points(&snapshots, "b").is_empty());
    }

    #[test]
    fn latencies_that_come_later_are_those_of_the_time_between() {
        let collector = TelemetryCollector::new(true);
        let mut snapshots: Vec<Snapshot> = Vec::new();
        for (second, tells) in [(1, true), (2, false), (3, false), (4, true), (5, false)] {
            for _ in 0..3 {
                collector.record_processed("a", Some(Duration::from_millis(second))).unwrap();
            }
            let mut snapshot = (*collector.snapshot().unwrap()).clone();
            snapshot.time = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
            if !tells {
                snapshot.kernels[0].histogram = Arc::clone(&snapshots.last().unwrap().kernels[0].histogram);
            }
            snapshots.push(snapshot);
        }
        let points = points(&snapshots, "a");
        let counts: Vec<u64> = points.iter().map(|point| point.latency.count()).collect();
        assert_eq!(counts, [9, 9, 9, 0]);
        assert!(points.iter().all(|point| point.messages_per_second == 3.0));
    }
}
