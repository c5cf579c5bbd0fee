//! Moments for tests and measurements: kernels that do what they are told, at times that are the same in each run.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ringscope::feed::{Entry, Moment};
use ringscope::{KernelState, Snapshot, TelemetryCollector};

/// Noon of a day.
pub const NOON: Duration = Duration::from_secs(1_800_014_400);

/// Kernels `worker_0` and so on.
pub struct Sample {
    collector: TelemetryCollector,
    names: Vec<String>,
    now: SystemTime,
    /// Kernels that are shown in another state than they are in.
    pub states: Vec<(usize, KernelState)>,
    /// What the next moment has of entries.
    pub entries: Vec<Entry>,
}

impl Sample {
    /// So many kernels.
    pub fn new(kernels: usize) -> Sample {
        let names: Vec<String> = (0..kernels).map(|n| format!("worker_{n}")).collect();
        Sample::named(&names)
    }

    /// Kernels of these names.
    pub fn named(names: &[impl AsRef<str>]) -> Sample {
        let collector = TelemetryCollector::new(true);
        let names: Vec<String> = names.iter().map(|name| name.as_ref().to_owned()).collect();
        for name in &names {
            drop(collector.actor(name.as_str()).expect("a new actor"));
        }
        Sample { collector, names, now: SystemTime::UNIX_EPOCH + NOON, states: Vec::new(), entries: Vec::new() }
    }

    /// A kernel handles so many messages, each of which takes as many microseconds as its number.
    pub fn work(&mut self, kernel: usize, messages: u64) {
        for n in 1..=messages {
            let took = Some(Duration::from_micros(n));
            self.collector.record_processed(self.names[kernel].as_str(), took).expect("an actor");
        }
    }

    /// The next moment, a second after the last.
    pub fn moment(&mut self) -> Arc<Moment> {
        let mut snapshot: Snapshot = (*self.collector.snapshot().expect("a snapshot")).clone();
        self.now += Duration::from_secs(1);
        snapshot.time = self.now;
        for kernel in &mut snapshot.kernels {
            kernel.start_time = Some(SystemTime::UNIX_EPOCH + NOON);
            kernel.uptime = self.now.duration_since(SystemTime::UNIX_EPOCH + NOON).unwrap_or_default();
            kernel.last_message_time = None;
            // Rates of windows are of the clock.
            kernel.rates = ringscope::snapshot::Rates::default();
        }
        for (kernel, state) in &self.states {
            snapshot.kernels[*kernel].state = *state;
        }
        let mut moment = Moment::of_snapshot(Arc::new(snapshot));
        moment.entries = std::mem::take(&mut self.entries).into();
        Arc::new(moment)
    }
}
