//! What is recorded where, and within which bounds.

use std::path::{Path, PathBuf};

use super::error::RecordError;
use super::file::{Existing, RecordingFile, Settings};
use super::handle::Recording;
use crate::alert::Judge;
use crate::collector::TelemetryCollector;
use crate::feed::Feed;
use crate::publish::delivery::SyncPolicy;
use crate::recording::Encoder;

/// A recording that is about to be started.
#[must_use = "nothing is recorded before it is started"]
pub struct RecordingBuilder {
    from: From,
    path: PathBuf,
    settings: Settings,
}

enum From {
    Collector(TelemetryCollector, Option<Box<dyn Judge>>),
    Feed(Feed),
}

impl TelemetryCollector {
    /// Describes a recording of each snapshot, event and alert in a file; [`start`](RecordingBuilder::start) starts it. The
    /// snapshots are those of periodic [collection](Self::start_collection), which is started with an interval of 1 s where nobody
    /// has started it.
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("run.rscope");
    /// let telemetry = ringscope::TelemetryCollector::new(true);
    /// let recording = telemetry.record(&path).start()?;
    /// telemetry.record_processed("parser", None)?;
    /// recording.end();
    ///
    /// let last = ringscope::recording::Reader::open(&path)?.last().expect("a moment");
    /// assert_eq!(last.snapshot.kernel("parser").unwrap().messages_processed, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn record(&self, path: impl AsRef<Path>) -> RecordingBuilder {
        RecordingBuilder::new(From::Collector(self.clone(), None), path.as_ref())
    }
}

impl RecordingBuilder {
    /// Default of [`max_bytes`](Self::max_bytes).
    pub const DEFAULT_MAX_BYTES: u64 = 256 << 20;
    /// Default of [`keep`](Self::keep).
    pub const DEFAULT_KEEP: u32 = 7;

    /// Describes a recording of the moments of `feed`.
    pub fn of_feed(feed: &Feed, path: impl AsRef<Path>) -> Self {
        RecordingBuilder::new(From::Feed(feed.clone()), path.as_ref())
    }

    fn new(from: From, path: &Path) -> Self {
        let settings = Settings {
            existing: Existing::Refuse,
            max_bytes: Self::DEFAULT_MAX_BYTES,
            keep: Self::DEFAULT_KEEP,
            sync: SyncPolicy::AtTheEnd,
            bytes_per_day: Some(Encoder::DEFAULT_BYTES_PER_DAY),
        };
        RecordingBuilder { from, path: path.to_owned(), settings }
    }

    /// Sets who finds the alerts that are recorded. A feed has its own. Default: nobody.
    pub fn alerts(mut self, judge: Box<dyn Judge>) -> Self {
        if let From::Collector(_, alerts) = &mut self.from {
            *alerts = Some(judge);
        }
        self
    }

    /// Sets how long a file may be, in bytes. One that would become longer is renamed to its name and `.1`, the one that had this
    /// name to `.2`, and so on. Default: 256 MiB.
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.settings.max_bytes = bytes;
        self
    }

    /// Sets how many renamed files are kept; the oldest goes. Default: 7.
    pub fn keep(mut self, files: u32) -> Self {
        self.settings.keep = files;
        self
    }

    /// Sets when what was written is made to survive the machine's end. The end of the process it survives in any case. Default:
    /// [`SyncPolicy::AtTheEnd`].
    pub fn sync(mut self, policy: SyncPolicy) -> Self {
        self.settings.sync = policy;
        self
    }

    /// Sets how many bytes a day may take before less is told of each moment; `None` tells everything of each. Default:
    /// [`Encoder::DEFAULT_BYTES_PER_DAY`].
    pub fn bytes_per_day(mut self, bytes: Option<u64>) -> Self {
        self.settings.bytes_per_day = bytes;
        self
    }

    /// Goes on with the recording that is there, if there is one; what is damaged at its end is cut off. Default: a file that
    /// exists is an error.
    pub fn append(mut self) -> Self {
        self.settings.existing = Existing::Append;
        self
    }

    /// Overwrites what is there, with the files that were renamed. Default: a file that exists is an error.
    pub fn overwrite(mut self) -> Self {
        self.settings.existing = Existing::Overwrite;
        self
    }

    /// Starts it, on a thread of its own.
    ///
    /// # Errors
    /// [`RecordError`]: the file exists, or cannot be written; nothing can be collected.
    pub fn start(self) -> Result<Recording, RecordError> {
        self.settings.check()?;
        let file = RecordingFile::open(&self.path, self.settings)?;
        match self.from {
            From::Feed(feed) => Recording::start(file, feed, None),
            From::Collector(collector, judge) => {
                let feed = Feed::start(&collector, judge)?;
                Recording::start(file, feed, Some(collector))
            }
        }
    }
}

impl std::fmt::Debug for RecordingBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RecordingBuilder({}, {:?})", self.path.display(), self.settings)
    }
}
