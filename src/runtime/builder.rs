//! Making a runtime: everything is allocated and every kernel loaded here, before the first launch.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use super::error::RuntimeError;
use super::handle::{Inner, RingKernelRuntime};
use super::input_ring::{self, InputRing};
use super::memory::{self, Free};
use super::on_device::OnDevice;
use super::waker::Waker;
use crate::collector::{TelemetryCollector, TelemetryConfig, check_devices};
use crate::device::{
    self, Builtin, CudaUnavailable, DeviceKind, DeviceSpec, InputMemory, Kernel, KernelSource, Level, RingPlace,
    RingShape, RingWords, SharedDevice,
};
use crate::trace::Tracer;

/// Configures a [`RingKernelRuntime`].
///
/// ```
/// use ringscope::{DeviceSpec, RingKernelRuntime, RuntimeError};
///
/// let runtime = RingKernelRuntime::builder().device(DeviceSpec::Host).telemetry(true).slots(64).max_kernels(2).build()?;
/// assert!(runtime.collector().enabled());
///
/// // Settings that contradict each other are errors.
/// let interval = std::time::Duration::from_millis(100);
/// let error = RingKernelRuntime::builder().device(DeviceSpec::Host).interval(interval).build().unwrap_err();
/// assert!(error.to_string().contains(".telemetry(true)"));
/// # Ok::<(), RuntimeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct RuntimeBuilder {
    devices: Vec<Choice>,
    require_cuda: bool,
    telemetry: bool,
    null_telemetry: bool,
    level: Option<Level>,
    max_kernels: usize,
    shape: RingShape,
    input_ring: InputRing,
    default_source: String,
    sources: BTreeMap<String, KernelSource>,
    interval: Option<Duration>,
    stop_limit: Duration,
    start_limit: Duration,
    config: TelemetryConfig,
    tracer: Option<Tracer>,
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
            devices: vec![Choice::Spec(DeviceSpec::Auto)],
            require_cuda: false,
            telemetry: false,
            null_telemetry: false,
            level: None,
            max_kernels: Self::DEFAULT_MAX_KERNELS,
            shape: RingShape { slots: Self::DEFAULT_SLOTS, slot_bytes: Self::DEFAULT_SLOT_BYTES },
            input_ring: InputRing::Mapped,
            default_source: Self::DEFAULT_KERNEL.to_owned(),
            sources: sources.collect(),
            interval: None,
            stop_limit: Self::DEFAULT_STOP_LIMIT,
            start_limit: Self::DEFAULT_START_LIMIT,
            config: TelemetryConfig::default(),
            tracer: None,
        }
    }
}

impl RingKernelRuntime {
    /// Starts configuring a runtime.
    pub fn builder() -> RuntimeBuilder {
        RuntimeBuilder::default()
    }
}

impl RuntimeBuilder {
    /// The default of [`max_kernels`](Self::max_kernels).
    pub const DEFAULT_MAX_KERNELS: usize = 16;
    /// The default of [`slots`](Self::slots).
    pub const DEFAULT_SLOTS: u32 = 256;
    /// The default of [`slot_bytes`](Self::slot_bytes).
    pub const DEFAULT_SLOT_BYTES: u32 = 4096;
    /// The default of [`kernel`](Self::kernel).
    pub const DEFAULT_KERNEL: &'static str = "echo";
    /// The default of [`stop_limit`](Self::stop_limit).
    pub const DEFAULT_STOP_LIMIT: Duration = Duration::from_secs(5);
    /// The default of [`start_limit`](Self::start_limit).
    pub const DEFAULT_START_LIMIT: Duration = Duration::from_secs(5);

    /// Sets which device to open. Default: [`DeviceSpec::Auto`], CUDA where there is one, else the host.
    pub fn device(self, spec: DeviceSpec) -> Self {
        self.devices([spec])
    }

    /// Sets which devices to open, instead of one: a [launch](crate::LaunchOptions::device) says on which of them, or takes the
    /// least busy one.
    pub fn devices(mut self, specs: impl IntoIterator<Item = DeviceSpec>) -> Self {
        self.devices = specs.into_iter().map(Choice::Spec).collect();
        self
    }

    /// Adds a device that is open already; the first one takes the place of [`device`](Self::device).
    pub fn on(mut self, device: SharedDevice) -> Self {
        self.devices.retain(|choice| matches!(choice, Choice::Given(_)));
        self.devices.push(Choice::Given(device));
        self
    }

