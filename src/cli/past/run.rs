//! All kernels and the machine over the whole recording.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ringscope::Snapshot;
use ringscope::collector::EventKind;
use ringscope::feed::{EntryKind, Moment};
use ringscope::histogram::Histogram;
use ringscope::machine::GpuMetrics;

use super::column::Column;
use super::happened::Happened;
use super::kernel::KernelPast;

/// The machine in one column: sums over the readings that had a sample.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MachineColumn {
    pub samples: u32,
    pub cpu_percent: f64,
    pub memory_mb: f64,
}

/// A GPU in one column: sums over the readings that had a sample, and how many those were.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GpuColumn {
    pub utilization: (u32, f64),
    pub memory_bytes: (u32, f64),
    pub temperature: (u32, f64),
    pub power: (u32, f64),
}

/// A recording, read once.
#[derive(Debug)]
pub struct Past {
    pub columns: Vec<Column>,
    pub kernels: Vec<KernelPast>,
    pub machine: Vec<MachineColumn>,
    /// Each GPU that was seen, as it was last, by its index; a column may have fewer.
    pub gpus: Vec<(GpuMetrics, Vec<GpuColumn>)>,
    pub happened: Happened,
    pub moments: u64,
    /// Entries that were gone before they could be recorded.
    pub missed: u64,
    /// The first and the last snapshot.
    pub ends: Option<(Arc<Snapshot>, Arc<Snapshot>)>,
    /// Columns that are kept at most; none is shorter than two readings are apart.
    most: usize,
    /// Readings of a column.
    per_column: u32,
    /// Readings of the column that is open, and when it began.
    open: Option<Column>,
    open_machine: (MachineColumn, HashMap<u32, GpuColumn>),
    index: HashMap<Arc<str>, usize>,
    /// Times between two readings, in nanoseconds.
    steps: Histogram,
}

/// Columns of kernels that are kept at most, all together: they are the memory that a report takes.
const MOST_CELLS: usize = 150_000;

impl Past {
    /// Nothing yet; at most so many columns.
    pub fn new(most: usize) -> Past {
        Past {
            columns: Vec::new(),
            kernels: Vec::new(),
            machine: Vec::new(),
            gpus: Vec::new(),
            happened: Happened::default(),
            moments: 0,
            missed: 0,
            ends: None,
            most: most.max(2),
            per_column: 1,
            open: None,
            open_machine: Default::default(),
            index: HashMap::new(),
            steps: Histogram::new(u32::MAX),
        }
    }

    /// Adds the next moment.
    pub fn take(&mut self, moment: &Moment) {
        self.moments += 1;
        self.missed += moment.missed;
        let now = &moment.snapshot;
        let before = self.ends.as_ref().map(|(_, last)| Arc::clone(last));
        match &before {
            None => self.begin(now),
            Some(last) if now.sequence <= last.sequence || now.time < last.time => self.restart(last.time, now),
            Some(last) => self.step(last.time, moment),
        }
        self.happened.take(moment, before.as_deref());
        let first = self.ends.take().map_or_else(|| Arc::clone(now), |(first, _)| first);
        self.ends = Some((first, Arc::clone(now)));
    }

    /// Ends the last column.
    pub fn end(&mut self) {
        self.close();
        let columns = self.columns.len();
        self.kernels.iter_mut().for_each(|kernel| kernel.columns.resize_with(columns, || None));
        self.gpus.iter_mut().for_each(|(_, all)| all.resize(columns, GpuColumn::default()));
        self.happened.end(self.ends.as_ref().map(|(_, last)| last.time));
    }

    /// From the first reading to the last.
    pub fn span(&self) -> Option<(SystemTime, SystemTime)> {
        self.ends.as_ref().map(|(first, last)| (first.time, last.time))
    }

    /// The time between two readings, where there are two: of half of them it is less.
    pub fn step_between(&self) -> Option<Duration> {
        (self.steps.count() > 0).then(|| Duration::from_nanos(self.steps.quantile(0.5) as u64))
    }

    fn begin(&mut self, now: &Snapshot) {
        for kernel in &now.kernels {
            self.index.insert(Arc::clone(&kernel.kernel_id), self.kernels.len());
            self.kernels.push(KernelPast::new(kernel, true));
        }
    }

    /// The program was started again, or its clock was set back.
    fn restart(&mut self, last: SystemTime, now: &Snapshot) {
        self.close();
        if let Some((from, to)) = (last < now.time).then_some((last, now.time)) {
            self.put(Column { from, to, readings: 0, gap: true });
        }
        for kernel in &now.kernels {
            match self.index.get(&kernel.kernel_id) {
                Some(known) => self.kernels[*known].restart(kernel),
                None => {
                    self.index.insert(Arc::clone(&kernel.kernel_id), self.kernels.len());
                    self.kernels.push(KernelPast::new(kernel, true));
                }
            }
        }
        self.happened.restarted(last, now.time);
    }

    fn step(&mut self, last: SystemTime, moment: &Moment) {
        let now = &moment.snapshot;
        let over = now.time.duration_since(last).unwrap_or_default();
        let gap = self.is_gap(over);
        if gap {
            self.close();
            self.happened.gap(last, now.time);
        } else {
            self.steps.record(u64::try_from(over.as_nanos()).unwrap_or(u64::MAX));
        }
        for (place, kernel) in now.kernels.iter().enumerate() {
            self.step_kernel(place, kernel, over, moment);
        }
        self.step_machine(now);
        let column = Column { from: last, to: now.time, readings: 1, gap };
        self.open = Some(self.open.map_or(column, |open| open.joined(column)));
        if gap || self.open.is_some_and(|open| open.readings >= self.per_column) {
            self.close();
        }
    }

