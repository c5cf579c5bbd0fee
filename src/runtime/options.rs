//! How one kernel is launched.

use std::sync::{Arc, PoisonError};

use super::{Inner, RingKernel, RuntimeError};
use crate::abi::KernelRef;
use crate::collector::TelemetryError;
use crate::device::{Command, DeviceError, KernelArgs, Memory};
use crate::snapshot::KernelState;

/// How to launch one kernel.
///
/// ```
/// use ringscope::LaunchOptions;
///
/// let options = LaunchOptions::new().kernel("crc32c").blocks(4).inject_errors(0.1);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct LaunchOptions {
    kernel: Option<String>,
    blocks: u32,
    inject_errors: f64,
    args: KernelArgs,
}

impl Default for LaunchOptions {
    fn default() -> Self {
        LaunchOptions { kernel: None, blocks: Self::DEFAULT_BLOCKS, inject_errors: 0.0, args: KernelArgs::default() }
    }
}

impl LaunchOptions {
    /// The default of [`blocks`](Self::blocks).
    pub const DEFAULT_BLOCKS: u32 = 1;

    /// Makes the default options: the runtime's default kernel, one block, no injected errors.
    pub fn new() -> Self {
        LaunchOptions::default()
    }

    /// Sets the name of its source. Default: the runtime's [default](super::RuntimeBuilder::kernel).
    pub fn kernel(mut self, source: impl Into<String>) -> Self {
        self.kernel = Some(source.into());
        self
    }

    /// Sets how many blocks share its queue, at least 1. Default: [`DEFAULT_BLOCKS`](Self::DEFAULT_BLOCKS), 1.
    pub fn blocks(mut self, blocks: u32) -> Self {
        self.blocks = blocks;
        self
    }

    /// Sets the fraction of messages that it refuses, 0.0 to 1.0, to see errors being counted. Which ones depends on their
    /// numbers alone. Default: 0.0.
    pub fn inject_errors(mut self, fraction: f64) -> Self {
        self.inject_errors = fraction;
        self
    }

    /// Sets what the kernel takes beside its ring: a copy of `args`, a `#[repr(C)]` struct with the fields of the kernel's
    /// `Args`, whose size and alignment the launch compares. Default: none.
    pub fn args<T: bytemuck::NoUninit>(mut self, args: &T) -> Self {
        self.args = KernelArgs::new(args);
        self
    }

    /// Keeps `memory`, to which the arguments point, alive until all blocks have ended. Call it after
    /// [`args`](Self::args).
    pub fn keep(mut self, memory: &Memory) -> Self {
        self.args = self.args.keep(memory);
        self
    }

    fn check(&self) -> Result<(), RuntimeError> {
        let bad = |what, value, must| Err(RuntimeError::BadValue { what, value, must });
        if self.blocks == 0 {
            return bad("the number of blocks", self.blocks.to_string(), "at least 1");
        }
        if !(0.0..=1.0).contains(&self.inject_errors) {
            return bad("inject_errors", self.inject_errors.to_string(), "a fraction, 0.0 to 1.0");
        }
        Ok(())
    }

    /// As a fraction of the 2^32 hashes.
    fn refuse_below(&self) -> u64 {
        (self.inject_errors * 4_294_967_296.0).round() as u64
    }
}

impl Inner {
    pub(super) fn launch(&self, id: &str, options: &LaunchOptions) -> Result<(), RuntimeError> {
        options.check()?;
        let name = options.kernel.as_ref().unwrap_or(&self.default_source);
        let source = self.sources.get(name).ok_or_else(|| self.unknown_source(name))?;
        options.args.check(name, source.args_layout())?;
        // One launch at a time: this lock, and not that of the kernels, which their traffic takes, is held while
        // the device works.
        let mut spares = self.spares.lock().unwrap_or_else(PoisonError::into_inner);
        crate::collector::check_id(id)?;
        if self.kernels.read().unwrap_or_else(PoisonError::into_inner).contains_key(id) {
            return Err(TelemetryError::AlreadyRegistered { id: id.to_owned() }.into());
        }
        if spares.is_empty() {
            return Err(RuntimeError::TooManyKernels { limit: self.max_kernels });
        }
        let (telemetry, memory) = match self.collector.enabled() {
            true => (self.collector.register(id, options.blocks)?, self.collector.memory()),
            false => (KernelRef::default(), Vec::new()),
        };
        self.collector.set_state(id, KernelState::Launched);
        let Some(mut ring) = spares.pop() else {
            return Err(RuntimeError::TooManyKernels { limit: self.max_kernels });
        };
        match ring.launch(&**source, options.blocks, telemetry, memory, options.refuse_below(), &options.args) {
            Ok(launch) => {
                let waker = Arc::clone(&self.waker);
                let kernel = RingKernel::new(id, self.shape, ring, launch, waker, &self.collector);
                self.kernels.write().unwrap_or_else(PoisonError::into_inner).insert(id.into(), kernel);
                Ok(())
            }
            Err(error @ DeviceError::TooManyBlocks { .. }) => {
                // Where its place stays taken, that says why.
                self.collector.set_failed(id, &error.to_string());
                self.collector.forget(id);
                spares.push(ring);
                Err(error.into())
            }
            Err(error) => {
                // Blocks may have started: they are told to stop, the id stays taken, the rings are not used again.
                ring.producer.command(Command::Stop);
                self.collector.set_failed(id, &error.to_string());
                Err(error.into())
            }
        }
    }

    pub(super) fn unknown_source(&self, name: &str) -> RuntimeError {
        let mut available: Vec<&str> = self.sources.keys().map(String::as_str).collect();
        available.sort_unstable();
        RuntimeError::UnknownSource { name: name.to_owned(), available: available.join(", ") }
    }
}
