//! Messages of kernels, by their ids.

use std::time::Duration;

use super::error::RuntimeError;
use super::handle::RingKernelRuntime;
use super::kernel::{Replies, SentBatch};
use crate::device::Reply;

impl RingKernelRuntime {
    /// Sends a message, waiting while the queue is full, and returns its number, which its reply carries. More than
    /// 2 × `slots` messages move only if replies are received meanwhile: see [`RingKernel::send`](super::RingKernel::send).
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the message was not sent.
    ///
    /// # Errors
    /// [`RuntimeError::UnknownKernel`], [`RuntimeError::MessageTooLarge`], [`RuntimeError::NotActive`], and what the kernel
    /// died of.
    pub async fn send(&self, id: &str, payload: &[u8]) -> Result<u64, RuntimeError> {
        self.kernel(id)?.send(payload).await
    }

    /// Sends a message as [`send`](Self::send) does, on the calling thread.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_blocking(&self, id: &str, payload: &[u8]) -> Result<u64, RuntimeError> {
        self.kernel(id)?.send_blocking(payload)
    }

    /// Sends a message, waiting at most `timeout` while the queue is full, and returns its number.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the message was not sent.
    ///
    /// # Errors
    /// [`RuntimeError::SendTimedOut`]: the message was not sent; and as [`send`](Self::send).
    pub async fn send_timeout(&self, id: &str, payload: &[u8], timeout: Duration) -> Result<u64, RuntimeError> {
        self.kernel(id)?.send_timeout(payload, timeout).await
    }

    /// Sends a message as [`send_timeout`](Self::send_timeout) does, on the calling thread.
    ///
    /// # Errors
    /// As [`send_timeout`](Self::send_timeout).
    pub fn send_timeout_blocking(&self, id: &str, payload: &[u8], timeout: Duration) -> Result<u64, RuntimeError> {
        self.kernel(id)?.send_timeout_blocking(payload, timeout)
    }

    /// Sends a message if there is room, and returns its number. Does not wait.
    ///
    /// # Errors
    /// [`RuntimeError::QueueFull`], and as [`send`](Self::send).
    pub fn try_send(&self, id: &str, payload: &[u8]) -> Result<u64, RuntimeError> {
        self.kernel(id)?.try_send(payload)
    }

    /// Sends as many messages as there is room for, in their order, and returns how many. Does not wait. See
    /// [`RingKernel::try_send_batch`](super::RingKernel::try_send_batch).
    ///
    /// # Errors
    /// [`RuntimeError::QueueFull`] and [`RuntimeError::MessageTooLarge`]: none was sent; and as [`send`](Self::send).
    pub fn try_send_batch<P: AsRef<[u8]>>(&self, id: &str, payloads: &[P]) -> Result<SentBatch, RuntimeError> {
        self.kernel(id)?.try_send_batch(payloads)
    }

    /// Sends messages in their order, waiting while the queue is full. The kernel is told of as many as there is room for at
    /// once: see [`RingKernel::send_batch`](super::RingKernel::send_batch).
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the messages up to some place were sent, and the others were not.
    ///
    /// # Errors
    /// [`RuntimeError::MessageTooLarge`], with the place of the message: none was sent. [`RuntimeError::BatchCut`]: some
    /// were. As [`send`](Self::send), where none was.
    pub async fn send_batch<P: AsRef<[u8]>>(&self, id: &str, payloads: &[P]) -> Result<SentBatch, RuntimeError> {
        self.kernel(id)?.send_batch(payloads).await
    }

    /// Sends messages as [`send_batch`](Self::send_batch) does, on the calling thread.
    ///
    /// # Errors
    /// As [`send_batch`](Self::send_batch).
    pub fn send_batch_blocking<P: AsRef<[u8]>>(&self, id: &str, payloads: &[P]) -> Result<SentBatch, RuntimeError> {
        self.kernel(id)?.send_batch_blocking(payloads)
    }

    /// Receives the next reply, waiting at most `timeout`. Replies come in the order of completion; those to
    /// [`call`](Self::call)s are not among them.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, no reply was taken.
    ///
    /// # Errors
    /// [`RuntimeError::ReceiveTimedOut`], [`RuntimeError::UnknownKernel`]; once all replies of a kernel that has ended were
    /// received, [`RuntimeError::Ended`], or what it died of.
    pub async fn receive(&self, id: &str, timeout: Duration) -> Result<Reply, RuntimeError> {
        self.kernel(id)?.receive(timeout).await
    }

    /// Receives the next reply as [`receive`](Self::receive) does, on the calling thread.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub fn receive_blocking(&self, id: &str, timeout: Duration) -> Result<Reply, RuntimeError> {
        self.kernel(id)?.receive_blocking(timeout)
    }

    /// Receives the next reply if it is there; `None` if not. Does not wait.
    ///
    /// # Errors
    /// As [`receive`](Self::receive), but for the time-out.
    pub fn try_receive(&self, id: &str) -> Result<Option<Reply>, RuntimeError> {
        self.kernel(id)?.try_receive()
    }

    /// Receives the next reply as [`receive`](Self::receive) does, in place of what is in `reply`, whose memory is used
    /// again.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, no reply was taken, and `reply` is as it was.
    ///
    /// # Errors
    /// As [`receive`](Self::receive); `reply` is as it was.
    pub async fn receive_into(&self, id: &str, reply: &mut Reply, timeout: Duration) -> Result<(), RuntimeError> {
        self.kernel(id)?.receive_into(reply, timeout).await
    }

    /// Receives the next reply as [`receive_into`](Self::receive_into) does, on the calling thread.
    ///
    /// # Errors
    /// As [`receive_into`](Self::receive_into).
    pub fn receive_into_blocking(&self, id: &str, reply: &mut Reply, timeout: Duration) -> Result<(), RuntimeError> {
        self.kernel(id)?.receive_into_blocking(reply, timeout)
    }

    /// Receives the next reply as [`receive_into`](Self::receive_into) does, and returns whether it was there. Does not
    /// wait.
    ///
    /// # Errors
    /// As [`receive_into`](Self::receive_into), but for the time-out.
    pub fn try_receive_into(&self, id: &str, reply: &mut Reply) -> Result<bool, RuntimeError> {
        self.kernel(id)?.try_receive_into(reply)
    }

    /// Receives the replies that are there, as many as `replies` has room for, and returns how many; waits at most `timeout`
    /// for the first. See [`RingKernel::receive_batch`](super::RingKernel::receive_batch).
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, no reply was taken.
    ///
    /// # Errors
    /// As [`receive`](Self::receive); `replies` is empty then.
    pub async fn receive_batch(
        &self,
        id: &str,
        replies: &mut Replies,
        timeout: Duration,
    ) -> Result<usize, RuntimeError> {
        self.kernel(id)?.receive_batch(replies, timeout).await
    }

    /// Receives replies as [`receive_batch`](Self::receive_batch) does, on the calling thread.
    ///
    /// # Errors
    /// As [`receive_batch`](Self::receive_batch).
    pub fn receive_batch_blocking(
        &self,
        id: &str,
        replies: &mut Replies,
        timeout: Duration,
    ) -> Result<usize, RuntimeError> {
        self.kernel(id)?.receive_batch_blocking(replies, timeout)
    }

    /// Receives the replies that are there as [`receive_batch`](Self::receive_batch) does, and returns how many, or 0. Does
    /// not wait.
    ///
    /// # Errors
    /// As [`receive_batch`](Self::receive_batch), but for the time-out.
    pub fn try_receive_batch(&self, id: &str, replies: &mut Replies) -> Result<usize, RuntimeError> {
        self.kernel(id)?.try_receive_batch(replies)
    }

    /// Sends a message and receives its own reply, waiting at most `timeout` for both. Any number of calls may be under
    /// way at once, beside senders and receivers, who do not see the replies to calls.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the message may have been sent; its reply is discarded.
    ///
    /// # Errors
    /// [`RuntimeError::SendTimedOut`]: the message was not sent. [`RuntimeError::ReceiveTimedOut`]: it was, and its reply,
    /// should it come, is discarded. As [`send`](Self::send) and [`receive`](Self::receive).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use ringscope::{DeviceSpec, RingKernelRuntime};
    /// # #[tokio::main(flavor = "multi_thread")] async fn main() -> Result<(), ringscope::RuntimeError> {
    /// let runtime = RingKernelRuntime::builder().device(DeviceSpec::Host).kernel("crc32c").build()?;
    /// runtime.launch("w").await?;
    /// runtime.activate("w").await?;
    /// let second = Duration::from_secs(1);
    /// let (a, b) = tokio::join!(runtime.call("w", b"123456789", second), runtime.call("w", b"", second));
    /// assert_eq!(a?.payload, 0xe306_9283_u32.to_le_bytes());
    /// assert_eq!(b?.payload, 0_u32.to_le_bytes());
    /// # Ok(()) }
    /// ```
    pub async fn call(&self, id: &str, payload: &[u8], timeout: Duration) -> Result<Reply, RuntimeError> {
        self.kernel(id)?.call(payload, timeout).await
    }

    /// Calls as [`call`](Self::call) does, on the calling thread.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn call_blocking(&self, id: &str, payload: &[u8], timeout: Duration) -> Result<Reply, RuntimeError> {
        self.kernel(id)?.call_blocking(payload, timeout)
    }
}
