//! An operation: what began, and how it ended.

use std::fmt::{Debug, Display};
use std::sync::Arc;
use std::time::Duration;

use super::error::OperationError;
use super::input::{LABELS, check_name, chosen_text, error_text};
use super::monitor::Monitor;
use super::record::{Author, EndedOperation};
use super::series::OperationSeries;
use super::thread::{self, ThreadInfo};
use crate::metrics::{Labels, MAX_NAME_BYTES};
use crate::snapshot::OperationStatus;

/// The error of an operation whose thread panicked.
pub(super) const PANICKED: &str = "panicked";

/// An operation that is about to begin; see [`operation`](super::super::TelemetryCollector::operation).
#[must_use = "nothing begins before `start`"]
pub struct OperationBuilder<'a> {
    name: &'a str,
    /// `None` where nothing is monitored.
    described: Option<Described<'a>>,
}

struct Described<'a> {
    monitor: &'a Arc<Monitor>,
    id: Option<Arc<str>>,
    labels: Vec<(String, String)>,
    /// The first text that was not good.
    refused: Option<OperationError>,
}

impl<'a> OperationBuilder<'a> {
    #[inline]
    pub(in crate::collector) fn new(monitor: Option<&'a Arc<Monitor>>, name: &'a str) -> Self {
        let described = monitor.map(|monitor| Described { monitor, id: None, labels: Vec::new(), refused: None });
        OperationBuilder { name, described }
    }

    /// Sets what tells this operation from others of its name: the number of a request, say. At most 255 bytes.
    pub fn id(mut self, id: impl Display) -> Self {
        if let Some(described) = &mut self.described {
            match chosen_text("id", id, MAX_NAME_BYTES) {
                Ok(id) => described.id = Some(id.into()),
                Err(error) => described.refuse(error),
            }
        }
        self
    }

    /// Adds a label, which the entry in the list will have; counts and durations are by name alone. At most 32 labels, with
    /// names of up to 255 bytes and values of up to 1024.
    pub fn label(mut self, name: &str, value: impl Display) -> Self {
        if let Some(described) = &mut self.described {
            match LABELS.value(value) {
                Ok(value) => described.labels.push((name.to_owned(), value)),
                Err(error) => described.refuse(error),
            }
        }
        self
    }

    /// Begins the operation, and counts it as started. Where operations are not monitored, nothing is checked and the
    /// guard does nothing.
    ///
    /// # Errors
    /// [`OperationError`] for a text that is empty or too long, too many labels, or a label given twice. Then nothing was
    /// counted.
    #[inline]
    pub fn start(self) -> Result<Operation, OperationError> {
        match self.described {
            Some(described) => described.start(self.name),
            None => Ok(Operation { running: None }),
        }
    }
}

impl Described<'_> {
    fn refuse(&mut self, error: OperationError) {
        self.refused.get_or_insert(error);
    }

    fn start(self, name: &str) -> Result<Operation, OperationError> {
        if let Some(error) = self.refused {
            return Err(error);
        }
        check_name("name", name)?;
        let labels = LABELS.check(&self.labels)?;
        let series = self.monitor.operation_series(name);
        // Of the overflow series, each keeps its own name in the list.
        let name = if *series.name == *name { Arc::clone(&series.name) } else { name.into() };
        series.begin();
        let begun_ns = series.kept.clock.now_ns();
        let (id, thread) = (self.id, thread::current());
        let running = Running { series, name, id, labels, begun_ns, retries: 0, retried_for: None, thread };
        Ok(Operation { running: Some(running) })
    }
}

