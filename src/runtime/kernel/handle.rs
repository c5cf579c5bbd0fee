//! The handle to a kernel, and what is known of it.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Instant;

use super::inbox::Inbox;
use crate::collector::{Life, TelemetryCollector};
use crate::device::{Feed, IdleRing, Launch, Producer, RingPlace, RingShape};
use crate::runtime::error::RuntimeError;
use crate::runtime::waker::{Look, Waker};
use crate::snapshot::{KernelState, KernelTelemetry};
use crate::trace::Tracer;

/// A handle for one kernel's messages, which costs no look-up. Clones share the kernel; senders wait for each other, as do
/// receivers, for the time of a copy.
///
/// It may outlive its runtime: the kernel is then told to stop, and its last replies can be received. It may outlive its kernel,
/// too: where the id is launched again, it stays a handle of the life that has ended.
#[derive(Clone)]
pub struct RingKernel {
    pub(super) shared: Arc<Shared>,
}

/// What all clones of a handle share.
pub(super) struct Shared {
    pub(super) id: Arc<str>,
    pub(super) shape: RingShape,
    pub(super) state: AtomicU8,
    /// Also the lock of the state: what is sent was sent to an active kernel. Taken before that of the inbox.
    pub(super) producer: Mutex<Producer>,
    pub(super) inbox: Mutex<Inbox>,
    pub(super) launch: Box<dyn Launch>,
    pub(super) waker: Arc<Waker<Watch>>,
    /// Told of each change of state, while the runtime is there.
    pub(super) collector: Weak<TelemetryCollector>,
    /// What the collector knows it by.
    pub(super) life: Option<Life>,
    /// Its rings, until they are another's.
    pub(super) place: Mutex<Option<RingPlace>>,
    /// What brings its messages to device memory, where they are to be there.
    pub(super) feed: Option<Arc<Feed>>,
    /// When it was seen that none of its blocks runs any more.
    pub(super) left: OnceLock<Instant>,
    /// Sends that found the queue full; telemetry has it too.
    pub(super) queue_full: Arc<AtomicU64>,
    pub(super) looks: AtomicU32,
    /// Whether its records were waited for in vain: a kernel may reply and not record it.
    pub(super) silent: AtomicBool,
    /// Replies as of which all of its numbers are known to be there, nothing having been under way.
    pub(super) settled: AtomicU64,
    /// Told of messages that are sent inside a span, and of their replies.
    pub(super) tracer: Option<Tracer>,
    /// What it died of, if it is found failed.
    pub(super) died_of: OnceLock<RuntimeError>,
}

impl RingKernel {
    pub(in crate::runtime) fn new(
        id: &str,
        ring: IdleRing,
        launch: Box<dyn Launch>,
        (collector, life): (&Arc<TelemetryCollector>, Option<Life>),
        (shape, waker, tracer): (RingShape, Arc<Waker<Watch>>, Option<Tracer>),
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
                queue_full: life.as_ref().map(Life::queue_full).unwrap_or_default(),
                collector: Arc::downgrade(collector),
                life,
                feed: ring.place.feed(),
                place: Mutex::new(Some(ring.place)),
                left: OnceLock::new(),
                looks: AtomicU32::new(0),
                silent: AtomicBool::new(false),
                settled: AtomicU64::new(0),
                tracer,
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

    pub(super) fn producer(&self) -> MutexGuard<'_, Producer> {
        self.shared.producer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.shared.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a future waits for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wanted {
    Room,
    Reply,
    Answer(u64),
}

/// A future that waits for a kernel, as the thread sees it that looks for it.
pub(in crate::runtime) struct Watch {
    pub(super) kernel: RingKernel,
    pub(super) wanted: Wanted,
}

impl Look for Watch {
    fn look(&self) -> bool {
        let kernel = &self.kernel;
        match self.wanted {
            Wanted::Room => kernel.has_room() || kernel.is_over(),
            Wanted::Reply => kernel.look(Inbox::has_reply),
            Wanted::Answer(n) => kernel.look(|inbox| inbox.has_answer(n)),
        }
    }
}

/// Whether a kernel with this telemetry, of which so many replies were received, has no telemetry code: a block's first
/// words are written before its first reply.
pub(in crate::runtime) fn records_nothing(telemetry: &KernelTelemetry, replies: u64) -> bool {
    replies > 0 && telemetry.start_time.is_none()
}

impl std::fmt::Debug for RingKernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RingKernel({}, {})", self.id(), self.state())
    }
}
