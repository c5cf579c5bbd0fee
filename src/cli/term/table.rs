//! Rendering: pure functions from values and a width to lines.
//!
//! A line is a [`Text`], spans with a meaning each; only [`Text::render`] turns meaning into colour, and cuts. A table
//! that is too wide gives up its least important columns first.

use std::time::Duration;

use ringscope::{KernelState, KernelTelemetry, Latency, Snapshot};

use crate::cli::term::units::{self, NONE};

/// What a span means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Nothing special.
    Plain,
    /// A title, a name.
    Bold,
    /// Beside the point.
    Dim,
    /// As it should be.
    Good,
    /// Worth a look.
    Warn,
    /// Wrong.
    Bad,
}

/// Whether styles become colours.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    /// They do.
    pub on: bool,
}

impl Paint {
    fn apply(self, style: Style, text: &str) -> String {
        let code = match style {
            Style::Plain => return text.to_owned(),
            Style::Bold => "1",
            Style::Dim => "2",
            Style::Good => "32",
            Style::Warn => "33",
            Style::Bad => "31",
        };
        if self.on && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// A piece of a line.
pub type StyledText = (Style, String);

/// A span.
pub fn styled(style: Style, text: &str) -> StyledText {
    (style, text.to_owned())
}

/// A span without a style.
pub fn plain(text: &str) -> StyledText {
    styled(Style::Plain, text)
}

/// One line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Text(Vec<StyledText>);

impl From<Vec<StyledText>> for Text {
    fn from(spans: Vec<StyledText>) -> Text {
        Text(spans)
    }
}

impl Text {
    /// Columns that it takes.
    pub fn width(&self) -> usize {
        self.0.iter().map(|(_, text)| text.chars().count()).sum()
    }

    /// The line in at most `width` columns; what is cut off leaves an ellipsis.
    pub fn render(&self, width: usize, paint: Paint) -> String {
        let cut = self.width() > width;
        let mut left = if cut { width.saturating_sub(1) } else { width };
        let mut line = String::new();
        for (style, text) in &self.0 {
            let kept: String = text.chars().take(left).collect();
            left = left.saturating_sub(kept.chars().count());
            line.push_str(&paint.apply(*style, &kept));
        }
        if cut && width > 0 {
            line.push('…');
        }
        line
    }
}

// ---- tables --------------------------------------------------------------------------------------------

/// A column of a table of kernels.
struct Column {
    title: &'static str,
    /// Columns of the highest rank are given up first; those of rank 0 never.
    rank: u8,
    cell: fn(&Row) -> StyledText,
}

/// One kernel, or all together.
struct Row<'a> {
    kernel: &'a KernelTelemetry,
    /// Messages and bytes a second.
    rates: (f64, f64),
    /// With all digits.
    exact: bool,
    style: Style,
}

impl Row<'_> {
    fn number(&self, n: u64) -> StyledText {
        (Style::Plain, if self.exact { units::exact(n) } else { units::count(n) })
    }
    fn latency(&self, of: fn(&Latency) -> f64) -> StyledText {
        (Style::Plain, self.kernel.latency.as_ref().map_or_else(|| NONE.to_owned(), |l| units::latency(of(l))))
    }
}

const ID: Column = Column { title: "kernel", rank: 0, cell: |r| styled(r.style, &r.kernel.kernel_id) };
const STATE: Column =
    Column { title: "state", rank: 2, cell: |r| styled(state_style(r.kernel.state), r.kernel.state.name()) };
const RECEIVED: Column = Column { title: "received", rank: 5, cell: |r| r.number(r.kernel.messages_received) };
const PROCESSED: Column = Column { title: "processed", rank: 1, cell: |r| r.number(r.kernel.messages_processed) };
const ERRORS: Column = Column {
    title: "errors",
    rank: 3,
    cell: |r| (if r.kernel.errors > 0 { Style::Bad } else { Style::Plain }, r.number(r.kernel.errors).1),
};
const MESSAGE_RATE: Column = Column { title: "msg/s", rank: 1, cell: |r| plain(&units::rate(r.rates.0)) };
const BYTE_RATE: Column = Column { title: "MB/s", rank: 2, cell: |r| plain(&units::megabytes(r.rates.1)) };
const P50: Column = Column { title: "p50", rank: 4, cell: |r| r.latency(|l| l.p50_ns) };
const P95: Column = Column { title: "p95", rank: 9, cell: |r| r.latency(|l| l.p95_ns) };
const P99: Column = Column { title: "p99", rank: 3, cell: |r| r.latency(|l| l.p99_ns) };
const MAX: Column = Column { title: "max", rank: 8, cell: |r| r.latency(|l| l.max_ns as f64) };
const QUEUE: Column = Column { title: "queue", rank: 6, cell: |r| r.number(r.kernel.queue_depth) };
const QUEUE_MOST: Column = Column { title: "queue max", rank: 7, cell: |r| r.number(r.kernel.queue_high_water) };
const BUSY: Column = Column { title: "busy", rank: 4, cell: |r| plain(&units::percent(r.kernel.busy_ratio)) };

