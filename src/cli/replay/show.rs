//! Moments as somebody sees them: a table that is redrawn, lines of a log, or JSON.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ringscope::Snapshot;
use ringscope::alert::{Alert, Severity};
use ringscope::feed::{Entry, Moment};
use serde::Serialize;

use crate::cli::term::frame::{self, Done, Frame};
use crate::cli::term::screen::Screen;
use crate::cli::term::terminal::OutputError;
use crate::cli::term::text::{Style, plain, styled};
use crate::cli::term::{kernels, terminal};

/// Rates are of the last second, or of two moments that lie farther apart.
const RATE_TIME: Duration = Duration::from_secs(1);

/// `--json`: one line.
#[derive(Serialize)]
struct Line<'a> {
    snapshot: &'a Snapshot,
    entries: &'a [Entry],
    alerts: &'a [Alert],
    missed: u64,
}

pub struct Show {
    json: bool,
    screen: Option<Screen>,
    recent: VecDeque<Arc<Snapshot>>,
    /// From the begin to the last that was shown.
    shown: Option<Duration>,
}

impl Show {
    pub fn new(json: bool) -> Show {
        let screen = (!json && terminal::can_redraw()).then(Screen::open);
        Show { json, screen, recent: VecDeque::new(), shown: None }
    }

    /// Takes note of a moment that is not shown.
    pub fn skip(&mut self, moment: &Moment) {
        let now = &moment.snapshot;
        let old = |s: &Arc<Snapshot>| now.time.duration_since(s.time).is_ok_and(|age| age >= RATE_TIME);
        while self.recent.get(1).is_some_and(old) {
            self.recent.pop_front();
        }
        self.recent.push_back(Arc::clone(now));
    }

    /// Shows a moment that came so long after the begin.
    pub fn moment(&mut self, moment: &Moment, at: Duration) -> Result<(), OutputError> {
        self.skip(moment);
        self.shown = Some(at);
        if self.json {
            return print_line(moment);
        }
        self.say(&moment.entries);
        let snapshot = &moment.snapshot;
        let totals = snapshot.totals();
        let done = Done {
            elapsed: at,
            bytes: totals.bytes_in,
            messages: totals.messages_processed + totals.errors,
            ..Done::default()
        };
        let frame = Frame { now: Some(snapshot), before: self.recent.front().map(|s| &**s), done };
        match &mut self.screen {
            Some(screen) => screen.draw(&frame),
            None => terminal::say(&[plain(&frame::log_line(&frame))]),
        }
        Ok(())
    }

    /// What happened, above the table, where it stays.
    fn say(&mut self, entries: &[Entry]) {
        if let (false, Some(screen)) = (entries.is_empty(), &mut self.screen) {
            screen.erase();
        }
        for entry in entries {
            let style = match entry.severity {
                Severity::Critical => Style::Bad,
                Severity::Warning => Style::Warn,
                _ => Style::Dim,
            };
            terminal::say(&[styled(style, &format!("{} {}: {}", entry.kind.name(), entry.subject, entry.text))]);
        }
    }

    /// Shows how it was at the last moment.
    pub fn end(&mut self) -> Result<(), OutputError> {
        if let Some(screen) = &mut self.screen {
            screen.erase();
        }
        self.screen = None;
        let (Some(last), Some(at), false) = (self.recent.back(), self.shown, self.json) else { return Ok(()) };
        terminal::print_lines(&kernels::summary(last, at, terminal::stdout_width()))
    }
}

fn print_line(moment: &Moment) -> Result<(), OutputError> {
    let Moment { snapshot, entries, alerts, missed, .. } = moment;
    terminal::print_json_line(&Line { snapshot, entries, alerts, missed: *missed })
}
