//! Earlier lives: what kernels have counted that had the id of one of a snapshot's before, or that were forgotten.
//!
//! Who tells what was added since an earlier snapshot loses nothing of a life that ended meanwhile, and sums over all kernels
//! never fall because an id lives again.

#[cfg(any(test, feature = "cloudwatch", feature = "datadog", feature = "elasticsearch", feature = "otlp"))]
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use super::Snapshot;
use super::kernel::{KernelTelemetry, Latency, TraceRecords, Waiting};
use crate::histogram::Histogram;

impl KernelTelemetry {
    /// This life and all before it: what the next under its id has behind it.
    pub(crate) fn with_earlier(&self) -> Arc<KernelTelemetry> {
        let mut all = KernelTelemetry { earlier: None, ..self.clone() };
        self.earlier.iter().for_each(|earlier| all.add(earlier));
        Arc::new(all)
    }

    /// Adds what another life has counted.
    pub(crate) fn add(&mut self, other: &KernelTelemetry) {
        self.combine(other, u64::saturating_add, |mine, others| {
            let mut both = mine.clone();
            both.merge(others);
            both
        });
    }

    /// Takes off what it had counted earlier.
    #[cfg(any(test, feature = "cloudwatch", feature = "datadog", feature = "elasticsearch", feature = "otlp"))]
    fn take_off(&mut self, earlier: &KernelTelemetry) {
        self.combine(earlier, u64::saturating_sub, Histogram::since);
    }

    fn combine(
        &mut self,
        other: &KernelTelemetry,
        count: fn(u64, u64) -> u64,
        histogram: fn(&Histogram, &Histogram) -> Histogram,
    ) {
        let counts = [
            (&mut self.messages_received, other.messages_received),
            (&mut self.messages_sent, other.messages_sent),
            (&mut self.messages_processed, other.messages_processed),
            (&mut self.errors, other.errors),
            (&mut self.queue_full, other.queue_full),
            (&mut self.bytes_in, other.bytes_in),
            (&mut self.bytes_out, other.bytes_out),
            (&mut self.retries, other.retries),
            (&mut self.dropped, other.dropped),
            (&mut self.polls, other.polls),
        ];
        counts.into_iter().for_each(|(mine, others)| *mine = count(*mine, others));
        let time = |mine: Duration, others: Duration| {
            Duration::from_nanos(count(mine.as_nanos() as u64, others.as_nanos() as u64))
        };
        self.busy_time = time(self.busy_time, other.busy_time);
        self.wait_time = time(self.wait_time, other.wait_time);
        if let (Some(mine), Some(others)) = (&mut self.trace, other.trace) {
            let [written, read, lost] =
                [(mine.written, others.written), (mine.read, others.read), (mine.lost, others.lost)]
                    .map(|(a, b)| count(a, b));
            *mine = TraceRecords::new(written, read, lost);
        }
        self.histogram = Arc::new(histogram(&self.histogram, &other.histogram));
        if let Some(others) = &other.waiting {
            let mine = self.waiting.as_ref().map_or_else(Arc::default, |waiting| Arc::clone(&waiting.histogram));
            let both = Arc::new(histogram(&mine, &others.histogram));
            let waiting = |latency| Arc::new(Waiting { latency, histogram: both.clone() });
            self.waiting = Latency::from_histogram(&both).map(waiting);
        }
    }
}

impl Snapshot {
    /// Each life that a kernel of the snapshot had, this one first, and all that were forgotten as one.
    pub(crate) fn lives(&self) -> impl Iterator<Item = &KernelTelemetry> {
        let earlier = self.kernels.iter().filter_map(|kernel| kernel.earlier.as_deref());
        self.kernels.iter().chain(earlier).chain(self.forgotten.as_deref())
    }
}

