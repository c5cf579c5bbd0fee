//! Checks by ring kernels and their own telemetry: exact counts, snapshots under load, monotone counters.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ringscope::device::DeviceError;
use ringscope::{
    KernelState, KernelTelemetry, LaunchOptions, RingKernelRuntime, RuntimeError, Snapshot, TelemetryConfig,
};

use super::check::{Finding, Target, judged};
use crate::cli::term::units;
use crate::cli::workload::counts::HostCounts;
use crate::cli::workload::load::Load;

/// Some kernels that share a device, with telemetry.
struct BusyKernels {
    runtime: RingKernelRuntime,
    ids: Vec<String>,
    blocks: u32,
}

const WORK: [(&str, usize); 3] = [("crc32c", 1000), ("echo", 256), ("vector_add", 512)];

impl BusyKernels {
    /// Kernels of every kind that together take `share` of the device; a tenth of their messages is refused.
    fn open(target: &Target, share: f64) -> Result<BusyKernels, RuntimeError> {
        let config = TelemetryConfig { max_blocks: 16 * 1024, ..TelemetryConfig::default() };
        let builder =
            RingKernelRuntime::builder().on(Arc::clone(&target.device)).telemetry(true).max_kernels(WORK.len());
        let runtime = builder.slots(1024).slot_bytes(1024).telemetry_config(config).build()?;
        let mut kernels = BusyKernels { runtime, ids: Vec::new(), blocks: 0 };
        for (kernel, _) in WORK {
            let fill = f64::from(kernels.runtime.blocks_to_fill(kernel)?);
            let blocks = ((fill * share / WORK.len() as f64) as u32).max(1);
            kernels.blocks += kernels.launch(kernel, blocks)?;
            kernels.runtime.activate_blocking(kernel)?;
            kernels.ids.push(kernel.to_owned());
        }
        Ok(kernels)
    }

    /// So many blocks, or as many as are certain to find room beside the others; how many.
    fn launch(&self, kernel: &str, blocks: u32) -> Result<u32, RuntimeError> {
        let options = LaunchOptions::new().kernel(kernel).inject_errors(0.1);
        match self.runtime.launch_blocking(kernel, &options.clone().blocks(blocks)) {
            Ok(()) => Ok(blocks),
            Err(RuntimeError::Device(DeviceError::TooManyBlocks { free, .. })) if free > 0 => {
                self.runtime.launch_blocking(kernel, &options.blocks(free)).map(|()| free)
            }
            Err(error) => Err(error),
        }
    }

    /// Keeps the kernels busy from a thread of its own while `meanwhile` runs; what the host counted, by kernel.
    fn busy<T>(&self, meanwhile: impl FnOnce() -> T) -> Result<(T, Vec<HostCounts>), RuntimeError> {
        let messages: Vec<Vec<Vec<u8>>> = WORK.iter().map(|(_, bytes)| sizes_up_to(*bytes)).collect();
        let mut loads = Vec::new();
        for (id, messages) in self.ids.iter().zip(&messages) {
            loads.push(Load::new(self.runtime.kernel(id)?, messages));
        }
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let feeder = scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    loads.iter_mut().try_for_each(|load| load.step(256))?;
                }
                loads.iter_mut().try_for_each(Load::drain)?;
                Ok(loads.iter().map(Load::counted).collect())
            });
            let result = meanwhile();
            stop.store(true, Ordering::Relaxed);
            let counted: Result<Vec<HostCounts>, RuntimeError> =
                feeder.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            counted.map(|counted| (result, counted))
        })
    }

    fn sent(&self) -> u64 {
        self.ids.iter().filter_map(|id| self.runtime.kernel(id).ok()).map(|k| k.messages_sent()).sum()
    }

    fn close(self) -> Result<(), RuntimeError> {
        self.ids.iter().try_for_each(|id| self.runtime.terminate_blocking(id))
    }
}

/// Messages of sizes up to `most`, multiples of 8.
fn sizes_up_to(most: usize) -> Vec<Vec<u8>> {
    (0..=8).map(|eighths| vec![0x5a; most / 8 * eighths / 8 * 8]).collect()
}

