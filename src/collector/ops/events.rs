//! Events of the application: kept for a while, filtered, and handed to subscribers as they come.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use futures_core::Stream;

use super::super::clock::{SteadyClock, nanoseconds};
use super::super::counts::{Counts, count};
use super::error::OperationError;
use super::input::{LABELS, check_metadata, check_name};
use crate::metrics::Labels;
use crate::snapshot::ListCounts;

/// Something that the application said has happened; see [`record_event`](super::super::TelemetryCollector::record_event).
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ApplicationEvent {
    /// Its number; the first is 1.
    pub number: u64,
    /// When it was recorded.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::snapshot::unix_seconds"))]
    pub time: SystemTime,
    /// What happened.
    pub name: Arc<str>,
    /// How much.
    pub value: f64,
    /// What events are chosen by.
    pub labels: Labels,
    /// What else there is to know.
    pub metadata: Labels,
}

/// Which events. One without conditions takes all of them.
///
/// ```
/// use ringscope::collector::EventFilter;
///
/// let telemetry = ringscope::TelemetryCollector::new(true);
/// telemetry.monitor_operations()?;
/// telemetry.record_event("deploy", 1.0, &[("stage", "test")], &[])?;
/// telemetry.record_event("deploy", 2.0, &[("stage", "live")], &[("commit", "4f1c")])?;
/// let live = telemetry.events(&EventFilter::new().name("deploy").label("stage", "live"));
/// assert_eq!((live.len(), live[0].value, live[0].metadata.get("commit")), (1, 2.0, Some("4f1c")));
/// # Ok::<(), ringscope::TelemetryError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventFilter {
    name: Option<String>,
    labels: Vec<(String, String)>,
    at_least: Option<f64>,
    since: Option<SystemTime>,
}

impl EventFilter {
    /// Makes a filter that takes every event.
    pub fn new() -> Self {
        EventFilter::default()
    }

    /// Takes only events of this name.
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// Takes only events with this label; with each of them, if called again.
    pub fn label(mut self, name: &str, value: &str) -> Self {
        self.labels.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Takes only events of at least this value; of NaN, none.
    pub fn at_least(mut self, value: f64) -> Self {
        self.at_least = Some(value);
        self
    }

    /// Takes only events at or after this time.
    pub fn since(mut self, time: SystemTime) -> Self {
        self.since = Some(time);
        self
    }

    /// Returns whether it takes `event`.
    pub fn takes(&self, event: &ApplicationEvent) -> bool {
        self.name.as_ref().is_none_or(|name| **name == *event.name)
            && self.labels.iter().all(|(name, value)| event.labels.get(name) == Some(value))
            && self.at_least.is_none_or(|least| event.value >= least)
            && self.since.is_none_or(|since| event.time >= since)
    }
}

/// The events that are kept.
pub(super) struct EventLog {
    capacity: usize,
    age_ns: u64,
    clock: SteadyClock,
    counts: Arc<Counts>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// In the order of their numbers, without a gap, each with its time by the steady clock.
    events: VecDeque<(u64, Arc<ApplicationEvent>)>,
    added: u64,
    /// The number of each subscriber that waits, and how to wake it.
    waiting: Vec<(u64, Waker)>,
    next_subscriber: u64,
    closed: bool,
}

impl State {
    fn stop_waiting(&mut self, number: u64) -> Option<Waker> {
        let index = self.waiting.iter().position(|(of, _)| *of == number)?;
        Some(self.waiting.swap_remove(index).1)
    }

    /// The first number that is still there.
    fn first(&self) -> u64 {
        self.added - self.events.len() as u64 + 1
    }
}

impl EventLog {
    pub(super) fn new(capacity: usize, age: Duration, clock: SteadyClock, counts: Arc<Counts>) -> Self {
        EventLog { capacity, age_ns: nanoseconds(age), clock, counts, state: Mutex::default() }
    }

    /// Nothing under it can panic, nor is anything of the user's called.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn record(
        &self,
        name: &str,
        value: f64,
        labels: &[(&str, &str)],
        metadata: &[(&str, &str)],
    ) -> Result<(), OperationError> {
        check_name("name", name)?;
        if !value.is_finite() {
            return Err(OperationError::NotFinite { event: name.to_owned(), value: value.to_string() });
        }
        let labels = LABELS.check(labels)?.unwrap_or_default();
        let metadata = check_metadata(metadata)?.unwrap_or_default();
        let event = ApplicationEvent { number: 0, time: SystemTime::now(), name: name.into(), value, labels, metadata };
        count(&self.counts.events);
        self.push(event);
        Ok(())
    }

    fn push(&self, mut event: ApplicationEvent) {
        let now_ns = self.clock.now_ns();
        let mut state = self.lock();
        state.added += 1;
        event.number = state.added;
        state.events.push_back((now_ns, Arc::new(event)));
        let gone = self.trim(&mut state, now_ns);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        // What wakes may run at once, and look here.
        waiting.into_iter().for_each(|(_, waker)| waker.wake());
        drop(gone);
    }

