//! How long a snapshot waits for a kernel's records: they are made after the replies, and become visible word by word.

use std::sync::atomic::Ordering;

use super::handle::{RingKernel, records_nothing};
use crate::snapshot::KernelTelemetry;

/// Readings at most that are taken only to see that nothing is behind the one before.
const SETTLING_READINGS: u32 = 3;

/// The records of one kernel that a snapshot waits for.
pub(in crate::runtime) struct AwaitedRecords<'a> {
    kernel: &'a RingKernel,
    /// Replies that were received before.
    replies: u64,
    settling: Option<Settling>,
}

impl<'a> AwaitedRecords<'a> {
    /// Of the replies received so far.
    pub(in crate::runtime) fn new(kernel: &'a RingKernel) -> Self {
        let (replies, sent) = (kernel.replies_received(), kernel.messages_sent());
        let settled = kernel.shared.settled.load(Ordering::Relaxed);
        AwaitedRecords { kernel, replies, settling: (sent == replies && settled != replies).then(Settling::default) }
    }

    /// The kernel.
    pub(in crate::runtime) fn kernel(&self) -> &'a RingKernel {
        self.kernel
    }

    /// Whether this reading, the next in time, lacks records that may still come.
    pub(in crate::runtime) fn are_missing(&mut self, telemetry: &KernelTelemetry) -> bool {
        let shared = &self.kernel.shared;
        if shared.life.as_ref().is_some_and(|life| life.generation() != telemetry.generation) {
            // The id is another's.
            return false;
        }
        let complete = telemetry.recorded_since_launch >= self.replies;
        if self.replies > 0 && complete {
            // It was slow once, and has caught up: the next time it is waited for again.
            shared.silent.store(false, Ordering::Relaxed);
        }
        if !complete {
            return !records_nothing(telemetry, self.replies) && !shared.silent.load(Ordering::Relaxed);
        }
        let Some(settling) = &mut self.settling else { return false };
        if settling.goes_on(numbers(telemetry)) {
            return true;
        }
        shared.settled.store(self.replies, Ordering::Relaxed);
        false
    }

    /// They were waited for in vain, and are not waited for again before the kernel has caught up.
    pub(in crate::runtime) fn give_up(&self) {
        self.kernel.shared.silent.store(true, Ordering::Relaxed);
    }
}

/// Sums and histograms have no count of their own that could be compared with the replies. But of a kernel that has answered all
/// that it was sent, nothing changes any more: what two readings agree on is all of it.
#[derive(Debug, Default)]
struct Settling {
    last: Option<[u64; NUMBERS]>,
    readings: u32,
}

impl Settling {
    /// Whether another reading may show more than this one. A kernel that counts all by itself is not looked at for ever.
    fn goes_on(&mut self, numbers: [u64; NUMBERS]) -> bool {
        let last = self.last.replace(numbers);
        self.readings += 1;
        last != Some(numbers) && self.readings <= SETTLING_READINGS
    }
}

const NUMBERS: usize = 17;

/// What a record changes; not what a block that waits for a message goes on counting, and no times, which are told by the
/// clock of each reading.
fn numbers(t: &KernelTelemetry) -> [u64; NUMBERS] {
    let extremes = |h: Option<&crate::histogram::Histogram>| {
        h.map_or([0; 4], |h| [h.count(), h.sum(), h.min().unwrap_or(0), h.max().unwrap_or(0)])
    };
    let handling = extremes(Some(&t.histogram));
    let waiting = extremes(t.waiting.as_deref().map(|waiting| &*waiting.histogram));
    let counts = [
        t.messages_received,
        t.messages_sent,
        t.messages_processed,
        t.errors,
        t.bytes_in,
        t.bytes_out,
        t.retries,
        t.queue_high_water,
        t.busy_time.as_nanos() as u64,
    ];
    let mut all = [0; NUMBERS];
    all.iter_mut().zip(counts.into_iter().chain(handling).chain(waiting)).for_each(|(to, number)| *to = number);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_readings_agree_on_is_all_and_no_kernel_is_looked_at_for_ever() {
        let reading = |n: u64| [n; NUMBERS];
        let mut still = Settling::default();
        assert!(still.goes_on(reading(1)), "one reading agrees with nothing");
        assert!(!still.goes_on(reading(1)));
        let mut late = Settling::default();
        let told: Vec<bool> = [1, 2, 2].map(|n| late.goes_on(reading(n))).to_vec();
        assert_eq!(told, [true, true, false]);
        let mut restless = Settling::default();
        let told = (0..=u64::from(SETTLING_READINGS)).map(|n| restless.goes_on(reading(n))).collect::<Vec<_>>();
        assert_eq!(told, [true, true, true, false]);
    }
}