    /// Sets that [`build`](Self::build) fails where there is no CUDA device, with why and what to do, instead of taking the
    /// host device. Default: off.
    pub fn require_cuda(mut self) -> Self {
        self.require_cuda = true;
        self
    }

    /// Sets whether kernels record. Default: off, which costs nothing: kernels without any telemetry code are launched.
    pub fn telemetry(mut self, on: bool) -> Self {
        self.telemetry = on;
        self
    }

    /// Sets which build of the kernels to launch. Default: [`Level::Histograms`] with telemetry, [`Level::Events`] where its
    /// config keeps [records](TelemetryConfig::trace_records), [`Level::Off`] without telemetry.
    pub fn level(mut self, level: Level) -> Self {
        self.level = Some(level);
        self
    }

    /// Sets that kernels with telemetry code get a null reference: to measure what the code costs that way.
    #[doc(hidden)]
    pub fn null_telemetry(mut self) -> Self {
        self.null_telemetry = true;
        self
    }

    /// Sets how many kernels can be there at a time on each device, 1 to 2^20; each has rings of its own, made by
    /// [`build`](Self::build), which are another's after its end. Default: [`DEFAULT_MAX_KERNELS`](Self::DEFAULT_MAX_KERNELS), 16.
    pub fn max_kernels(mut self, count: usize) -> Self {
        self.max_kernels = count;
        self
    }

    /// Sets the largest message and reply, 1 to 2^30 bytes. Default: [`DEFAULT_SLOT_BYTES`](Self::DEFAULT_SLOT_BYTES), 4096.
    ///
    /// # Memory
    /// The rings take `max_kernels × (2 × slots × stride + 384)` bytes of host memory, where the stride is `slot_bytes + 32`,
    /// rounded up to a multiple of 128: 33 MiB by default, 8 GiB with slots of 1 MiB. On CUDA it is pinned, all of it at
    /// once. [`build`](Self::build) compares it with what is free.
    pub fn slot_bytes(mut self, bytes: u32) -> Self {
        self.shape.slot_bytes = bytes;
        self
    }

    /// Sets how many messages, and how many replies, a kernel's rings hold: a power of two, 2 to 2^20. Default:
    /// [`DEFAULT_SLOTS`](Self::DEFAULT_SLOTS), 256. What happens when they are full is told at
    /// [`RingKernel::send`](crate::RingKernel::send), and what they take at [`slot_bytes`](Self::slot_bytes).
    pub fn slots(mut self, count: u32) -> Self {
        self.shape.slots = count;
        self
    }

    /// Sets where the blocks find messages. Default: [`InputRing::Mapped`].
    pub fn input_ring(mut self, ring: InputRing) -> Self {
        self.input_ring = ring;
        self
    }

    /// Sets the name of the source that [`launch`](RingKernelRuntime::launch) launches. Default:
    /// [`DEFAULT_KERNEL`](Self::DEFAULT_KERNEL), `echo`.
    pub fn kernel(mut self, source: &str) -> Self {
        self.default_source = source.to_owned();
        self
    }

    /// Adds a kernel under a name, beside the built-in `crc32c`, `vector_add`, `echo`, `compute` and `matmul_f32`. All of
    /// them are loaded when the runtime is built.
    pub fn source(mut self, name: &str, source: KernelSource) -> Self {
        self.sources.insert(name.to_owned(), source);
        self
    }

