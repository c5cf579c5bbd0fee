//! `/healthz`: a reading of this moment, by one thread for all who ask.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use ringscope::{Snapshot, TelemetryCollector, TelemetryError};
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::timeout;

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

/// Checks when asked: one check at a time, whose result all get who asked meanwhile.
///
/// Its thread is not waited for: a device that does not answer may keep it for ever.
#[derive(Debug)]
pub struct HealthCheck {
    collector: TelemetryCollector,
    wanted: SyncSender<()>,
    results: watch::Receiver<Option<Arc<Health>>>,
}

impl HealthCheck {
    /// Starts the thread that reads.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(collector: TelemetryCollector) -> std::io::Result<HealthCheck> {
        // One check may be wanted beside the one under way.
        let (wanted, asked) = sync_channel(1);
        let (told, results) = watch::channel(None);
        let reader = collector.clone();
        let body = move || check(&reader, &asked, &told);
        std::thread::Builder::new().name("health".into()).spawn(body)?;
        Ok(HealthCheck { collector, wanted, results })
    }

    /// Returns what a reading says that ends after this call, at most [`READ_TIME`] after it; `troubles` are what else is
    /// wrong.
    ///
    /// Cancel safe: the reading goes on, for the others.
    pub async fn ask(&self, troubles: Vec<String>) -> Health {
        let mut results = self.results.clone();
        results.mark_unchanged();
        // A full channel means that one is wanted already; a closed one is seen below.
        let _ = self.wanted.try_send(());
        let checked = match timeout(READ_TIME, results.changed()).await {
            Ok(Ok(())) => results.borrow_and_update().clone(),
            _ => None,
        };
        let mut health = match checked {
            Some(health) => (*health).clone(),
            None => self.unanswered(),
        };
        health.reasons.splice(0..0, troubles);
        health.healthy = health.reasons.is_empty();
        health
    }

    fn unanswered(&self) -> Health {
        let why = format!("the device did not answer within {READ_TIME:?}: it hangs, or is overloaded");
        let mut health = Health::judge(self.collector.latest().as_deref());
        health.reasons.insert(0, why);
        health
    }
}

fn check(collector: &TelemetryCollector, wanted: &Receiver<()>, told: &watch::Sender<Option<Arc<Health>>>) {
    while wanted.recv().is_ok() {
        let health = Health::read(collector.snapshot(), collector.latest());
        told.send_replace(Some(Arc::new(health)));
    }
}

impl Health {
    /// By a reading of this moment, and if that failed by the newest that did not.
    fn read(now: Result<Arc<Snapshot>, TelemetryError>, latest: Option<Arc<Snapshot>>) -> Health {
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
    use ringscope::KernelState;

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
        let health = Health::read(Err(TelemetryError::NoDevice), Some(good));
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

    /// However many ask, there are at most two checks: the one under way, and the next.
    #[test]
    fn all_who_ask_meanwhile_share_a_check() {
        let collector = TelemetryCollector::new(true);
        let (wanted, asked) = sync_channel(1);
        let (told, results) = watch::channel(None);
        let check = HealthCheck { collector, wanted, results };
        let answers = async {
            let many: Vec<_> = (0..100).map(|_| Box::pin(check.ask(vec![]))).collect();
            let mut many = many;
            // Each has asked.
            std::future::poll_fn(|cx| {
                assert!(many.iter_mut().all(|ask| ask.as_mut().poll(cx).is_pending()));
                std::task::Poll::Ready(())
            })
            .await;
            assert_eq!((asked.try_recv().is_ok(), asked.try_recv().is_ok()), (true, false));
            told.send_replace(Some(Arc::new(Health::judge(None))));
            for ask in many {
                assert!(ask.await.healthy);
            }
        };
        block_on(answers);
    }
}
