//! How one kernel is launched.

use super::error::RuntimeError;
use crate::collector::KernelRegistration;
use crate::device::{Carveout, KernelArgs, Memory, RingLaunch};
use crate::trace::{Severity, TraceFilter};

/// How to launch one kernel.
///
/// ```
/// use ringscope::LaunchOptions;
///
/// let options = LaunchOptions::new().kernel("crc32c").blocks(4).inject_errors(0.1);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct LaunchOptions {
    pub(super) kernel: Option<String>,
    pub(super) device: Option<usize>,
    pub(super) blocks: u32,
    shared_bytes: u32,
    inject_errors: f64,
    carveout: Carveout,
    pub(super) args: KernelArgs,
    waypoints: Vec<String>,
    patterns: Vec<(u32, Severity, String)>,
    filter: Option<TraceFilter>,
}

impl Default for LaunchOptions {
    fn default() -> Self {
        LaunchOptions {
            kernel: None,
            device: None,
            blocks: Self::DEFAULT_BLOCKS,
            shared_bytes: 0,
            inject_errors: 0.0,
            carveout: Carveout::default(),
            args: KernelArgs::default(),
            waypoints: Vec::new(),
            patterns: Vec::new(),
            filter: None,
        }
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

    /// Sets the index of the device that it runs on, as the runtime was given them. Default: the least busy one that answers,
    /// that on which the fewest blocks are of those that fit; of several the first.
    pub fn device(mut self, index: usize) -> Self {
        self.device = Some(index);
        self
    }

    /// Sets how many blocks share its queue, at least 1. Default: [`DEFAULT_BLOCKS`](Self::DEFAULT_BLOCKS), 1.
    pub fn blocks(mut self, blocks: u32) -> Self {
        self.blocks = blocks;
        self
    }

    /// Sets how many bytes of shared memory each block has beyond what the kernel declares: the kernel finds them by
    /// `ringscope::shared_memory()`. On a GPU a block has at most what the launch's error says, 227 KiB on an H100, and as much on
    /// the host device. Default: 0.
    pub fn shared_bytes(mut self, bytes: u32) -> Self {
        self.shared_bytes = bytes;
        self
    }

    /// Sets the fraction of messages that it refuses, 0.0 to 1.0, to see errors being counted. Which ones depends on their
    /// numbers alone. Default: 0.0.
    pub fn inject_errors(mut self, fraction: f64) -> Self {
        self.inject_errors = fraction;
        self
    }

    /// Sets how a GPU's multiprocessors divide their memory between shared memory and L1 cache while the kernel's blocks
    /// are there; the host device has no such choice. Default: [`Carveout::MaxShared`], so that kernels that want much
    /// shared memory can run beside.
    pub fn carveout(mut self, carveout: Carveout) -> Self {
        self.carveout = carveout;
        self
    }

    /// Sets what the kernel takes beside its ring: a copy of `args`, a `#[repr(C)]` struct with the fields of the kernel's
    /// `Args`, whose size and alignment the launch compares. Memory that was [kept](Self::keep) so far stays kept.
    /// Default: none.
    pub fn args<T: bytemuck::NoUninit>(mut self, args: &T) -> Self {
        self.args = self.args.with_value(args);
        self
    }

    /// Keeps `memory`, to which the arguments point, alive until all blocks have ended; before or after
    /// [`args`](Self::args).
    pub fn keep(mut self, memory: &Memory) -> Self {
        self.args = self.args.keep(memory);
        self
    }

    /// Sets the names of the kernel's waypoints, events and spans, in the order of its enum. Default: those that the kernel's
    /// source gives by `RINGSCOPE_NAMES`, if any.
    pub fn waypoints<S: AsRef<str>>(mut self, names: &[S]) -> Self {
        self.waypoints = names.iter().map(|name| name.as_ref().to_owned()).collect();
        self
    }

    /// Sets the line of the log records of that name: text in which each `{}` stands for one of the record's two numbers.
    pub fn log(mut self, name: u32, severity: Severity, pattern: impl Into<String>) -> Self {
        self.patterns.push((name, severity, pattern.into()));
        self
    }

    /// Sets of which messages the kernel leaves a span at first, at [`Level::Events`](crate::Level::Events);
    /// [`trace`](crate::RingKernelRuntime::trace) changes it while the kernel runs. Default: of those that fail.
    pub fn trace(mut self, filter: TraceFilter) -> Self {
        self.filter = Some(filter);
        self
    }

    /// Tells a registration what is known of the kernel's names, `built_in` being those that its code has.
    pub(super) fn describe(&self, kernel: KernelRegistration, built_in: &[String]) -> KernelRegistration {
        let names = if self.waypoints.is_empty() { built_in } else { &self.waypoints };
        let kernel = self.filter.into_iter().fold(kernel, KernelRegistration::trace);
        let named = kernel.shards(self.blocks).waypoints(names);
        self.patterns.iter().fold(named, |kernel, (name, severity, text)| kernel.log(*name, *severity, text.as_str()))
    }

    pub(super) fn check(&self) -> Result<(), RuntimeError> {
        let bad = |what, value, must| Err(RuntimeError::BadValue { what, value, must });
        if self.blocks == 0 {
            return bad("the number of blocks", self.blocks.to_string(), "at least 1");
        }
        if !(0.0..=1.0).contains(&self.inject_errors) {
            return bad("inject_errors", self.inject_errors.to_string(), "a fraction, 0.0 to 1.0");
        }
        match self.carveout {
            Carveout::Percent(percent) if percent > 100 => bad("the carve-out", format!("{percent} %"), "0 to 100 %"),
            _ => Ok(()),
        }
    }

    pub(super) fn ring(&self) -> RingLaunch<'_> {
        // As a fraction of the 2^32 hashes.
        let refuse_below = (self.inject_errors * 4_294_967_296.0).round() as u64;
        let (shared_bytes, carveout) = (self.shared_bytes, self.carveout);
        RingLaunch { blocks: self.blocks, shared_bytes, carveout, refuse_below, args: &self.args }
    }
}
