//! Sending, receiving and calling.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, TryLockError};
use std::time::{Duration, Instant};

use super::handle::{RingKernel, Wanted, Watch};
use super::inbox::Inbox;
use crate::device::Reply;
use crate::runtime::error::RuntimeError;
use crate::runtime::wait;
use crate::snapshot::KernelState;

impl RingKernel {
    // ---- sending -------------------------------------------------------------------------------------

    /// Sends a message if there is room, and returns its number, which its reply carries. Does not wait.
    ///
    /// # Errors
    /// [`RuntimeError::QueueFull`], [`RuntimeError::MessageTooLarge`], [`RuntimeError::NotActive`].
    pub fn try_send(&self, payload: &[u8]) -> Result<u64, RuntimeError> {
        Offer::new(self, payload).attempt()?.ok_or_else(|| self.queue_full())
    }

    /// Sends a message, waiting while the queue is full, and returns its number, which its reply carries.
    ///
    /// # Capacity
    /// A kernel has a ring of [`slots`](crate::RuntimeBuilder::slots) messages and a ring of as many replies. While
    /// nobody receives, replies fill their ring; then each block waits with the reply in its hand, and messages fill
    /// theirs. From then on, after at most 2 × `slots` messages, **nothing moves until replies are received**: a task
    /// that sends more than that before it receives waits for ever. Receive in another task, send with
    /// [`send_timeout`](Self::send_timeout), or [`call`](Self::call).
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the message was not sent.
    ///
    /// # Errors
    /// [`RuntimeError::MessageTooLarge`], [`RuntimeError::NotActive`], and what the kernel died of.
    pub async fn send(&self, payload: &[u8]) -> Result<u64, RuntimeError> {
        let sent = Offer::new(self, payload).within(None).await?;
        sent.ok_or_else(|| self.not_active())
    }

