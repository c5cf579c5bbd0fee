//! The device's clock as the host knows it, at any moment and without asking: one for each device, shared by all that use it.
//!
//! Who has a bound brings it: whoever takes a reply, who has copied a block's words, who has asked a block. The fit is
//! behind a lock, which those that merely have a bound do not wait for; what it says is in plain words, read by senders.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::clock_fit::{ClockFit, Outcome};
use super::clock_line::Line;
use super::command_word::CommandWord;
use super::info::ClockSample;
use super::timeline::{Marks, Timeline};

/// How long one is waited for who was asked the time: turning, and giving the core to others.
const SPIN_NS: i64 = 64_000;
const YIELD_NS: i64 = 2_000_000;
/// Kernels that are asked in one go, until one has answered.
const MOST_ASKED: usize = 4;
/// Questions to one that answers at once: the shortest way counts.
const QUESTIONS: usize = 4;

/// Knows a device's clock.
#[doc(hidden)]
#[derive(Debug)]
pub struct Timekeeper {
    epoch: Instant,
    /// Reads the device's clock, where the host can.
    own: Option<fn() -> u64>,
    published: Published,
    /// `None` where the clock is the host's own.
    state: Option<Mutex<State>>,
    tick: i64,
    restarts: AtomicU64,
    /// Whether the clock was looked at since somebody asked that.
    wanted: AtomicBool,
    words: Mutex<Vec<Weak<CommandWord>>>,
    bell: Bell,
}

/// Wakes who keeps the fit up to date.
#[derive(Debug, Default)]
struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    fit: ClockFit,
    marks: Marks,
    /// The host's time of the first of its bounds.
    since: i64,
}

/// A moment between two of the host's, in nanoseconds since the epoch of its [`Timekeeper`], at which the clock was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bracket {
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) device: i64,
}

impl Timekeeper {
    /// Makes that of a clock that runs with the host's steady one, never farther from it than that, and that the host can
    /// read by `now`.
    pub(super) fn of_host(device_ns: u64, at: Instant, error_ns: u64, now: fn() -> u64) -> Self {
        let line = Line { error: error_ns as f64, ..Line::parallel(0, device_ns as i64) };
        Timekeeper { own: Some(now), ..Timekeeper::new(at, line, None, 0) }
    }

    /// Makes that of a clock that was read in those brackets, and ticks every `tick_ns`; `None` without a bracket.
    pub(super) fn fitted(epoch: Instant, brackets: &[Bracket], tick_ns: u64) -> Option<Self> {
        let first = brackets.first()?;
        let tick = tick_ns.max(1) as i64;
        let mut fit = ClockFit::new(first.from, first.to, first.device, tick);
        brackets[1..].iter().for_each(|b| {
            fit.between(b.from, b.to, b.device);
        });
        let line = fit.line();
        let state = State { fit, marks: Marks::new(&line), since: first.from };
        Some(Timekeeper::new(epoch, line, Some(Mutex::new(state)), tick))
    }

    fn new(epoch: Instant, line: Line, state: Option<Mutex<State>>, tick: i64) -> Self {
        Timekeeper {
            epoch,
            own: None,
            published: Published::new(&line),
            state,
            tick,
            restarts: AtomicU64::new(0),
            wanted: AtomicBool::new(false),
            words: Mutex::default(),
            bell: Bell::default(),
        }
    }

    // ---- what it says --------------------------------------------------------------------------------

    /// Whether bounds are of use: the clock is not the host's own.
    pub(crate) fn takes_bounds(&self) -> bool {
        self.state.is_some()
    }

    /// The host's time, as bounds have it.
    pub(super) fn host_now(&self) -> i64 {
        self.epoch.elapsed().as_nanos() as i64
    }

    /// What the device's clock reads at that moment of the host.
    pub(super) fn device_at(&self, host: i64) -> u64 {
        self.published.load().device_at(host).max(0) as u64
    }

    /// What the device's clock reads now.
    pub(super) fn device_now(&self) -> u64 {
        self.own.map_or_else(|| self.device_at(self.host_now()), |now| now())
    }

