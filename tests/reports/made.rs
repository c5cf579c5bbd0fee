//! Recordings of host actors whose times, counts and latencies a test chooses.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ringscope::TelemetryCollector;
use ringscope::alert::{Alert, Severity};
use ringscope::feed::{Entry, EntryKind, Moment};
use ringscope::recording::Encoder;

/// When such a recording begins: 2026-11-22 02:24:05 UTC.
const BEGIN: u64 = 1_795_314_245;

/// A program that is recorded by hand: one moment a second.
pub struct Made {
    pub collector: TelemetryCollector,
    encoder: Encoder,
    pub bytes: Vec<u8>,
    /// Where each moment's frame begins.
    pub frames: Vec<usize>,
    seconds: u64,
    entries: Vec<Entry>,
    /// Those of the moments from now on.
    pub alerts: Vec<Alert>,
}

impl Made {
    pub fn new() -> Made {
        let mut encoder = Encoder::new();
        let bytes = encoder.header();
        let collector = TelemetryCollector::new(true);
        Made { collector, encoder, bytes, frames: Vec::new(), seconds: 0, entries: Vec::new(), alerts: Vec::new() }
    }

    /// Messages of an actor that take so many microseconds each.
    pub fn handles(&self, actor: &str, messages: u64, us: impl Fn(u64) -> u64) {
        for n in 0..messages {
            self.collector.record_processed(actor, Some(Duration::from_micros(us(n)))).unwrap();
        }
    }

    pub fn refuses(&self, actor: &str, messages: u64) {
        (0..messages).for_each(|_| self.collector.record_error(actor, "refused").unwrap());
    }

    /// An entry of the next moment.
    pub fn tells(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// One of that name.
    pub fn entries_of(&mut self, now: SystemTime, severity: Severity, name: &str) {
        self.tells(Entry::new(now, severity, EntryKind::Event, name, name));
    }

    pub fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(BEGIN + self.seconds)
    }

    /// Time passes without a moment.
    pub fn sleeps(&mut self, seconds: u64) {
        self.seconds += seconds;
    }

    /// The next moment, a second after the one before.
    pub fn moment(&mut self) {
        let mut snapshot = (*self.collector.snapshot().unwrap()).clone();
        snapshot.time = self.now();
        let mut moment = Moment::of_snapshot(Arc::new(snapshot));
        moment.entries = std::mem::take(&mut self.entries).into();
        moment.alerts = self.alerts.clone().into();
        self.frames.push(self.bytes.len());
        self.bytes.extend(self.encoder.encode(&moment));
        self.seconds += 1;
    }

    pub fn save(&self, path: &Path) {
        std::fs::write(path, &self.bytes).unwrap();
    }
}
