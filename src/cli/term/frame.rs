//! What a moment of a run looks like: lines that are drawn again and again, or one line for a log. Pure functions.

use std::time::Duration;

use ringscope::{Latency, Snapshot};

use crate::cli::term::kernels::{self, Widths, rates};
use crate::cli::term::publishing;
use crate::cli::term::text::{Style, StyledText, Text, plain, styled};
use crate::cli::term::units;

/// How far a stream is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Done {
    /// Since its start.
    pub elapsed: Duration,
    /// Part of what is to be done, where that is known.
    pub part: Option<f64>,
    /// Bytes of the input answered.
    pub bytes: u64,
    /// All bytes of the input, where that is what is to be done.
    pub of_bytes: Option<u64>,
    /// Messages answered.
    pub messages: u64,
    /// Wrong replies.
    pub mismatches: u64,
    /// Messages refused.
    pub refused: u64,
}

/// A moment of a run.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// The newest numbers; `None` without telemetry.
    pub now: Option<&'a Snapshot>,
    /// Those that rates reach back to.
    pub before: Option<&'a Snapshot>,
    /// How far it is.
    pub done: Done,
}

impl Frame<'_> {
    fn over(&self) -> Duration {
        let both = self.now.zip(self.before);
        both.map_or(Duration::ZERO, |(now, before)| now.time.duration_since(before.time).unwrap_or_default())
    }

    /// Messages and bytes a second: as counted on the device, else on average as the host sees it.
    fn all_rates(&self) -> (f64, f64) {
        match self.now {
            Some(now) if !self.over().is_zero() => {
                let each = now.kernels.iter().map(|k| rates(k, self.before, self.over()));
                each.fold((0.0, 0.0), |sum, rate| (sum.0 + rate.0, sum.1 + rate.1))
            }
            _ => average(&self.done),
        }
    }
}

fn average(done: &Done) -> (f64, f64) {
    match done.elapsed.as_secs_f64() {
        s if s > 0.0 => (done.messages as f64 / s, done.bytes as f64 / s),
        _ => (0.0, 0.0),
    }
}

/// The live display: progress, then one line for each kernel, in at most `width` columns and `rows` rows.
pub fn live(frame: &Frame, (width, rows): (usize, usize), widest: &mut Widths) -> Vec<Text> {
    let mut lines = vec![progress(frame, width)];
    let Some(now) = frame.now else {
        lines.truncate(rows);
        return lines;
    };
    let publishing: Vec<Text> = publishing::lines(&now.publishers).collect();
    // Progress, titles, and perhaps the line that says how many more there are.
    let room = rows.saturating_sub(2 + publishing.len());
    let shown = if now.kernels.len() > room { room.saturating_sub(1) } else { now.kernels.len() };
    lines.extend(kernels::live(now, shown, frame.before, frame.over(), width, widest));
    let more = now.kernels.len() - shown;
    if more > 0 {
        lines.push(Text::from(vec![styled(Style::Dim, &format!("and {more} more kernels"))]));
    }
    lines.extend(publishing);
    lines.truncate(rows);
    lines
}

/// `  61 %  ████████░░░░  122.0 MB of 200.0 MB  1.4 s, 1 s left`; the bar takes what room there is.
fn progress(frame: &Frame, width: usize) -> Text {
    let done = &frame.done;
    let percent = done.part.map_or(String::new(), |part| format!("{:>5}  ", units::percent(part)));
    let amount = units::bytes(done.bytes);
    let of_all = done.of_bytes.map(|all| format!("{amount} of {}", units::bytes(all)));
    let mut says = state_of(frame, of_all.as_ref().unwrap_or(&amount));
    if percent.len() + says.width() > width {
        says = state_of(frame, &amount);
    }
    let mut spans = vec![styled(Style::Bold, &percent)];
    if let Some(part) = done.part {
        spans.extend(bar(part, width.saturating_sub(percent.len() + says.width() + 2).min(40)));
    }
    Text::from(spans).with(says)
}

fn state_of(frame: &Frame, amount: &str) -> Text {
    let done = &frame.done;
    let mut spans = vec![plain(&format!("{amount}  ")), styled(Style::Dim, &time(done))];
    if done.mismatches > 0 {
        spans.push(styled(Style::Bad, &format!("  {} wrong", units::count(done.mismatches))));
    }
    if done.refused > 0 {
        spans.push(styled(Style::Warn, &format!("  {} refused", units::count(done.refused))));
    }
    if frame.now.is_none() {
        let (messages, bytes) = frame.all_rates();
        spans.push(plain(&format!("  {} msg/s  {} MB/s", units::rate(messages), units::megabytes(bytes))));
    }
    Text::from(spans)
}

fn time(done: &Done) -> String {
    let elapsed = units::elapsed(done.elapsed);
    // The first half second says little about the rest.
    let part = done.part.filter(|p| (0.01..1.0).contains(p) && done.elapsed >= Duration::from_millis(500));
    match part {
        Some(part) => {
            let left = done.elapsed.as_secs_f64() * (1.0 - part) / part;
            format!("{elapsed}, {} left", units::remaining(left))
        }
        None => elapsed,
    }
}

