//! Readings of the device for who asks, by one thread.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::collector::{TelemetryCollector, TelemetryError};
use crate::snapshot::Snapshot;

type Read = Result<Arc<Snapshot>, Arc<TelemetryError>>;

/// Reads when asked: one reading at a time, whose result all get who asked meanwhile.
///
/// Its thread is not waited for: a device that does not answer may keep it for ever.
#[derive(Debug)]
pub struct Reading {
    wanted: SyncSender<()>,
    results: watch::Receiver<Option<Read>>,
}

impl Reading {
    /// Starts the thread that reads.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(collector: TelemetryCollector) -> std::io::Result<Reading> {
        // One reading may be wanted beside the one under way.
        let (wanted, asked) = sync_channel(1);
        let (told, results) = watch::channel(None);
        let body = move || read(&collector, &asked, &told);
        std::thread::Builder::new().name("reading".into()).spawn(body)?;
        Ok(Reading { wanted, results })
    }

    /// Returns a reading that ends after this call; `None` if there is none within `limit`.
    ///
    /// # Cancel safety
    /// The reading goes on, for the others.
    pub async fn ask(&self, limit: Duration) -> Option<Read> {
        let mut results = self.results.clone();
        results.mark_unchanged();
        // A full channel means that one is wanted already; a closed one is seen below.
        let _ = self.wanted.try_send(());
        match timeout(limit, results.changed()).await {
            Ok(Ok(())) => results.borrow_and_update().clone(),
            _ => None,
        }
    }
}

fn read(collector: &TelemetryCollector, wanted: &Receiver<()>, told: &watch::Sender<Option<Read>>) {
    while wanted.recv().is_ok() {
        told.send_replace(Some(collector.snapshot().map_err(Arc::new)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    /// However many ask, there are at most two readings: the one under way, and the next.
    #[test]
    fn all_who_ask_meanwhile_share_a_reading() {
        const LONG: Duration = Duration::from_secs(60);
        let (wanted, asked) = sync_channel(1);
        let (told, results) = watch::channel(None);
        let reading = Reading { wanted, results };
        let answers = async {
            let mut many: Vec<_> = (0..100).map(|_| Box::pin(reading.ask(LONG))).collect();
            // Each has asked.
            std::future::poll_fn(|cx| {
                assert!(many.iter_mut().all(|ask| ask.as_mut().poll(cx).is_pending()));
                std::task::Poll::Ready(())
            })
            .await;
            assert_eq!((asked.try_recv().is_ok(), asked.try_recv().is_ok()), (true, false));
            told.send_replace(Some(Err(Arc::new(TelemetryError::NoDevice))));
            for ask in many {
                assert!(matches!(ask.await, Some(Err(_))));
            }
        };
        block_on(answers);
    }

    #[test]
    fn who_waits_for_too_long_gets_nothing() {
        let (wanted, _asked) = sync_channel(1);
        let (_told, results) = watch::channel(None);
        let reading = Reading { wanted, results };
        assert!(block_on(reading.ask(Duration::from_millis(1))).is_none());
        let read = Reading::start(TelemetryCollector::new(true)).unwrap();
        assert_eq!(block_on(read.ask(Duration::from_secs(60))).unwrap().unwrap().sequence, 1);
    }
}