    /// Sends a message as [`send`](Self::send) does, on the calling thread.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_blocking(&self, payload: &[u8]) -> Result<u64, RuntimeError> {
        let sent = Offer::new(self, payload).within_blocking(None)?;
        sent.ok_or_else(|| self.not_active())
    }

    /// Sends a message, waiting at most `timeout` while the queue is full, and returns its number.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the message was not sent.
    ///
    /// # Errors
    /// [`RuntimeError::SendTimedOut`]: the message was not sent; and as [`send`](Self::send).
    pub async fn send_timeout(&self, payload: &[u8], timeout: Duration) -> Result<u64, RuntimeError> {
        let sent = Offer::new(self, payload).within(wait::deadline(timeout)).await?;
        sent.ok_or_else(|| self.stayed_full(timeout))
    }

    /// Sends a message as [`send_timeout`](Self::send_timeout) does, on the calling thread.
    ///
    /// # Errors
    /// As [`send_timeout`](Self::send_timeout).
    pub fn send_timeout_blocking(&self, payload: &[u8], timeout: Duration) -> Result<u64, RuntimeError> {
        let sent = Offer::new(self, payload).within_blocking(wait::deadline(timeout))?;
        sent.ok_or_else(|| self.stayed_full(timeout))
    }

    // ---- receiving -----------------------------------------------------------------------------------

    /// Receives the next reply, waiting at most `timeout`. Replies come in the order of completion; those to
    /// [`call`](Self::call)s are not among them.
    ///
    /// The payload is newly allocated. Where that counts, [`receive_into`](Self::receive_into) uses one reply again and
    /// again, and [`receive_batch`](Self::receive_batch) takes many at once.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, no reply was taken.
    ///
    /// # Errors
    /// [`RuntimeError::ReceiveTimedOut`]; once all replies of a kernel that has ended were received,
    /// [`RuntimeError::Ended`], or what it died of.
    pub async fn receive(&self, timeout: Duration) -> Result<Reply, RuntimeError> {
        let mut reply = Reply::default();
        self.receive_into(&mut reply, timeout).await?;
        Ok(reply)
    }

    /// Receives the next reply as [`receive`](Self::receive) does, on the calling thread.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub fn receive_blocking(&self, timeout: Duration) -> Result<Reply, RuntimeError> {
        let mut reply = Reply::default();
        self.receive_into_blocking(&mut reply, timeout)?;
        Ok(reply)
    }

    /// Receives the next reply if it is there; `None` if not. Does not wait.
    ///
    /// # Errors
    /// As [`receive`](Self::receive), but for the time-out.
    pub fn try_receive(&self) -> Result<Option<Reply>, RuntimeError> {
        let mut reply = Reply::default();
        Ok(self.try_receive_into(&mut reply)?.then_some(reply))
    }

    /// Receives the next reply as [`receive`](Self::receive) does, in place of what is in `reply`, whose memory is used
    /// again: once its payload has had the largest size, nothing is allocated.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use ringscope::{DeviceSpec, Reply, RingKernelRuntime};
    /// # #[tokio::main] async fn main() -> Result<(), ringscope::RuntimeError> {
    /// let runtime = RingKernelRuntime::builder().device(DeviceSpec::Host).kernel("echo").build()?;
    /// runtime.launch("w").await?;
    /// runtime.activate("w").await?;
    /// let kernel = runtime.kernel("w")?;
    /// let mut reply = Reply::default();
    /// for message in ["one", "two", "three"] {
    ///     kernel.send(message.as_bytes()).await?;
    ///     kernel.receive_into(&mut reply, Duration::from_secs(10)).await?;
    ///     assert_eq!(reply.payload, message.as_bytes());
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, no reply was taken, and `reply` is as it was.
    ///
    /// # Errors
    /// As [`receive`](Self::receive); `reply` is as it was.
    pub async fn receive_into(&self, reply: &mut Reply, timeout: Duration) -> Result<(), RuntimeError> {
        let received = self.polling(wait::deadline(timeout), Wanted::Reply, || {
            self.try_receive_into(reply).map(|is_there| is_there.then_some(()))
        });
        received.await?.ok_or_else(|| self.timed_out(timeout))
    }

    /// Receives the next reply as [`receive_into`](Self::receive_into) does, on the calling thread.
    ///
    /// # Errors
    /// As [`receive_into`](Self::receive_into).
    pub fn receive_into_blocking(&self, reply: &mut Reply, timeout: Duration) -> Result<(), RuntimeError> {
        let received = wait::blocking(&mut wait::deadline(timeout), || {
            self.try_receive_into(reply).map(|is_there| is_there.then_some(()))
        });
        received?.ok_or_else(|| self.timed_out(timeout))
    }

    /// Receives the next reply as [`receive_into`](Self::receive_into) does, and returns whether it was there. Does not
    /// wait.
    ///
    /// # Errors
    /// As [`receive_into`](Self::receive_into), but for the time-out.
    pub fn try_receive_into(&self, reply: &mut Reply) -> Result<bool, RuntimeError> {
        let received = self.taken(|inbox, ended| inbox.receive(ended, reply).then_some(()))?.is_some();
        if let (Some(tracer), true) = (&self.shared.tracer, received) {
            tracer.received(&self.shared.id, reply.seq);
        }
        Ok(received)
    }

    // ---- calling -------------------------------------------------------------------------------------

    /// Sends a message and receives its own reply, waiting at most `timeout` for both. Any number of calls may be under
    /// way at once, beside senders and receivers, who do not see the replies to calls.
    ///
    /// Replies of messages that were [sent](Self::send) and are not received stay in the rings, and calls wait behind
    /// them: see [`send`](Self::send).
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the message may have been sent; its reply is discarded.
    ///
    /// # Errors
    /// [`RuntimeError::SendTimedOut`]: the message was not sent. [`RuntimeError::ReceiveTimedOut`]: it was, and its reply,
    /// should it come, is discarded. As [`send`](Self::send) and [`receive`](Self::receive).
    pub async fn call(&self, payload: &[u8], timeout: Duration) -> Result<Reply, RuntimeError> {
        let deadline = wait::deadline(timeout);
        let sent = Offer::call(self, payload).within(deadline).await?;
        let call = Call { kernel: self, n: sent.ok_or_else(|| self.stayed_full(timeout))? };
        let reply = self.polling(deadline, Wanted::Answer(call.n), || call.attempt()).await?;
        reply.ok_or_else(|| self.timed_out(timeout))
    }

    /// Calls as [`call`](Self::call) does, on the calling thread.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn call_blocking(&self, payload: &[u8], timeout: Duration) -> Result<Reply, RuntimeError> {
        let mut deadline = wait::deadline(timeout);
        let sent = Offer::call(self, payload).within_blocking(deadline)?;
        let call = Call { kernel: self, n: sent.ok_or_else(|| self.stayed_full(timeout))? };
        let reply = wait::blocking(&mut deadline, || call.attempt())?;
        reply.ok_or_else(|| self.timed_out(timeout))
    }

    // --------------------------------------------------------------------------------------------------

    /// What `take` takes; it is told whether the kernel has ended.
    pub(super) fn taken<T>(
        &self,
        mut take: impl FnMut(&mut Inbox, bool) -> Option<T>,
    ) -> Result<Option<T>, RuntimeError> {
        let found = take(&mut self.inbox(), false);
        if found.is_some() || !self.is_found_ended()? {
            return Ok(found);
        }
        // What came before the end.
        let last = take(&mut self.inbox(), true);
        last.map(Some).ok_or_else(|| self.end())
    }

    /// Waits as a future until `attempt` gives something, or the deadline is over.
    pub(super) async fn polling<T>(
        &self,
        deadline: Option<Instant>,
        wanted: Wanted,
        attempt: impl FnMut() -> Result<Option<T>, RuntimeError>,
    ) -> Result<Option<T>, RuntimeError> {
        let watch = || Watch { kernel: self.clone(), wanted };
        wait::polling(&self.shared.waker, deadline, watch, attempt).await
    }

    /// Whether who waits for the inbox has a reason to look: what it waits for, or an end of the waiting.
    pub(super) fn look(&self, has: impl Fn(&mut Inbox) -> bool) -> bool {
        // Who holds the lock looks for itself.
        unlocked(self.shared.inbox.try_lock()).is_some_and(|mut inbox| has(&mut inbox)) || self.is_over()
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_found_ended() != Ok(false)
    }

    pub(super) fn not_active(&self) -> RuntimeError {
        RuntimeError::NotActive { id: self.id().to_owned(), state: self.state() }
    }

    pub(super) fn timed_out(&self, waited: Duration) -> RuntimeError {
        RuntimeError::ReceiveTimedOut { id: self.id().to_owned(), waited }
    }

    fn stayed_full(&self, waited: Duration) -> RuntimeError {
        RuntimeError::SendTimedOut { id: self.id().to_owned(), slots: self.shared.shape.slots, waited }
    }
}