const LIVE: &[Column] = &[ID, STATE, RECEIVED, PROCESSED, ERRORS, MESSAGE_RATE, BYTE_RATE, P50, P99, QUEUE, BUSY];
const SUMMARY: &[Column] =
    &[ID, STATE, RECEIVED, PROCESSED, ERRORS, MESSAGE_RATE, BYTE_RATE, P50, P95, P99, MAX, QUEUE_MOST, BUSY];

fn state_style(state: KernelState) -> Style {
    match state {
        KernelState::Active => Style::Good,
        KernelState::Terminating => Style::Warn,
        state if state.needs_attention() => Style::Bad,
        _ => Style::Dim,
    }
}

/// The columns' titles and the rows, numbers to the right, names to the left, in at most `width` columns: but for the
/// columns that are never given up, which are cut when they are rendered.
fn table(columns: &[Column], rows: &[Row], width: usize, widest: &mut [usize]) -> Vec<Text> {
    const GAP: usize = 2;
    let cells: Vec<Vec<StyledText>> = rows.iter().map(|row| columns.iter().map(|c| (c.cell)(row)).collect()).collect();
    let mut kept: Vec<usize> = (0..columns.len()).collect();
    let needed = |i: usize| {
        let cells = cells.iter().map(|row| row[i].1.chars().count()).max().unwrap_or(0);
        cells.max(columns[i].title.chars().count())
    };
    // Numbers grow and shrink while one looks: a column that was wide stays wide.
    widest.iter_mut().enumerate().for_each(|(i, w)| *w = (*w).max(needed(i)));
    let total = |kept: &[usize]| kept.iter().map(|i| widest[*i] + GAP).sum::<usize>().saturating_sub(GAP);
    while total(&kept) > width {
        let Some(least) = kept.iter().copied().filter(|i| columns[*i].rank > 0).max_by_key(|i| columns[*i].rank) else {
            break;
        };
        kept.retain(|i| *i != least);
    }
    let line = |cell: &dyn Fn(usize) -> StyledText| {
        let mut spans = Vec::with_capacity(kept.len() * 2);
        for (at, i) in kept.iter().copied().enumerate() {
            let (style, text) = cell(i);
            let pad = widest[i].saturating_sub(text.chars().count());
            let left = columns[i].title == ID.title || columns[i].title == STATE.title;
            let (before, after) = if left { (0, pad) } else { (pad, 0) };
            let gap = if at == 0 { 0 } else { GAP };
            spans.push(plain(&" ".repeat(gap + before)));
            spans.push((style, text));
            spans.push(plain(&" ".repeat(after)));
        }
        Text(spans)
    };
    let titles = line(&|i| styled(Style::Dim, columns[i].title));
    std::iter::once(titles).chain(cells.iter().map(|row| line(&|i| row[i].clone()))).collect()
}

/// All kernels as one, for a last row: counts add up, rates too, latencies are those of all messages.
fn total(snapshot: &Snapshot) -> Option<KernelTelemetry> {
    let (first, _) = snapshot.kernels.split_first().filter(|(_, rest)| !rest.is_empty())?;
    let totals = snapshot.totals();
    let mut all = first.clone();
    all.kernel_id = "all".into();
    all.messages_received = totals.messages_received;
    all.messages_processed = totals.messages_processed;
    all.errors = totals.errors;
    all.bytes_in = totals.bytes_in;
    all.queue_depth = totals.queue_depth;
    all.queue_high_water = totals.queue_high_water;
    all.busy_ratio = totals.busy_ratio;
    all.latency = Latency::from_histogram(&snapshot.merged_latencies());
    // The state that most needs a look.
    all.state = snapshot.kernels.iter().map(|k| k.state).max_by_key(|s| *s as u8).unwrap_or(all.state);
    Some(all)
}

