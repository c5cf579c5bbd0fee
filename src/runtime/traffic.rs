//! Messages of kernels, by their ids.

use std::time::Duration;

use super::error::RuntimeError;
use super::handle::RingKernelRuntime;
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

    /// Sends messages in their order, waiting while the queue is full, and returns the number of the first.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the messages up to some place were sent, and the others were not.
    ///
    /// # Errors
    /// As [`send`](Self::send); messages before the one refused are sent.
    pub async fn send_batch<P: AsRef<[u8]>>(&self, id: &str, payloads: &[P]) -> Result<u64, RuntimeError> {
        self.kernel(id)?.send_batch(payloads).await
    }

    /// Sends messages as [`send_batch`](Self::send_batch) does, on the calling thread.
    ///
    /// # Errors
    /// As [`send_batch`](Self::send_batch).
    pub fn send_batch_blocking<P: AsRef<[u8]>>(&self, id: &str, payloads: &[P]) -> Result<u64, RuntimeError> {
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
