//! One launched kernel: its two ring ends, its launch, its state.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::RuntimeError;
use super::wait;
use crate::collector::TelemetryCollector;
use crate::device::{Command, Consumer, DeviceError, Launch, Producer, Reply, RingShape};
use crate::snapshot::{KernelState, Snapshot};

/// One kernel's traffic. Clones share it; senders wait for each other, as do receivers, for the time of a copy.
#[derive(Clone)]
pub struct RingKernel {
    shared: Arc<Shared>,
}

struct Shared {
    id: Arc<str>,
    shape: RingShape,
    state: AtomicU8,
    /// Also the lock of the state: what is sent was sent to an active kernel.
    producer: Mutex<Producer>,
    consumer: Mutex<Consumer>,
    launch: Box<dyn Launch>,
    replies: AtomicU64,
    /// Sends that found the queue full; telemetry has it too.
    queue_full: Arc<AtomicU64>,
    looks: AtomicU32,
    /// Whether it was waited for its records in vain: a kernel may reply and record nothing.
    silent: AtomicBool,
    /// What the device said of it when it was found failed.
    died_of: OnceLock<DeviceError>,
}

/// How many vain looks at a ring there are to one at the launch: asking a device costs more than looking at memory.
const LOOKS_PER_QUERY: u32 = 64;

impl RingKernel {
    pub(super) fn new(
        id: &str,
        shape: RingShape,
        producer: Producer,
        consumer: Consumer,
        launch: Box<dyn Launch>,
        queue_full: Arc<AtomicU64>,
    ) -> Self {
        RingKernel {
            shared: Arc::new(Shared {
                id: id.into(),
                shape,
                state: AtomicU8::new(KernelState::Launched as u8),
                producer: Mutex::new(producer),
                consumer: Mutex::new(consumer),
                launch,
                replies: AtomicU64::new(0),
                queue_full,
                looks: AtomicU32::new(0),
                silent: AtomicBool::new(false),
                died_of: OnceLock::new(),
            }),
        }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.shared.id
    }

    /// Where it is in its life.
    pub fn state(&self) -> KernelState {
        KernelState::from_u8(self.shared.state.load(Ordering::Acquire)).unwrap_or(KernelState::Failed)
    }

    /// Messages sent to it so far.
    pub fn messages_sent(&self) -> u64 {
        self.producer().sent()
    }

    /// Replies received from it so far.
    pub fn replies_received(&self) -> u64 {
        self.shared.replies.load(Ordering::Relaxed)
    }

    /// Whether a snapshot lacks the records of these replies.
    pub(super) fn is_behind(&self, snapshot: &Snapshot, replies: u64) -> bool {
        let counted = snapshot.kernel(self.id()).is_none_or(|t| t.sent_since_launch >= replies);
        !counted && !self.shared.silent.load(Ordering::Relaxed)
    }

    pub(super) fn give_up_on_records(&self) {
        self.shared.silent.store(true, Ordering::Relaxed);
    }

    // ---- messages ------------------------------------------------------------------------------------

    /// Sends a message if there is room, and returns its number, which its reply carries.
    ///
    /// # Errors
    /// [`RuntimeError::QueueFull`], [`RuntimeError::MessageTooLarge`], [`RuntimeError::NotActive`].
    pub fn try_send(&self, payload: &[u8]) -> Result<u64, RuntimeError> {
        let full = || RuntimeError::QueueFull { id: Arc::clone(&self.shared.id), slots: self.shared.shape.slots };
        self.offer_or_note(payload, &mut false)?.ok_or_else(full)
    }

    /// Sends a message, waiting while the queue is full.
    ///
    /// # Errors
    /// [`RuntimeError::MessageTooLarge`], [`RuntimeError::NotActive`].
    pub async fn send(&self, payload: &[u8]) -> Result<u64, RuntimeError> {
        let mut noted = false;
        let sent = wait::polling(None, || self.offer_or_note(payload, &mut noted)).await?;
        sent.ok_or_else(|| self.not_active())
    }

