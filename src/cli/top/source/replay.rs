//! A recording, played as it was, or faster, or step by step.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime};

use ringscope::feed::Moment;
use ringscope::recording::{Reader, RecordingError};

use crate::cli::top::source::events::{Event, Events};
use crate::cli::top::source::order::Order;
use crate::cli::top::state::link::Link;

/// The longest that is waited for the next moment, at normal speed: what was a pause of hours is none here.
const LONGEST: Duration = Duration::from_secs(10);
/// Time before the place that is jumped to that is shown too: what charts have there.
const BEFORE: Duration = Duration::from_secs(300);

/// A recording that is being played.
pub struct Replay {
    path: PathBuf,
    reader: Reader,
    /// What was read and not shown yet.
    next: Option<Arc<Moment>>,
    /// The time of the moment that was shown last.
    at: Option<SystemTime>,
    first: Option<SystemTime>,
    /// How many times as fast as it was; `None` as fast as it is looked at.
    speed: Option<f64>,
    held: bool,
    /// Whether it was said that it is over.
    ended: bool,
}

impl Replay {
    /// Opens the recording.
    ///
    /// # Errors
    /// It cannot be read, or is none.
    pub fn open(path: &Path, speed: Option<f64>) -> Result<Replay, RecordingError> {
        let reader = Reader::open(path)?;
        let path = path.to_owned();
        let mut replay = Replay { path, reader, next: None, at: None, first: None, speed, held: false, ended: false };
        replay.read();
        replay.first = replay.next.as_ref().map(|moment| moment.snapshot.time);
        Ok(replay)
    }

    fn read(&mut self) {
        self.next = self.reader.next().map(Arc::new);
    }

    /// Plays until nobody looks any more.
    pub fn play(mut self, events: &Events, orders: &Receiver<Order>) {
        let mut due = Instant::now();
        if self.next.is_none() && !self.end(events) {
            return;
        }
        loop {
            let order = match self.order(orders, due) {
                Ok(order) => order,
                Err(Gone) => return,
            };
            let looked_at = match order {
                Some(order) => self.obey(order, events),
                None => self.show(events),
            };
            if !looked_at {
                return;
            }
            due = self.due(due, order.is_some());
        }
    }

    /// Waits for an order, or until the next moment is due.
    fn order(&self, orders: &Receiver<Order>, due: Instant) -> Result<Option<Order>, Gone> {
        if self.held || self.next.is_none() {
            return orders.recv().map(Some).map_err(|_| Gone);
        }
        match orders.recv_timeout(due.saturating_duration_since(Instant::now())) {
            Ok(order) => Ok(Some(order)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(Gone),
        }
    }

    /// When the next moment is to be shown.
    fn due(&self, due: Instant, anew: bool) -> Instant {
        let gap = self.next.as_ref().zip(self.at).and_then(|(next, at)| next.snapshot.time.duration_since(at).ok());
        let gap = gap.unwrap_or_default().min(LONGEST);
        let gap = self.speed.map_or(Duration::ZERO, |speed| gap.div_f64(speed));
        let now = Instant::now();
        // What was late is not made up for.
        let from = if anew || due + gap < now { now } else { due };
        from + gap
    }

    /// Shows the next moment; whether somebody looks.
    fn show(&mut self, events: &Events) -> bool {
        let Some(moment) = self.next.take() else { return self.end(events) };
        self.at = Some(moment.snapshot.time);
        if events.send(Event::Moment(moment)).is_err() {
            return false;
        }
        self.read();
        if self.next.is_none() { self.end(events) } else { true }
    }

    fn end(&mut self, events: &Events) -> bool {
        if std::mem::replace(&mut self.ended, true) {
            return true;
        }
        let damage = self.reader.damage().first().map(ToString::to_string);
        let over =
            if self.first.is_some() { "the recording is over; [ goes back" } else { "nothing is recorded in it" };
        let why = damage.unwrap_or_else(|| over.to_owned());
        events.send(Event::Link(Link::Ended { why })).is_ok()
    }

    /// Does what is wanted; whether somebody looks.
    fn obey(&mut self, order: Order, events: &Events) -> bool {
        match order {
            Order::Hold => self.held = true,
            Order::GoOn => self.held = false,
            Order::Speed(speed) => self.speed = Some(speed),
            Order::Next => {
                self.held = true;
                return self.show(events);
            }
            Order::Seek(seconds) => return self.seek(seconds, events),
        }
        true
    }

    /// Goes to a time, and shows what was before it, as fast as it is read.
    fn seek(&mut self, seconds: i64, events: &Events) -> bool {
        let Some((at, first)) = self.at.zip(self.first) else { return true };
        let by = Duration::from_secs(seconds.unsigned_abs());
        let to = if seconds < 0 { at.checked_sub(by) } else { at.checked_add(by) };
        let to = to.unwrap_or(first).max(first);
        if seconds < 0 {
            let Ok(reader) = Reader::open(&self.path) else { return true };
            self.reader = reader;
            self.read();
        }
        self.ended = false;
        let from = to.checked_sub(BEFORE).unwrap_or(first);
        loop {
            match self.next.as_ref().map(|next| next.snapshot.time) {
                None => return self.end(events),
                Some(time) if time > to => return true,
                Some(time) if time < from => self.read(),
                Some(_) if !self.show(events) => return false,
                Some(_) => {}
            }
        }
    }
}

/// Nobody looks any more.
struct Gone;
