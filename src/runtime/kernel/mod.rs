//! One launched kernel: its two ring ends, its launch, its state.

mod inbox;
mod life;
mod messages;

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use super::RuntimeError;
use super::waker::Waker;
use crate::collector::TelemetryCollector;
use crate::device::{IdleRing, Launch, Producer, RingShape};
use crate::snapshot::{KernelState, KernelTelemetry};

use inbox::Inbox;

/// A handle for one kernel's messages, which costs no look-up. Clones share the kernel; senders wait for each other, as do
/// receivers, for the time of a copy.
///
/// It may outlive its runtime: the kernel is then told to stop, and its last replies can be received.
#[derive(Clone)]
pub struct RingKernel {
    shared: Arc<Shared>,
}

struct Shared {
    id: Arc<str>,
    shape: RingShape,
    state: AtomicU8,
    /// Also the lock of the state: what is sent was sent to an active kernel. Taken before that of the inbox.
    producer: Mutex<Producer>,
    inbox: Mutex<Inbox>,
    launch: Box<dyn Launch>,
    waker: Arc<Waker>,
    /// Told of each change of state, while the runtime is there.
    collector: Weak<TelemetryCollector>,
    /// Sends that found the queue full; telemetry has it too.
    queue_full: Arc<AtomicU64>,
    looks: AtomicU32,
    /// Whether its records were waited for in vain: a kernel may reply and not record it.
    silent: AtomicBool,
    /// What it died of, if it is found failed.
    died_of: OnceLock<RuntimeError>,
}

impl RingKernel {
    pub(super) fn new(
        id: &str,
        shape: RingShape,
        ring: IdleRing,
        launch: Box<dyn Launch>,
        waker: Arc<Waker>,
        collector: &Arc<TelemetryCollector>,
    ) -> Self {
        RingKernel {
            shared: Arc::new(Shared {
                id: id.into(),
                shape,
                state: AtomicU8::new(KernelState::Launched as u8),
                producer: Mutex::new(ring.producer),
                inbox: Mutex::new(Inbox::new(ring.consumer, shape.slots)),
                launch,
                waker,
                queue_full: collector.queue_full(id),
                collector: Arc::downgrade(collector),
                looks: AtomicU32::new(0),
                silent: AtomicBool::new(false),
                died_of: OnceLock::new(),
            }),
        }
    }

    /// Returns its id.
    pub fn id(&self) -> &str {
        &self.shared.id
    }

    /// Returns where it is in its life, as far as that was noticed: by a command, a receive, or a snapshot of its runtime.
    pub fn state(&self) -> KernelState {
        KernelState::from_u8(self.shared.state.load(Ordering::Acquire)).unwrap_or(KernelState::Failed)
    }

    /// Returns how many messages were sent to it so far.
    pub fn messages_sent(&self) -> u64 {
        self.producer().sent()
    }

    /// Returns how many replies were taken from its ring so far, those included that came too late for their call.
    pub fn replies_received(&self) -> u64 {
        self.inbox().taken()
    }

    /// Whether `telemetry` lacks the records of these replies, and they may still come.
    pub(super) fn is_behind(&self, telemetry: &KernelTelemetry, replies: u64) -> bool {
        let missing = telemetry.sent_since_launch < replies && !records_nothing(telemetry, replies);
        missing && !self.shared.silent.load(Ordering::Relaxed)
    }

    /// Its records were waited for; they are not waited for again.
    pub(super) fn give_up_on_records(&self) {
        self.shared.silent.store(true, Ordering::Relaxed);
    }

    fn producer(&self) -> MutexGuard<'_, Producer> {
        self.shared.producer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.shared.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a kernel with this telemetry, of which so many replies were received, has no telemetry code: a block's first
/// words are written before its first reply.
pub(super) fn records_nothing(telemetry: &KernelTelemetry, replies: u64) -> bool {
    replies > 0 && telemetry.start_time.is_none()
}

impl std::fmt::Debug for RingKernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RingKernel({}, {})", self.id(), self.state())
    }
}