/// An operation that runs. It ends with [`succeed`](Self::succeed), [`fail`](Self::fail) or [`finish`](Self::finish).
///
/// Dropped without one of these it is [`Abandoned`](OperationStatus::Abandoned), which is counted by itself: nobody said how
/// it ended. That is what a future that was cancelled does, and a `?` between the beginning and the end; write
/// `operation.finish(result)?` there. Dropped by a panic it has failed, with the error `panicked`.
///
/// A guard may be moved to another thread. It takes no lock that anything of yours runs under.
///
/// ```
/// let telemetry = ringscope::TelemetryCollector::new(true);
/// telemetry.monitor_operations()?;
/// let mut resize = telemetry.operation("resize").id("cat.png").label("width", 640).start()?;
/// resize.retry("no memory");
/// resize.succeed();
/// let all = telemetry.operations();
/// assert_eq!((&*all[0].name, all[0].retries, all[0].status.name()), ("resize", 1, "succeeded"));
/// # Ok::<(), ringscope::TelemetryError>(())
/// ```
#[must_use = "an operation that is dropped is abandoned"]
pub struct Operation {
    /// `None` where nothing is monitored, and after the end.
    running: Option<Running>,
}

struct Running {
    series: Arc<OperationSeries>,
    name: Arc<str>,
    id: Option<Arc<str>>,
    labels: Option<Labels>,
    begun_ns: u64,
    retries: u32,
    retried_for: Option<Arc<str>>,
    thread: Arc<ThreadInfo>,
}

impl Operation {
    /// Counts an attempt that failed and is made again now; the operation goes on. `error` is kept if it is the last one,
    /// its first 512 bytes.
    pub fn retry(&mut self, error: impl Display) {
        if let Some(running) = &mut self.running {
            running.retries = running.retries.saturating_add(1);
            running.series.retries.inc();
            running.retried_for = Some(error_text(error));
        }
    }

    /// Ends the operation: it did what it was begun for.
    #[inline]
    pub fn succeed(mut self) {
        if self.running.is_some() {
            self.end(OperationStatus::Succeeded, None);
        }
    }

    /// Ends the operation with an error, of which the first 512 bytes are kept.
    pub fn fail(mut self, error: impl Display) {
        if self.running.is_some() {
            let error = error_text(error);
            self.end(OperationStatus::Failed, Some(error));
        }
    }

    /// Ends the operation as `result` says, and hands that back: `operation.finish(work())?`.
    ///
    /// # Errors
    /// Returns the error in `result`.
    pub fn finish<T, E: Display>(self, result: Result<T, E>) -> Result<T, E> {
        match &result {
            Ok(_) => self.succeed(),
            Err(error) => self.fail(error),
        }
        result
    }

    /// Returns how long it has been running; zero where nothing is monitored.
    pub fn elapsed(&self) -> Duration {
        let ns = |r: &Running| r.series.kept.clock.now_ns().saturating_sub(r.begun_ns);
        Duration::from_nanos(self.running.as_ref().map_or(0, ns))
    }

    #[cold]
    fn end_dropped(&mut self) {
        match std::thread::panicking() {
            true => self.end(OperationStatus::Failed, Some(PANICKED.into())),
            false => self.end(OperationStatus::Abandoned, None),
        }
    }

    fn end(&mut self, status: OperationStatus, error: Option<Arc<str>>) {
        let Some(running) = self.running.take() else { return };
        let Running { series, name, id, labels, begun_ns, retries, retried_for, thread } = running;
        let ended_ns = series.kept.clock.now_ns();
        series.end(status, ended_ns.saturating_sub(begun_ns));
        let (error, by) = (error.or(retried_for), Author::Thread(thread));
        let ended = EndedOperation { name, id, status, begun_ns, ended_ns, retries, error, labels, by };
        series.kept.push_operation(ended);
    }
}

impl Drop for Operation {
    #[inline]
    fn drop(&mut self) {
        if self.running.is_some() {
            self.end_dropped();
        }
    }
}

impl Debug for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.running {
            Some(running) => write!(f, "Operation({:?}, running for {:?})", running.name, self.elapsed()),
            None => f.write_str("Operation(not monitored)"),
        }
    }
}
