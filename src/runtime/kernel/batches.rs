//! Sending and receiving many messages at once: each ring is told of all of them together.

use std::time::Duration;

use super::handle::{RingKernel, Wanted};
use super::replies::Replies;
use crate::device::Batch;
use crate::runtime::error::RuntimeError;
use crate::runtime::wait;
use crate::snapshot::KernelState;

/// Messages that were sent together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "it says how many of the messages were sent"]
pub struct SentBatch {
    /// Number of the first message, which its reply carries; that of the next one to be sent, where there are none.
    pub first: u64,
    /// Messages sent: the first so many of the batch.
    pub count: usize,
}

impl RingKernel {
    /// Sends as many messages as there is room for, in their order and with numbers in a row, and returns how many. Does
    /// not wait. The kernel is told of all of them at once (of more than 64 KiB in several parts), which is cheaper than one
    /// by one.
    ///
    /// # Errors
    /// [`RuntimeError::QueueFull`]: none was sent. [`RuntimeError::MessageTooLarge`], with the place of the message: none
    /// was sent. [`RuntimeError::NotActive`].
    pub fn try_send_batch<P: AsRef<[u8]>>(&self, payloads: &[P]) -> Result<SentBatch, RuntimeError> {
        let mut messages = Messages::new(self, payloads)?;
        messages.put()?;
        if messages.count == 0 && !payloads.is_empty() {
            self.note_full(&mut messages.noted)?;
            return Err(self.queue_full());
        }
        Ok(messages.sent())
    }

    /// Sends messages in their order, waiting while the queue is full. The kernel is told of as many as there is room for at
    /// once (of more than 64 KiB in several parts), which is cheaper than one by one. Other senders' messages may come in
    /// between where there is not room for all. Receive in another task where there are more than 2 × `slots`: see
    /// [`send`](Self::send).
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the messages up to some place were sent, and the others were not.
    /// [`messages_sent`](Self::messages_sent) tells how many, where nobody else sends.
    ///
    /// # Errors
    /// [`RuntimeError::MessageTooLarge`], with the place of the message: none was sent. [`RuntimeError::BatchCut`]: the
    /// kernel takes no more messages, and some were sent before. As [`send`](Self::send), where none was.
    pub async fn send_batch<P: AsRef<[u8]>>(&self, payloads: &[P]) -> Result<SentBatch, RuntimeError> {
        let mut messages = Messages::new(self, payloads)?;
        let all = self.polling(None, Wanted::Room, || messages.attempt()).await;
        messages.after(all)
    }

    /// Sends messages as [`send_batch`](Self::send_batch) does, on the calling thread.
    ///
    /// # Errors
    /// As [`send_batch`](Self::send_batch).
    pub fn send_batch_blocking<P: AsRef<[u8]>>(&self, payloads: &[P]) -> Result<SentBatch, RuntimeError> {
        let mut messages = Messages::new(self, payloads)?;
        let all = wait::blocking(&mut None, || messages.attempt());
        messages.after(all)
    }

    /// Receives the replies that are there, as many as `replies` has room for, in place of what is in it, and returns how many;
    /// waits at most `timeout` for the first. They come as [`receive`](Self::receive) gives them. The kernel is given their
    /// slots at once (of more than 64 KiB in several parts), and memory is used again: once it was enough, nothing is
    /// allocated.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, no reply was taken.
    ///
    /// # Errors
    /// As [`receive`](Self::receive); `replies` is empty then.
    pub async fn receive_batch(&self, replies: &mut Replies, timeout: Duration) -> Result<usize, RuntimeError> {
        let count = self.polling(wait::deadline(timeout), Wanted::Reply, || self.some(replies)).await?;
        count.ok_or_else(|| self.timed_out(timeout))
    }