    /// Sets how often telemetry is read, on a thread of its own. Default: only when asked.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = Some(interval);
        self
    }

    /// Sets how long [`terminate`](RingKernelRuntime::terminate) waits for a kernel to end; time in which the process
    /// was stopped or frozen does not count. Default: [`DEFAULT_STOP_LIMIT`](Self::DEFAULT_STOP_LIMIT), 5 s.
    pub fn stop_limit(mut self, limit: Duration) -> Self {
        self.stop_limit = limit;
        self
    }

    /// Sets how long a launch on CUDA waits until all blocks of the kernel have started, with telemetry as without: until
    /// each has made its handler and asks for its first message. A launch of which some blocks find no room by then is
    /// stopped, and ends in [`RuntimeError::NotStarted`]. Time in which the process was stopped or frozen does not count.
    /// Default: [`DEFAULT_START_LIMIT`](Self::DEFAULT_START_LIMIT), 5 s.
    pub fn start_limit(mut self, limit: Duration) -> Self {
        self.start_limit = limit;
        self
    }

    /// Sets bounds and times of telemetry. Default: [`TelemetryConfig::default`].
    pub fn telemetry_config(mut self, config: TelemetryConfig) -> Self {
        self.config = config;
        self
    }

    /// Sets who is told of messages that are sent inside a span, and of their replies: see
    /// [`Tracer::sending`]. Default: nobody, which costs nothing.
    pub fn tracer(mut self, tracer: Tracer) -> Self {
        self.tracer = Some(tracer);
        self
    }

    /// Opens the devices, and on each loads the kernels and allocates the rings and the slab. Blocks the calling thread, for seconds where a
    /// source must be compiled.
    ///
    /// # Errors
    /// [`RuntimeError::BadValue`] for a setting out of range, [`RuntimeError::Contradiction`] for two that exclude each other,
    /// [`RuntimeError::UnknownSource`] for the default kernel, [`RuntimeError::NotEnoughMemory`] for rings that do not fit
    /// the machine or its cgroup, [`RuntimeError::Telemetry`] for what the collector refuses and for a device that is there twice, and [`RuntimeError::Device`]
    /// for what the device refuses, or why there is none.
    pub fn build(self) -> Result<RingKernelRuntime, RuntimeError> {
        self.check()?;
        let (devices, without_cuda) = self.open()?;
        check_devices(&devices)?;
        self.check_memory(&devices, memory::free())?;
        let level = self.level.unwrap_or(match (self.telemetry, self.config.trace_records) {
            (false, _) => Level::Off,
            (true, 0) => Level::Histograms,
            (true, _) => Level::Events,
        });
        let on_devices = devices.iter().map(|device| self.prepare(device, level)).collect::<Result<_, _>>()?;
        let copy_limit = self.config.copy_limit;
        let collector = match self.telemetry {
            true => TelemetryCollector::builder().devices(devices).config(self.config).build()?,
            false => TelemetryCollector::with_config(false, self.config)?,
        };
        if let Some(interval) = self.interval {
            collector.start_collection(interval)?;
        }
        Ok(RingKernelRuntime {
            inner: Arc::new(Inner {
                devices: on_devices,
                placed: Mutex::default(),
                launching: Mutex::default(),
                without_cuda,
                level,
                default_source: self.default_source,
                shape: self.shape,
                stop_limit: self.stop_limit,
                start_limit: self.start_limit,
                copy_limit,
                max_kernels: self.max_kernels,
                kernels: RwLock::default(),
                waker: Arc::new(Waker::new()),
                collector: Arc::new(collector),
                tracer: self.tracer,
            }),
        })
    }

    /// Loads the kernels on a device, and allocates what they need there.
    fn prepare(&self, device: &SharedDevice, level: Level) -> Result<OnDevice, RuntimeError> {
        let mut sources: HashMap<String, Box<dyn Kernel>> = HashMap::new();
        for (name, source) in &self.sources {
            sources.insert(name.clone(), device.load(source, level)?);
        }
        device.reserve_launches(self.max_kernels)?;
        let words = RingWords::new(&**device, self.max_kernels)?;
        let input = input_ring::choose(self.input_ring, &**device, self.shape, level)?;
        let spares = Mutex::new(self.rings(device, input.memory(), &words, level)?);
        let (device, words) = (Arc::clone(device), Mutex::new(words));
        Ok(OnDevice { device, input, sources, spares, spent: Mutex::default(), words })
    }

    fn rings(
        &self,
        device: &SharedDevice,
        input: InputMemory,
        words: &RingWords,
        level: Level,
    ) -> Result<Vec<RingPlace>, RuntimeError> {
        // Only the histogram of waiting looks at it.
        let times_queue = self.telemetry && level >= Level::Histograms;
        let ring = |number| Ok(RingPlace::new(&**device, (self.shape, input), words, number, times_queue)?);
        (0..self.max_kernels).map(ring).collect()
    }

    fn open(&self) -> Result<(Vec<SharedDevice>, Option<CudaUnavailable>), RuntimeError> {
        let (mut devices, mut without_cuda) = (Vec::new(), None);
        for choice in &self.devices {
            let (device, why) = self.open_one(choice)?;
            devices.push(device);
            without_cuda = without_cuda.or(why);
        }
        Ok((devices, without_cuda))
    }

    fn open_one(&self, choice: &Choice) -> Result<(SharedDevice, Option<CudaUnavailable>), RuntimeError> {
        match choice {
            Choice::Given(device) => Ok((Arc::clone(device), None)),
            // Not `Auto`, whose answer to no CUDA is the host.
            Choice::Spec(DeviceSpec::Auto) if self.require_cuda => {
                Ok((device::open(DeviceSpec::Cuda(0))?.device, None))
            }
            Choice::Spec(spec) => {
                let selected = device::open(*spec)?;
                Ok((selected.device, selected.without_cuda))
            }
        }
    }

    fn check(&self) -> Result<(), RuntimeError> {
        let value = |what, value: String, ok: bool, must| match ok {
            true => Ok(()),
            false => Err(RuntimeError::BadValue { what, value, must }),
        };
        let RingShape { slots, slot_bytes } = self.shape;
        let slots_ok = slots.is_power_of_two() && (2..=1 << 20).contains(&slots);
        value("the number of slots", slots.to_string(), slots_ok, "a power of two, 2 to 2^20")?;
        let slot_bytes_ok = (1..=1 << 30).contains(&slot_bytes);
        value("the slot size", slot_bytes.to_string(), slot_bytes_ok, "1 byte to 2^30 bytes")?;
        let kernels_ok = (1..=1 << 20).contains(&self.max_kernels);
        value("max_kernels", self.max_kernels.to_string(), kernels_ok, "1 to 2^20")?;
        value("the number of devices", "0".to_owned(), !self.devices.is_empty(), "at least 1")?;
        let max_blocks = self.config.max_blocks;
        value("max_blocks", max_blocks.to_string(), max_blocks > 0, "at least 1")?;
        let never = self.interval.is_some_and(|interval| interval.is_zero());
        value("the interval", "0".to_owned(), !never, "longer than that: leave it out to read when asked only")?;
        if !self.sources.contains_key(&self.default_source) {
            let available = self.sources.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            return Err(RuntimeError::UnknownSource { name: self.default_source.clone(), available });
        }
        self.check_contradictions()
    }

    fn check_contradictions(&self) -> Result<(), RuntimeError> {
        let records = self.level.is_some_and(|level| level > Level::Off);
        let is_host = self.devices.iter().any(|choice| match choice {
            Choice::Spec(spec) => *spec == DeviceSpec::Host,
            Choice::Given(device) => device.info().kind == DeviceKind::Host,
        });
        let found = if self.telemetry && self.level == Some(Level::Off) {
            Some((".level(Level::Off)", ".telemetry(true)", "use a higher level, or .telemetry(false)"))
        } else if !self.telemetry && records && !self.null_telemetry {
            Some((
                ".level(…) above Level::Off",
                "telemetry that is off",
                "add .telemetry(true), or leave the level out",
            ))
        } else if !self.telemetry && self.interval.is_some() {
            Some((".interval(…)", "telemetry that is off", "add .telemetry(true), or leave the interval out"))
        } else if self.require_cuda && is_host {
            Some((".require_cuda()", "the host device", "leave out one of them"))
        } else {
            None
        };
        match found {
            Some((setting, other, remedy)) => Err(RuntimeError::Contradiction { setting, other, remedy }),
            None => Ok(()),
        }
    }

    fn check_memory(&self, devices: &[SharedDevice], free: Option<Free>) -> Result<(), RuntimeError> {
        let largest = self.input_ring.largest();
        let of_one = |device: &SharedDevice| {
            // The host device's memory is the machine's.
            let is_here = largest == InputMemory::Device && device.info().kind == DeviceKind::Host;
            self.shape.mapped_bytes(largest) + if is_here { self.shape.device_bytes() } else { 0 }
        };
        let of_all: u64 = devices.iter().map(|device| of_one(device) as u64).sum();
        let needed_bytes = of_all.saturating_mul(self.max_kernels as u64);
        match free {
            Some(free) if needed_bytes > free.bytes => Err(RuntimeError::NotEnoughMemory {
                needed_bytes,
                free_bytes: free.bytes,
                limited_by: free.of,
                kernels: self.max_kernels * self.devices.len(),
                slots: self.shape.slots,
                slot_bytes: self.shape.slot_bytes,
            }),
            _ => Ok(()),
        }
    }
}
