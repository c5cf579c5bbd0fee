//! The table of kernels: which rows, in which order.

use std::cmp::Ordering;
use std::sync::Arc;

use ringscope::feed::Moment;
use ringscope::snapshot::DeviceSummary;
use ringscope::{KernelState, KernelTelemetry, Snapshot};

use crate::cli::top::state::history::History;
use crate::cli::top::state::point::Point;

/// What the table can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// The kernel's name.
    Kernel,
    /// The device that it runs on; shown where there are several.
    Device,
    /// Its state; those that need attention are the most.
    State,
    /// Messages a second.
    Rate,
    /// Median of the latencies.
    P50,
    /// 99th percentile of the latencies.
    P99,
    /// Messages waiting.
    Queue,
    /// Errors a second.
    Errors,
    /// Busy ratio.
    Busy,
    /// Bytes a second.
    Bytes,
    /// Messages handled in all.
    Total,
}

impl Column {
    /// All columns, from left to right.
    pub const ALL: [Column; 11] = [
        Column::Kernel,
        Column::Device,
        Column::State,
        Column::Rate,
        Column::P50,
        Column::P99,
        Column::Queue,
        Column::Errors,
        Column::Busy,
        Column::Bytes,
        Column::Total,
    ];

    /// Returns the title.
    pub const fn title(self) -> &'static str {
        match self {
            Column::Kernel => "kernel",
            Column::Device => "device",
            Column::State => "state",
            Column::Rate => "msg/s",
            Column::P50 => "p50",
            Column::P99 => "p99",
            Column::Queue => "queue",
            Column::Errors => "err/s",
            Column::Busy => "busy",
            Column::Bytes => "MB/s",
            Column::Total => "handled",
        }
    }

    /// Returns the column so many further, around the end; the one of devices only if there are several.
    pub fn further(self, places: isize, several_devices: bool) -> Column {
        let all = Column::ALL.into_iter().filter(|column| several_devices || *column != Column::Device);
        let shown: Vec<Column> = all.collect();
        let at = shown.iter().position(|column| *column == self).unwrap_or(0);
        shown[(at as isize + places).rem_euclid(shown.len() as isize) as usize]
    }
}

/// One row: a kernel, and what it did until that moment.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// Its numbers.
    pub kernel: &'a KernelTelemetry,
    /// What it runs on, where there are several devices.
    pub device: Option<&'a DeviceSummary>,
    /// What it did since the moment before; `None` at the first.
    pub point: Option<&'a Point>,
}

impl<'a> Row<'a> {
    /// Makes that of a kernel of this snapshot.
    pub fn new(snapshot: &'a Snapshot, kernel: &'a KernelTelemetry, point: Option<&'a Point>) -> Row<'a> {
        let device = snapshot.device_of(kernel).filter(|_| snapshot.devices.len() > 1);
        Row { kernel, device, point }
    }
}

/// How the table is sorted, and what is left out.
#[derive(Clone, Debug)]
pub struct Table {
    /// By what.
    pub by: Column,
    /// The most first.
    pub descending: bool,
}

impl Default for Table {
    fn default() -> Self {
        // What needs somebody's attention stands on top.
        Table { by: Column::State, descending: true }
    }
}

impl Table {
    /// Sorts by that column: numbers the most first, names from a to z, devices in their order; the same again turns it round.
    pub fn sort_by(&mut self, column: Column) {
        self.descending =
            if self.by == column { !self.descending } else { !matches!(column, Column::Kernel | Column::Device) };
        self.by = column;
    }

    /// Returns the rows of a moment whose kernels have `filter` in their names, in order.
    pub fn rows<'a>(&self, history: &'a History, number: u64, moment: &'a Moment, filter: &str) -> Vec<Row<'a>> {
        let kernels = moment.snapshot.kernels.iter().filter(|kernel| matches(&kernel.kernel_id, filter));
        let point = |kernel: &KernelTelemetry| history.series(&kernel.kernel_id).and_then(|series| series.at(number));
        let mut rows: Vec<Row> = kernels.map(|kernel| Row::new(&moment.snapshot, kernel, point(kernel))).collect();
        rows.sort_by(|a, b| self.order(a, b));
        rows
    }

