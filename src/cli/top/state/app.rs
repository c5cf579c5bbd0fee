//! All of the state, and how actions and moments change it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ringscope::feed::Moment;

use crate::cli::top::state::action::Action;
use crate::cli::top::state::blocks::BlockMap;
use crate::cli::top::state::history::History;
use crate::cli::top::state::link::{Kind, Link, Origin, SPEEDS, is_stale};
use crate::cli::top::state::log::Log;
use crate::cli::top::state::page::Page;
use crate::cli::top::state::table::{Row, Table, names};

/// How long it is said what was done.
const SAID: Duration = Duration::from_secs(3);
/// Most characters of a filter.
const MOST_FILTER: usize = 100;
/// The most moments to a column of a chart: 2 to the power of this.
const MOST_ZOOM: u32 = 6;

/// What has to be done outside of the state.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// End.
    Quit,
    /// Stop the program until it is continued.
    Suspend,
    /// Draw everything again.
    Redraw,
    /// Put this onto the clipboard.
    Copy(String),
    /// Tell the source: hold.
    Hold,
    /// Tell the source: go on.
    GoOn,
    /// Tell the source: one moment, and no more.
    Next,
    /// Tell the source: go to so many seconds from here.
    Seek(i64),
    /// Tell the source: play so fast.
    Speed(f64),
}

/// What is known, and what somebody looks at.
#[derive(Clone, Debug)]
pub struct App {
    /// Where moments come from.
    pub origin: Origin,
    /// What was seen.
    pub history: History,
    /// What happened.
    pub log: Log,
    /// The time now.
    pub now: SystemTime,
    /// The page that is shown.
    pub page: Page,
    /// The first line of the help that is shown, if it is.
    pub help: Option<usize>,
    /// How the table of kernels is sorted.
    pub table: Table,
    /// What names must have in them.
    pub filter: String,
    /// Whether the filter is being written.
    pub editing: bool,
    /// The kernel that is selected.
    pub kernel: Option<Arc<str>>,
    /// The block that is selected.
    pub block: usize,
    /// The line that is selected, on pages that have lines and no kernels.
    pub line: usize,
    /// The moment that is held; `None` while the newest is shown.
    pub held: Option<u64>,
    /// Moments to a column of a chart: 2 to the power of this.
    pub zoom: u32,
    /// How many columns the map of blocks has, and how many lines the page: what moving by a line or a page means.
    pub shape: Shape,
    said: Option<(String, SystemTime)>,
    /// When the newest moment came.
    heard: Option<SystemTime>,
}

/// How much of a page fits, as it was drawn last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Lines of the page.
    pub lines: usize,
    /// Blocks of a line of the map.
    pub blocks: usize,
}

impl App {
    /// Makes one to which nothing happened yet.
    pub fn new(origin: Origin, now: SystemTime) -> App {
        App {
            origin,
            history: History::default(),
            log: Log::default(),
            now,
            page: Page::Kernels,
            help: None,
            table: Table::default(),
            filter: String::new(),
            editing: false,
            kernel: None,
            block: 0,
            line: 0,
            held: None,
            zoom: 0,
            shape: Shape { lines: 10, blocks: 16 },
            said: None,
            heard: None,
        }
    }

    /// Takes a moment.
    pub fn push(&mut self, moment: Arc<Moment>) {
        let goes_back = self.newest_time().is_some_and(|newest| moment.snapshot.time < newest);
        if goes_back {
            self.log.clear();
        }
        self.log.push(&moment);
        self.history.push(moment);
        self.heard = Some(self.now);
        // Kernels whose stream is over are read all the same.
        let is_over = self.origin.kind == Kind::Workload && matches!(self.origin.link, Link::Ended { .. });
        if !is_over {
            self.origin.link = Link::Up;
        }
        // What is held leaves the history at last.
        self.held = self.held.and_then(|held| Some(held.clamp(self.history.oldest()?, self.history.newest()?)));
        if self.origin.kind == Kind::Recording && self.held.is_some() {
            // It was asked for, step by step.
            self.held = self.history.newest();
        }
        self.select_something();
    }

