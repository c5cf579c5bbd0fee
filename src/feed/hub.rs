//! The feed: makes moments, keeps the newest, and hands them out.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{broadcast, oneshot};

use super::entry::{Entry, entries};
use super::moment::Moment;
use crate::alert::{Alert, AlertState, Judge};
use crate::collector::{Changes, OperationsConfig, Subscription, TelemetryCollector, TelemetryError};
use crate::snapshot::Snapshot;

/// Moments that wait for a subscriber; of one that is slower, the oldest are dropped and counted.
const WAITING: usize = 16;
/// How often is read where no collection was started.
const INTERVAL: Duration = Duration::from_secs(1);

/// Why there is no feed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FeedError {
    /// The collector cannot collect.
    #[error(transparent)]
    Collector(#[from] TelemetryError),
    /// The system gives no thread.
    #[error("no thread for the feed of snapshots: {0}; raise the limit of threads (ulimit -u)")]
    NoThread(#[from] io::Error),
}

/// Hands out moments as they come. Clones are the same feed; it ends with the last of them, after the newest snapshot that the
/// collector has by then.
#[derive(Clone)]
pub struct Feed {
    shared: Arc<Shared>,
    /// Of a collector's feed: dropping it ends the thread.
    _maker: Option<Arc<Maker>>,
}

struct Shared {
    newest: Mutex<Option<Arc<Moment>>>,
    moments: broadcast::Sender<Arc<Moment>>,
}

struct Maker {
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Maker {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

impl Feed {
    /// Makes a feed that is given its moments by [`push`](Self::push), as a replay does.
    pub fn new() -> Self {
        let (moments, _) = broadcast::channel(WAITING);
        Feed { shared: Arc::new(Shared { newest: Mutex::new(None), moments }), _maker: None }
    }

    /// Starts a feed of a collector's snapshots, with alerts as `judge` finds them. Collection is started with an interval of
    /// 1 s where nobody has started it.
    ///
    /// # Errors
    /// [`FeedError::Collector`] where collection cannot be started; [`FeedError::NoThread`].
    pub fn start(collector: &TelemetryCollector, judge: Option<Box<dyn Judge>>) -> Result<Self, FeedError> {
        if !collector.is_collecting() {
            collector.start_collection(INTERVAL)?;
        }
        let mut feed = Feed::new();
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let (end, ended) = oneshot::channel();
        let snapshots = collector.subscribe()?;
        let (shared, changes) = (Arc::clone(&feed.shared), collector.changes());
        let news = News { snapshots, ended, is_last: false };
        let body = move || runtime.block_on(make(shared, news, changes, judge));
        let thread = std::thread::Builder::new().name("feed".into()).spawn(body)?;
        feed._maker = Some(Arc::new(Maker { end: Some(end), thread: Some(thread) }));
        Ok(feed)
    }

    /// Hands out a moment.
    pub fn push(&self, moment: Moment) {
        self.shared.push(Arc::new(moment));
    }

    /// Returns the newest moment; `None` before the first.
    pub fn latest(&self) -> Option<Arc<Moment>> {
        self.shared.newest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Subscribes to the moments from now on.
    pub fn subscribe(&self) -> FeedReceiver {
        FeedReceiver { moments: self.shared.moments.subscribe(), missed: 0 }
    }
}

impl Default for Feed {
    fn default() -> Self {
        Feed::new()
    }
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Feed({} subscribers)", self.shared.moments.receiver_count())
    }
}

impl Shared {
    fn push(&self, moment: Arc<Moment>) {
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&moment));
        // An error says that nobody listens.
        let _ = self.moments.send(moment);
    }
}

/// Moments as they come. One that is too slow for them loses the oldest, and knows how many.
#[derive(Debug)]
pub struct FeedReceiver {
    moments: broadcast::Receiver<Arc<Moment>>,
    missed: u64,
}

impl FeedReceiver {
    /// Waits for the next moment; `None` once the feed is gone.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Arc<Moment>> {
        loop {
            match self.moments.recv().await {
                Ok(moment) => return Some(moment),
                Err(broadcast::error::RecvError::Lagged(missed)) => self.missed += missed,
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    /// Returns the next moment if it is there.
    pub fn try_next(&mut self) -> Option<Arc<Moment>> {
        loop {
            match self.moments.try_recv() {
                Ok(moment) => return Some(moment),
                Err(broadcast::error::TryRecvError::Lagged(missed)) => self.missed += missed,
                Err(_) => return None,
            }
        }
    }

    /// Returns how many moments it was too slow for.
    pub fn missed(&self) -> u64 {
        self.missed
    }
}

/// Snapshots until the end, the newest that there is by then with them.
struct News {
    snapshots: Subscription,
    ended: oneshot::Receiver<()>,
    is_last: bool,
}

impl News {
    async fn next(&mut self) -> Option<Arc<Snapshot>> {
        if self.is_last {
            return None;
        }
        poll_fn(|cx| {
            self.is_last = self.is_last || pin!(&mut self.ended).poll(cx).is_ready();
            match pin!(self.snapshots.next()).poll(cx) {
                Poll::Pending if self.is_last => Poll::Ready(None),
                polled => polled,
            }
        })
        .await
    }
}

async fn make(shared: Arc<Shared>, mut news: News, mut changes: Changes, mut judge: Option<Box<dyn Judge>>) {
    let mut before: Arc<[Alert]> = Arc::new([]);
    while let Some(snapshot) = news.next().await {
        let changed = changes.read();
        let mut entries = entries(&changed, OperationsConfig::DEFAULT_SLOW_LIMIT);
        let alerts = judge.as_mut().map_or_else(|| Arc::clone(&before), |judge| judge.judge(&snapshot));
        entries.extend(alerts.iter().filter(|alert| is_news(&before, alert)).map(Entry::from));
        before = Arc::clone(&alerts);
        shared.push(Arc::new(Moment { snapshot, entries: entries.into(), alerts, missed: changed.missed }));
    }
}

/// Whether an alert fires or was resolved, and did not or was not a moment ago.
fn is_news(before: &[Alert], alert: &Alert) -> bool {
    let same = |known: &&Alert| known.rule == alert.rule && known.labels == alert.labels;
    let known = before.iter().find(same).map(|known| (known.state, known.fired_at));
    alert.state != AlertState::Pending && known != Some((alert.state, alert.fired_at))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::alert::Severity;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    /// Finds one alert as soon as somebody listens.
    struct Always(Arc<AtomicBool>);
    impl Judge for Always {
        fn judge(&mut self, _: &Arc<crate::Snapshot>) -> Arc<[Alert]> {
            if !self.0.load(Ordering::SeqCst) {
                return Arc::new([]);
            }
            let mut alert = Alert::pending("always", Severity::Warning, 1.0, std::time::UNIX_EPOCH);
            alert.state = AlertState::Firing;
            alert.fired_at = Some(std::time::UNIX_EPOCH);
            Arc::new([alert])
        }
    }

    #[test]
    fn a_moment_has_what_happened_since_the_one_before_and_an_alert_is_news_once() {
        let collector = TelemetryCollector::new(true);
        collector.monitor_operations().unwrap();
        // Read where the test says so: whoever listens may be as slow as it likes.
        collector.start_collection(Duration::MAX).unwrap();
        let listened = Arc::new(AtomicBool::new(false));
        let feed = Feed::start(&collector, Some(Box::new(Always(Arc::clone(&listened))))).unwrap();
        let mut moments = feed.subscribe();
        listened.store(true, Ordering::SeqCst);
        collector.operation("resize").start().unwrap().fail("no room");
        collector.operation("crop").start().unwrap().succeed();
        let mut entries = Vec::new();
        let mut next = || {
            collector.snapshot().unwrap();
            block_on(moments.next()).unwrap()
        };
        while entries.len() < 2 {
            let moment = next();
            entries.extend(moment.entries.iter().map(|entry| (entry.subject.to_string(), entry.text.to_string())));
        }
        entries.sort();
        assert_eq!(entries[0].0, "always");
        assert!(entries[1].0 == "resize" && entries[1].1.starts_with("failed after "), "{entries:?}");
        for _ in 0..3 {
            let moment = next();
            assert_eq!((moment.entries.len(), moment.alerts.len()), (0, 1));
        }
        drop(feed);
        while block_on(moments.next()).is_some() {}
    }

    #[test]
    fn what_was_collected_before_the_end_is_judged() {
        for _ in 0..50 {
            let collector = TelemetryCollector::new(true);
            collector.start_collection(Duration::MAX).unwrap();
            let feed = Feed::start(&collector, Some(Box::new(Always(Arc::new(AtomicBool::new(true)))))).unwrap();
            let shared = Arc::clone(&feed.shared);
            let last = collector.snapshot().unwrap().sequence;
            drop(feed);
            let newest = shared.newest.lock().unwrap().clone().expect("there was one");
            // Collection begins with a reading of its own, before this one or after it.
            assert!(newest.snapshot.sequence >= last && newest.alerts.len() == 1, "{newest:?}");
        }
    }

    #[test]
    fn a_slow_subscriber_loses_the_oldest_and_knows_how_many() {
        let (feed, collector) = (Feed::new(), TelemetryCollector::new(true));
        let mut slow = feed.subscribe();
        assert!(slow.try_next().is_none() && feed.latest().is_none());
        for _ in 0..WAITING + 3 {
            feed.push(Moment::of_snapshot(collector.snapshot().unwrap()));
        }
        let first = slow.try_next().unwrap();
        assert_eq!((first.snapshot.sequence, slow.missed()), (4, 3));
        assert_eq!(feed.latest().unwrap().snapshot.sequence, WAITING as u64 + 3);
    }
}
