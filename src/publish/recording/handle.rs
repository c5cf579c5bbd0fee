//! What records: a thread, and who may ask it how it is.

use std::fmt;
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::error::RecordError;
use super::file::RecordingFile;
use crate::collector::{CountsPublishing, TelemetryCollector};
use crate::feed::{Feed, FeedReceiver, Moment};
use crate::snapshot::{DropReason, PublisherTelemetry};

/// What the recording is called among the destinations of a snapshot.
const NAME: &str = "recording";
/// How long the end waits for the last snapshot.
const LAST: Duration = Duration::from_secs(2);

/// What became of the moments so far.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct RecordingStatus {
    /// Moments that were written.
    pub moments: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Moments that could not be written, because the file could not be.
    pub failed: u64,
    /// Moments that came faster than they could be written.
    pub missed: u64,
    /// Why the newest of those that failed did.
    pub last_error: Option<Arc<str>>,
}

/// A recording that is being written. Dropping it ends it.
///
/// A disk that is full or a folder that is gone ends nothing: what could not be written is counted, in
/// [`status`](Self::status) and among the [publishers](crate::Snapshot::publishers) of each snapshot, and each further moment is
/// tried anew.
pub struct Recording {
    path: PathBuf,
    counts: Arc<Counts>,
    collector: Option<TelemetryCollector>,
    end: Option<oneshot::Sender<Option<u64>>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Counts(Mutex<(RecordingStatus, bool)>);

impl Counts {
    fn lock(&self) -> MutexGuard<'_, (RecordingStatus, bool)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CountsPublishing for Counts {
    fn read(&self) -> PublisherTelemetry {
        let (status, _) = &*self.lock();
        let offered = status.moments + status.failed;
        let mut read = PublisherTelemetry::new(NAME);
        (read.publications, read.skipped) = (offered + status.missed, status.missed);
        (read.encoded_items, read.published_items, read.attempts) = (offered, status.moments, offered);
        (read.failures, read.sent_bytes) = (status.failed, status.bytes);
        let place = DropReason::ALL.iter().position(|reason| *reason == DropReason::Spool);
        place.iter().for_each(|place| read.dropped_items[*place] = status.failed);
        read.last_error = status.last_error.clone();
        read
    }

    fn is_closed(&self) -> bool {
        self.lock().1
    }
}

impl Recording {
    pub(super) fn start(
        file: RecordingFile,
        feed: Feed,
        collector: Option<TelemetryCollector>,
    ) -> Result<Recording, RecordError> {
        let no_thread = |error: std::io::Error| RecordError::NoThread { reason: error.to_string() };
        let path = file.path().to_owned();
        let counts = Arc::new(Counts::default());
        if let Some(collector) = &collector {
            collector.add_publisher(NAME, counts.clone());
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(no_thread)?;
        let (end, ended) = oneshot::channel();
        let moments = feed.subscribe();
        let recorder = Recorder { file, moments, counts: Arc::clone(&counts), newest: 0 };
        let body = move || {
            // A feed of the collector ends with the recording; one that was brought goes on.
            let _feed = feed;
            runtime.block_on(recorder.run(ended));
        };
        let thread = std::thread::Builder::new().name("ringscope-record".into()).spawn(body).map_err(no_thread)?;
        Ok(Recording { path, counts, collector, end: Some(end), thread: Some(thread) })
    }

    /// Returns where it is written.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns what became of the moments so far.
    pub fn status(&self) -> RecordingStatus {
        self.counts.lock().0.clone()
    }

    /// Records how everything is now, ends, and returns what became of the moments. The file then survives the machine's end.
    pub fn end(mut self) -> RecordingStatus {
        self.finish();
        self.status()
    }

    fn finish(&mut self) {
        let Some(end) = self.end.take() else { return };
        let last = self.collector.as_ref().and_then(|collector| collector.snapshot().ok());
        // If the thread has ended by itself, there is nothing to tell.
        let _ = end.send(last.map(|snapshot| snapshot.sequence));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.counts.lock().1 = true;
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.finish();
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recording({}, {:?})", self.path.display(), self.status())
    }
}

struct Recorder {
    file: RecordingFile,
    moments: FeedReceiver,
    counts: Arc<Counts>,
    /// The number of the newest snapshot.
    newest: u64,
}

impl Recorder {
    async fn run(mut self, ended: oneshot::Receiver<Option<u64>>) {
        let mut ended = pin!(ended);
        let last = loop {
            let next = {
                let mut next = pin!(self.moments.next());
                poll_fn(|cx| match ended.as_mut().poll(cx) {
                    Poll::Ready(last) => Poll::Ready(Err(last.ok().flatten())),
                    Poll::Pending => next.as_mut().poll(cx).map(Ok),
                })
                .await
            };
            match next {
                Ok(Some(moment)) => self.write(&moment),
                Ok(None) => break None,
                Err(last) => break last,
            }
        };
        self.drain(last.unwrap_or(0)).await;
        if let Err(error) = self.file.end() {
            self.counts.lock().0.last_error = Some(error.to_string().into());
        }
    }

    /// Writes what waits, up to the snapshot of that number.
    async fn drain(&mut self, last: u64) {
        let until = Instant::now() + LAST;
        loop {
            while let Some(moment) = self.moments.try_next() {
                self.write(&moment);
            }
            if self.newest >= last || Instant::now() >= until {
                return;
            }
            let left = until.saturating_duration_since(Instant::now());
            match tokio::time::timeout(left, self.moments.next()).await {
                Ok(Some(moment)) => self.write(&moment),
                Ok(None) | Err(_) => return,
            }
        }
    }

    fn write(&mut self, moment: &Moment) {
        self.newest = moment.snapshot.sequence;
        let written = self.file.write(moment);
        let mut counts = self.counts.lock();
        let status = &mut counts.0;
        status.missed = self.moments.missed();
        match written {
            Ok(bytes) => {
                status.moments += 1;
                status.bytes += bytes;
            }
            Err(error) => {
                status.failed += 1;
                status.last_error = Some(error.to_string().into());
            }
        }
    }
}