    fn step_kernel(&mut self, place: usize, kernel: &ringscope::KernelTelemetry, over: Duration, moment: &Moment) {
        let id = &kernel.kernel_id;
        // Kernels stay in the order of their registration.
        let same = self.kernels.get(place).is_some_and(|known| known.id == *id);
        let known = if same { Some(place) } else { self.index.get(id).copied() };
        let Some(known) = known else {
            self.index.insert(Arc::clone(id), self.kernels.len());
            let mut new = KernelPast::new(kernel, false);
            new.begin(kernel, over);
            return self.kernels.push(new);
        };
        let told = moment.entries.iter().any(|entry| {
            entry.kind == EntryKind::Kernel && entry.subject == *id && *entry.text == *EventKind::Reset.name()
        });
        if self.kernels[known].take(kernel, over, told) {
            self.happened.reset(id, moment.snapshot.time);
        }
    }

    fn step_machine(&mut self, now: &Snapshot) {
        let (machine, gpus) = &mut self.open_machine;
        if let Some(system) = now.system {
            machine.samples += 1;
            machine.cpu_percent += system.cpu_utilization_percent;
            machine.memory_mb += system.memory_used_mb;
        }
        for gpu in now.gpus.iter().flat_map(|gpus| gpus.iter()) {
            let column = gpus.entry(gpu.index).or_default();
            add(&mut column.utilization, gpu.utilization_percent.map(f64::from));
            add(&mut column.memory_bytes, gpu.memory_used_bytes.map(|bytes| bytes as f64));
            add(&mut column.temperature, gpu.temperature_celsius.map(f64::from));
            add(&mut column.power, gpu.power_watts);
            match self.gpus.iter_mut().find(|(known, _)| known.index == gpu.index) {
                Some((known, _)) => known.clone_from(gpu),
                None => self.gpus.push((gpu.clone(), Vec::new())),
            }
        }
    }

    /// Whether so much time between two readings says that some are missing.
    fn is_gap(&self, over: Duration) -> bool {
        const ENOUGH: u64 = 3;
        const TIMES: f64 = 4.0;
        const LEAST: Duration = Duration::from_secs(1);
        let usual = Duration::from_nanos(self.steps.quantile(0.5) as u64);
        self.steps.count() >= ENOUGH && over > usual.mul_f64(TIMES) && over > usual + LEAST
    }

    fn close(&mut self) {
        if let Some(column) = self.open.take() {
            self.put(column);
        }
    }

    fn put(&mut self, column: Column) {
        let index = self.columns.len();
        self.columns.push(column);
        self.kernels.iter_mut().for_each(|kernel| kernel.close(index));
        let (machine, mut gpus) = std::mem::take(&mut self.open_machine);
        self.machine.push(machine);
        for (gpu, columns) in &mut self.gpus {
            columns.resize(index, GpuColumn::default());
            columns.push(gpus.remove(&gpu.index).unwrap_or_default());
        }
        if self.columns.len() > self.most.min((MOST_CELLS / self.kernels.len().max(1)).max(16)) {
            self.join();
        }
    }

    /// Joins each two neighbours. A gap stays alone, as long as there are not too many of them.
    fn join(&mut self) {
        let gaps = self.columns.iter().filter(|column| column.gap).count();
        let alone = |column: &Column| column.gap && gaps * 4 <= self.columns.len();
        let mut ranges: Vec<Range<usize>> = Vec::new();
        let mut at = 0;
        while at < self.columns.len() {
            let pair = at + 1 < self.columns.len() && !alone(&self.columns[at]) && !alone(&self.columns[at + 1]);
            ranges.push(at..at + 1 + usize::from(pair));
            at = ranges.last().map_or(at + 1, |range| range.end);
        }
        let both = |range: &Range<usize>| match *range {
            Range { start, end } if end > start + 1 => self.columns[start].joined(self.columns[start + 1]),
            Range { start, .. } => self.columns[start],
        };
        self.columns = ranges.iter().map(both).collect();
        self.kernels.iter_mut().for_each(|kernel| kernel.join(&ranges));
        self.machine = joined(&self.machine, &ranges, MachineColumn::add);
        self.gpus.iter_mut().for_each(|(_, columns)| *columns = joined(columns, &ranges, GpuColumn::add));
        self.per_column = self.per_column.saturating_mul(2);
    }
}

fn joined<T: Copy + Default>(columns: &[T], ranges: &[Range<usize>], add: fn(T, T) -> T) -> Vec<T> {
    let of = |range: &Range<usize>| {
        let there = columns.get(range.start..range.end.min(columns.len())).unwrap_or_default();
        there.iter().copied().reduce(add).unwrap_or_default()
    };
    ranges.iter().map(of).collect()
}

fn add(sum: &mut (u32, f64), value: Option<f64>) {
    if let Some(value) = value {
        *sum = (sum.0 + 1, sum.1 + value);
    }
}

impl MachineColumn {
    fn add(self, next: MachineColumn) -> MachineColumn {
        MachineColumn {
            samples: self.samples + next.samples,
            cpu_percent: self.cpu_percent + next.cpu_percent,
            memory_mb: self.memory_mb + next.memory_mb,
        }
    }
}

impl GpuColumn {
    fn add(self, next: GpuColumn) -> GpuColumn {
        let both = |a: (u32, f64), b: (u32, f64)| (a.0 + b.0, a.1 + b.1);
        GpuColumn {
            utilization: both(self.utilization, next.utilization),
            memory_bytes: both(self.memory_bytes, next.memory_bytes),
            temperature: both(self.temperature, next.temperature),
            power: both(self.power, next.power),
        }
    }
}
