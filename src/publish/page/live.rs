//! `/live`: moments as server-sent events. Each is written once, however many pages there are.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::body::Bytes;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::json;
use crate::feed::Moment;
use crate::snapshot::Snapshot;

/// Frames that wait for a page; of one that is slower, the oldest are dropped and counted.
const WAITING: usize = 4;
/// How long there is nothing to say before that is said.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How soon a page asks again when the server is gone.
const RETRY: &str = "retry: 2000\n\n";

/// Hands out events.
#[derive(Debug)]
pub struct Live {
    newest: Mutex<Newest>,
    events: broadcast::Sender<Event>,
}

#[derive(Debug, Default)]
struct Newest {
    before: Option<Arc<Snapshot>>,
    moment: Option<Arc<Moment>>,
    /// That the server itself was too slow for.
    missed: u64,
}

#[derive(Clone, Debug)]
struct Event {
    /// All but what the page has lost.
    text: Bytes,
    missed: u64,
}

impl Default for Live {
    fn default() -> Self {
        Live { newest: Mutex::default(), events: broadcast::channel(WAITING).0 }
    }
}

impl Newest {
    /// The newest moment as an event; `None` before the first.
    fn event(&self) -> Option<Event> {
        let moment = self.moment.as_deref()?;
        // Names, numbers and strings are always JSON.
        let data = json::live(self.before.as_deref(), moment).ok()?;
        let mut text = format!("id: {}\nevent: moment\ndata: ", moment.snapshot.sequence).into_bytes();
        text.extend_from_slice(&data);
        Some(Event { text: text.into(), missed: self.missed })
    }
}

impl Live {
    /// Tells all pages of the next moment; `missed` are those so far that came too fast for the server itself.
    pub fn push(&self, moment: Arc<Moment>, missed: u64) {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let before = newest.moment.take().map(|moment| Arc::clone(&moment.snapshot));
        *newest = Newest { before, moment: Some(moment), missed };
        if self.events.receiver_count() > 0
            && let Some(event) = newest.event()
        {
            // An error says that nobody listens any more.
            let _ = self.events.send(event);
        }
    }

    /// Makes the events of one page, which begin with the newest moment there is.
    pub fn subscribe(&self) -> Page {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        Page { first: newest.event(), events: self.events.subscribe(), missed_before: newest.missed, lost: 0 }
    }
}

/// What one page is told.
pub struct Page {
    first: Option<Event>,
    events: broadcast::Receiver<Event>,
    missed_before: u64,
    lost: u64,
}

impl Page {
    /// Sends events until nobody takes them any more. Only the page's own task waits for the page.
    pub async fn send_to(mut self, page: mpsc::Sender<Bytes>) {
        let mut next = Some(Bytes::from_static(RETRY.as_bytes()));
        while let Some(bytes) = next {
            if page.send(bytes).await.is_err() {
                return;
            }
            next = tokio::select! {
                next = self.next() => next,
                () = page.closed() => return,
            };
        }
    }

    async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(self.write(&first));
        }
        loop {
            match timeout(HEARTBEAT, self.events.recv()).await {
                Ok(Ok(event)) => return Some(self.write(&event)),
                Ok(Err(RecvError::Lagged(lost))) => self.lost += lost,
                Ok(Err(RecvError::Closed)) => return None,
                Err(_) => return Some(Bytes::from_static(b": nothing new\n\n")),
            }
        }
    }

    fn write(&self, event: &Event) -> Bytes {
        let lost = self.lost + event.missed.saturating_sub(self.missed_before);
        let mut text = Vec::with_capacity(event.text.len() + 40);
        text.extend_from_slice(&event.text);
        text.extend_from_slice(format!(",\"lost\":{lost}}}\n\n").as_bytes());
        text.into()
    }
}
