//! What is seen while the kernels run, on stderr, by a thread of its own: lines redrawn in place on a terminal, else a
//! line each interval.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ringscope::{RingKernelRuntime, Snapshot};

use crate::cli::term::frame::{self, Done, Frame};
use crate::cli::term::publishing::PublishingNews;
use crate::cli::term::screen::Screen;
use crate::cli::term::stuck::StuckNews;
use crate::cli::term::terminal;
use crate::cli::term::text::{Style, plain, styled};

/// Rates are of the last second: over less they flicker, over more they are not now.
const RATE_TIME: Duration = Duration::from_secs(1);

/// What to show.
pub struct View {
    /// Whose numbers.
    pub runtime: RingKernelRuntime,
    /// How far the work is, after so long.
    pub done: Box<dyn Fn(Duration) -> Done + Send>,
    /// How often.
    pub interval: Duration,
}

/// When to look again after `last`: in step, but after a pause, as of a process that was stopped, an interval from `now`.
fn following(last: Instant, interval: Duration, now: Instant) -> Option<Instant> {
    last.checked_add(interval).filter(|next| *next > now).or_else(|| now.checked_add(interval))
}

/// What is left of the display when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last {
    /// Nothing: something better takes its place.
    Erase,
    /// The last numbers.
    Keep,
}

/// The running display. Dropping it ends it and gives the cursor back.
pub struct Live {
    end: Sender<Last>,
    thread: Option<JoinHandle<()>>,
}

impl Live {
    /// Shows from now on.
    pub fn start(view: View) -> Live {
        let (end, ended) = channel();
        let body = move || {
            let mut display = Display::new(view);
            // No time: an interval that ends beyond all time never ends.
            let mut next = Instant::now().checked_add(display.first_after());
            loop {
                let wait = next.map_or(Duration::MAX, |next| next.saturating_duration_since(Instant::now()));
                match ended.recv_timeout(wait) {
                    Err(RecvTimeoutError::Timeout) => display.tick(),
                    Ok(last) => return display.end(last),
                    Err(RecvTimeoutError::Disconnected) => return display.end(Last::Keep),
                }
                next = next.and_then(|next| following(next, display.view.interval, Instant::now()));
            }
        };
        // Without a thread nothing is shown, and everything is computed all the same.
        let thread = std::thread::Builder::new().name("live".into()).spawn(body).ok();
        Live { end, thread }
    }

    /// Ends it; the terminal is as before when this returns.
    pub fn end(self, last: Last) {
        // A thread that is gone needs not be told.
        let _ = self.end.send(last);
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let _ = self.end.send(Last::Keep);
        if let Some(thread) = self.thread.take() {
            // If it panicked, it has said so.
            let _ = thread.join();
        }
    }
}

struct Display {
    view: View,
    start: Instant,
    recent: VecDeque<Arc<Snapshot>>,
    stuck: StuckNews,
    publishing: PublishingNews,
    screen: Option<Screen>,
}

impl Display {
    fn new(view: View) -> Display {
        let screen = terminal::can_redraw().then(Screen::open);
        let (stuck, publishing) = (StuckNews::default(), PublishingNews::default());
        Display { view, start: Instant::now(), recent: VecDeque::new(), stuck, publishing, screen }
    }

    /// A terminal shows at once that something happens; the first line of a log is due after an interval.
    fn first_after(&self) -> Duration {
        if self.screen.is_some() { Duration::ZERO } else { self.view.interval }
    }

    fn tick(&mut self) {
        self.look();
        self.say_news();
        let done = (self.view.done)(self.start.elapsed());
        let frame = Frame { now: self.recent.back().map(|s| &**s), before: self.recent.front().map(|s| &**s), done };
        match &mut self.screen {
            Some(screen) => screen.draw(&frame),
            None => terminal::say(&[plain(&frame::log_line(&frame))]),
        }
    }

    /// Above the display, where it stays.
    fn say_news(&mut self) {
        let Some(now) = self.recent.back() else { return };
        let mut news = self.stuck.look(now);
        news.extend(self.publishing.look(&now.publishers));
        if let (false, Some(screen)) = (news.is_empty(), &mut self.screen) {
            screen.erase();
        }
        news.iter().for_each(|sentence| terminal::say(&[styled(Style::Warn, sentence)]));
    }

    fn end(mut self, last: Last) {
        match (last, &mut self.screen) {
            (Last::Keep, Some(_)) => self.tick(),
            (Last::Erase, Some(screen)) => screen.erase(),
            // The summary says more than a last line could.
            (_, None) => {}
        }
    }

    /// Takes a snapshot, and lets go of what is older than rates reach back.
    fn look(&mut self) {
        let collector = self.view.runtime.collector();
        // Of a device that fails the last numbers are shown, with its kernels as failed.
        let Some(now) = collector.snapshot().ok().or_else(|| collector.latest()) else { return };
        let old = |s: &Arc<Snapshot>| now.time.duration_since(s.time).is_ok_and(|age| age >= RATE_TIME);
        while self.recent.get(1).is_some_and(old) {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_not_made_up_for() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let interval = Duration::from_millis(500);
        assert_eq!(following(at(500), interval, at(530)), Some(at(1000)));
        assert_eq!(following(at(500), interval, at(9000)), Some(at(9500)));
        assert_eq!(following(start, Duration::MAX, start), None);
    }
}