    /// Both clocks now. The moment is that at which Unix time was read; of three tries, the one that took the least.
    pub(crate) fn sample(&self) -> ClockSample {
        self.wanted.store(true, Ordering::Relaxed);
        let look = || {
            let from = self.host_now();
            let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            (self.host_now() - from, from, unix.as_nanos() as u64)
        };
        let (took, from, unix_ns) = [look(), look(), look()].into_iter().min().unwrap_or_default();
        let line = self.published.load();
        ClockSample {
            device_ns: line.device_at(from + took / 2).max(0) as u64,
            unix_ns,
            uncertainty_ns: (line.error_at(from + took) + took / 2) as u64,
            drift_ppb: (line.drift * 1e9).round() as i64,
            tick_ns: self.tick as u64,
            restarts: self.restarts.load(Ordering::Relaxed),
        }
    }

    /// Tells times of the past; `None` where the clock is the host's own.
    pub(crate) fn timeline(&self) -> Option<Timeline> {
        let state = lock(self.state.as_ref()?);
        Some(state.marks.timeline(state.fit.line()))
    }

    /// Whether the clock was looked at since this was last asked.
    pub(super) fn was_wanted(&self) -> bool {
        self.wanted.swap(false, Ordering::Relaxed)
    }

    /// How long a fit of this age does without news: the less is known of its drift, the sooner it wants some.
    fn rests_for(&self) -> Duration {
        let age = self.state.as_ref().map_or(i64::MAX, |state| self.host_now() - lock(state).since);
        Duration::from_nanos((age / 8).clamp(10_000_000, 1_000_000_000) as u64)
    }

    // ---- what it is told -----------------------------------------------------------------------------

    /// A reply with that time was there at `to`, to a message that was not sent before `from`, where that is known. Waits
    /// for nobody; most replies are no news, and end here.
    pub(super) fn heard(&self, from: Option<i64>, to: i64, device_ns: u64) {
        let (line, device) = (self.published.load(), device_ns as i64);
        let low = ClockFit::tightens_lower(&line, self.tick, to, device);
        let high = from.is_some_and(|from| ClockFit::tightens_upper(&line, self.tick, from, device));
        if !low && !high {
            return;
        }
        if let Some(state) = self.state.as_ref().and_then(try_lock) {
            match from {
                Some(from) => self.take(state, Bracket { from, to, device }),
                None => self.take_reached(state, to, device),
            }
        }
    }

    /// Words with that time had been copied now.
    pub(crate) fn copied(&self, device_ns: u64) {
        if device_ns != 0 && self.takes_bounds() {
            self.heard(None, self.host_now(), device_ns);
        }
    }

    /// The clock was read in that bracket.
    pub(super) fn read(&self, bracket: Bracket) {
        if let Some(state) = &self.state {
            self.take(lock(state), bracket);
        }
    }

    fn take(&self, mut state: MutexGuard<'_, State>, bracket: Bracket) {
        let outcome = state.fit.between(bracket.from, bracket.to, bracket.device);
        let line = state.fit.line();
        if let Outcome::StartedAnew { stepped } = outcome {
            self.restarts.fetch_add(1, Ordering::Relaxed);
            state.since = bracket.from;
            if stepped {
                state.marks = Marks::new(&line);
            }
        }
        state.marks.note(&line);
        self.published.store(&line);
    }

    fn take_reached(&self, mut state: MutexGuard<'_, State>, host: i64, device: i64) {
        if state.fit.reached(host, device) == Outcome::Taken {
            self.published.store(&state.fit.line());
        }
    }

    // ---- asking --------------------------------------------------------------------------------------

    /// The blocks that poll this word can be asked the time, as long as it is there.
    pub(super) fn may_ask(&self, word: &Arc<CommandWord>) {
        if self.takes_bounds() {
            let mut words = lock(&self.words);
            words.retain(|word| word.strong_count() > 0);
            words.push(Arc::downgrade(word));
            drop(words);
            self.ring();
        }
    }

    /// Ends a [`rest`](Self::rest), or the next one.
    pub(super) fn ring(&self) {
        *lock(&self.bell.rung) = true;
        self.bell.changed.notify_all();
    }

