//! The engine, and those who are told what it finds.

use std::sync::Arc;
use std::time::SystemTime;

use super::notifier::Target;
use crate::alert::{Alert, Engine, Judge, Notification};
use crate::publish::publication::Publication;
use crate::snapshot::Snapshot;
use crate::trace::Source;

/// Finds alerts and hands them to those who are told; never waits for them. A [`Judge`] for a feed. Dropping it tells what was
/// held back, and waits for that within the limits of the deliveries.
#[derive(Debug)]
pub struct AlertingJudge {
    engine: Engine,
    targets: Vec<Target>,
    source: Arc<Source>,
    started: SystemTime,
    number: u64,
    last: Option<Arc<Snapshot>>,
}

impl AlertingJudge {
    pub(super) fn new(engine: Engine, targets: Vec<Target>, source: Source, started: SystemTime) -> Self {
        AlertingJudge { engine, targets, source: Arc::new(source), started, number: 0, last: None }
    }

    fn publication(&self, snapshot: &Arc<Snapshot>, notifications: Vec<Notification>) -> Publication {
        Publication {
            number: self.number,
            notifications: notifications.into(),
            ..Publication::of_snapshot(Arc::clone(&self.source), self.started, Arc::clone(snapshot))
        }
    }
}

impl Judge for AlertingJudge {
    fn judge(&mut self, snapshot: &Arc<Snapshot>) -> Arc<[Alert]> {
        let alerts = self.engine.judge(snapshot);
        self.number += 1;
        for i in 0..self.targets.len() {
            let notifications = self.targets[i].teller.step(&alerts, snapshot.time);
            if !notifications.is_empty() {
                let publication = self.publication(snapshot, notifications);
                self.targets[i].outbox.offer(&publication);
            }
        }
        self.last = Some(Arc::clone(snapshot));
        alerts
    }

    fn rules(&self) -> Vec<Arc<str>> {
        Judge::rules(&self.engine)
    }
}

impl Drop for AlertingJudge {
    fn drop(&mut self) {
        if let Some(last) = self.last.take() {
            for i in 0..self.targets.len() {
                let notifications = self.targets[i].teller.end(last.time);
                if !notifications.is_empty() {
                    let publication = self.publication(&last, notifications);
                    self.targets[i].outbox.offer(&publication);
                }
            }
        }
        // Together: the end takes as long as the slowest of them.
        self.targets.iter().for_each(|target| target.outbox.start_stop());
        self.targets.iter().for_each(|target| target.outbox.finish_stop(target.outbox.flush_limit()));
    }
}
