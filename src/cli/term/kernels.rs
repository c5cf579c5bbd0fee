//! Tables of kernels: pure functions from snapshots and a width to lines.
//!
//! A table that is too wide shortens long names, then gives up its least important columns.

use std::time::Duration;

use ringscope::{KernelState, KernelTelemetry, Latency, Snapshot};

use crate::cli::term::text::{Style, StyledText, Text, plain, styled};
use crate::cli::term::units::{self, NONE};

/// A column of a table of kernels.
struct Column {
    title: &'static str,
    /// Columns of the highest rank are given up first; those of rank 0 never.
    rank: u8,
    cell: fn(&Row) -> StyledText,
}

impl Column {
    /// Whether it is written to the left, as words are.
    fn is_name(&self) -> bool {
        [ID.title, DEVICE.title, STATE.title].contains(&self.title)
    }
}

/// One kernel, or all together.
struct Row<'a> {
    kernel: &'a KernelTelemetry,
    /// Where there are several.
    device: Option<String>,
    /// Messages and bytes a second.
    rates: (f64, f64),
    /// With all digits.
    exact: bool,
    style: Style,
}

impl Row<'_> {
    fn digits(&self, n: u64) -> String {
        if self.exact { units::exact(n) } else { units::count(n) }
    }
    fn number(&self, n: u64) -> StyledText {
        plain(&self.digits(n))
    }
    fn latency(&self, of: fn(&Latency) -> f64) -> StyledText {
        plain(&self.kernel.latency.as_ref().map_or_else(|| NONE.to_owned(), |l| units::latency(of(l))))
    }
}

const ID: Column = Column { title: "kernel", rank: 0, cell: |r| styled(r.style, &r.kernel.kernel_id) };
const DEVICE: Column = Column { title: "device", rank: 4, cell: |r| plain(r.device.as_deref().unwrap_or_default()) };
const STATE: Column =
    Column { title: "state", rank: 2, cell: |r| styled(state_style(r.kernel.state), r.kernel.state.name()) };