    /// Sends messages in their order, waiting while the queue is full, and returns the number of the first.
    ///
    /// # Errors
    /// As [`send`](Self::send); messages before the one refused are sent.
    pub async fn send_batch<P: AsRef<[u8]>>(&self, payloads: &[P]) -> Result<u64, RuntimeError> {
        let mut first = None;
        for payload in payloads {
            let n = self.send(payload.as_ref()).await?;
            first.get_or_insert(n);
        }
        Ok(first.unwrap_or_else(|| self.messages_sent()))
    }

    /// [`send`](Self::send) for use without tokio.
    ///
    /// # Errors
    /// As there.
    pub fn send_blocking(&self, payload: &[u8]) -> Result<u64, RuntimeError> {
        let mut noted = false;
        let sent = wait::blocking(None, || self.offer_or_note(payload, &mut noted))?;
        sent.ok_or_else(|| self.not_active())
    }

    /// The next reply, waiting at most `timeout`.
    ///
    /// # Errors
    /// [`RuntimeError::ReceiveTimedOut`], [`RuntimeError::Ended`], what the kernel died of.
    pub async fn receive(&self, timeout: Duration) -> Result<Reply, RuntimeError> {
        let reply = wait::polling(deadline(timeout), || self.try_receive()).await?;
        reply.ok_or_else(|| self.timed_out(timeout))
    }

    /// [`receive`](Self::receive) for use without tokio.
    ///
    /// # Errors
    /// As there.
    pub fn receive_blocking(&self, timeout: Duration) -> Result<Reply, RuntimeError> {
        let reply = wait::blocking(deadline(timeout), || self.try_receive())?;
        reply.ok_or_else(|| self.timed_out(timeout))
    }

    /// The next reply if it is there.
    ///
    /// # Errors
    /// [`RuntimeError::Ended`] once there can be none any more; what the kernel died of.
    pub fn try_receive(&self) -> Result<Option<Reply>, RuntimeError> {
        let mut consumer = self.shared.consumer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut reply = consumer.receive();
        if reply.is_none() && self.is_found_ended()? {
            reply = consumer.receive_after_end();
            if reply.is_none() {
                return Err(RuntimeError::Ended { id: self.id().to_owned() });
            }
        }
        if reply.is_some() {
            self.shared.replies.fetch_add(1, Ordering::Relaxed);
        }
        Ok(reply)
    }

    /// As [`offer`](Self::offer); a full queue is counted, once for each send.
    fn offer_or_note(&self, payload: &[u8], noted: &mut bool) -> Result<Option<u64>, RuntimeError> {
        let sent = self.offer(payload)?;
        if sent.is_none() && !std::mem::replace(noted, true) {
            self.shared.queue_full.fetch_add(1, Ordering::Relaxed);
        }
        Ok(sent)
    }

    /// Sends if there is room; `None` if not.
    fn offer(&self, payload: &[u8]) -> Result<Option<u64>, RuntimeError> {
        let slot_bytes = self.shared.shape.slot_bytes as usize;
        if payload.len() > slot_bytes {
            let id = self.id().to_owned();
            return Err(RuntimeError::MessageTooLarge { id, bytes: payload.len(), slot_bytes });
        }
        let mut producer = self.producer();
        if self.state() != KernelState::Active {
            return Err(self.not_active());
        }
        match producer.send(payload) {
            Some(n) => Ok(Some(n)),
            // A kernel that died takes nothing any more: do not wait for it.
            None if self.is_found_ended()? => Err(RuntimeError::Ended { id: self.id().to_owned() }),
            None => Ok(None),
        }
    }

    /// Whether the launch is known to have ended; asked after a look at a ring was in vain. Of a kernel that should
    /// be running the device is asked once in a while.
    fn is_found_ended(&self) -> Result<bool, RuntimeError> {
        use KernelState::{Active, Deactivated, Launched};
        let should_run = matches!(self.state(), Launched | Active | Deactivated);
        if should_run && !self.shared.looks.fetch_add(1, Ordering::Relaxed).is_multiple_of(LOOKS_PER_QUERY) {
            return Ok(false);
        }
        Ok(self.shared.launch.ended()?)
    }

    fn not_active(&self) -> RuntimeError {
        RuntimeError::NotActive { id: self.id().to_owned(), state: self.state() }
    }

