//! `/healthz`: what a reading of this moment says.

use std::sync::Arc;
use std::time::Duration;

use super::super::serving::Reading;
use crate::collector::{TelemetryCollector, TelemetryError};
use crate::snapshot::Snapshot;
use serde::Serialize;

/// How long an asker waits for the device.
const READ_TIME: Duration = Duration::from_secs(5);

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Health {
    /// Nothing is wrong.
    pub healthy: bool,
    /// Why not, and what to do.
    pub reasons: Vec<String>,
    kernels: usize,
}

/// Checks when asked.
#[derive(Debug)]
pub struct HealthCheck {
    collector: TelemetryCollector,
    reading: Reading,
}

impl HealthCheck {
    /// Starts the thread that reads.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(collector: TelemetryCollector) -> std::io::Result<HealthCheck> {
        let reading = Reading::start(collector.clone())?;
        Ok(HealthCheck { collector, reading })
    }

    /// Returns what a reading says that ends after this call, at most [`READ_TIME`] after it; `troubles` are what else is
    /// wrong.
    ///
    /// Cancel safe: the reading goes on, for the others.
    pub async fn ask(&self, troubles: Vec<String>) -> Health {
        let health = match self.reading.ask(READ_TIME).await {
            Some(now) => Health::read(now, self.collector.latest()),
            None => self.unanswered(),
        };
        health.with(troubles)
    }

    fn unanswered(&self) -> Health {
        let why = format!("the device did not answer within {READ_TIME:?}: it hangs, or is overloaded");
        let mut health = Health::judge(self.collector.latest().as_deref());
        health.reasons.insert(0, why);
        health
    }
}

impl Health {
    /// What a snapshot says that nobody can take again, and what else is wrong.
    pub fn of(snapshot: Option<&Snapshot>, troubles: Vec<String>) -> Health {
        Health::judge(snapshot).with(troubles)
    }

    fn with(mut self, troubles: Vec<String>) -> Health {
        self.reasons.splice(0..0, troubles);
        self.healthy = self.reasons.is_empty();
        self
    }

    /// By a reading of this moment, and if that failed by the newest that did not.
    fn read(now: Result<Arc<Snapshot>, Arc<TelemetryError>>, latest: Option<Arc<Snapshot>>) -> Health {
        match now {
            Ok(now) => Health::judge(Some(&now)),
            Err(error) => {
                let mut health = Health::judge(latest.as_deref());
                health.reasons.insert(0, error.to_string());
                Health { healthy: false, ..health }
            }
        }
    }

    fn judge(snapshot: Option<&Snapshot>) -> Health {
        let ill = snapshot.iter().flat_map(|s| &s.kernels).filter(|k| k.needs_attention());
        let reasons: Vec<String> = ill
            .map(|k| match &k.last_error {
                Some(why) => format!("{} is {}: {why}", k.kernel_id, k.state),
                None => format!("{} is {}", k.kernel_id, k.state),
            })
            .collect();
        Health { healthy: reasons.is_empty(), reasons, kernels: snapshot.map_or(0, |s| s.kernels.len()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KernelState;

    #[test]
    fn health_says_why_not() {
        let collector = TelemetryCollector::new(true);
        collector.record_receive("a").unwrap();
        collector.record_error("b", "out of tokens").unwrap();
        let good = collector.snapshot().unwrap();
        let health = Health::read(Ok(Arc::clone(&good)), None);
        assert_eq!((health.healthy, health.reasons.len(), health.kernels), (true, 0, 2));

        let mut failed = (*good).clone();
        failed.kernels.iter_mut().for_each(|k| k.state = KernelState::Failed);
        let health = Health::read(Ok(Arc::new(failed)), None);
        assert_eq!(
            (health.healthy, health.reasons),
            (false, vec!["a is failed".into(), "b is failed: out of tokens".into()])
        );

        // A device that does not answer: what was last read of it is no consolation.
        let health = Health::read(Err(Arc::new(TelemetryError::NoDevice)), Some(good));
        assert_eq!((health.healthy, health.kernels), (false, 2));
        assert_eq!(health.reasons, [TelemetryError::NoDevice.to_string()]);
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    #[test]
    fn troubles_come_first() {
        let check = HealthCheck::start(TelemetryCollector::new(true)).unwrap();
        let health = block_on(async {
            assert!(check.ask(vec![]).await.healthy);
            check.ask(vec!["a pipe broke".into()]).await
        });
        assert_eq!((health.healthy, health.reasons), (false, vec!["a pipe broke".to_owned()]));
    }
}
