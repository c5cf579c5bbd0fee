//! The questions that end by themselves.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::args::{ProbeArgs, What};
use super::entry::Entry;
use super::kinds::{Cost, GaugeChange, RecordMode, RecordStrategy, Tick};
use crate::abi::{KernelRef, LINE_BYTES, MAX_SCALE, WORDS};
use crate::device::{
    Copier, DeviceError, Internal, Kernel, Launch, Level, Memory, MetricTable, RingsLayout, RowRange, ShardRange,
    SharedDevice, SlabLayout, SlabRange,
};

/// How long a question that ends by itself may take.
const LIMIT: Duration = Duration::from_secs(30);
/// Most rounds of one question: what has begun cannot be stopped.
const MOST_ROUNDS: u64 = 10_000_000;
/// Scale of the histogram that a cost is measured with: the default one.
const SCALE: u32 = 3;
/// Records of the ring of each block whose events cost something.
const RECORDS: u32 = 256;
/// Values of one question about slots.
const VALUES: usize = 4096;
/// Words that [`Halves`](super::Halves) adds to: a thousand lines, over which the warps move.
pub(super) const HALVES_WORDS: usize = 16 * 1024;

/// Asks one device. Allocates when it is made: make it before the first launch.
#[derive(Debug)]
pub struct Probe {
    device: SharedDevice,
    pub(super) kernels: [Box<dyn Kernel>; 4],
    metrics: Box<dyn Kernel>,
    max_blocks: u32,
    /// Stop word, and from the second line on what the question reads.
    pub(super) input: Memory,
    pub(super) output: Memory,
    slab: Memory,
    mapped: Memory,
    rings: Memory,
    filter: Memory,
    to_filter: Box<dyn Copier>,
    pub(super) halves: Memory,
    pub(super) copier: Box<dyn Copier>,
}

impl Probe {
    /// For costs with up to `max_blocks` blocks.
    ///
    /// # Errors
    /// Out of memory, or what keeps the device from running the probe.
    pub fn new(device: &SharedDevice, max_blocks: u32) -> Result<Self, DeviceError> {
        let load = |level| device.load_probe(Entry::Questions, level);
        let kernels = [load(Level::Off)?, load(Level::Counters)?, load(Level::Histograms)?, load(Level::Events)?];
        let max_blocks = max_blocks.max(1);
        let blocks = max_blocks as usize;
        device.reserve_launches(1)?;
        let halves = device.allocate(HALVES_WORDS * 8)?;
        let filter = device.allocate(LINE_BYTES)?;
        Ok(Probe {
            kernels,
            metrics: device.load_probe(Entry::Metrics, Level::Histograms)?,
            max_blocks,
            input: device.allocate_mapped(LINE_BYTES + VALUES * 8)?,
            output: device.allocate_mapped(VALUES.max(2 * blocks) * 8)?,
            slab: device.allocate(SlabLayout::new(max_blocks, 1, SCALE).bytes())?,
            mapped: device.allocate_mapped(blocks * WORDS * 8)?,
            rings: device.allocate(RingsLayout::new(0, max_blocks, RECORDS).bytes())?,
            to_filter: device.copier(&filter)?,
            filter,
            copier: device.copier(&halves)?,
            halves,
            device: Arc::clone(device),
        })
    }

    /// Blocks of the probe that fill the device.
    pub fn max_resident_blocks(&self) -> u32 {
        self.kernels[Level::Histograms as usize].max_resident_blocks()
    }

    /// The bucket slots of values, as the device computes them.
    ///
    /// # Errors
    /// What the device refuses, or that it did not answer in time.
    pub fn slots(&mut self, values: &[u64], scale: u32) -> Result<Vec<u64>, DeviceError> {
        let mut slots = Vec::with_capacity(values.len());
        for part in values.chunks(VALUES) {
            for (i, value) in part.iter().enumerate() {
                self.input.word(LINE_BYTES + i * 8).store(*value, Ordering::Relaxed);
            }
            let args =
                ProbeArgs { count: part.len() as u64, scale: scale.min(MAX_SCALE).into(), ..self.args(What::Slots) };
            self.ask(Level::Histograms, 1, &args)?;
            slots.extend((0..part.len()).map(|i| self.answer(i)));
        }
        Ok(slots)
    }

