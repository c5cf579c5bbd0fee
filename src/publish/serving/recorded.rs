//! `/live.rscope`: moments as a recording that does not end, for `ringscope top --connect`. Each is encoded once, however many
//! read it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::mpsc;

use super::body::Streams;
use super::pages::{Answer, plain};
use crate::collector::TelemetryCollector;
use crate::feed::{Feed, Moment};
use crate::recording::Encoder;

/// Frames that wait for a reader; one that is slower goes on with the next whole moment.
const WAITING: usize = 8;

/// Hands out frames. Clones are the same.
#[derive(Clone)]
pub struct Recorded(Arc<Shared>);

struct Shared {
    encoding: Mutex<Encoding>,
    frames: broadcast::Sender<Frame>,
}

struct Encoding {
    encoder: Encoder,
    /// Somebody cannot read what only differs from the moment before.
    wants_whole: bool,
    newest: Option<Arc<Moment>>,
}

impl Default for Encoding {
    fn default() -> Self {
        // Nothing is kept, so nothing has to be left out: who looks sees every block in every moment.
        Encoding { encoder: Encoder::new().bytes_per_day(None), wants_whole: false, newest: None }
    }
}

#[derive(Clone)]
struct Frame {
    bytes: Bytes,
    is_whole: bool,
}

impl Default for Recorded {
    fn default() -> Self {
        Recorded(Arc::new(Shared { encoding: Mutex::default(), frames: broadcast::channel(WAITING).0 }))
    }
}

impl std::fmt::Debug for Recorded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Recorded({} readers)", self.0.frames.receiver_count())
    }
}

impl Shared {
    fn encoding(&self) -> MutexGuard<'_, Encoding> {
        self.encoding.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recorded {
    /// Tells all readers of the next moment.
    pub fn push(&self, moment: &Arc<Moment>) {
        let mut encoding = self.0.encoding();
        encoding.newest = Some(Arc::clone(moment));
        if !self.is_read() {
            return;
        }
        let is_whole = std::mem::take(&mut encoding.wants_whole);
        let mut bytes = if is_whole { encoding.encoder.source_frame() } else { Vec::new() };
        bytes.extend(encoding.encoder.encode(moment));
        // An error says that nobody reads any more.
        let _ = self.0.frames.send(Frame { bytes: bytes.into(), is_whole });
    }

    /// Forgets the newest moment: nobody will tell the next.
    fn forget(&self) {
        self.0.encoding().newest = None;
    }

    /// Returns whether somebody reads.
    pub fn is_read(&self) -> bool {
        self.0.frames.receiver_count() > 0
    }

    /// Answers with the stream, which begins with the newest moment there is.
    pub fn answer(&self, streams: &Streams) -> Answer {
        let Some((sender, body)) = streams.open() else {
            const NO_PLACE: &str = "as many streams are open as this server has place for: close one, or ask again\n";
            return plain(StatusCode::SERVICE_UNAVAILABLE, NO_PLACE);
        };
        let (first, frames) = {
            let mut encoding = self.0.encoding();
            encoding.wants_whole = true;
            let mut own = Encoder::new().bytes_per_day(None);
            let mut first = own.header();
            first.extend(encoding.newest.as_ref().map(|moment| own.encode(moment)).unwrap_or_default());
            (first.into(), self.0.frames.subscribe())
        };
        tokio::spawn(send(Arc::clone(&self.0), first, frames, sender));
        let mut answer = Response::new(body);
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        answer
    }
}

/// Sends frames until nobody takes them any more.
async fn send(shared: Arc<Shared>, first: Bytes, mut frames: broadcast::Receiver<Frame>, reader: mpsc::Sender<Bytes>) {
    let mut next = Some(first);
    let mut needs_whole = true;
    loop {
        if let Some(bytes) = next.take()
            && reader.send(bytes).await.is_err()
        {
            return;
        }
        let frame = tokio::select! {
            frame = frames.recv() => frame,
            () = reader.closed() => return,
        };
        match frame {
            Ok(frame) if frame.is_whole || !needs_whole => {
                needs_whole = false;
                next = Some(frame.bytes);
            }
            Ok(_) => {}
            Err(RecvError::Lagged(_)) => {
                needs_whole = true;
                shared.encoding().wants_whole = true;
            }
            Err(RecvError::Closed) => return,
        }
    }
}

/// The same for a server that has no feed: there is one as long as somebody reads.
#[derive(Debug)]
pub struct OnDemand {
    collector: TelemetryCollector,
    recorded: Recorded,
    streams: Streams,
    /// Whether there is a feed.
    fed: Arc<AtomicBool>,
}

impl OnDemand {
    /// Has place for so many readers.
    pub fn new(collector: TelemetryCollector, streams: usize) -> OnDemand {
        OnDemand { collector, recorded: Recorded::default(), streams: Streams::new(streams), fed: Arc::default() }
    }

    /// Answers with the stream.
    pub fn answer(&self) -> Answer {
        let answer = self.recorded.answer(&self.streams);
        if self.recorded.is_read() && !self.fed.swap(true, Ordering::Relaxed) {
            let feed = match Feed::start(&self.collector, None) {
                Ok(feed) => feed,
                Err(error) => {
                    self.fed.store(false, Ordering::Relaxed);
                    return plain(StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n"));
                }
            };
            tokio::spawn(pass_on(feed, self.recorded.clone(), Arc::clone(&self.fed)));
        }
        answer
    }
}

async fn pass_on(feed: Feed, recorded: Recorded, fed: Arc<AtomicBool>) {
    let mut moments = feed.subscribe();
    while let Some(moment) = moments.next().await {
        recorded.push(&moment);
        if !recorded.is_read() {
            break;
        }
    }
    recorded.forget();
    fed.store(false, Ordering::Relaxed);
}
