//! A stream that counts what goes through it.

use std::fmt::Debug;
use std::future::Future;
use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::input::error_text;
use super::network::NetworkOperation;
use crate::snapshot::OperationStatus;

/// A stream that counts each byte that it reads and writes in a [`NetworkOperation`], which lasts as long as the stream.
///
/// It is an `AsyncRead` and `AsyncWrite` of tokio as the stream in it is, with nothing buffered between: partial, vectored
/// and empty writes, a half-closed connection and its end come through as they are. The operation succeeds when this is
/// dropped, and fails if an error came through: one that connecting, reading, writing, flushing or shutting down returned,
/// other than [`Interrupted`](ErrorKind::Interrupted) and [`WouldBlock`](ErrorKind::WouldBlock). The first error is
/// kept.
///
/// ```no_run
/// use ringscope::collector::Metered;
/// use tokio::net::TcpStream; // tokio's feature `net`
///
/// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
/// let telemetry = ringscope::TelemetryCollector::new(true);
/// telemetry.monitor_operations()?;
/// let request = telemetry.network_operation("http", "example.org", 80)?;
/// let stream = Metered::connect(request, TcpStream::connect(("example.org", 80))).await?;
/// # Ok(()) }
/// ```
pub struct Metered<T> {
    // In this order: the stream is closed before its operation ends.
    stream: T,
    connection: Connection,
}

/// The operation, and what went wrong in it.
struct Connection {
    operation: NetworkOperation,
    error: Option<Arc<str>>,
}

impl Connection {
    /// Remembers the first error.
    fn note(&mut self, error: &Error) {
        if self.error.is_none() && !matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) {
            self.error = Some(error_text(error));
        }
    }

    fn sent(&mut self, result: Result<usize>) -> Result<usize> {
        match &result {
            Ok(bytes) => self.operation.sent(*bytes as u64),
            Err(error) => self.note(error),
        }
        result
    }

    fn checked(&mut self, result: Result<()>) -> Result<()> {
        result.inspect_err(|error| self.note(error))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let error = self.error.take();
        let status = if error.is_some() { OperationStatus::Failed } else { OperationStatus::Succeeded };
        self.operation.end_dropped(status, error);
    }
}

impl<T> Metered<T> {
    /// Makes a stream that counts in `operation` from now on.
    pub fn new(stream: T, operation: NetworkOperation) -> Self {
        Metered { stream, connection: Connection { operation, error: None } }
    }

    /// Waits for a connection, and counts in `operation`: how long connecting took is its latency, and its error if there
    /// is one is the operation's.
    ///
    /// # Cancel safety
    /// Dropping the future abandons the operation.
    ///
    /// # Errors
    /// Returns the error of `connecting`.
    pub async fn connect(mut operation: NetworkOperation, connecting: impl Future<Output = Result<T>>) -> Result<Self> {
        match connecting.await {
            Ok(stream) => {
                operation.answered();
                Ok(Metered::new(stream, operation))
            }
            Err(error) => {
                operation.fail(&error);
                Err(error)
            }
        }
    }

    /// Returns what was counted so far.
    pub fn operation(&self) -> &NetworkOperation {
        &self.connection.operation
    }

    /// Returns the stream in it.
    pub fn get_ref(&self) -> &T {
        &self.stream
    }

    /// Returns the stream in it. What is read from it or written to it here is not counted.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.stream
    }

    /// Ends the operation, and returns the stream.
    pub fn into_inner(self) -> T {
        self.stream
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Metered<T> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let Metered { stream, connection } = self.get_mut();
        let before = buffer.filled().len();
        let result = ready!(Pin::new(stream).poll_read(context, buffer));
        connection.operation.received(buffer.filled().len().saturating_sub(before) as u64);
        Poll::Ready(connection.checked(result))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Metered<T> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let Metered { stream, connection } = self.get_mut();
        Pin::new(stream).poll_write(context, bytes).map(|result| connection.sent(result))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let Metered { stream, connection } = self.get_mut();
        Pin::new(stream).poll_write_vectored(context, slices).map(|result| connection.sent(result))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        let Metered { stream, connection } = self.get_mut();
        Pin::new(stream).poll_flush(context).map(|result| connection.checked(result))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        let Metered { stream, connection } = self.get_mut();
        Pin::new(stream).poll_shutdown(context).map(|result| connection.checked(result))
    }
}

impl<T: Debug> Debug for Metered<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Metered").field(&self.stream).field(&self.connection.operation).finish()
    }
}