    /// Takes out what is too much or too old.
    fn trim(&self, state: &mut State, now_ns: u64) -> Vec<(u64, Arc<ApplicationEvent>)> {
        let too_many = state.events.len().saturating_sub(self.capacity);
        let since_ns = now_ns.saturating_sub(self.age_ns);
        let too_old = state.events.iter().take_while(|(at_ns, _)| *at_ns < since_ns).count();
        state.events.drain(..too_many.max(too_old)).collect()
    }

    /// Lets go of what is too old, and returns the rest of which the filter takes.
    pub(super) fn events(&self, filter: &EventFilter) -> Vec<Arc<ApplicationEvent>> {
        let all: Vec<_> = {
            let mut state = self.lock();
            self.trim(&mut state, self.clock.now_ns());
            state.events.iter().map(|(_, event)| Arc::clone(event)).collect()
        };
        all.into_iter().filter(|event| filter.takes(event)).collect()
    }

    /// Lets go of what is too old, and counts.
    pub(super) fn counts(&self) -> ListCounts {
        let mut state = self.lock();
        self.trim(&mut state, self.clock.now_ns());
        let retained = state.events.len() as u64;
        ListCounts::new(retained, state.added - retained)
    }

    /// Nothing will be recorded any more.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(|(_, waker)| waker.wake());
    }
}

/// Events as they come, as a [`Stream`] and by [`next`](Self::next): each that the filter takes, in their order. Nothing
/// queues up for a subscriber and nobody waits for it: events that left the list before it read them are missed, and
/// counted.
pub struct EventSubscription {
    log: Arc<EventLog>,
    filter: EventFilter,
    number: u64,
    /// The next event to look at.
    next: u64,
    missed: u64,
}

/// What there is to read.
enum Next {
    Event(Arc<ApplicationEvent>),
    None,
    /// And nothing will come.
    Closed,
}

impl EventSubscription {
    /// From the next event on.
    pub(super) fn new(log: Arc<EventLog>, filter: EventFilter) -> Self {
        let (number, next) = {
            let mut state = log.lock();
            state.next_subscriber += 1;
            (state.next_subscriber, state.added + 1)
        };
        EventSubscription { log, filter, number, next, missed: 0 }
    }

    /// From the oldest event that is there on.
    pub(super) fn from_the_oldest(log: Arc<EventLog>) -> Self {
        let first = log.lock().first();
        let mut all = EventSubscription::new(log, EventFilter::new());
        all.next = first;
        all
    }

    /// Returns the next event that the filter takes, if it is there already.
    pub fn try_next(&mut self) -> Option<Arc<ApplicationEvent>> {
        loop {
            let log = Arc::clone(&self.log);
            let Next::Event(event) = self.newer(&mut log.lock()) else { return None };
            if self.filter.takes(&event) {
                return Some(event);
            }
        }
    }

    /// Waits for an event that the filter takes, and returns it; `None` once the collector is gone and all were returned.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: the next call returns what this one would have.
    pub async fn next(&mut self) -> Option<Arc<ApplicationEvent>> {
        poll_fn(|context| self.poll(context)).await
    }

    /// Returns how many events left the list before this subscriber looked at them, whether or not its filter would have
    /// taken them.
    pub fn missed(&self) -> u64 {
        self.missed
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Arc<ApplicationEvent>>> {
        loop {
            let Some(event) = std::task::ready!(self.poll_newer(context)) else { return Poll::Ready(None) };
            if self.filter.takes(&event) {
                return Poll::Ready(Some(event));
            }
        }
    }

    /// The next event, whatever it is, if there is one.
    fn newer(&mut self, state: &mut State) -> Next {
        let missed = state.first().saturating_sub(self.next);
        self.missed += missed;
        self.next += missed;
        self.log.counts.dropped_event_subscribers.fetch_add(missed, Ordering::Relaxed);
        let index = (self.next - state.first()) as usize;
        match state.events.get(index) {
            Some((_, event)) => {
                self.next += 1;
                Next::Event(Arc::clone(event))
            }
            None if state.closed => Next::Closed,
            None => Next::None,
        }
    }

    /// The next event, whatever it is.
    fn poll_newer(&mut self, context: &mut Context<'_>) -> Poll<Option<Arc<ApplicationEvent>>> {
        let log = Arc::clone(&self.log);
        let mut state = log.lock();
        match self.newer(&mut state) {
            Next::Event(event) => return Poll::Ready(Some(event)),
            Next::Closed => return Poll::Ready(None),
            Next::None => {}
        }
        let before = state.stop_waiting(self.number);
        state.waiting.push((self.number, context.waker().clone()));
        drop(state);
        // A waker may be the last owner of a task, which may own subscriptions: it goes when the lock is free.
        drop(before);
        Poll::Pending
    }
}

impl Stream for EventSubscription {
    type Item = Arc<ApplicationEvent>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Arc<ApplicationEvent>>> {
        self.poll(context)
    }
}

impl Drop for EventSubscription {
    fn drop(&mut self) {
        let waker = self.log.lock().stop_waiting(self.number);
        // As above: the lock is free again.
        drop(waker);
    }
}

impl fmt::Debug for EventSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventSubscription({} missed)", self.missed)
    }
}