const RECEIVED: Column = Column { title: "received", rank: 5, cell: |r| r.number(r.kernel.messages_received) };
const PROCESSED: Column = Column { title: "processed", rank: 1, cell: |r| r.number(r.kernel.messages_processed) };
const ERRORS: Column = Column {
    title: "errors",
    rank: 3,
    cell: |r| styled(if r.kernel.errors > 0 { Style::Bad } else { Style::Plain }, &r.digits(r.kernel.errors)),
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

const LIVE: &[Column] =
    &[ID, DEVICE, STATE, RECEIVED, PROCESSED, ERRORS, MESSAGE_RATE, BYTE_RATE, P50, P99, QUEUE, BUSY];
const SUMMARY: &[Column] =
    &[ID, DEVICE, STATE, RECEIVED, PROCESSED, ERRORS, MESSAGE_RATE, BYTE_RATE, P50, P95, P99, MAX, QUEUE_MOST, BUSY];

fn state_style(state: KernelState) -> Style {
    match state {
        KernelState::Active => Style::Good,
        KernelState::Terminating => Style::Warn,
        state if state.needs_attention() => Style::Bad,
        _ => Style::Dim,
    }
}

const GAP: usize = 2;
/// Columns that a long name keeps before other columns are given up for it.
const NAME: usize = 16;

/// The columns' titles and the rows, numbers to the right, names to the left, in at most `width` columns: but for the
/// numbers that are never given up, which are cut when they are rendered.
fn table(columns: &[Column], rows: &[Row], width: usize, widest: &mut [usize]) -> Vec<Text> {
    let cells: Vec<Vec<StyledText>> = rows.iter().map(|row| columns.iter().map(|c| (c.cell)(row)).collect()).collect();
    let needed = |i: usize| cells.iter().map(|row| row[i].width()).fold(columns[i].title.len(), usize::max);
    // Numbers grow and shrink while one looks: a column that was wide stays wide.
    widest.iter_mut().enumerate().for_each(|(i, w)| *w = (*w).max(needed(i)));
    let several_devices = rows.iter().any(|row| row.device.is_some());
    let wanted = (0..columns.len()).filter(|i| several_devices || columns[*i].title != DEVICE.title).collect();
    let (kept, widths) = fit(columns, wanted, widest, width);
    let line = |cell: &dyn Fn(usize) -> StyledText| {
        let mut spans = Vec::with_capacity(kept.len() * 3);
        for i in kept.iter().copied() {
            let cell = cell(i).shortened(widths[i]);
            let pad = widths[i] - cell.width();
            let (before, after) = if columns[i].is_name() { (0, pad) } else { (pad, 0) };
            let gap = if i == 0 { 0 } else { GAP };
            spans.extend([plain(&" ".repeat(gap + before)), cell, plain(&" ".repeat(after))]);
        }
        Text::from(spans)
    };
    let titles = line(&|i| styled(Style::Dim, columns[i].title));
    std::iter::once(titles).chain(cells.iter().map(|row| line(&|i| row[i].clone()))).collect()
}

/// The columns that are kept of those that are wanted, and the width of each: the first, a name, takes what the others leave.
fn fit(columns: &[Column], wanted: Vec<usize>, widest: &[usize], width: usize) -> (Vec<usize>, Vec<usize>) {
    let mut kept = wanted;
    let others = |kept: &[usize]| kept.iter().skip(1).map(|i| widest[*i] + GAP).sum::<usize>();
    while others(&kept) + widest[0].min(NAME) > width {
        let given_up = kept.iter().copied().filter(|i| columns[*i].rank > 0).max_by_key(|i| columns[*i].rank);
        let Some(least) = given_up else { break };
        kept.retain(|i| *i != least);
    }
    let mut widths = widest.to_vec();
    widths[0] = widths[0].min(width.saturating_sub(others(&kept)));
    (kept, widths)
}

/// All kernels as one, for a last row: counts add up, rates too, latencies are those of all messages.
pub fn total(snapshot: &Snapshot) -> Option<KernelTelemetry> {
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
pub fn rates(kernel: &KernelTelemetry, before: Option<&Snapshot>, over: Duration) -> (f64, f64) {
    let start = before.and_then(|s| s.kernel(&kernel.kernel_id));
    let since = |of: fn(&KernelTelemetry) -> u64| of(kernel).saturating_sub(start.map_or(0, of)) as f64;
    match over.as_secs_f64() {
        s if s > 0.0 => (since(KernelTelemetry::handled) / s, since(|k| k.bytes_in) / s),
        _ => (0.0, 0.0),
    }
}

/// Remembers column widths from frame to frame, so that columns do not jump about.
pub type Widths = [usize; LIVE.len()];

/// The table of the first `shown` kernels while they run, in at most `width` columns: rates are of the time `over` since
/// `before`.
pub fn live(
    now: &Snapshot,
    shown: usize,
    before: Option<&Snapshot>,
    over: Duration,
    width: usize,
    widest: &mut Widths,
) -> Vec<Text> {
    let row = |kernel| {
        let rates = rates(kernel, before, over);
        Row { kernel, device: now.device_label(kernel), rates, exact: false, style: Style::Bold }
    };
    let rows: Vec<Row> = now.kernels.iter().take(shown).map(row).collect();
    table(LIVE, &rows, width, widest)
}

/// The summary table: all digits, since the start, and a row for all kernels together.
pub fn summary(snapshot: &Snapshot, time: Duration, width: usize) -> Vec<Text> {
    let whole = |kernel| {
        let rates = rates(kernel, None, time);
        Row { kernel, device: snapshot.device_label(kernel), rates, exact: true, style: Style::Bold }
    };
    let all = total(snapshot);
    let mut rows: Vec<Row> = snapshot.kernels.iter().map(whole).collect();
    rows.extend(all.as_ref().map(|all| Row { style: Style::Dim, device: None, ..whole(all) }));
    table(SUMMARY, &rows, width, &mut [0; SUMMARY.len()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::term::sample::{LONG_NAMES, on_two_devices, snapshot, snapshot_of};
    use crate::cli::term::text::Paint;

    const OFF: Paint = Paint { on: false };

    #[test]
    fn columns_line_up_and_the_least_important_go_first() {
        let now = snapshot(11, 40);
        let lines = |width| {
            let lines = live(&now, usize::MAX, None, Duration::ZERO, width, &mut Widths::default());
            lines.iter().map(|l| l.render(width, OFF)).collect::<Vec<_>>()
        };
        let wide = lines(200);
        assert!(wide[0].starts_with("kernel     state   received  processed  errors  msg/s  MB/s"), "{}", wide[0]);
        assert!(wide[0].ends_with("  p50    p99  queue  busy"), "{}", wide[0]);
        assert!(wide[1].starts_with("worker_0   active        40         30      10      0   0.0"), "{}", wide[1]);
        assert!(wide[11].starts_with("worker_10  active"));
        assert!(wide.iter().all(|l| l.chars().count() == wide[0].chars().count()));
        let narrow = lines(40);
        assert!(narrow[0].starts_with("kernel     state") && narrow[0].contains("msg/s"), "{}", narrow[0]);
        assert!(!narrow[0].contains("queue") && !narrow[0].contains("p50"), "{}", narrow[0]);
        assert_eq!(lines(5)[1], "wo…_0");
    }

    #[test]
    fn several_devices_are_a_column() {
        let now = on_two_devices();
        let shown = |lines: Vec<Text>| lines.iter().map(|l| l.render(200, OFF)).collect::<Vec<_>>();
        let all = shown(summary(&now, Duration::from_secs(1), 200));
        let live = shown(live(&now, 2, None, Duration::ZERO, 200, &mut Widths::default()));
        for lines in [&all, &live] {
            assert!(lines[0].starts_with("kernel    device  state "), "{lines:?}");
            assert!(
                lines[1].starts_with("worker_0  0 host  ") && lines[2].starts_with("worker_1  1 host  "),
                "{lines:?}"
            );
        }
        assert_eq!((all.len(), live.len()), (5, 3));
        assert!(all[3].starts_with("parser            "), "{all:?}");
        assert!(all[4].starts_with("all               "), "{all:?}");
        let narrow = summary(&now, Duration::from_secs(1), 40);
        assert!(!narrow[0].render(40, OFF).contains("device"), "{narrow:?}");
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
    fn the_last_row_is_of_all_kernels() {
        let now = snapshot(3, 40);
        let lines: Vec<String> =
            summary(&now, Duration::from_secs(1), 200).iter().map(|l| l.render(200, OFF)).collect();
        assert_eq!(lines.len(), 5);
        let all: Vec<&str> = lines[4].split_whitespace().collect();
        assert_eq!(all[..6], ["all", "active", "120", "90", "30", "120"]);
    }

    #[test]
    fn long_names_are_shortened_before_columns_are_given_up() {
        let now = snapshot_of(&LONG_NAMES, 40);
        for width in [40, 80, 100] {
            let tables = [
                live(&now, usize::MAX, None, Duration::ZERO, width, &mut Widths::default()),
                summary(&now, Duration::from_secs(1), width),
            ];
            for lines in tables {
                assert!(lines.iter().all(|line| line.width() == width), "{width}: {lines:?}");
                let shown: Vec<String> = lines.iter().map(|line| line.render(width, OFF)).collect();
                assert!(shown[1].starts_with("a_kernel") && shown[1].contains("…"), "{shown:?}");
                assert!(shown[3].starts_with("\\u{202e}"), "{shown:?}");
                // Names that differ at their ends stay different.
                assert!(shown[1].contains("0 ") && shown[2].contains("1 "), "{shown:?}");
                assert!(shown[0].contains("msg/s"), "{shown:?}");
                assert!(shown.concat().chars().all(|c| !c.is_control() && c != '\u{202e}' && c != '\u{200b}'));
            }
        }
        let whole = summary(&now, Duration::from_secs(1), usize::MAX);
        assert!(whole[1].render(usize::MAX, OFF).starts_with(LONG_NAMES[0]));
    }
}
