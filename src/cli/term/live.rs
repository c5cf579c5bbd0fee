//! What is seen while the kernels run, on stderr, by a thread of its own: lines redrawn in place on a terminal, else a
//! line each interval.

use std::collections::VecDeque;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossterm::Command;
use crossterm::cursor::{Hide, MoveUp, Show};
use crossterm::terminal::{BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate};
use ringscope::{RingKernelRuntime, Snapshot};

use crate::cli::term::table::{self, Done, Frame, Text, Widths};
use crate::cli::term::terminal;
use crate::cli::workload::input::Limit;
use crate::cli::workload::stream::Progress;

/// Rates are of the last second: over less they flicker, over more they are not now.
const RATE_TIME: Duration = Duration::from_secs(1);

/// What to show.
pub struct View {
    /// Whose numbers.
    pub runtime: RingKernelRuntime,
    /// How far the stream is.
    pub progress: Arc<Progress>,
    /// What it is to do.
    pub limit: Limit,
    /// Bytes of one pass over the input, if known.
    pub input_bytes: Option<u64>,
    /// How often.
    pub interval: Duration,
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
            let mut next = Instant::now() + display.first_after();
            loop {
                match ended.recv_timeout(next.saturating_duration_since(Instant::now())) {
                    Err(RecvTimeoutError::Timeout) => display.tick(),
                    Ok(last) => return display.end(last),
                    Err(RecvTimeoutError::Disconnected) => return display.end(Last::Keep),
                }
                next = (next + display.view.interval).max(Instant::now());
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
    screen: Option<Screen>,
}

impl Display {
    fn new(view: View) -> Display {
        let screen = terminal::can_redraw().then(Screen::open);
        Display { view, start: Instant::now(), recent: VecDeque::new(), screen }
    }

    /// A terminal shows at once that something happens; the first line of a log is due after an interval.
    fn first_after(&self) -> Duration {
        if self.screen.is_some() { Duration::ZERO } else { self.view.interval }
    }

    fn tick(&mut self) {
        self.look();
        let done = done(&self.view, self.start.elapsed());
        let frame = Frame { now: self.recent.back().map(|s| &**s), before: self.recent.front().map(|s| &**s), done };
        match &mut self.screen {
            Some(screen) => screen.draw(&frame),
            None => terminal::say(&[table::plain(&table::log_line(&frame))]),
        }
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

/// How far the stream is, measured by what it is to do.
fn done(view: &View, elapsed: Duration) -> Done {
    let value = |n: &AtomicU64| n.load(Ordering::Relaxed);
    let progress = &view.progress;
    let (bytes, messages) = (value(&progress.bytes), value(&progress.messages));
    let of = |part: f64, whole: f64| if whole > 0.0 { (part / whole).min(1.0) } else { 1.0 };
    let (part, of_bytes) = match view.limit {
        Limit::Messages(limit) => (Some(of(messages as f64, limit as f64)), None),
        Limit::Time(limit) => (Some(of(elapsed.as_secs_f64(), limit.as_secs_f64())), None),
        // A file that grew meanwhile has no end that is known.
        Limit::OnePass => match view.input_bytes.filter(|all| *all >= bytes) {
            Some(all) => (Some(of(bytes as f64, all as f64)), Some(all)),
            None => (None, None),
        },
        Limit::Never => (None, None),
    };
    let (mismatches, refused) = (value(&progress.mismatches), value(&progress.refused));
    Done { elapsed, part, bytes, of_bytes, messages, mismatches, refused }
}

// ---- the terminal ----------------------------------------------------------------------------------------

/// Whether somebody has to give the cursor back.
static CURSOR_HIDDEN: AtomicBool = AtomicBool::new(false);

/// Gives the cursor back, if it is hidden.
pub fn restore_cursor() {
    if CURSOR_HIDDEN.swap(false, Ordering::Relaxed) {
        write_out(&escape(Show));
    }
}

/// The lines on the terminal that are drawn again and again. Dropping it, also by a panic, gives the cursor back.
struct Screen {
    /// Columns of each line that is on it.
    drawn: Vec<usize>,
    widest: Widths,
}

impl Screen {
    fn open() -> Screen {
        CURSOR_HIDDEN.store(true, Ordering::Relaxed);
        write_out(&escape(Hide));
        Screen { drawn: Vec::new(), widest: Widths::default() }
    }

    /// Draws the frame over the last one, in one write: a terminal that shows half of it flickers.
    fn draw(&mut self, frame: &Frame) {
        let (columns, rows) = terminal::size();
        // A line as wide as the terminal wraps on some; a frame as high as the terminal scrolls.
        let (width, height) = (columns.saturating_sub(1), rows.saturating_sub(1));
        let lines = table::live(frame, (width, height), &mut self.widest);
        let mut out = escape(BeginSynchronizedUpdate) + &self.to_top(columns, rows);
        for line in &lines {
            out += &line.render(width, terminal::stderr_paint());
            out += &escape(Clear(ClearType::UntilNewLine));
            out.push('\n');
        }
        out += &escape(Clear(ClearType::FromCursorDown));
        out += &escape(EndSynchronizedUpdate);
        write_out(&out);
        self.drawn = lines.iter().map(|l: &Text| l.width().min(width)).collect();
    }

    fn erase(&mut self) {
        let (columns, rows) = terminal::size();
        write_out(&(self.to_top(columns, rows) + &escape(Clear(ClearType::FromCursorDown))));
        self.drawn.clear();
    }

    /// To the first line drawn. In a terminal that became narrower meanwhile the lines were wrapped.
    fn to_top(&self, columns: usize, rows: usize) -> String {
        let up: usize = self.drawn.iter().map(|width| width.div_ceil(columns.max(1)).max(1)).sum();
        let up = u16::try_from(up.min(rows)).unwrap_or(u16::MAX);
        // A terminal takes 0 for 1.
        let up = if up == 0 { String::new() } else { escape(MoveUp(up)) };
        format!("\r{up}")
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore_cursor();
    }
}

fn escape(command: impl Command) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = command.write_ansi(&mut text);
    text
}

fn write_out(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}
