//! What the kernels of a runtime count.

use std::sync::Arc;
use std::time::Duration;

use super::error::RuntimeError;
use super::handle::{RingKernelRuntime, off_the_worker};
use super::kernel::{AwaitedRecords, RingKernel, records_nothing};
use super::limit::{Limit, RunLimit};
use crate::collector::TelemetryError;
use crate::snapshot::{KernelTelemetry, Snapshot, Summary};

/// How long a snapshot waits for records. A record is a microsecond or two behind its reply, or as long as the system takes the
/// block's thread away.
const RECORDS_LIMIT: Duration = Duration::from_secs(1);

impl RingKernelRuntime {
    /// Reads everything now, on a thread that may block. Every message whose reply was received before the call is in it, in
    /// all counters, in both histograms and in the time of the last message: kernels record after they reply, so it reads
    /// again, for up to a second, until the counts are there; and of a kernel that has answered all that it was sent, until
    /// two readings agree, up to three times. Of a single reading at most 400 ms count, so that time in which the process was
    /// stopped or frozen does not.
    ///
    /// A kernel of your own that replies and does not record all of its messages is waited for once, for that second, and
    /// not again; one that has no telemetry code at all is never waited for.
    ///
    /// # Cancel safety
    /// If the future is dropped, the reading goes on and nobody sees it but [`latest`](Self::latest) and hooks.
    ///
    /// # Errors
    /// [`TelemetryError::Disabled`] without [`telemetry(true)`](super::RuntimeBuilder::telemetry); what the device died of.
    pub async fn snapshot(&self) -> Result<Arc<Snapshot>, RuntimeError> {
        let runtime = self.clone();
        off_the_worker(move || runtime.snapshot_blocking()).await
    }

    /// Reads everything now as [`snapshot`](Self::snapshot) does, on the calling thread: it blocks for the time of a copy.
    ///
    /// # Errors
    /// As [`snapshot`](Self::snapshot).
    pub fn snapshot_blocking(&self) -> Result<Arc<Snapshot>, RuntimeError> {
        let kernels = self.inner.all_kernels();
        kernels.iter().for_each(RingKernel::note_end);
        let mut awaited: Vec<AwaitedRecords<'_>> = kernels.iter().map(AwaitedRecords::new).collect();
        let mut limit = RunLimit::new(RECORDS_LIMIT);
        loop {
            let snapshot = self.inner.collector.snapshot()?;
            // What is complete in one reading is so in the next.
            awaited.retain_mut(|k| snapshot.kernel(k.kernel().id()).is_some_and(|t| k.are_missing(t)));
            if awaited.is_empty() {
                return Ok(snapshot);
            }
            if limit.left().is_zero() {
                awaited.iter().for_each(AwaitedRecords::give_up);
                return Ok(snapshot);
            }
            std::thread::yield_now();
        }
    }

    /// Returns the newest snapshot, by whomever it was taken; `None` before the first. Takes no lock and reads nothing.
    pub fn latest(&self) -> Option<Arc<Snapshot>> {
        self.inner.collector.latest()
    }

    /// Reads everything now, as [`snapshot`](Self::snapshot), and returns one kernel.
    ///
    /// # Cancel safety
    /// As [`snapshot`](Self::snapshot).
    ///
    /// # Errors
    /// [`RuntimeError::UnknownKernel`]; [`RuntimeError::RecordsNothing`] for a kernel of your own that has replied and has no
    /// telemetry code; and as [`snapshot`](Self::snapshot).
    pub async fn telemetry(&self, id: &str) -> Result<KernelTelemetry, RuntimeError> {
        let (runtime, owned) = (self.clone(), id.to_owned());
        off_the_worker(move || runtime.telemetry_blocking(&owned)).await
    }

    /// Reads one kernel as [`telemetry`](Self::telemetry) does, on the calling thread.
    ///
    /// # Errors
    /// As [`telemetry`](Self::telemetry).
    pub fn telemetry_blocking(&self, id: &str) -> Result<KernelTelemetry, RuntimeError> {
        let kernel = self.kernel(id);
        let replies = kernel.as_ref().map_or(0, RingKernel::replies_received);
        let snapshot = self.snapshot_blocking()?;
        let telemetry = match (snapshot.kernel(id), kernel) {
            (Some(telemetry), _) => telemetry.clone(),
            // Launched this moment, or a launch that failed, or nothing of that name.
            (None, Ok(_)) => self.inner.collector.telemetry(id)?,
            (None, Err(unknown)) => return Err(unknown),
        };
        if records_nothing(&telemetry, replies) {
            return Err(RuntimeError::RecordsNothing { id: id.to_owned(), replies });
        }
        Ok(telemetry)
    }

    /// Reads everything now, as [`snapshot`](Self::snapshot), and adds it up.
    ///
    /// # Cancel safety
    /// As [`snapshot`](Self::snapshot).
    ///
    /// # Errors
    /// As [`snapshot`](Self::snapshot).
    pub async fn summary(&self) -> Result<Summary, RuntimeError> {
        Ok(self.snapshot().await?.summary())
    }

    /// Adds everything up as [`summary`](Self::summary) does, on the calling thread.
    ///
    /// # Errors
    /// As [`summary`](Self::summary).
    pub fn summary_blocking(&self) -> Result<Summary, RuntimeError> {
        Ok(self.snapshot_blocking()?.summary())
    }

    /// Sets the counts of `id`, or of all kernels, to zero here and now; nothing that comes later is lost.
    ///
    /// # Cancel safety
    /// If the future is dropped after it was polled, the reset happens all the same.
    ///
    /// # Errors
    /// [`RuntimeError::UnknownKernel`], and as [`snapshot`](Self::snapshot).
    pub async fn reset_telemetry(&self, id: Option<&str>) -> Result<(), RuntimeError> {
        let (runtime, owned) = (self.clone(), id.map(str::to_owned));
        off_the_worker(move || runtime.reset_telemetry_blocking(owned.as_deref())).await
    }

    /// Sets counts to zero as [`reset_telemetry`](Self::reset_telemetry) does, on the calling thread.
    ///
    /// # Errors
    /// As [`reset_telemetry`](Self::reset_telemetry).
    pub fn reset_telemetry_blocking(&self, id: Option<&str>) -> Result<(), RuntimeError> {
        // What was replied to before the reset is counted before it.
        self.snapshot_blocking()?;
        self.inner.collector.reset(id).map_err(|error| match error {
            TelemetryError::UnknownKernel { id, .. } => self.unknown_kernel(&id),
            error => error.into(),
        })
    }
}
