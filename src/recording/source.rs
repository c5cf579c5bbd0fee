//! Who records.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::snapshot::coding::{Coder, Reader, Writer, time_of, time_word};

/// Who recorded, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Source {
    /// When the recording was begun.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::snapshot::unix_seconds"))]
    pub started: SystemTime,
    /// Name of the machine; empty where it is not known.
    pub host: Arc<str>,
    /// Number of the process.
    pub pid: u32,
    /// Name and version of the program.
    pub program: Arc<str>,
}

impl Source {
    /// Returns that of this process, from now on.
    pub fn of_this_process() -> Self {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Source {
            started: SystemTime::now(),
            host: host.trim().into(),
            pid: std::process::id(),
            program: concat!("ringscope ", env!("CARGO_PKG_VERSION")).into(),
        }
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let mut writer = Writer(Vec::new());
        code(&mut writer, Some(self));
        writer.0
    }

    pub(super) fn read(body: &[u8]) -> Self {
        code(&mut Reader(body), None)
    }
}

fn code(coder: &mut impl Coder, now: Option<&Source>) -> Source {
    Source {
        started: time_of(coder.word(0, || now.map_or(0, |now| time_word(now.started)))).unwrap_or(UNIX_EPOCH),
        host: coder.text(|| now.map(|now| Arc::clone(&now.host)).unwrap_or_default()),
        pid: coder.word(0, || now.map_or(0, |now| now.pid.into())) as u32,
        program: coder.text(|| now.map(|now| Arc::clone(&now.program)).unwrap_or_default()),
    }
}
