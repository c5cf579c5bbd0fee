//! Snapshots at times of one's choice: of a real collector, with the clock turned by hand.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ringscope::alert::{Alert, Engine, Judge, Rule, Rules};
use ringscope::{Snapshot, TelemetryCollector};

/// A collector whose snapshots are as far apart as a test says, and an engine that looks at them.
pub struct World {
    pub telemetry: TelemetryCollector,
    pub engine: Engine,
    pub now: SystemTime,
}

impl World {
    pub fn new(rules: impl IntoIterator<Item = Rule>) -> World {
        World::of(rules.into_iter().collect())
    }

    pub fn of(rules: Rules) -> World {
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        World { telemetry: TelemetryCollector::new(true), engine: Engine::new(rules), now }
    }

    /// The next snapshot, so much later.
    pub fn snapshot(&mut self, later: Duration) -> Snapshot {
        self.now += later;
        let mut snapshot = (*self.telemetry.snapshot().expect("a snapshot")).clone();
        snapshot.time = self.now;
        snapshot
    }

    /// What the engine finds in the next snapshot.
    pub fn look(&mut self, seconds: u64) -> Arc<[Alert]> {
        self.look_at(seconds, |_| ())
    }

    /// The same, in a snapshot with something else in it.
    pub fn look_at(&mut self, seconds: u64, change: impl FnOnce(&mut Snapshot)) -> Arc<[Alert]> {
        let mut snapshot = self.snapshot(Duration::from_secs(seconds));
        change(&mut snapshot);
        self.engine.judge(&Arc::new(snapshot))
    }
}

/// State and labels of each.
pub fn told(alerts: &[Alert]) -> Vec<String> {
    let labels =
        |alert: &Alert| alert.labels.iter().map(|(name, value)| format!(" {name}={value}")).collect::<String>();
    alerts.iter().map(|alert| format!("{} {}{}", alert.state, alert.rule, labels(alert))).collect()
}