/// Messages and bytes a second between two snapshots; of no time none.
fn rates(kernel: &KernelTelemetry, before: Option<&Snapshot>, over: Duration) -> (f64, f64) {
    let start = before.and_then(|s| s.kernel(&kernel.kernel_id));
    let since = |of: fn(&KernelTelemetry) -> u64| of(kernel).saturating_sub(start.map_or(0, of)) as f64;
    match over.as_secs_f64() {
        s if s > 0.0 => (since(KernelTelemetry::handled) / s, since(|k| k.bytes_in) / s),
        _ => (0.0, 0.0),
    }
}

// ---- while it runs -------------------------------------------------------------------------------------

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

/// Remembers column widths from frame to frame, so that columns do not jump about.
pub type Widths = [usize; LIVE.len()];

/// The live display: progress, then one line for each kernel, in at most `width` columns and `rows` rows.
pub fn live(frame: &Frame, (width, rows): (usize, usize), widest: &mut Widths) -> Vec<Text> {
    let mut lines = vec![progress(frame, width)];
    let Some(now) = frame.now else {
        lines.truncate(rows);
        return lines;
    };
    // Progress, titles, and perhaps the line that says how many more there are.
    let room = rows.saturating_sub(2);
    let shown = if now.kernels.len() > room { room.saturating_sub(1) } else { now.kernels.len() };
    let row =
        |kernel| Row { kernel, rates: rates(kernel, frame.before, frame.over()), exact: false, style: Style::Bold };
    let kernels: Vec<Row> = now.kernels[..shown].iter().map(row).collect();
    lines.extend(table(LIVE, &kernels, width, widest));
    let more = now.kernels.len() - shown;
    if more > 0 {
        lines.push(Text(vec![styled(Style::Dim, &format!("and {more} more kernels"))]));
    }
    lines.truncate(rows);
    lines
}

