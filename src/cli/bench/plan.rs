//! What is measured on, and how much.

use std::sync::Arc;
use std::time::Duration;

use ringscope::device::{DeviceInfo, DeviceKind, SharedDevice};
use ringscope::runtime::RuntimeBuilder;
use ringscope::{Builtin, InputRing, Level, RingKernelRuntime, RuntimeError, TelemetryConfig};

use crate::cli::args::BenchArgs;

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
    /// Where kernels find their messages.
    pub input_ring: InputRing,
    /// Blocks of one kernel with which the device is full.
    pub max_resident_blocks: u32,
}

impl Bench {
    /// Plans what `args` ask for on `device`.
    ///
    /// # Errors
    /// A built-in kernel cannot be loaded.
    pub fn new(device: SharedDevice, args: &BenchArgs) -> Result<Bench, RuntimeError> {
        let plan = plan(device.info(), args);
        let input_ring = args.input_ring.into();
        Ok(Bench { max_resident_blocks: max_resident_blocks(&device)?, device, plan, input_ring })
    }

    /// A runtime for `kernels` kernels on this device, with rings for messages of `slot_bytes`.
    pub fn runtime(&self, kernels: usize, slot_bytes: u32) -> RuntimeBuilder {
        let config = TelemetryConfig { max_kernels: kernels, max_blocks: 16 * 1024, ..TelemetryConfig::default() };
        let builder = RingKernelRuntime::builder().on(Arc::clone(&self.device)).max_kernels(kernels);
        builder.input_ring(self.input_ring).slots(256).slot_bytes(slot_bytes).telemetry_config(config)
    }

    pub fn info(&self) -> &DeviceInfo {
        self.device.info()
    }

    /// Blocks of each of so many kernels that can be resident together. On the host device blocks take turns.
    pub fn room(&self, kernels: usize) -> u32 {
        match self.info().kind {
            DeviceKind::Cuda => self.max_resident_blocks / kernels as u32,
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
        let builder = RingKernelRuntime::builder().on(Arc::clone(device)).telemetry(level > Level::Off).level(level);
        let runtime = builder.max_kernels(1).slots(2).build()?;
        for &kernel in Builtin::ALL {
            most = most.min(runtime.blocks_to_fill(kernel.name())?);
        }
    }
    Ok(most.max(1))
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