    fn select_something(&mut self) {
        let Some(moment) = self.moment() else { return };
        let is_there = self.kernel.as_ref().is_some_and(|id| moment.snapshot.kernel(id).is_some());
        if !is_there {
            let first = self.rows().first().map(|row| Arc::clone(&row.kernel.kernel_id));
            self.kernel = first.or_else(|| self.kernel.take());
        }
    }

    fn newest_time(&self) -> Option<SystemTime> {
        self.history.time(self.history.newest()?)
    }

    /// Returns the number of the moment that is shown.
    pub fn shown(&self) -> Option<u64> {
        self.held.or_else(|| self.history.newest())
    }

    /// Returns the moment that is shown.
    pub fn moment(&self) -> Option<&Arc<Moment>> {
        self.history.moment(self.shown()?)
    }

    /// Returns the rows of the table of kernels.
    pub fn rows(&self) -> Vec<Row<'_>> {
        let both = self.shown().zip(self.moment());
        both.map(|(number, moment)| self.table.rows(&self.history, number, moment, &self.filter)).unwrap_or_default()
    }

    /// Returns the row of the selected kernel.
    pub fn row(&self) -> Option<Row<'_>> {
        let snapshot = &self.moment()?.snapshot;
        let kernel = snapshot.kernel(self.kernel.as_ref()?)?;
        let point = self.history.series(&kernel.kernel_id).and_then(|series| series.at(self.shown()?));
        Some(Row::new(snapshot, kernel, point))
    }

    /// Returns the blocks of the selected kernel; `None` where the moment has none.
    pub fn blocks(&self) -> Option<BlockMap> {
        let statuses = self.moment()?.snapshot.blocks(self.kernel.as_ref()?)?;
        (!statuses.is_empty()).then(|| BlockMap::new(&statuses))
    }

    /// Returns how old the newest moment of a live source is, if it is too old: what is shown is not how it is.
    pub fn stale_for(&self) -> Option<Duration> {
        let newest = self.history.newest()?;
        if self.origin.kind == Kind::Recording || matches!(self.origin.link, Link::Ended { .. }) {
            return None;
        }
        let age = self.now.duration_since(self.heard?).unwrap_or_default();
        let before = newest.checked_sub(1).and_then(|number| self.history.time(number));
        let interval = before.and_then(|before| self.newest_time()?.duration_since(before).ok());
        let down = matches!(self.origin.link, Link::Down { .. });
        (down || is_stale(age, interval)).then_some(age)
    }

    /// Returns what was done last, while that is new.
    pub fn said(&self) -> Option<&str> {
        let (said, at) = self.said.as_ref()?;
        let is_new = self.now.duration_since(*at).is_ok_and(|age| age < SAID);
        is_new.then_some(said)
    }

    /// Says what was done.
    pub fn say(&mut self, what: impl Into<String>) {
        self.said = Some((what.into(), self.now));
    }

    /// Does what is asked for; what it leaves to be done outside is returned.
    pub fn apply(&mut self, action: Action) -> Option<Effect> {
        match action {
            Action::Quit => return Some(Effect::Quit),
            Action::Suspend => return Some(Effect::Suspend),
            Action::Redraw => return Some(Effect::Redraw),
            Action::Show(page) => self.show(page),
            Action::Further(places) => self.show(self.page.further(places)),
            Action::Help => self.help = if self.help.is_some() { None } else { Some(0) },
            Action::Open => self.open(),
            Action::Back => self.back(),
            Action::Down(lines) => self.go(lines),
            Action::PageDown(pages) => self.go(pages.saturating_mul(self.shape.lines.max(1) as isize)),
            Action::Right(places) => self.go_sideways(places),
            Action::First => self.go(isize::MIN / 2),
            Action::Last => self.go(isize::MAX / 2),
            Action::Select(line) => self.select(line),
            Action::SortFurther(places) => self.sort_further(places),
            Action::SortBy(column) => self.table.sort_by(column),
            Action::Reverse => self.table.descending = !self.table.descending,
            Action::EditFilter => {
                self.help = None;
                self.editing = true;
            }
            Action::Write(c) => self.write(c),
            Action::Erase => drop(self.filter.pop()),
            Action::EraseAll => self.filter.clear(),
            Action::Severity => {
                self.log.next_severity();
                self.line = 0;
            }
            Action::Pause => return self.pause(),
            Action::Step(moments) => return self.step(moments),
            Action::Newest => return self.go_on(),
            Action::Zoom(times) => self.zoom = self.zoom.saturating_add_signed(times as i32).min(MOST_ZOOM),
            Action::Seek(seconds) => return self.seek(seconds),
            Action::Faster(times) => return self.play_faster(times),
            Action::Copy => return self.copy(),
        }
        self.select_something();
        None
    }

    fn show(&mut self, page: Page) {
        if self.page != page {
            self.line = 0;
        }
        self.page = page;
        self.help = None;
    }

    fn open(&mut self) {
        if self.editing {
            self.editing = false;
            return;
        }
        match self.page {
            Page::Kernels => self.show(Page::Kernel),
            Page::Kernel => self.show(Page::Blocks),
            Page::Log | Page::Alerts => self.open_line(),
            Page::Blocks | Page::Machine | Page::Telemetry => {}
        }
    }

    /// To the kernel that the line is about.
    fn open_line(&mut self) {
        let Some(moment) = self.moment() else { return };
        let known = |name: &str| moment.snapshot.kernel(name).map(|kernel| Arc::clone(&kernel.kernel_id));
        let kernel = match self.page {
            Page::Log => self.entries().nth(self.line).and_then(|entry| known(&entry.subject)),
            _ => moment.alerts.get(self.line).and_then(|alert| known(alert.label("kernel")?)),
        };
        match kernel {
            Some(kernel) => {
                self.kernel = Some(kernel);
                self.show(Page::Kernel);
            }
            None => self.say("this line is about no kernel that is there"),
        }
    }

    fn back(&mut self) {
        if self.help.take().is_some() {
            return;
        }
        if self.editing || !self.filter.is_empty() {
            self.editing = false;
            self.filter.clear();
            return;
        }
        self.show(if self.page == Page::Blocks { Page::Kernel } else { Page::Kernels });
    }

    /// Returns the entries of the log that are shown, the newest first.
    pub fn entries(&self) -> impl Iterator<Item = &ringscope::feed::Entry> {
        let newest = self.held.is_none();
        let until = self.moment().filter(|_| !newest).map(|moment| moment.snapshot.time);
        // What is not held is not cut off: clocks of other machines may be ahead.
        let far = || SystemTime::UNIX_EPOCH + Duration::from_secs(u32::MAX.into());
        self.log.shown(until.unwrap_or_else(far), &self.filter)
    }

    fn write(&mut self, c: char) {
        if self.filter.chars().count() < MOST_FILTER {
            self.filter.push(c);
            self.line = 0;
        }
    }

    /// How many lines the page has that can be selected.
    fn lines(&self) -> usize {
        match self.page {
            Page::Kernels | Page::Kernel => self.rows().len(),
            Page::Blocks => self.blocks().map_or(0, |map| map.cells.len()),
            Page::Log => self.entries().count(),
            Page::Alerts => self.moment().map_or(0, |moment| moment.alerts.len()),
            Page::Machine => {
                self.moment().map_or(0, |moment| moment.snapshot.gpus.as_ref().map_or(0, |gpus| gpus.len()))
            }
            Page::Telemetry => self.moment().map_or(0, |moment| moment.snapshot.publishers.len()),
        }
    }

    fn at(&self) -> usize {
        match self.page {
            Page::Kernels | Page::Kernel => {
                let selected = |row: &Row| Some(&row.kernel.kernel_id) == self.kernel.as_ref();
                self.rows().iter().position(selected).unwrap_or(0)
            }
            Page::Blocks => self.block,
            Page::Log | Page::Alerts | Page::Machine | Page::Telemetry => self.line,
        }
    }

    fn select(&mut self, line: usize) {
        let line = line.min(self.lines().saturating_sub(1));
        match self.page {
            Page::Kernels | Page::Kernel => {
                let name = names(&self.rows()).into_iter().nth(line);
                self.kernel = name.or_else(|| self.kernel.take());
            }
            Page::Blocks => self.block = line,
            Page::Log | Page::Alerts | Page::Machine | Page::Telemetry => self.line = line,
        }
    }

    fn go(&mut self, lines: isize) {
        if let Some(first) = self.help {
            // The page of help knows where it ends.
            self.help = Some(first.saturating_add_signed(lines).min(1000));
            return;
        }
        let width = if self.page == Page::Blocks { self.shape.blocks.max(1) as isize } else { 1 };
        self.select(self.at().saturating_add_signed(lines.saturating_mul(width)));
    }

    fn sort_further(&mut self, places: isize) {
        let several_devices = self.moment().is_some_and(|moment| moment.snapshot.devices.len() > 1);
        let column = self.table.by.further(places, several_devices);
        self.table.sort_by(column);
    }

    fn go_sideways(&mut self, places: isize) {
        match self.page {
            Page::Kernels => self.sort_further(places),
            _ => self.select(self.at().saturating_add_signed(places)),
        }
    }

    fn pause(&mut self) -> Option<Effect> {
        if self.held.is_some() {
            return self.go_on();
        }
        self.held = self.history.newest();
        self.held.map(|_| Effect::Hold)
    }

    fn go_on(&mut self) -> Option<Effect> {
        self.held.take().map(|_| Effect::GoOn)
    }

    fn step(&mut self, moments: isize) -> Option<Effect> {
        let (oldest, newest) = (self.history.oldest()?, self.history.newest()?);
        let was_held = self.held.is_some();
        let from = self.held.unwrap_or(newest);
        if moments > 0 && from == newest && self.origin.kind == Kind::Recording {
            self.held = Some(newest);
            return Some(Effect::Next);
        }
        let to = i64::try_from(from).unwrap_or(i64::MAX).saturating_add(moments as i64);
        if to < oldest as i64 {
            self.say("older moments are not kept here");
        }
        self.held = Some(u64::try_from(to).unwrap_or(0).clamp(oldest, newest));
        self.select_something();
        (!was_held).then_some(Effect::Hold)
    }

    fn seek(&mut self, seconds: isize) -> Option<Effect> {
        if self.origin.kind == Kind::Recording {
            return Some(Effect::Seek(seconds as i64));
        }
        // In what is kept of a live source.
        let interval = self.history.newest().and_then(|newest| {
            let before = self.history.time(newest.checked_sub(1)?)?;
            self.history.time(newest)?.duration_since(before).ok()
        });
        let moments = seconds as f64 / interval.map_or(1.0, |interval| interval.as_secs_f64().max(0.001));
        self.step(moments as isize)
    }

    fn play_faster(&mut self, times: isize) -> Option<Effect> {
        let Some(playing) = &mut self.origin.playing else {
            self.say("only a recording is played faster or slower");
            return None;
        };
        playing.speed = (playing.speed * 2.0_f64.powi(times as i32)).clamp(*SPEEDS.start(), *SPEEDS.end());
        Some(Effect::Speed(playing.speed))
    }

    fn copy(&mut self) -> Option<Effect> {
        let text = self.cell()?;
        self.say(format!("copied: {text}"));
        Some(Effect::Copy(text))
    }

    /// What is selected, as text.
    fn cell(&self) -> Option<String> {
        match self.page {
            Page::Kernels | Page::Kernel => {
                let kernel = self.kernel.as_ref()?;
                let stuck = self.moment().and_then(|moment| moment.snapshot.stuck_kernel(kernel));
                Some(stuck.map_or_else(|| kernel.to_string(), |stuck| stuck.to_string()))
            }
            Page::Blocks => {
                let blocks = self.moment()?.snapshot.blocks(self.kernel.as_ref()?)?;
                Some(format!("{}: {}", self.kernel.as_ref()?, blocks.get(self.block)?))
            }
            Page::Log => self.entries().nth(self.line).map(|entry| format!("{} {}", entry.subject, entry.text)),
            Page::Alerts => {
                self.moment()?.alerts.get(self.line).map(|alert| format!("{}: {}", alert.rule, alert.summary))
            }
            Page::Machine => {
                let gpu = self.moment()?.snapshot.gpus.as_ref()?.get(self.line)?.uuid.clone()?;
                Some(gpu.to_string())
            }
            Page::Telemetry => self.moment()?.snapshot.publishers.get(self.line).map(|one| one.destination.to_string()),
        }
    }
}
