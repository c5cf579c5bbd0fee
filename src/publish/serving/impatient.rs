//! A connection that does not wait for ever for a client that does not read.

use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::connections::Place;
use super::door::Channel;

/// How long a client may take none of an answer that is there for it.
const WRITE_TIME: Duration = Duration::from_secs(4);
/// The same of a stream: a page in the background, a laptop that wakes up.
const STREAM_WRITE_TIME: Duration = Duration::from_secs(30);

/// A connection and its place, which is idle again when an answer is written.
pub struct Impatient {
    stream: Channel,
    place: Arc<Place>,
    /// Since the last byte was taken, while more are there.
    stuck: Option<Pin<Box<Sleep>>>,
}

impl Impatient {
    /// Serves `stream` in `place`.
    pub fn new(stream: Channel, place: Arc<Place>) -> Impatient {
        Impatient { stream, place, stuck: None }
    }

    /// What a write came to; one that has waited too long fails.
    fn judge<T>(&mut self, written: Poll<Result<T>>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        if written.is_ready() {
            self.stuck = None;
            return written;
        }
        let limit = if self.place.is_stream() { STREAM_WRITE_TIME } else { WRITE_TIME };
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(stuck.as_mut().poll(cx));
        Poll::Ready(Err(Error::new(ErrorKind::TimedOut, "the client does not read")))
    }
}

impl AsyncRead for Impatient {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Impatient {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.judge(written, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.judge(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Reached once all of an answer is written.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        // What is encrypted may wait here.
        let flushed = self.judge(flushed, cx);
        if flushed.is_ready() {
            self.place.idle();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