fn unlocked<'a, T>(lock: Result<MutexGuard<'a, T>, TryLockError<MutexGuard<'a, T>>>) -> Option<MutexGuard<'a, T>> {
    match lock {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// A message to be sent. A queue that it finds full is counted, once.
struct Offer<'a> {
    kernel: &'a RingKernel,
    payload: &'a [u8],
    is_call: bool,
    noted: bool,
}

impl<'a> Offer<'a> {
    fn new(kernel: &'a RingKernel, payload: &'a [u8]) -> Self {
        Offer { kernel, payload, is_call: false, noted: false }
    }

    fn call(kernel: &'a RingKernel, payload: &'a [u8]) -> Self {
        Offer { is_call: true, ..Offer::new(kernel, payload) }
    }

    async fn within(mut self, deadline: Option<Instant>) -> Result<Option<u64>, RuntimeError> {
        self.kernel.polling(deadline, Wanted::Room, || self.attempt()).await
    }

    fn within_blocking(mut self, mut deadline: Option<Instant>) -> Result<Option<u64>, RuntimeError> {
        wait::blocking(&mut deadline, || self.attempt())
    }

    /// Sends if there is room; `None` if not.
    fn attempt(&mut self) -> Result<Option<u64>, RuntimeError> {
        let kernel = self.kernel;
        kernel.check_size(self.payload, None)?;
        let mut producer = kernel.producer();
        if kernel.state() != KernelState::Active {
            return Err(kernel.not_active());
        }
        if producer.has_room() {
            // Before it is sent: its reply may be there at once.
            if self.is_call {
                kernel.inbox().expect(producer.sent());
            }
            if let Some(tracer) = &kernel.shared.tracer {
                tracer.sending(&kernel.shared.id, producer.sent());
            }
            return Ok(producer.send(self.payload));
        }
        drop(producer);
        kernel.note_full(&mut self.noted)?;
        Ok(None)
    }
}

impl RingKernel {
    /// Whether it fits a slot; its place in a batch, if it has one, is quoted.
    pub(super) fn check_size(&self, payload: &[u8], place: Option<usize>) -> Result<(), RuntimeError> {
        let slot_bytes = self.shared.shape.slot_bytes as usize;
        if payload.len() <= slot_bytes {
            return Ok(());
        }
        Err(RuntimeError::MessageTooLarge { id: self.id().to_owned(), bytes: payload.len(), slot_bytes, place })
    }

    /// After a look that found the queue full, which is counted unless it is `noted`.
    pub(super) fn note_full(&self, noted: &mut bool) -> Result<(), RuntimeError> {
        if !std::mem::replace(noted, true) {
            self.shared.queue_full.fetch_add(1, Ordering::Relaxed);
        }
        self.make_room();
        // A kernel that died takes nothing any more: do not wait for it.
        if self.is_found_ended()? { Err(self.end()) } else { Ok(()) }
    }

    pub(super) fn queue_full(&self) -> RuntimeError {
        RuntimeError::QueueFull { id: Arc::clone(&self.shared.id), slots: self.shared.shape.slots }
    }

    /// Takes replies of calls from the ring: behind those that came too late nobody might receive.
    fn make_room(&self) {
        unlocked(self.shared.inbox.try_lock()).into_iter().for_each(|mut inbox| inbox.sort(false));
    }

    pub(super) fn has_room(&self) -> bool {
        self.make_room();
        // Who holds the lock is sending, or does nothing for long.
        unlocked(self.shared.producer.try_lock())
            .is_some_and(|producer| producer.has_room() || self.state() != KernelState::Active)
    }
}

/// A message that was sent by a call; the reply is discarded once this is dropped.
struct Call<'a> {
    kernel: &'a RingKernel,
    n: u64,
}

impl Call<'_> {
    fn attempt(&self) -> Result<Option<Reply>, RuntimeError> {
        let reply = self.kernel.taken(|inbox, ended| inbox.answer(self.n, ended))?;
        if let (Some(tracer), Some(reply)) = (&self.kernel.shared.tracer, &reply) {
            tracer.received(&self.kernel.shared.id, reply.seq);
        }
        Ok(reply)
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.kernel.inbox().give_up(self.n);
    }
}