    /// How its clock steps, in so many looks at it.
    ///
    /// # Errors
    /// As [`slots`](Self::slots).
    pub fn tick(&mut self, looks: u64) -> Result<Tick, DeviceError> {
        let args = ProbeArgs { rounds: looks.min(MOST_ROUNDS), ..self.args(What::Tick) };
        self.ask(Level::Histograms, 1, &args)?;
        Ok(Tick { smallest_ns: self.answer(0), steps: self.answer(1) })
    }

    /// What a round of a design costs in each of so many blocks, all of them at once, back to back.
    ///
    /// # Errors
    /// As [`slots`](Self::slots).
    pub fn cost(
        &mut self,
        design: RecordStrategy,
        level: Level,
        blocks: u32,
        rounds: u64,
    ) -> Result<Vec<Cost>, DeviceError> {
        let (blocks, rounds) = (blocks.clamp(1, self.max_blocks), rounds.min(MOST_ROUNDS));
        let shards = if design == RecordStrategy::WarpOneLine { 1 } else { blocks };
        self.to_filter.upload(Internal(()), 0, &[design.filter()], LIMIT)?;
        let args = ProbeArgs {
            telemetry: self.telemetry(shards),
            words: self.mapped.device_address(),
            what: design.code(),
            rounds,
            ..self.args(What::Slots)
        };
        self.ask(level, blocks, &args)?;
        let each = |total: u64| total as f64 / rounds.max(1) as f64;
        let of = |block: usize| (self.answer(2 * block), self.answer(2 * block + 1));
        let cost = |(ns, cycles)| Cost { ns: each(ns), cycles: (cycles > 0).then(|| each(cycles)) };
        Ok((0..blocks as usize).map(|block| cost(of(block))).collect())
    }

    /// Counts each pair of values in seven metrics, the first of which has index `first` in `table`:
    /// a counter, three gauges (sum, largest, smallest), an exponential histogram, an explicit one, a family of counters.
    /// Counter, exponential histogram and family (by the value modulo 7) take the whole number of a pair, the others the
    /// real one.
    ///
    /// # Errors
    /// As [`slots`](Self::slots).
    pub fn count(
        &mut self,
        table: &MetricTable,
        first: u32,
        values: &[(u64, f64)],
        way: RecordMode,
        blocks: u32,
    ) -> Result<(), DeviceError> {
        let pairs: Vec<(u64, u64)> = values.iter().map(|(whole, real)| (*whole, real.to_bits())).collect();
        self.with_metrics(table, first, &pairs, way as u64, blocks)
    }

    /// Makes changes of the gauge of that index, by one thread, one after the other.
    ///
    /// # Errors
    /// As [`slots`](Self::slots).
    pub fn change_gauge(
        &mut self,
        table: &MetricTable,
        index: u32,
        changes: &[(GaugeChange, f64)],
    ) -> Result<(), DeviceError> {
        const GAUGE: u64 = 8;
        let pairs: Vec<(u64, u64)> = changes.iter().map(|(how, by)| (*how as u64, by.to_bits())).collect();
        self.with_metrics(table, index, &pairs, GAUGE, 1)
    }

