//! What is kept of each operation that ended, and what is shown of it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::super::clock::{SteadyClock, nanoseconds};
use super::super::ring::{Position, Ring};
use super::config::OperationsConfig;
use super::lists::Lists;
use super::thread::ThreadInfo;
use crate::metrics::Labels;
use crate::snapshot::{ListCounts, OperationStatus};

/// Everything that is kept of what ended.
pub(super) struct Kept {
    pub(super) clock: SteadyClock,
    pub(super) pid: u32,
    age_ns: u64,
    slow_ns: u64,
    operations: Lists<EndedOperation>,
    network: Lists<EndedNetwork>,
    device: Ring<EndedOperation>,
}

/// An operation that ended; times are those of the steady clock.
#[derive(Clone)]
pub(super) struct EndedOperation {
    pub(super) name: Arc<str>,
    pub(super) id: Option<Arc<str>>,
    pub(super) status: OperationStatus,
    pub(super) begun_ns: u64,
    pub(super) ended_ns: u64,
    pub(super) retries: u32,
    pub(super) error: Option<Arc<str>>,
    pub(super) labels: Option<Labels>,
    pub(super) by: Author,
}

/// Who did it.
#[derive(Clone)]
pub(super) enum Author {
    Thread(Arc<ThreadInfo>),
    Device(DeviceMessage),
}

/// A network operation that ended.
#[derive(Clone)]
pub(super) struct EndedNetwork {
    pub(super) kind: Arc<str>,
    pub(super) host: Arc<str>,
    pub(super) port: u16,
    pub(super) status: OperationStatus,
    pub(super) begun_ns: u64,
    pub(super) answered_ns: u64,
    pub(super) ended_ns: u64,
    pub(super) bytes_sent: u64,
    pub(super) bytes_received: u64,
    pub(super) error: Option<Arc<str>>,
    pub(super) thread: Arc<ThreadInfo>,
}

impl Kept {
    pub(super) fn new(config: &OperationsConfig, clock: SteadyClock) -> Self {
        Kept {
            clock,
            pid: std::process::id(),
            age_ns: nanoseconds(config.age),
            slow_ns: nanoseconds(config.slow_limit),
            operations: Lists::new(config.kept),
            network: Lists::new(config.kept),
            device: Ring::new(config.kept),
        }
    }

    pub(super) fn push_operation(&self, ended: EndedOperation) {
        let is_slow = ended.ended_ns.saturating_sub(ended.begun_ns) > self.slow_ns;
        match ended.by {
            Author::Thread(_) => self.operations.push(ended.ended_ns, ended.status, is_slow, ended),
            Author::Device(_) => self.device.push(ended.ended_ns, ended),
        }
    }

    pub(super) fn push_network(&self, ended: EndedNetwork) {
        let is_slow = ended.answered_ns.saturating_sub(ended.begun_ns) > self.slow_ns;
        self.network.push(ended.ended_ns, ended.status, is_slow, ended);
    }

    /// The earliest end that is not too old.
    fn since_ns(&self) -> u64 {
        self.clock.now_ns().saturating_sub(self.age_ns)
    }

    /// Lets go of what is too old.
    pub(super) fn sweep(&self) {
        let since_ns = self.since_ns();
        self.operations.sweep(since_ns);
        self.network.sweep(since_ns);
        self.device.sweep(since_ns);
    }

    /// Of operations, network operations and device messages.
    pub(super) fn counts(&self) -> [ListCounts; 3] {
        [self.operations.counts(), self.network.counts(), self.device.counts()]
    }

    /// What ended since then, in the order of the ends, and how many of it are gone.
    pub(super) fn since(&self, positions: &mut Positions) -> (Vec<OperationRecord>, Vec<NetworkRecord>, u64) {
        let (mut operations, mut network) = (Vec::new(), Vec::new());
        let missed = self.operations.since(&mut positions.operations, &mut operations)
            + self.device.since(&mut positions.device, &mut operations)
            + self.network.since(&mut positions.network, &mut network);
        (self.operation_records(operations), self.network_records(network), missed)
    }

    /// In the order of their ends.
    pub(super) fn operations(&self) -> Vec<OperationRecord> {
        let since_ns = self.since_ns();
        let mut ended = self.operations.copy(since_ns);
        self.device.copy_into(since_ns, &mut ended);
        self.operation_records(ended)
    }

    fn operation_records(&self, mut ended: Vec<EndedOperation>) -> Vec<OperationRecord> {
        ended.sort_by_key(|ended| ended.ended_ns);
        let now = Now::new(self.clock);
        ended.into_iter().map(|ended| OperationRecord::new(ended, now, self.pid)).collect()
    }

    /// In the order of their ends.
    pub(super) fn network(&self) -> Vec<NetworkRecord> {
        self.network_records(self.network.copy(self.since_ns()))
    }

    fn network_records(&self, mut ended: Vec<EndedNetwork>) -> Vec<NetworkRecord> {
        ended.sort_by_key(|ended| ended.ended_ns);
        let now = Now::new(self.clock);
        ended.into_iter().map(|ended| NetworkRecord::new(ended, now, self.pid)).collect()
    }
}

/// How far somebody has read what is kept.
#[derive(Debug, Default)]
pub(in crate::collector) struct Positions {
    operations: [Position; 3],
    network: [Position; 3],
    device: Position,
}

/// One moment of both clocks: times of the past are told by the wall clock as it is now.
#[derive(Clone, Copy)]
pub(super) struct Now {
    wall: SystemTime,
    steady_ns: u64,
}

impl Now {
    pub(super) fn new(clock: SteadyClock) -> Self {
        Now { wall: SystemTime::now(), steady_ns: clock.now_ns() }
    }