/// A bar in eighths of a column; too short a one says nothing and is left out.
fn bar(part: f64, width: usize) -> Vec<StyledText> {
    const LEAST: usize = 8;
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    if width < LEAST {
        return Vec::new();
    }
    let filled = ((part.clamp(0.0, 1.0) * width as f64 * 8.0) as usize).min(width * 8);
    let full = format!("{}{}", "█".repeat(filled / 8), EIGHTHS[filled % 8]);
    let rest = width - filled.div_ceil(8);
    vec![styled(Style::Good, &full), styled(Style::Dim, &"░".repeat(rest)), plain("  ")]
}

/// One line for a log: how far it is, and all kernels together.
pub fn log_line(frame: &Frame) -> String {
    let done = &frame.done;
    let part = done.part.map_or(String::new(), |p| format!("{:>5}  ", units::percent(p)));
    let (messages, bytes) = frame.all_rates();
    let mut line = format!(
        "{:>8}  {part}{:>8}  {:>8} msg/s  {:>7} MB/s",
        units::elapsed(done.elapsed),
        units::bytes(done.bytes),
        units::rate(messages),
        units::megabytes(bytes),
    );
    if let Some(now) = frame.now {
        let totals = now.totals();
        let counted: [(u64, &str); 4] = [
            (totals.messages_received, "received"),
            (totals.messages_processed, "processed"),
            (totals.errors, "errors"),
            (totals.queue_depth, "queued"),
        ];
        for (n, what) in counted {
            line.push_str(&format!("  {:>7} {what}", units::count(n)));
        }
        let all = kernels::total(now);
        let latency = all.as_ref().or(now.kernels.first()).and_then(|k| k.latency);
        if let Some(Latency { p50_ns, p99_ns, .. }) = latency {
            line.push_str(&format!("  p50 {:>8}  p99 {:>8}", units::latency(p50_ns), units::latency(p99_ns)));
        }
    }
    if done.mismatches > 0 {
        line.push_str(&format!("  {} wrong", done.mismatches));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::term::sample::{LONG_NAMES, snapshot, snapshot_of};
    use crate::cli::term::text::{Paint, columns};

    const OFF: Paint = Paint { on: false };
    const ON: Paint = Paint { on: true };

    fn done() -> Done {
        let (part, of_bytes) = (Some(0.61), Some(200_000_000));
        Done {
            elapsed: Duration::from_millis(1400),
            part,
            bytes: 122_000_000,
            of_bytes,
            messages: 29_785,
            ..Done::default()
        }
    }

    fn columns_without_escapes(line: &str) -> usize {
        line.split('\x1b')
            .enumerate()
            .map(|(i, s)| if i == 0 { s } else { s.split_once('m').unwrap().1 })
            .map(columns)
            .sum()
    }

    #[test]
    fn no_size_is_exceeded() {
        let now = snapshot(5, 40);
        for done in [done(), Done::default(), Done { mismatches: 7, refused: 12, ..done() }] {
            for now in
                [None, Some(&*now), Some(&*snapshot(0, 0)), Some(&*snapshot(1, 0)), Some(&*snapshot_of(&LONG_NAMES, 9))]
            {
                for width in [0, 1, 2, 7, 20, 39, 40, 79, 80, 81, 120, 200, 10_000] {
                    for rows in [0, 1, 2, 3, 4, 24] {
                        let frame = Frame { now, before: None, done };
                        let lines = live(&frame, (width, rows), &mut Widths::default());
                        assert!(lines.len() <= rows, "{rows}");
                        for line in lines.iter().map(|l| l.render(width, ON)) {
                            assert!(columns_without_escapes(&line) <= width, "{width}: {line:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn more_kernels_than_rows() {
        let now = snapshot(30, 1);
        let frame = Frame { now: Some(&now), before: None, done: done() };
        let lines = live(&frame, (80, 10), &mut Widths::default());
        assert_eq!(lines.len(), 10);
        assert_eq!(lines[9].render(80, OFF), "and 23 more kernels");
    }

    #[test]
    fn progress_reads_well() {
        let line = progress(&Frame { now: Some(&snapshot(1, 1)), before: None, done: done() }, 70).render(70, OFF);
        assert_eq!(line, " 61 %  ██████████████▋░░░░░░░░░  122.0 MB of 200.0 MB  1.4 s, 1 s left");
    }

    #[test]
    fn a_log_line_is_of_all_kernels() {
        let now = snapshot(3, 40);
        let line = log_line(&Frame { now: Some(&now), before: None, done: done() });
        assert!(
            line.starts_with(
                "   1.4 s   61 %  122.0 MB    21.3 k msg/s     87.1 MB/s      120 received       90 processed"
            ),
            "{line}"
        );
        assert!(line.contains("p50") && !line.contains('\x1b'));
        let none = log_line(&Frame { now: None, before: None, done: done() });
        assert!(none.ends_with("21.3 k msg/s     87.1 MB/s"), "{none}");
    }
}
