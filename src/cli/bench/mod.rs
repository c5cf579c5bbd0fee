//! `ringscope bench`: what telemetry costs on the device at hand, and how fast messages and snapshots are there.
//!
//! What is compared is measured in one run, in turn, so that what the machine does besides falls on all alike.

mod messages;
mod overhead;
mod record;
mod snapshot;
mod stats;

use std::sync::Arc;
use std::time::{Duration, Instant};

use ringscope::device::{self, DeviceInfo, DeviceKind, SharedDevice};
use ringscope::runtime::RuntimeBuilder;
use ringscope::{Builtin, Level, RingKernelRuntime, RuntimeError, TelemetryConfig};
use serde::Serialize;

use crate::cli::CliError;
use crate::cli::args::BenchArgs;
use crate::cli::term::table::{Style, plain, styled};
use crate::cli::term::{terminal, units};

/// How much of everything.
pub struct Plan {
    /// Rounds in which all variants are measured once.
    pub rounds: usize,
    /// Time of one measurement.
    pub slice: Duration,
    /// Single times, for percentiles.
    pub samples: usize,
    /// Blocks of a kernel: one, some, many.
    pub blocks: Vec<u32>,
}

/// The device, and how much of everything.
pub struct Bench {
    pub device: SharedDevice,
    pub plan: Plan,
    /// Blocks of one kernel with which the device is full.
    pub fill: u32,
}

impl Bench {
    /// A runtime for `kernels` kernels on this device, with rings for messages of `slot_bytes`.
    pub fn runtime(&self, kernels: usize, slot_bytes: u32) -> RuntimeBuilder {
        let config = TelemetryConfig { max_blocks: 16 * 1024, ..TelemetryConfig::default() };
        let builder = RingKernelRuntime::builder().on(Arc::clone(&self.device)).max_kernels(kernels);
        builder.slots(256).slot_bytes(slot_bytes).telemetry_config(config)
    }

    pub fn info(&self) -> &DeviceInfo {
        self.device.info()
    }

    /// Blocks of each of so many kernels that can be resident together. On the host device blocks take turns.
    pub fn room(&self, kernels: usize) -> u32 {
        match self.info().kind {
            DeviceKind::Cuda => self.fill / kernels as u32,
            _ => u32::MAX,
        }
    }

    /// What the plan says, as far as there is room beside other kernels.
    pub fn blocks(&self, kernels: usize) -> Vec<u32> {
        let mut blocks: Vec<u32> = self.plan.blocks.iter().map(|n| *n.min(&self.room(kernels).max(1))).collect();
        blocks.dedup();
        blocks
    }
}

/// Of any built-in kernel at any level.
fn max_resident_blocks(device: &SharedDevice) -> Result<u32, RuntimeError> {
    let mut most = u32::MAX;
    for &level in Level::ALL {
        let runtime =
            RingKernelRuntime::builder().on(Arc::clone(device)).level(level).max_kernels(1).slots(2).build()?;
        for &kernel in Builtin::ALL {
            most = most.min(runtime.blocks_to_fill(kernel.name())?);
        }
    }
    Ok(most.max(1))
}

/// All that was measured, for `--json`.
#[derive(Serialize)]
struct Document {
    version: &'static str,
    device: DeviceInfo,
    quick: bool,
    once: bool,
    seconds: f64,
    overhead: Option<Vec<overhead::Row>>,
    record: Option<Vec<record::Row>>,
    snapshot: Option<Vec<snapshot::Row>>,
    messages: Option<messages::Found>,
    /// What could not be measured, and why.
    failures: Vec<String>,
}

/// Measures; whether everything could be.
pub fn bench(args: &BenchArgs) -> Result<bool, CliError> {
    let start = Instant::now();
    let device = device::open(args.device).map_err(RuntimeError::from)?.device;
    let plan = plan(device.info(), args);
    let bench = Bench { fill: max_resident_blocks(&device)?, device, plan };
    let mut failures = Vec::new();
    if !args.json {
        let info = bench.info();
        terminal::print(&format!("{}: {}\n", info.name, info.detail))?;
    }
    let print = !args.json;
    let overhead =
        section("bench: overhead", &mut failures, print, || overhead::measure(&bench), |rows| overhead::show(rows))?;
    let record = section("bench: record", &mut failures, print, || record::measure(&bench), |rows| record::show(rows))?;
    let snapshot =
        section("bench: snapshot", &mut failures, print, || snapshot::measure(&bench), |rows| snapshot::show(rows))?;
    let messages = section("bench: messages", &mut failures, print, || messages::measure(&bench), messages::show)?;
    let good = failures.is_empty();
    if args.json {
        let document = Document {
            version: env!("CARGO_PKG_VERSION"),
            device: bench.info().clone(),
            quick: args.quick,
            once: args.once,
            seconds: start.elapsed().as_secs_f64(),
            overhead,
            record,
            snapshot,
            messages,
            failures,
        };
        let text = serde_json::to_string_pretty(&document).map_err(|e| CliError::Output(e.into()))?;
        terminal::print(&(text + "\n"))?;
    } else {
        terminal::print(&format!("\nin {}\n", units::elapsed(start.elapsed())))?;
    }
    Ok(good)
}

/// Measures one section and shows it; what keeps it from being measured leaves the others.
fn section<T>(
    name: &'static str,
    failures: &mut Vec<String>,
    print: bool,
    measure: impl FnOnce() -> Result<T, RuntimeError>,
    show: impl FnOnce(&T) -> String,
) -> Result<Option<T>, CliError> {
    terminal::progress(Some(name));
    let range = ringscope::nvtx::range(name);
    let found = measure();
    drop(range);
    terminal::progress(None);
    match found {
        Ok(found) => {
            if print {
                terminal::print(&format!("\n{}", show(&found)))?;
            }
            Ok(Some(found))
        }
        Err(error) => {
            terminal::say(&[styled(Style::Bad, "error: "), plain(&format!("{name}: {error}"))]);
            failures.push(format!("{name}: {error}"));
            Ok(None)
        }
    }
}

fn plan(info: &DeviceInfo, args: &BenchArgs) -> Plan {
    let blocks = match info.kind {
        DeviceKind::Cuda => vec![1, 16, info.multiprocessors],
        _ => vec![1, info.multiprocessors.max(2)],
    };
    let (rounds, slice, samples) = match (args.once, args.quick) {
        (true, _) => (1, 2, 50),
        (false, true) => (7, 25, 5_000),
        (false, false) => (31, 50, 100_000),
    };
    Plan { rounds, slice: Duration::from_millis(slice), samples, blocks }
}
