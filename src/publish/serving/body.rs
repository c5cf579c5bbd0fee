//! The body of an answer: all of it, or frames as they come.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http_body_util::Full;
use hyper::body::{Body as HttpBody, Bytes, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// What is answered.
#[derive(Debug)]
pub enum Body {
    /// All of it.
    Whole(Full<Bytes>),
    /// Frames, until whoever makes them ends, or the client goes.
    Stream(Stream),
}

/// The frames of an answer that has no end of its own. One is on its way at most: who makes them waits, and knows it.
#[derive(Debug)]
pub struct Stream {
    frames: mpsc::Receiver<Bytes>,
    /// Given back when the client is gone.
    _place: OwnedSemaphorePermit,
}

/// Streams, of which there are so many at most.
#[derive(Debug)]
pub struct Streams {
    places: Arc<Semaphore>,
}

impl Streams {
    /// Has place for `most` streams.
    pub fn new(most: usize) -> Streams {
        Streams { places: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))) }
    }

    /// Opens a stream: where to send its frames, and the body that they become; `None` where there is no place left. Sending
    /// fails once the client is gone.
    pub fn open(&self) -> Option<(mpsc::Sender<Bytes>, Body)> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let (sender, frames) = mpsc::channel(1);
        Some((sender, Body::Stream(Stream { frames, _place: place })))
    }
}

impl Body {
    /// Returns whether it has no end of its own.
    pub fn is_stream(&self) -> bool {
        matches!(self, Body::Stream(_))
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Body::Whole(Full::new(bytes))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Body::Whole(whole) => Pin::new(whole).poll_frame(cx),
            Body::Stream(stream) => stream.frames.poll_recv(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Body::Whole(whole) => whole.is_end_stream(),
            Body::Stream(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Whole(whole) => whole.size_hint(),
            Body::Stream(_) => SizeHint::default(),
        }
    }
}