    /// Receives replies as [`receive_batch`](Self::receive_batch) does, on the calling thread.
    ///
    /// # Errors
    /// As [`receive_batch`](Self::receive_batch).
    pub fn receive_batch_blocking(&self, replies: &mut Replies, timeout: Duration) -> Result<usize, RuntimeError> {
        let count = wait::blocking(&mut wait::deadline(timeout), || self.some(replies))?;
        count.ok_or_else(|| self.timed_out(timeout))
    }

    /// Receives the replies that are there as [`receive_batch`](Self::receive_batch) does, and returns how many, or 0. Does
    /// not wait.
    ///
    /// # Errors
    /// As [`receive_batch`](Self::receive_batch), but for the time-out.
    pub fn try_receive_batch(&self, replies: &mut Replies) -> Result<usize, RuntimeError> {
        self.some(replies).map(Option::unwrap_or_default)
    }

    /// Takes those that are there; how many, if any.
    fn some(&self, replies: &mut Replies) -> Result<Option<usize>, RuntimeError> {
        replies.clear();
        let count = self.taken(|inbox, ended| {
            inbox.receive_all(ended, replies);
            (!replies.is_empty()).then_some(replies.len())
        })?;
        if let Some(tracer) = &self.shared.tracer {
            replies.iter().for_each(|reply| tracer.received(&self.shared.id, reply.seq));
        }
        Ok(count)
    }
}

/// Messages that are to be sent in their order.
struct Messages<'a, P> {
    kernel: &'a RingKernel,
    payloads: &'a [P],
    /// Sent so far, and the number of the first.
    count: usize,
    first: u64,
    noted: bool,
}

impl<'a, P: AsRef<[u8]>> Messages<'a, P> {
    /// Refuses them if one does not fit.
    fn new(kernel: &'a RingKernel, payloads: &'a [P]) -> Result<Self, RuntimeError> {
        let check = |(place, payload): (usize, &P)| kernel.check_size(payload.as_ref(), Some(place));
        payloads.iter().enumerate().try_for_each(check)?;
        Ok(Messages { kernel, payloads, count: 0, first: 0, noted: false })
    }

    /// Sends as many as there is room for; all of them if there is something to return.
    fn attempt(&mut self) -> Result<Option<()>, RuntimeError> {
        self.put()?;
        if self.count == self.payloads.len() {
            return Ok(Some(()));
        }
        self.kernel.note_full(&mut self.noted)?;
        Ok(None)
    }

    fn put(&mut self) -> Result<(), RuntimeError> {
        let mut producer = self.kernel.producer();
        if self.count == 0 {
            self.first = producer.sent();
        }
        if self.payloads.is_empty() {
            return Ok(());
        }
        if self.kernel.state() != KernelState::Active {
            return Err(self.kernel.not_active());
        }
        let mut batch = producer.batch();
        while self.put_one(&mut batch)? {
            self.count += 1;
        }
        Ok(())
    }

    /// Whether there was another, and room for it.
    fn put_one(&self, batch: &mut Batch<'_>) -> Result<bool, RuntimeError> {
        let Some(payload) = self.payloads.get(self.count).filter(|_| batch.has_room()) else { return Ok(false) };
        // Asked twice, it may answer otherwise.
        let payload = payload.as_ref();
        self.kernel.check_size(payload, Some(self.count))?;
        if let Some(tracer) = &self.kernel.shared.tracer {
            tracer.sending(&self.kernel.shared.id, batch.next());
        }
        Ok(batch.put(payload).is_some())
    }

    fn sent(&self) -> SentBatch {
        SentBatch { first: self.first, count: self.count }
    }

    /// What became of them, with what waiting for room came to.
    fn after(self, all: Result<Option<()>, RuntimeError>) -> Result<SentBatch, RuntimeError> {
        match all {
            Err(why) if self.count > 0 => Err(RuntimeError::BatchCut {
                id: self.kernel.id().to_owned(),
                first: self.first,
                sent: self.count,
                of: self.payloads.len(),
                why: Box::new(why),
            }),
            other => other.map(|_| self.sent()),
        }
    }
}