    fn order(&self, a: &Row, b: &Row) -> Ordering {
        let number = |of: fn(&Row) -> f64| of(a).total_cmp(&of(b));
        let point = |of: fn(&Point) -> f64| value(a, of).total_cmp(&value(b, of));
        let order = match self.by {
            Column::Kernel => natural(&a.kernel.kernel_id, &b.kernel.kernel_id),
            // A host actor's comes first.
            Column::Device => a.kernel.device.cmp(&b.kernel.device),
            Column::State => urgency(a.kernel.state).cmp(&urgency(b.kernel.state)),
            Column::Rate => point(|point| f64::from(point.messages)),
            Column::P50 => point(|point| point.p50.map_or(-1.0, f64::from)),
            Column::P99 => point(|point| point.p99.map_or(-1.0, f64::from)),
            Column::Queue => a.kernel.queue_depth.cmp(&b.kernel.queue_depth),
            Column::Errors => point(|point| f64::from(point.errors)),
            Column::Busy => point(|point| f64::from(point.busy)),
            Column::Bytes => point(|point| f64::from(point.bytes)),
            Column::Total => number(|row| row.kernel.handled() as f64),
        };
        let order = if self.descending { order.reverse() } else { order };
        order.then_with(|| natural(&a.kernel.kernel_id, &b.kernel.kernel_id))
    }
}

fn value(row: &Row, of: fn(&Point) -> f64) -> f64 {
    row.point.map_or(-1.0, of)
}

/// Whether a name has the filter in it, whatever their cases.
pub fn matches(name: &str, filter: &str) -> bool {
    filter.is_empty() || name.to_lowercase().contains(&filter.to_lowercase())
}

fn urgency(state: KernelState) -> u8 {
    match state {
        KernelState::Failed => 3,
        KernelState::Stalled => 2,
        KernelState::Terminating => 1,
        _ => 0,
    }
}

/// `worker_2` before `worker_10`.
pub fn natural(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    loop {
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let (of_left, of_right) = (digits(left), digits(right));
        if of_left > 0 && of_right > 0 {
            let (x, y) = (left[..of_left].trim_start_matches('0'), right[..of_right].trim_start_matches('0'));
            let order = x.len().cmp(&y.len()).then_with(|| x.cmp(y));
            if order != Ordering::Equal {
                return order;
            }
            (left, right) = (&left[of_left..], &right[of_right..]);
            continue;
        }
        let (mut x, mut y) = (left.chars(), right.chars());
        match (x.next(), y.next()) {
            (Some(c), Some(d)) if c == d => (left, right) = (x.as_str(), y.as_str()),
            (None, None) => return a.cmp(b),
            (c, d) => return c.cmp(&d),
        }
    }
}

/// The names of all kernels of a moment that have `filter` in them, as the page of kernels shows them.
pub fn names(rows: &[Row]) -> Vec<Arc<str>> {
    rows.iter().map(|row| Arc::clone(&row.kernel.kernel_id)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::top::state::sample::Sample;

    #[test]
    fn numbers_in_names_count_as_numbers() {
        let mut names = ["worker_10", "worker_2", "a", "worker_02", "worker_", "", "設定2", "設定10"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["", "a", "worker_", "worker_02", "worker_2", "worker_10", "設定2", "設定10"]);
    }

    #[test]
    fn what_needs_attention_is_on_top_and_a_column_turns_round() {
        let mut sample = Sample::new(12);
        sample.states.push((7, KernelState::Stalled));
        let mut history = History::default();
        history.push(sample.moment());
        sample.work(3, 5);
        sample.work(4, 9);
        let moment = sample.moment();
        history.push(Arc::clone(&moment));
        let mut table = Table::default();
        let names = |table: &Table, filter: &str| -> Vec<String> {
            let rows = table.rows(&history, 1, &moment, filter);
            rows.iter().map(|row| row.kernel.kernel_id.to_string()).take(3).collect()
        };
        assert_eq!(names(&table, ""), ["worker_7", "worker_0", "worker_1"]);
        table.sort_by(Column::Rate);
        assert_eq!(names(&table, ""), ["worker_4", "worker_3", "worker_0"]);
        table.sort_by(Column::Rate);
        assert_eq!(names(&table, "KER_1"), ["worker_1", "worker_10", "worker_11"]);
        table.sort_by(Column::P99);
        assert_eq!(names(&table, "")[..2], ["worker_4", "worker_3"]);
        table.sort_by(Column::Kernel);
        assert_eq!(names(&table, "")[0], "worker_0");
    }
}