/// `  61 %  ████████░░░░  122.0 MB of 200.0 MB  1.4 s, 1 s left`; the bar takes what room there is.
fn progress(frame: &Frame, width: usize) -> Text {
    let done = &frame.done;
    let mut amount = units::bytes(done.bytes);
    if let Some(all) = done.of_bytes {
        amount = format!("{amount} of {}", units::bytes(all));
    }
    let mut spans = vec![plain(&format!("{amount}  ")), styled(Style::Dim, &time(done))];
    if frame.now.is_none() {
        let (messages, bytes) = frame.all_rates();
        spans.push(plain(&format!("  {} msg/s  {} MB/s", units::rate(messages), units::megabytes(bytes))));
    }
    if done.mismatches > 0 {
        spans.push(styled(Style::Bad, &format!("  {} wrong", units::exact(done.mismatches))));
    }
    if done.refused > 0 {
        spans.push(styled(Style::Warn, &format!("  {} refused", units::count(done.refused))));
    }
    if let Some(part) = done.part {
        let percent = format!("{:>5}  ", units::percent(part));
        let taken = percent.chars().count() + Text(spans.clone()).width() + 2;
        let mut before = vec![styled(Style::Bold, &percent)];
        before.extend(bar(part, width.saturating_sub(taken).min(40)));
        spans.splice(0..0, before);
    }
    Text(spans)
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
        let all = total(now);
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

// ---- at the end ----------------------------------------------------------------------------------------

/// The summary table: all digits, since the start, and a row for all kernels together.
pub fn summary(snapshot: &Snapshot, time: Duration, width: usize) -> Vec<Text> {
    let whole = |kernel| Row { kernel, rates: rates(kernel, None, time), exact: true, style: Style::Bold };
    let all = total(snapshot);
    let mut rows: Vec<Row> = snapshot.kernels.iter().map(whole).collect();
    rows.extend(all.as_ref().map(|all| Row { style: Style::Dim, ..whole(all) }));
    table(SUMMARY, &rows, width, &mut [0; SUMMARY.len()])
}

/// Words in lines of at most `width` columns; a longer word has a line of its own.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().filter(|l| l.is_empty() || l.chars().count() + 1 + word.chars().count() <= width);
        match line {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) => *line += &format!(" {word}"),
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringscope::TelemetryCollector;
    use std::sync::Arc;

    const OFF: Paint = Paint { on: false };
    const ON: Paint = Paint { on: true };

    fn snapshot(kernels: usize, messages: u64) -> Arc<Snapshot> {
        let collector = TelemetryCollector::new(true);
        for i in 0..kernels {
            let id = format!("worker_{i}");
            for n in 0..messages {
                collector.record_receive(&id).unwrap();
                match n % 4 {
                    3 => collector.record_error(&id, "refused").unwrap(),
                    _ => collector.record_processed(&id, Some(Duration::from_nanos(n))).unwrap(),
                }
            }
            if messages == 0 {
                collector.actor(&id).unwrap();
            }
        }
        collector.snapshot().unwrap()
    }

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
            .map(|s| s.chars().count())
            .sum()
    }

    #[test]
    fn no_size_is_exceeded() {
        let now = snapshot(5, 40);
        for done in [done(), Done::default(), Done { mismatches: 7, refused: 12, ..done() }] {
            for now in [None, Some(&*now), Some(&*snapshot(0, 0)), Some(&*snapshot(1, 0))] {
                for width in [0, 1, 2, 7, 20, 39, 40, 79, 80, 81, 120, 200, 10_000] {
                    for rows in [0, 1, 2, 3, 4, 24] {
                        let frame = Frame { now, before: None, done };
                        let lines = live(&frame, (width, rows), &mut [0; LIVE.len()]);
                        assert!(lines.len() <= rows, "{rows}");
                        for line in lines.iter().map(|l| l.render(width, ON)) {
                            assert!(columns_without_escapes(&line) <= width, "{width}: {line:?}");
                        }
                    }
                }
            }
        }
        for width in [0, 1, 20, 80, 200] {
            for line in summary(&now, Duration::from_secs(1), width) {
                assert!(line.render(width, OFF).chars().count() <= width);
            }
        }
    }

    #[test]
    fn columns_line_up_and_the_least_important_go_first() {
        let now = snapshot(11, 40);
        let frame = Frame { now: Some(&now), before: None, done: done() };
        let lines = |width| {
            live(&frame, (width, 50), &mut [0; LIVE.len()]).iter().map(|l| l.render(width, OFF)).collect::<Vec<_>>()
        };
        let wide = lines(200);
        assert!(wide[1].starts_with("kernel     state   received  processed  errors  msg/s  MB/s"), "{}", wide[1]);
        assert!(wide[1].ends_with("  p50    p99  queue  busy"), "{}", wide[1]);
        assert!(wide[2].starts_with("worker_0   active        40         30      10      0   0.0"), "{}", wide[2]);
        assert!(wide[12].starts_with("worker_10  active"));
        assert!(wide[1..].iter().all(|l| l.chars().count() == wide[1].chars().count()));
        let narrow = lines(40);
        assert!(narrow[1].starts_with("kernel     state") && narrow[1].contains("msg/s"), "{}", narrow[1]);
        assert!(!narrow[1].contains("queue") && !narrow[1].contains("p50"), "{}", narrow[1]);
        assert_eq!(lines(5)[2], "work…");
    }

    #[test]
    fn more_kernels_than_rows() {
        let now = snapshot(30, 1);
        let frame = Frame { now: Some(&now), before: None, done: done() };
        let lines = live(&frame, (80, 10), &mut [0; LIVE.len()]);
        assert_eq!(lines.len(), 10);
        assert_eq!(lines[9].render(80, OFF), "and 23 more kernels");
    }

    #[test]
    fn progress_reads_well() {
        let line = progress(&Frame { now: Some(&snapshot(1, 1)), before: None, done: done() }, 70).render(70, OFF);
        assert_eq!(line, " 61 %  ██████████████▋░░░░░░░░░  122.0 MB of 200.0 MB  1.4 s, 1 s left");
    }

    #[test]
    fn rates_are_of_the_time_between_two_snapshots() {
        let (before, now) = (snapshot(1, 10), snapshot(1, 30));
        let kernel = &now.kernels[0];
        assert_eq!(rates(kernel, Some(&before), Duration::from_secs(2)).0, 10.0);
        assert_eq!(rates(kernel, None, Duration::from_secs(2)).0, 15.0);
        assert_eq!(rates(kernel, Some(&before), Duration::ZERO), (0.0, 0.0));
    }

    #[test]
    fn totals_and_log_lines() {
        let now = snapshot(3, 40);
        let lines: Vec<String> =
            summary(&now, Duration::from_secs(1), 200).iter().map(|l| l.render(200, OFF)).collect();
        assert_eq!(lines.len(), 5);
        let all: Vec<&str> = lines[4].split_whitespace().collect();
        assert_eq!(all[..6], ["all", "active", "120", "90", "30", "120"]);
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

    #[test]
    fn words_wrap() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("one two three", 0), ["one", "two", "three"]);
        assert_eq!(wrap("", 10), [""]);
    }
}