/// For those destinations that take differences.
#[cfg(any(test, feature = "cloudwatch", feature = "datadog", feature = "elasticsearch", feature = "otlp"))]
impl Snapshot {
    /// This snapshot and an earlier one as what their difference is to be told of: a kernel that lives again since then has
    /// counted, beside its own, what is not known yet of its earlier lives.
    pub(crate) fn across_lives<'a>(
        &'a self,
        earlier: Option<&'a Snapshot>,
    ) -> (Cow<'a, Snapshot>, Option<Cow<'a, Snapshot>>) {
        let known = |(index, kernel): (usize, &KernelTelemetry)| {
            let kernels = &earlier?.kernels;
            let is = |other: &&KernelTelemetry| other.kernel_id == kernel.kernel_id;
            // Most often they stand where they stood.
            kernels.get(index).filter(is).or_else(|| kernels.iter().find(is))
        };
        let (mut now, mut before) = (Cow::Borrowed(self), earlier.map(Cow::Borrowed));
        for (index, kernel) in self.kernels.iter().enumerate().filter(|(_, kernel)| kernel.generation > 1) {
            let known = known((index, kernel));
            match (&kernel.earlier, known) {
                (_, Some(known)) if known.generation == kernel.generation => {}
                (Some(lives), _) => {
                    let mut lives = KernelTelemetry::clone(lives);
                    known.and_then(|known| known.earlier.as_ref()).iter().for_each(|known| lives.take_off(known));
                    now.to_mut().kernels[index].add(&lives);
                }
                // Of another life nothing is taken off this one.
                (None, _) => {
                    let is_other = |other: &KernelTelemetry| other.kernel_id == kernel.kernel_id;
                    before.iter_mut().for_each(|before| before.to_mut().kernels.retain(|other| !is_other(other)));
                }
            }
        }
        (now, before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life(generation: u64, processed: u64, values: &[u64], earlier: Option<Arc<KernelTelemetry>>) -> KernelTelemetry {
        let collector = crate::TelemetryCollector::new(true);
        collector.record_receive("w").unwrap();
        let mut histogram = Histogram::new(3);
        values.iter().for_each(|value| histogram.record(*value));
        let kernel = collector.snapshot().unwrap().kernels[0].clone();
        KernelTelemetry { generation, messages_processed: processed, histogram: Arc::new(histogram), earlier, ..kernel }
    }

    fn snapshot(kernel: KernelTelemetry) -> Snapshot {
        let snapshot = crate::TelemetryCollector::new(true).snapshot().unwrap();
        Snapshot { kernels: vec![kernel], ..Snapshot::clone(&snapshot) }
    }

    /// What a teller of differences would say.
    fn added(now: &Snapshot, before: Option<&Snapshot>) -> (u64, u64) {
        let (now, before) = now.across_lives(before);
        let counts = |s: &Snapshot| {
            s.kernels.first().map_or((0, 0), |kernel| (kernel.messages_processed, kernel.histogram.count()))
        };
        let (now, before) = (counts(&now), before.as_deref().map(counts).unwrap_or_default());
        (now.0 - before.0, now.1 - before.1)
    }

    #[test]
    fn what_a_life_counted_after_it_was_last_looked_at_is_told_with_the_next() {
        let seen = snapshot(life(1, 5, &[1, 2], None));
        let ended = life(1, 8, &[1, 2, 3], None);
        let second = life(2, 6, &[4], Some(ended.with_earlier()));
        assert_eq!(added(&snapshot(second.clone()), Some(&seen)), (3 + 6, 2));
        // Within that life, its own count.
        let later = life(2, 9, &[4, 5], Some(ended.with_earlier()));
        assert_eq!(added(&snapshot(later.clone()), Some(&snapshot(second))), (3, 1));
        // Lives that nobody looked at between two looks.
        let fourth = life(4, 2, &[], Some(life(3, 100, &[7; 10], Some(later.with_earlier())).with_earlier()));
        assert_eq!(added(&snapshot(fourth.clone()), Some(&seen)), (3 + 9 + 100 + 2, 1 + 2 + 10));
        assert_eq!(added(&snapshot(fourth.clone()), None), (8 + 9 + 100 + 2, 3 + 2 + 10));
        let of_all: u64 = snapshot(fourth).lives().map(|life| life.messages_processed).sum();
        assert_eq!(of_all, 8 + 9 + 100 + 2);
        // Where nothing is known of the life before, as in a recording or after a reset, the new one counts from zero.
        assert_eq!(added(&snapshot(life(2, 7, &[1], None)), Some(&seen)), (7, 1));
    }
}
