//! How a destination is sent to: queue, retries, circuit, end.

use std::path::PathBuf;
use std::time::Duration;

use super::error::PublishError;

/// Bounds and times of the way to one destination.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivery {
    /// Most bytes that wait in memory. Default: 16 MiB.
    pub queue_bytes: usize,
    /// How long something waits before it is dropped as too old. Default: 10 minutes.
    pub queue_age: Duration,
    /// Time limit of an attempt. Default: 10 s.
    pub timeout: Duration,
    /// Pause after the first failure; each further one doubles it. Pauses are drawn at random between this and twice as much.
    /// Default: 500 ms.
    pub retry_min: Duration,
    /// The longest pause that retries come to. A destination that asks for a longer one gets it. Default: 30 s.
    pub retry_max: Duration,
    /// Failures in a row after which the circuit opens. Default: 5.
    pub circuit_failures: u32,
    /// How long nothing is sent then, before one attempt is made. Default: 30 s.
    pub circuit_pause: Duration,
    /// How long the end waits for what is queued. Default: 5 s.
    pub flush_limit: Duration,
    /// Keeps what waits on disk instead of in memory; destinations of ringscope's own only. Default: none.
    pub spool: Option<Spool>,
}

/// Where what waits for a destination is kept on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Spool {
    /// A folder of its own for each destination; it is made.
    pub path: PathBuf,
    /// Most bytes in it.
    pub limit: u64,
    /// When what was written is made to survive the machine's end.
    pub sync: SyncPolicy,
}

/// When a spool's file is made to survive the end of the machine. The end of the process it survives in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SyncPolicy {
    /// After each publication: at most the last one is lost.
    #[default]
    EachPublication,
    /// When the system does it, and at the end.
    AtTheEnd,
}

impl Delivery {
    /// Default of [`queue_bytes`](Self::queue_bytes).
    pub const DEFAULT_QUEUE_BYTES: usize = 16 << 20;
    /// Default of [`queue_age`](Self::queue_age).
    pub const DEFAULT_QUEUE_AGE: Duration = Duration::from_secs(600);
    /// Default of [`timeout`](Self::timeout).
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
    /// Default of [`retry_min`](Self::retry_min).
    pub const DEFAULT_RETRY_MIN: Duration = Duration::from_millis(500);
    /// Default of [`retry_max`](Self::retry_max).
    pub const DEFAULT_RETRY_MAX: Duration = Duration::from_secs(30);
    /// Default of [`circuit_failures`](Self::circuit_failures).
    pub const DEFAULT_CIRCUIT_FAILURES: u32 = 5;
    /// Default of [`circuit_pause`](Self::circuit_pause).
    pub const DEFAULT_CIRCUIT_PAUSE: Duration = Duration::from_secs(30);
    /// Default of [`flush_limit`](Self::flush_limit).
    pub const DEFAULT_FLUSH_LIMIT: Duration = Duration::from_secs(5);

    /// Sets a spool in folder `path`, of at most `limit` bytes, synchronized after each publication.
    pub fn spool(mut self, path: impl Into<PathBuf>, limit: u64) -> Self {
        self.spool = Some(Spool { path: path.into(), limit, sync: SyncPolicy::default() });
        self
    }

    /// Checks that the bounds and times can be kept.
    ///
    /// # Errors
    /// [`PublishError::BadSetting`] for the first that cannot.
    pub fn check(&self) -> Result<(), PublishError> {
        let wrong = |setting: &str, remedy: &str| {
            Err(PublishError::BadSetting { setting: setting.to_owned(), remedy: remedy.to_owned() })
        };
        if self.queue_bytes == 0 {
            return wrong("queue_bytes", "it must be at least 1");
        }
        for (setting, time) in [("queue_age", self.queue_age), ("timeout", self.timeout), ("retry_min", self.retry_min)]
        {
            if time.is_zero() {
                return wrong(setting, "it must be longer than 0");
            }
        }
        if self.retry_max < self.retry_min {
            return wrong("retry_max", "it must not be shorter than retry_min");
        }
        if self.circuit_failures == 0 {
            return wrong("circuit_failures", "it must be at least 1; u32::MAX is never");
        }
        if self.spool.as_ref().is_some_and(|spool| spool.limit == 0) {
            return wrong("spool limit", "it must be at least 1 byte");
        }
        Ok(())
    }
}

impl Default for Delivery {
    fn default() -> Self {
        Delivery {
            queue_bytes: Delivery::DEFAULT_QUEUE_BYTES,
            queue_age: Delivery::DEFAULT_QUEUE_AGE,
            timeout: Delivery::DEFAULT_TIMEOUT,
            retry_min: Delivery::DEFAULT_RETRY_MIN,
            retry_max: Delivery::DEFAULT_RETRY_MAX,
            circuit_failures: Delivery::DEFAULT_CIRCUIT_FAILURES,
            circuit_pause: Delivery::DEFAULT_CIRCUIT_PAUSE,
            flush_limit: Delivery::DEFAULT_FLUSH_LIMIT,
            spool: None,
        }
    }
}