    pub(super) fn time(self, ns: u64) -> SystemTime {
        let ago = Duration::from_nanos(self.steady_ns.saturating_sub(ns));
        self.wall.checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

fn between(begun_ns: u64, ended_ns: u64) -> Duration {
    Duration::from_nanos(ended_ns.saturating_sub(begun_ns))
}

/// A message of a device kernel among the operations.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct DeviceMessage {
    /// The kernel.
    pub kernel: Arc<str>,
    /// The block that handled it, where that is known.
    pub block: Option<u32>,
    /// The message's number, where that is known.
    pub number: Option<u64>,
    /// What the handler returned: 0 is success. Of several messages, the newest error's.
    pub code: u32,
    /// How many messages this is of. Usually 1. A kernel without spans counts its errors and notes the code and time of the
    /// newest: what it counted between two snapshots is one entry, with neither block, number nor duration. A kernel's
    /// first entry has all of its errors since the launch.
    pub messages: u64,
}

/// An operation that ended.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct OperationRecord {
    /// Its name; of a device message, the kernel's id.
    pub name: Arc<str>,
    /// Its id, where it was given one.
    pub id: Option<Arc<str>>,
    /// How it ended.
    pub status: OperationStatus,
    /// When it began.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::snapshot::unix_seconds"))]
    pub start_time: SystemTime,
    /// How long it took, to its end.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::snapshot::seconds"))]
    pub duration: Duration,
    /// Attempts that failed and were made again.
    pub retries: u32,
    /// The error that it failed with, or the last one that it was retried for. Cut off at
    /// [`MAX_ERROR_BYTES`](super::MAX_ERROR_BYTES); it may hold any character, so escape it where you show it, as `Display`
    /// of the record does.
    pub error: Option<Arc<str>>,
    /// Its labels.
    pub labels: Labels,
    /// The process.
    pub pid: u32,
    /// The thread that began it; `None` of a device message.
    pub thread: Option<Arc<ThreadInfo>>,
    /// What is known of it on the device, if it is a device message.
    pub device: Option<DeviceMessage>,
}

impl OperationRecord {
    fn new(ended: EndedOperation, now: Now, pid: u32) -> Self {
        let (thread, device) = match ended.by {
            Author::Thread(thread) => (Some(thread), None),
            Author::Device(message) => (None, Some(message)),
        };
        OperationRecord {
            name: ended.name,
            id: ended.id,
            status: ended.status,
            start_time: now.time(ended.begun_ns),
            duration: between(ended.begun_ns, ended.ended_ns),
            retries: ended.retries,
            error: ended.error,
            labels: ended.labels.unwrap_or_default(),
            pid,
            thread,
            device,
        }
    }
}

impl fmt::Display for OperationRecord {
    /// One line, whatever is in the texts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name.escape_debug())?;
        if let Some(id) = &self.id {
            write!(f, " {}", id.escape_debug())?;
        }
        if let Some(DeviceMessage { block, number, code, messages, .. }) = &self.device {
            block.iter().try_for_each(|block| write!(f, " block {block}"))?;
            number.iter().try_for_each(|number| write!(f, " message {number}"))?;
            write!(f, " code {code}")?;
            if *messages != 1 {
                write!(f, " ({messages} messages)")?;
            }
        }
        write!(f, " {} after {:?}", self.status, self.duration)?;
        match self.retries {
            0 => {}
            1 => f.write_str(", 1 retry")?,
            more => write!(f, ", {more} retries")?,
        }
        self.error.iter().try_for_each(|error| write!(f, ": {}", error.escape_debug()))
    }
}

/// A network operation that ended.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct NetworkRecord {
    /// Its kind: the protocol, say.
    pub kind: Arc<str>,
    /// The peer's host.
    pub host: Arc<str>,
    /// The peer's port.
    pub port: u16,
    /// How it ended.
    pub status: OperationStatus,
    /// When it began.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::snapshot::unix_seconds"))]
    pub start_time: SystemTime,
    /// How long it took, to its end.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::snapshot::seconds"))]
    pub duration: Duration,
    /// How long the peer took to answer: until the connection was there or the first byte came, whichever was noted
    /// first, and until the end where neither was.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::snapshot::seconds"))]
    pub latency: Duration,
    /// Bytes sent.
    pub bytes_sent: u64,
    /// Bytes received.
    pub bytes_received: u64,
    /// The error that it failed with; see [`OperationRecord::error`].
    pub error: Option<Arc<str>>,
    /// The process.
    pub pid: u32,
    /// The thread that began it.
    pub thread: Arc<ThreadInfo>,
}

impl NetworkRecord {
    fn new(ended: EndedNetwork, now: Now, pid: u32) -> Self {
        NetworkRecord {
            kind: ended.kind,
            host: ended.host,
            port: ended.port,
            status: ended.status,
            start_time: now.time(ended.begun_ns),
            duration: between(ended.begun_ns, ended.ended_ns),
            latency: between(ended.begun_ns, ended.answered_ns),
            bytes_sent: ended.bytes_sent,
            bytes_received: ended.bytes_received,
            error: ended.error,
            pid,
            thread: ended.thread,
        }
    }
}

impl fmt::Display for NetworkRecord {
    /// One line, whatever is in the texts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NetworkRecord { kind, host, port, status, duration, bytes_sent, bytes_received, .. } = self;
        let (kind, host) = (kind.escape_debug(), host.escape_debug());
        write!(
            f,
            "{kind} {host}:{port} {status} after {duration:?}, {bytes_sent} bytes sent, {bytes_received} received"
        )?;
        self.error.iter().try_for_each(|error| write!(f, ": {}", error.escape_debug()))
    }
}
