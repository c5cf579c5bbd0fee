//! Making a runtime: everything is allocated and every kernel loaded here, before the first launch.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use super::{Inner, RingKernelRuntime, RuntimeError};
use crate::collector::{TelemetryCollector, TelemetryConfig};
use crate::device::{
    self, Builtin, CudaUnavailable, DeviceSpec, IdleRing, KernelSource, Level, RingShape, SharedDevice, Stamp,
};

/// Configures a [`RingKernelRuntime`].
#[derive(Clone, Debug)]
pub struct RuntimeBuilder {
    device: Choice,
    telemetry: bool,
    level: Option<Level>,
    max_kernels: usize,
    shape: RingShape,
    default_source: String,
    sources: BTreeMap<String, KernelSource>,
    interval: Option<Duration>,
    stop_limit: Duration,
    config: TelemetryConfig,
}

#[derive(Clone, Debug)]
enum Choice {
    Spec(DeviceSpec),
    Given(SharedDevice),
}

impl Default for RuntimeBuilder {
    fn default() -> Self {
        let sources = Builtin::ALL.iter().map(|b| (b.name().to_owned(), KernelSource::Builtin(*b)));
        RuntimeBuilder {
            device: Choice::Spec(DeviceSpec::Auto),
            telemetry: false,
            level: None,
            max_kernels: 16,
            shape: RingShape { slots: 256, slot_bytes: 4096 },
            default_source: Builtin::Echo.name().to_owned(),
            sources: sources.collect(),
            interval: None,
            stop_limit: Duration::from_secs(5),
            config: TelemetryConfig::default(),
        }
    }
}

impl RuntimeBuilder {
    /// Which device to open. Default: CUDA where there is one, else the host.
    pub fn device(mut self, spec: DeviceSpec) -> Self {
        self.device = Choice::Spec(spec);
        self
    }

    /// A device that is open already.
    pub fn on(mut self, device: SharedDevice) -> Self {
        self.device = Choice::Given(device);
        self
    }

    /// Whether kernels record. Off by default; off costs nothing: kernels without any telemetry code are launched.
    pub fn telemetry(mut self, on: bool) -> Self {
        self.telemetry = on;
        self
    }

    /// Which build of the kernels to launch. Default: [`Level::Histograms`] with telemetry, [`Level::Off`] without.
    pub fn level(mut self, level: Level) -> Self {
        self.level = Some(level);
        self
    }

    /// Most kernels that can be launched, each of which has rings of its own. Default 16.
    pub fn max_kernels(mut self, count: usize) -> Self {
        self.max_kernels = count;
        self
    }

    /// Largest message and reply in bytes, 1 to 2^30. Default 4096.
    pub fn slot_bytes(mut self, bytes: u32) -> Self {
        self.shape.slot_bytes = bytes;
        self
    }

    /// Messages, and replies, that a kernel's rings hold: a power of two, 2 to 2^20. Default 256.
    pub fn slots(mut self, count: u32) -> Self {
        self.shape.slots = count;
        self
    }

    /// What [`launch`](RingKernelRuntime::launch) launches. Default: `echo`.
    pub fn kernel(mut self, source: &str) -> Self {
        self.default_source = source.to_owned();
        self
    }

    /// Adds a kernel under a name, beside the built-in `crc32c`, `vector_add`, `echo` and `compute`. All of them are loaded
    /// when the runtime is built.
    pub fn source(mut self, name: &str, source: KernelSource) -> Self {
        self.sources.insert(name.to_owned(), source);
        self
    }

    /// Reads telemetry every so often, where it is on. Default: only when asked.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = Some(interval);
        self
    }

    /// How long to wait for a kernel to end. Default 5 s.
    pub fn stop_limit(mut self, limit: Duration) -> Self {
        self.stop_limit = limit;
        self
    }

    /// Bounds and times of telemetry.
    pub fn telemetry_config(mut self, config: TelemetryConfig) -> Self {
        self.config = config;
        self
    }

    /// Opens the device, loads the kernels, allocates the rings and the slab.
    ///
    /// # Errors
    /// A size out of range, an unknown default source, and whatever the device refuses.
    pub fn build(self) -> Result<RingKernelRuntime, RuntimeError> {
        self.check()?;
        let (device, without_cuda) = self.open()?;
        let level = self.level.unwrap_or(if self.telemetry { Level::Histograms } else { Level::Off });
        let telemetry = self.telemetry && level > Level::Off;
        let mut kernels = HashMap::new();
        for (name, source) in &self.sources {
            kernels.insert(name.clone(), device.load(source, level)?);
        }
        device.reserve_launches(self.max_kernels)?;
        // Only the histogram of waiting looks at it.
        let times_queue = telemetry && level >= Level::Histograms;
        let stamp = times_queue.then(|| Stamp::new(&*device)).transpose()?;
        let mut spares = Vec::with_capacity(self.max_kernels);
        for _ in 0..self.max_kernels {
            spares.push(IdleRing::new(&*device, self.shape, stamp)?);
        }
        let collector = match telemetry {
            true => TelemetryCollector::on_device(Arc::clone(&device), self.config)?,
            false => TelemetryCollector::with_config(false, self.config),
        };
        if let (Some(interval), true) = (self.interval, telemetry) {
            collector.start_collection(interval)?;
        }
        Ok(RingKernelRuntime {
            inner: Arc::new(Inner {
                device,
                without_cuda,
                sources: kernels,
                default_source: self.default_source,
                shape: self.shape,
                stop_limit: self.stop_limit,
                max_kernels: self.max_kernels,
                spares: Mutex::new(spares),
                kernels: RwLock::default(),
                collector,
            }),
        })
    }

    fn open(&self) -> Result<(SharedDevice, Option<CudaUnavailable>), RuntimeError> {
        match &self.device {
            Choice::Given(device) => Ok((Arc::clone(device), None)),
            Choice::Spec(spec) => {
                let selected = device::open(*spec)?;
                Ok((selected.device, selected.without_cuda))
            }
        }
    }

    fn check(&self) -> Result<(), RuntimeError> {
        let size = |what, value: u64, ok: bool, must| match ok {
            true => Ok(()),
            false => Err(RuntimeError::BadSize { what, value, must }),
        };
        let RingShape { slots, slot_bytes } = self.shape;
        let slots_ok = slots.is_power_of_two() && (2..=1 << 20).contains(&slots);
        size("the number of slots", slots.into(), slots_ok, "a power of two, 2 to 2^20")?;
        size("the slot size", slot_bytes.into(), (1..=1 << 30).contains(&slot_bytes), "1 byte to 2^30")?;
        size("max_kernels", self.max_kernels as u64, self.max_kernels > 0, "at least 1")?;
        let max_blocks = self.config.max_blocks;
        size("max_blocks", max_blocks.into(), max_blocks > 0, "at least 1")?;
        if !self.sources.contains_key(&self.default_source) {
            let available = self.sources.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            return Err(RuntimeError::UnknownSource { name: self.default_source.clone(), available });
        }
        Ok(())
    }
}