    fn timed_out(&self, waited: Duration) -> RuntimeError {
        RuntimeError::ReceiveTimedOut { id: self.id().to_owned(), waited }
    }

    // ---- life cycle ----------------------------------------------------------------------------------

    pub(super) fn activate(&self, collector: &TelemetryCollector) -> Result<(), RuntimeError> {
        use KernelState::{Active, Deactivated, Launched};
        self.change(collector, &[Launched, Active, Deactivated], Active, "activated", Command::Run)
    }

    pub(super) fn deactivate(&self, collector: &TelemetryCollector) -> Result<(), RuntimeError> {
        use KernelState::{Active, Deactivated};
        self.change(collector, &[Active, Deactivated], Deactivated, "deactivated", Command::Hold)
    }

    fn change(
        &self,
        collector: &TelemetryCollector,
        from: &[KernelState],
        to: KernelState,
        wanted: &'static str,
        command: Command,
    ) -> Result<(), RuntimeError> {
        let mut producer = self.producer();
        let state = self.state();
        if !from.contains(&state) {
            return Err(RuntimeError::BadTransition { id: self.id().to_owned(), state, wanted });
        }
        if state != to {
            producer.command(command);
            self.set_state(collector, to);
        }
        Ok(())
    }

    /// Tells it to stop, and does not wait.
    pub(super) fn tell_to_stop(&self, collector: &TelemetryCollector) {
        use KernelState::{Active, Deactivated, Failed, Launched, Terminating};
        if self.state() == Failed {
            // It may live on, a query having failed: the word costs nothing, and the state stays.
            self.producer().command(Command::Stop);
        }
        // Of a kernel that is past that already there is nothing to say.
        let _ = self.change(collector, &[Launched, Active, Deactivated], Terminating, "terminated", Command::Stop);
    }

    pub(super) fn terminate(&self, collector: &TelemetryCollector, limit: Duration) -> Result<(), RuntimeError> {
        self.tell_to_stop(collector);
        // An error that is said once is not its end: it is waited for all the same. A dead context says it again.
        let mut said = None;
        let ended = wait::blocking(deadline(limit), || match self.shared.launch.ended() {
            Err(error) if said.is_none() => {
                said = Some(error);
                Ok(None)
            }
            other => other.map(|ended| ended.then_some(())),
        });
        if matches!(ended, Ok(None)) {
            return Err(RuntimeError::StopTimedOut { id: self.id().to_owned(), waited: limit });
        }
        self.note_end(collector);
        ended?;
        // What it was found failed of before is said to whoever ends it, too.
        said.or_else(|| self.shared.died_of.get().cloned()).map_or(Ok(()), |error| Err(error.into()))
    }

    /// Brings the state up to what became of the launch.
    pub(super) fn note_end(&self, collector: &TelemetryCollector) {
        use KernelState::{Failed, Terminated, Terminating};
        if matches!(self.state(), Terminated | Failed) {
            return;
        }
        let ended = self.shared.launch.ended();
        // Under the lock of the state, and with the state after the end: who was told to stop has not failed.
        let _producer = self.producer();
        match (ended, self.state()) {
            (Ok(false), _) | (_, Terminated | Failed) => {}
            (Ok(true), Terminating) => self.set_state(collector, Terminated),
            // A ring kernel ends when it is told to; one that ended by itself has failed.
            (Ok(true), _) => self.fail(collector, "the kernel returned without being told to stop"),
            (Err(error), _) => self.fail(collector, &self.shared.died_of.get_or_init(|| error).to_string()),
        }
    }

    fn fail(&self, collector: &TelemetryCollector, died_of: &str) {
        self.shared.state.store(KernelState::Failed as u8, Ordering::Release);
        collector.set_failed(self.id(), died_of);
    }

    fn set_state(&self, collector: &TelemetryCollector, state: KernelState) {
        self.shared.state.store(state as u8, Ordering::Release);
        collector.set_state(self.id(), state);
    }

    fn producer(&self) -> MutexGuard<'_, Producer> {
        self.shared.producer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for RingKernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RingKernel({}, {})", self.id(), self.state())
    }
}

/// `None`, for ever, where the time is beyond the clock's end.
fn deadline(limit: Duration) -> Option<Instant> {
    Instant::now().checked_add(limit)
}
