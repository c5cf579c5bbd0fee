//! When messages were sent, on the host's clock: what the times of replies are compared with.

use std::sync::atomic::{AtomicU64, Ordering, fence};

/// When messages were sent, on the host's clock: what the replies' times are compared with. A slot for each of the ring's.
#[derive(Debug)]
pub(super) struct SentTimes {
    slots: Box<[SentTime]>,
}

#[derive(Debug, Default)]
struct SentTime {
    /// 1 + the number of the message; 0 while it is being written.
    message: AtomicU64,
    host: AtomicU64,
}

impl SentTimes {
    pub(super) fn new(slots: u32) -> Self {
        SentTimes { slots: (0..slots).map(|_| SentTime::default()).collect() }
    }

    fn slot(&self, n: u64) -> &SentTime {
        &self.slots[(n as usize) & (self.slots.len() - 1)]
    }

    /// By the sender alone.
    pub(super) fn note(&self, n: u64, host: i64) {
        let slot = self.slot(n);
        slot.message.store(0, Ordering::Relaxed);
        fence(Ordering::Release);
        slot.host.store(host as u64, Ordering::Relaxed);
        slot.message.store(n + 1, Ordering::Release);
    }

    /// Of that message, unless another has taken its slot.
    pub(super) fn of(&self, n: u64) -> Option<i64> {
        let slot = self.slot(n);
        let is_its = |order| slot.message.load(order) == n.wrapping_add(1);
        let host = is_its(Ordering::Acquire).then(|| slot.host.load(Ordering::Relaxed))?;
        fence(Ordering::Acquire);
        is_its(Ordering::Relaxed).then_some(host as i64)
    }
}
