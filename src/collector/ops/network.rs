//! A network operation: who was talked to, how many bytes went which way, how long the answer took.

use std::fmt::{Debug, Display};
use std::sync::Arc;

use super::error::OperationError;
use super::input::{check_name, error_text};
use super::monitor::Monitor;
use super::operation::PANICKED;
use super::record::EndedNetwork;
use super::series::{NetworkSeries, Peer};
use super::thread::{self, ThreadInfo};
use crate::snapshot::OperationStatus;

/// A network operation that runs: a request, or a connection. It ends as an [`Operation`](super::Operation) does, with the
/// same three calls, and is abandoned without them. Bytes count at once, for the peer; in the list they are those to the
/// end.
///
/// ```
/// let telemetry = ringscope::TelemetryCollector::new(true);
/// telemetry.monitor_operations()?;
/// let mut request = telemetry.network_operation("http", "example.org", 80)?;
/// request.sent(18);
/// request.received(1256);
/// request.succeed();
/// let all = telemetry.network_operations();
/// assert_eq!((all[0].bytes_sent, all[0].bytes_received), (18, 1256));
/// # Ok::<(), ringscope::TelemetryError>(())
/// ```
#[must_use = "a network operation that is dropped is abandoned"]
pub struct NetworkOperation {
    /// `None` where nothing is monitored, and after the end.
    running: Option<Running>,
}

struct Running {
    series: Arc<NetworkSeries>,
    kind: Arc<str>,
    host: Arc<str>,
    port: u16,
    begun_ns: u64,
    answered_ns: Option<u64>,
    sent: u64,
    received: u64,
    thread: Arc<ThreadInfo>,
}

impl Running {
    fn answered(&mut self) {
        if self.answered_ns.is_none() {
            self.answered_ns = Some(self.series.kept.clock.now_ns());
        }
    }
}

impl NetworkOperation {
    pub(in crate::collector) fn start(
        monitor: Option<&Arc<Monitor>>,
        kind: &str,
        host: &str,
        port: u16,
    ) -> Result<Self, OperationError> {
        let Some(monitor) = monitor else { return Ok(NetworkOperation { running: None }) };
        check_name("kind", kind)?;
        check_name("host", host)?;
        // An address in brackets is the one without.
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let series = monitor.network_series(Peer { kind, host, port });
        // Of the overflow series, each keeps its own names in the list.
        let own = |known: &Arc<str>, text: &str| if **known == *text { Arc::clone(known) } else { text.into() };
        let (kind, host) = (own(&series.kind, kind), own(&series.host, host));
        series.begin();
        let begun_ns = series.kept.clock.now_ns();
        let (answered_ns, sent, received) = (None, 0, 0);
        let thread = thread::current();
        let running = Running { series, kind, host, port, begun_ns, answered_ns, sent, received, thread };
        Ok(NetworkOperation { running: Some(running) })
    }

    /// Counts bytes that were sent.
    #[inline]
    pub fn sent(&mut self, bytes: u64) {
        if let Some(running) = &mut self.running {
            running.sent += bytes;
            running.series.sent.inc_by(bytes);
        }
    }

    /// Counts bytes that were received. The first ones are the peer's [answer](Self::answered), unless that was noted
    /// before.
    #[inline]
    pub fn received(&mut self, bytes: u64) {
        if let Some(running) = &mut self.running
            && bytes > 0
        {
            running.answered();
            running.received += bytes;
            running.series.received.inc_by(bytes);
        }
    }

    /// Notes that the peer answered just now: that is the operation's latency. Only the first time counts.
    pub fn answered(&mut self) {
        if let Some(running) = &mut self.running {
            running.answered();
        }
    }

    /// Returns the bytes sent so far; 0 where nothing is monitored.
    pub fn bytes_sent(&self) -> u64 {
        self.running.as_ref().map_or(0, |running| running.sent)
    }

    /// Returns the bytes received so far; 0 where nothing is monitored.
    pub fn bytes_received(&self) -> u64 {
        self.running.as_ref().map_or(0, |running| running.received)
    }

    /// Ends the operation: it did what it was begun for.
    pub fn succeed(mut self) {
        self.end(OperationStatus::Succeeded, None);
    }

    /// Ends the operation with an error, of which the first 512 bytes are kept.
    pub fn fail(mut self, error: impl Display) {
        if self.running.is_some() {
            let error = error_text(error);
            self.end(OperationStatus::Failed, Some(error));
        }
    }

    /// Ends the operation as `result` says, and hands that back.
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

    /// Ends it, if it has not ended.
    pub(super) fn end(&mut self, status: OperationStatus, error: Option<Arc<str>>) {
        let Some(running) = self.running.take() else { return };
        let Running { series, kind, host, port, begun_ns, answered_ns, sent, received, thread } = running;
        let ended_ns = series.kept.clock.now_ns();
        let answered_ns = answered_ns.unwrap_or(ended_ns);
        series.end(status, answered_ns.saturating_sub(begun_ns));
        series.kept.push_network(EndedNetwork {
            kind,
            host,
            port,
            status,
            begun_ns,
            answered_ns,
            ended_ns,
            bytes_sent: sent,
            bytes_received: received,
            error,
            thread,
        });
    }

    /// Ends it where a guard is dropped: as failed by a panic, otherwise so.
    pub(super) fn end_dropped(&mut self, status: OperationStatus, error: Option<Arc<str>>) {
        if self.running.is_some() {
            match std::thread::panicking() {
                true => self.end(OperationStatus::Failed, Some(error.unwrap_or_else(|| PANICKED.into()))),
                false => self.end(status, error),
            }
        }
    }
}

impl Drop for NetworkOperation {
    fn drop(&mut self) {
        self.end_dropped(OperationStatus::Abandoned, None);
    }
}

impl Debug for NetworkOperation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.running {
            Some(running) => {
                let Running { kind, host, port, sent, received, .. } = running;
                write!(f, "NetworkOperation({kind:?} {host:?} {port}, {sent} bytes sent, {received} received)")
            }
            None => f.write_str("NetworkOperation(not monitored)"),
        }
    }
}
