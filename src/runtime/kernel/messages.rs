//! Sending, receiving and calling.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, TryLockError};
use std::time::{Duration, Instant};

use super::handle::RingKernel;
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
        let full = || RuntimeError::QueueFull { id: Arc::clone(&self.shared.id), slots: self.shared.shape.slots };
        Offer::new(self, payload).attempt()?.ok_or_else(full)
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

    /// Sends messages in their order, waiting while the queue is full, and returns the number of the first. Other senders'
    /// messages may come in between. Receive in another task where there are more than 2 × `slots`: see
    /// [`send`](Self::send).
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the messages up to some place were sent, and the others were not.
    /// [`messages_sent`](Self::messages_sent) tells how many, where nobody else sends.
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

    /// Sends messages as [`send_batch`](Self::send_batch) does, on the calling thread.
    ///
    /// # Errors
    /// As [`send_batch`](Self::send_batch).
    pub fn send_batch_blocking<P: AsRef<[u8]>>(&self, payloads: &[P]) -> Result<u64, RuntimeError> {
        let mut first = None;
        for payload in payloads {
            let n = self.send_blocking(payload.as_ref())?;
            first.get_or_insert(n);
        }
        Ok(first.unwrap_or_else(|| self.messages_sent()))
    }

    // ---- receiving -----------------------------------------------------------------------------------

    /// Receives the next reply, waiting at most `timeout`. Replies come in the order of completion; those to
    /// [`call`](Self::call)s are not among them.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, no reply was taken.
    ///
    /// # Errors
    /// [`RuntimeError::ReceiveTimedOut`]; once all replies of a kernel that has ended were received,
    /// [`RuntimeError::Ended`], or what it died of.
    pub async fn receive(&self, timeout: Duration) -> Result<Reply, RuntimeError> {
        let look = || {
            let kernel = self.clone();
            move || kernel.look(Inbox::has_reply)
        };
        let deadline = wait::deadline(timeout);
        let reply = wait::polling(&self.shared.waker, deadline, look, || self.try_receive()).await?;
        reply.ok_or_else(|| self.timed_out(timeout))
    }

    /// Receives the next reply as [`receive`](Self::receive) does, on the calling thread.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub fn receive_blocking(&self, timeout: Duration) -> Result<Reply, RuntimeError> {
        let reply = wait::blocking(&mut wait::deadline(timeout), || self.try_receive())?;
        reply.ok_or_else(|| self.timed_out(timeout))
    }

    /// Receives the next reply if it is there; `None` if not. Does not wait.
    ///
    /// # Errors
    /// As [`receive`](Self::receive), but for the time-out.
    pub fn try_receive(&self) -> Result<Option<Reply>, RuntimeError> {
        self.take(Inbox::receive)
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
        let look = || {
            let (kernel, n) = (self.clone(), call.n);
            move || kernel.look(|inbox| inbox.has_answer(n))
        };
        let reply = wait::polling(&self.shared.waker, deadline, look, || call.attempt()).await?;
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

    /// Takes a reply with `take`, which is told whether the kernel has ended.
    fn take(&self, take: impl Fn(&mut Inbox, bool) -> Option<Reply>) -> Result<Option<Reply>, RuntimeError> {
        let reply = self.taken(take)?;
        if let (Some(tracer), Some(reply)) = (&self.shared.tracer, &reply) {
            tracer.received(&self.shared.id, reply.seq);
        }
        Ok(reply)
    }

    fn taken(&self, take: impl Fn(&mut Inbox, bool) -> Option<Reply>) -> Result<Option<Reply>, RuntimeError> {
        let reply = take(&mut self.inbox(), false);
        if reply.is_some() || !self.is_found_ended()? {
            return Ok(reply);
        }
        // What came before the end.
        let last = take(&mut self.inbox(), true);
        last.map(Some).ok_or_else(|| self.end())
    }

    /// Whether who waits for the inbox has a reason to look: what it waits for, or an end of the waiting.
    fn look(&self, has: impl Fn(&mut Inbox) -> bool) -> bool {
        // Who holds the lock looks for itself.
        unlocked(self.shared.inbox.try_lock()).is_some_and(|mut inbox| has(&mut inbox)) || self.is_over()
    }

    fn is_over(&self) -> bool {
        self.is_found_ended() != Ok(false)
    }

    fn not_active(&self) -> RuntimeError {
        RuntimeError::NotActive { id: self.id().to_owned(), state: self.state() }
    }

    fn timed_out(&self, waited: Duration) -> RuntimeError {
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
        let kernel = self.kernel;
        let look = || {
            let kernel = kernel.clone();
            move || kernel.has_room() || kernel.is_over()
        };
        wait::polling(&kernel.shared.waker, deadline, look, || self.attempt()).await
    }

    fn within_blocking(mut self, mut deadline: Option<Instant>) -> Result<Option<u64>, RuntimeError> {
        wait::blocking(&mut deadline, || self.attempt())
    }

    /// Sends if there is room; `None` if not.
    fn attempt(&mut self) -> Result<Option<u64>, RuntimeError> {
        let (kernel, slot_bytes) = (self.kernel, self.kernel.shared.shape.slot_bytes as usize);
        if self.payload.len() > slot_bytes {
            let id = kernel.id().to_owned();
            return Err(RuntimeError::MessageTooLarge { id, bytes: self.payload.len(), slot_bytes });
        }
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
        if !std::mem::replace(&mut self.noted, true) {
            kernel.shared.queue_full.fetch_add(1, Ordering::Relaxed);
        }
        kernel.make_room();
        // A kernel that died takes nothing any more: do not wait for it.
        if kernel.is_found_ended()? { Err(kernel.end()) } else { Ok(None) }
    }
}

impl RingKernel {
    /// Takes replies of calls from the ring: behind those that came too late nobody might receive.
    fn make_room(&self) {
        unlocked(self.shared.inbox.try_lock()).into_iter().for_each(|mut inbox| inbox.sort(false));
    }

    fn has_room(&self) -> bool {
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
        self.kernel.take(|inbox, ended| inbox.answer(self.n, ended))
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.kernel.inbox().give_up(self.n);
    }
}