    /// Waits until it is time for news of the clock, or somebody rings.
    pub(super) fn rest(&self) {
        let limit = self.rests_for();
        let rung = self.bell.changed.wait_timeout_while(lock(&self.bell.rung), limit, |rung| !*rung);
        *rung.unwrap_or_else(PoisonError::into_inner).0 = false;
    }

    /// Asks blocks the time, and waits for some milliseconds at most, until `enough`. Whether one answered.
    pub(super) fn ask(&self, enough: impl Fn() -> bool) -> bool {
        let words: Vec<Weak<CommandWord>> = lock(&self.words).clone();
        // Late answers to the last questions are worth something, too.
        let late = words.iter().filter_map(Weak::upgrade).filter(|word| self.hear(word)).count();
        let mut asked = 0;
        for word in words.iter().filter_map(Weak::upgrade) {
            if asked == MOST_ASKED || enough() {
                break;
            }
            let answers = (0..QUESTIONS).take_while(|_| self.ask_one(&word, &mut asked, &enough)).count();
            if answers > 0 {
                return true;
            }
        }
        // Next time the others come first.
        let mut all = lock(&self.words);
        let count = all.len().max(1);
        all.rotate_left(asked.min(count) % count);
        late > 0
    }

    /// Whether it answered at once, or nearly.
    fn ask_one(&self, word: &CommandWord, asked: &mut usize, enough: &impl Fn() -> bool) -> bool {
        if !word.ask(|| self.host_now()) {
            return false;
        }
        *asked += 1;
        let start = self.host_now();
        loop {
            if self.hear(word) {
                return true;
            }
            match self.host_now() - start {
                waited if waited > YIELD_NS || enough() => return false,
                waited if waited > SPIN_NS => std::thread::yield_now(),
                _ => std::hint::spin_loop(),
            }
        }
    }

    fn hear(&self, word: &CommandWord) -> bool {
        let near = self.device_at(self.host_now()) as i64;
        let Some(answer) = word.answer(near) else { return false };
        self.read(Bracket { from: answer.asked, to: self.host_now(), device: answer.device });
        true
    }
}

/// The line in words that one thread at a time writes, and any may read: the half that is not being read is written.
#[derive(Debug)]
struct Published {
    /// Counts the lines; its lowest bit says which half has the newest.
    version: AtomicU64,
    halves: [[AtomicU64; 5]; 2],
}

impl Published {
    fn new(line: &Line) -> Self {
        let words = words_of(line);
        Published { version: AtomicU64::new(0), halves: [words.map(AtomicU64::new), words.map(AtomicU64::new)] }
    }

    /// By the holder of the fit's lock.
    fn store(&self, line: &Line) {
        let next = self.version.load(Ordering::Relaxed) + 1;
        // Who sees one of these words sees that the line before was there, and that its own half is written again.
        fence(Ordering::Release);
        let half = &self.halves[(next & 1) as usize];
        half.iter().zip(words_of(line)).for_each(|(to, word)| to.store(word, Ordering::Relaxed));
        self.version.store(next, Ordering::Release);
    }

    /// Looks again only if a line was stored meanwhile.
    fn load(&self) -> Line {
        loop {
            let version = self.version.load(Ordering::Acquire);
            let words = self.halves[(version & 1) as usize].each_ref().map(|word| word.load(Ordering::Relaxed));
            fence(Ordering::Acquire);
            if self.version.load(Ordering::Relaxed) == version {
                return line_of(words);
            }
        }
    }
}

fn words_of(line: &Line) -> [u64; 5] {
    let Line { host, device, drift, error, error_growth } = *line;
    [host as u64, device as u64, drift.to_bits(), error.to_bits(), error_growth.to_bits()]
}

fn line_of([host, device, drift, error, error_growth]: [u64; 5]) -> Line {
    let [drift, error, error_growth] = [drift, error, error_growth].map(f64::from_bits);
    Line { host: host as i64, device: device as i64, drift, error, error_growth }
}

/// A panic elsewhere leaves what is behind these locks whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