    fn with_metrics(
        &mut self,
        table: &MetricTable,
        first: u32,
        pairs: &[(u64, u64)],
        what: u64,
        blocks: u32,
    ) -> Result<(), DeviceError> {
        if !Arc::ptr_eq(&table.device, &self.device) {
            return Err(DeviceError::Unsupported {
                device: "the probe's device",
                what: "a table of metrics of another device".to_owned(),
                remedy: "make the probe and the collector of one shared device",
            });
        }
        let (metrics, metric_count) = (table.memory.device_address(), table.places);
        let telemetry = KernelRef { metrics, metric_count, ..KernelRef::default() };
        for part in pairs.chunks(VALUES / 2) {
            for (i, (one, other)) in part.iter().enumerate() {
                let word = |i: usize| self.input.word(LINE_BYTES + i * 8);
                word(i).store(*one, Ordering::Relaxed);
                word(part.len() + i).store(*other, Ordering::Relaxed);
            }
            let args =
                ProbeArgs { telemetry, what, count: part.len() as u64, scale: first.into(), ..self.args(What::Slots) };
            self.run(&*self.metrics, blocks, &args, Some(&table.memory))?;
        }
        Ok(())
    }

    /// Makes a kernel write where nothing is. On CUDA the context is dead then; the host device does nothing.
    ///
    /// # Errors
    /// On CUDA, the error that this provokes.
    pub fn fault(&mut self) -> Result<(), DeviceError> {
        self.ask(Level::Histograms, 1, &self.args(What::Fault))
    }

    pub(super) fn args(&self, what: What) -> ProbeArgs {
        ProbeArgs {
            input: self.input.device_address() + LINE_BYTES as u64,
            output: self.output.device_address(),
            stop: self.input.device_address(),
            what: what as u64,
            ..ProbeArgs::default()
        }
    }

    fn telemetry(&self, shards: u32) -> KernelRef {
        let all = ShardRange { first: 0, count: shards };
        let rows = RowRange { first: 0, count: SlabLayout::wanted_rows(shards) };
        let layout = SlabLayout::new(self.max_blocks, 1, SCALE);
        let mut telemetry = layout.kernel_ref(self.slab.device_address(), SlabRange { shards: all, rows });
        RingsLayout::new(0, self.max_blocks, RECORDS).tell(self.rings.device_address(), all, 0, &mut telemetry);
        KernelRef { filter: self.filter.device_address(), ..telemetry }
    }

    pub(super) fn answer(&self, i: usize) -> u64 {
        self.output.word(i * 8).load(Ordering::Acquire)
    }

    pub(super) fn memory(&self) -> Vec<Memory> {
        let all = [&self.input, &self.output, &self.slab, &self.mapped, &self.rings, &self.filter, &self.halves];
        all.map(Memory::clone).to_vec()
    }

    /// Asks what ends by itself, and waits for it.
    fn ask(&self, level: Level, blocks: u32, args: &ProbeArgs) -> Result<(), DeviceError> {
        self.run(&*self.kernels[level as usize], blocks, args, None)
    }

    fn run(
        &self,
        kernel: &dyn Kernel,
        blocks: u32,
        args: &ProbeArgs,
        besides: Option<&Memory>,
    ) -> Result<(), DeviceError> {
        let keep = self.memory().into_iter().chain(besides.cloned()).collect();
        self.input.word(0).store(0, Ordering::Release);
        // SAFETY: the addresses are those of this probe's memory, which is kept; `new` sized it for `max_blocks`
        // blocks, `VALUES` values and `HALVES_WORDS` words, which bound what the arguments say; and of a table,
        // whose addresses are of its own memory, which is kept as well. It is only touched through atomics here.
        let launch = unsafe { kernel.launch(blocks, &[bytemuck::bytes_of(args)], keep) }?;
        match ends(&*launch, LIMIT)? {
            true => Ok(()),
            false => Err(DeviceError::NoAnswer { waited: LIMIT }),
        }
    }
}

/// Whether it ends within `limit`.
pub(super) fn ends(launch: &dyn Launch, limit: Duration) -> Result<bool, DeviceError> {
    let start = Instant::now();
    while !launch.ended()? {
        if start.elapsed() > limit {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_micros(20));
    }
    Ok(true)
}