pub fn exact_counts(target: &Target) -> Finding {
    const TIME: Duration = Duration::from_secs(2);
    let kernels = BusyKernels::open(target, 1.0)?;
    let (_, counted) = kernels.busy(|| std::thread::sleep(TIME))?;
    let snapshot = kernels.runtime.snapshot_blocking()?;
    let differences: Vec<String> =
        kernels.ids.iter().zip(&counted).flat_map(|(id, host)| host.differences(id, &snapshot)).collect();
    let messages: u64 = counted.iter().map(|c| c.sent).sum();
    let refused: u64 = counted.iter().map(|c| c.refused).sum();
    let blocks = kernels.blocks;
    kernels.close()?;
    let figure = match differences.first() {
        None => format!(
            "{} messages, {} of them refused, of {} kernels with {} blocks: every count equals the host's",
            units::exact(messages),
            units::exact(refused),
            WORK.len(),
            units::exact(blocks.into())
        ),
        Some(first) => first.clone(),
    };
    judged(differences.is_empty() && messages > 0, figure)
}

pub fn full_device(target: &Target) -> Finding {
    const TIME: Duration = Duration::from_secs(2);
    const MOST: usize = 1_000_000;
    let kernels = BusyKernels::open(target, 1.0)?;
    let collector = kernels.runtime.collector();
    let mut times = Vec::new();
    let (mut all_stay, mut not_started) = (true, 0);
    let take = || -> Result<u64, RuntimeError> {
        let start = Instant::now();
        while times.len() < MOST && start.elapsed() < TIME {
            let before = Instant::now();
            let snapshot = collector.snapshot()?;
            times.push(before.elapsed().as_nanos() as f64);
            all_stay &= snapshot.kernels.iter().all(|k| k.state == KernelState::Active);
            // The last one counts: that a block has started shows a while after it did.
            not_started = snapshot.kernels.iter().map(|k| k.blocks - k.blocks_started).sum::<u32>();
        }
        Ok(kernels.sent())
    };
    let (sent, _) = kernels.busy(take)?;
    let sent = sent?;
    let blocks = kernels.blocks;
    kernels.close()?;
    times.sort_unstable_by(f64::total_cmp);
    let at = |q: f64| units::latency(times[((times.len() - 1) as f64 * q) as usize]);
    let figure = format!(
        "{} snapshots, p50 {}, p99 {}, max {}, while {} blocks, {not_started} of them not started, stayed and took {} messages",
        units::exact(times.len() as u64),
        at(0.5),
        at(0.99),
        at(1.0),
        units::exact(blocks.into()),
        units::exact(sent)
    );
    judged(all_stay && not_started == 0 && sent > 0, figure)
}

pub fn monotone(target: &Target) -> Finding {
    let kernels = BusyKernels::open(target, 0.0)?;
    let collector = kernels.runtime.collector();
    let check = || -> Result<Option<String>, RuntimeError> {
        let mut last = collector.snapshot()?;
        for _ in 1..target.snapshots {
            let next = collector.snapshot()?;
            if let Some(what) = went_back(&last, &next) {
                return Ok(Some(what));
            }
            last = next;
        }
        Ok(None)
    };
    let (back, counted) = kernels.busy(check)?;
    let messages: u64 = counted.iter().map(|c| c.sent).sum();
    kernels.close()?;
    match back? {
        None => {
            let figure = format!(
                "{} snapshots during {} messages: none of {} counters went back",
                units::exact(target.snapshots),
                units::exact(messages),
                WORK.len() * COUNTERS
            );
            judged(messages > 0, figure)
        }
        Some(what) => judged(false, what),
    }
}

const COUNTERS: usize = 12;

/// Every number of a kernel that only ever grows.
fn counters(k: &KernelTelemetry) -> [(&'static str, u64); COUNTERS] {
    [
        ("received", k.messages_received),
        ("sent", k.messages_sent),
        ("processed", k.messages_processed),
        ("errors", k.errors),
        ("bytes in", k.bytes_in),
        ("bytes out", k.bytes_out),
        ("retries", k.retries),
        ("dropped", k.dropped),
        ("polls", k.polls),
        ("busy time", k.busy_time.as_nanos() as u64),
        ("wait time", k.wait_time.as_nanos() as u64),
        ("latencies", k.latency.map_or(0, |l| l.count)),
    ]
}

fn went_back(last: &Snapshot, next: &Snapshot) -> Option<String> {
    last.kernels.iter().zip(&next.kernels).find_map(|(before, after)| {
        let mut pairs = counters(before).into_iter().zip(counters(after));
        let ((what, was), (_, is)) = pairs.find(|((_, was), (_, is))| is < was)?;
        Some(format!("{what} of {} went from {was} to {is}", before.kernel_id))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_suit_every_kernel() {
        for (_, bytes) in WORK {
            let sizes: Vec<usize> = sizes_up_to(bytes).iter().map(Vec::len).collect();
            assert!(sizes.iter().all(|s| s % 8 == 0 && *s <= bytes) && sizes.len() == 9, "{sizes:?}");
        }
    }
}
