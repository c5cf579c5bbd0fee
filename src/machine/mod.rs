//! The machine around the kernels: its processors and memory (feature `system`), and its GPUs as NVIDIA's management
//! library describes them (feature `nvml`).
//!
//! Both are sampled on a thread of their own, every
//! [`sample_interval`](crate::TelemetryConfig::sample_interval), because an answer may take milliseconds; a snapshot
//! carries the newest sample. What is not known is `None`, never zero, and never an error.
//!
//! Not tried on a real GPU: the mapping from the library's answers is tested with a stand-in library.

#[cfg(feature = "nvml")]
mod gpu;
#[cfg(feature = "system")]
mod system;

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use arc_swap::ArcSwapOption;

/// Processors and memory of the machine, all programs together.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SystemMetrics {
    /// Utilization of all processors together since the previous sample, in percent, 0 to 100.
    pub cpu_utilization_percent: f64,
    /// Memory in use, in units of 10^6 bytes.
    pub memory_used_mb: f64,
}

/// One GPU. A field is `None` where the GPU or its driver does not report it.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct GpuMetrics {
    /// Index among the GPUs of the management library, which lists all of them in the order of the bus: CUDA's ordinals
    /// may differ. Identify GPUs by their UUIDs.
    pub index: u32,
    /// UUID, which stays the same.
    pub uuid: Option<Arc<str>>,
    /// Name of the model.
    pub name: Option<Arc<str>>,
    /// Percent of the time in which any kernel was resident: 100 under a persistent kernel, busy or not.
    pub utilization_percent: Option<u32>,
    /// Percent of the time in which its memory was read or written.
    pub memory_utilization_percent: Option<u32>,
    /// Memory in use by all programs together, in bytes.
    pub memory_used_bytes: Option<u64>,
    /// Total memory, in bytes.
    pub memory_total_bytes: Option<u64>,
    /// Memory in use by this process, in bytes; also `None` where the library does not list the process, as in many
    /// containers.
    pub process_memory_bytes: Option<u64>,
    /// Temperature of the chip, in degrees Celsius.
    pub temperature_celsius: Option<u32>,
    /// Power draw, in watts.
    pub power_watts: Option<f64>,
    /// Clock of the multiprocessors, in MHz.
    pub sm_clock_mhz: Option<u32>,
    /// Clock of the memory, in MHz.
    pub memory_clock_mhz: Option<u32>,
    /// Corrected memory (ECC) errors since the driver was loaded.
    pub ecc_errors_corrected: Option<u64>,
    /// Uncorrected memory (ECC) errors since the driver was loaded.
    pub ecc_errors_uncorrected: Option<u64>,
    /// Reasons why its clocks are lower than they could be; empty where they are not.
    pub throttle_reasons: Option<Vec<&'static str>>,
}

/// The newest sample.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    pub(crate) system: Option<SystemMetrics>,
    pub(crate) gpus: Option<Arc<[GpuMetrics]>>,
}

/// A thread that samples; it ends when this is dropped.
pub(crate) struct Sampler {
    newest: Arc<ArcSwapOption<Sample>>,
    _stop: Sender<()>,
}

/// Utilization is over the time between two samples: less than this says nothing.
const FIRST: Duration = Duration::from_millis(250);

impl Sampler {
    /// Samples every `interval`; `None` where there is nothing to sample, where the interval is zero, or without a thread.
    pub(crate) fn start(interval: Duration) -> Option<Self> {
        if interval.is_zero() || !cfg!(any(feature = "system", feature = "nvml")) {
            return None;
        }
        let newest = Arc::new(ArcSwapOption::<Sample>::empty());
        let (stop, stopped) = channel::<()>();
        let publish = Arc::clone(&newest);
        let body = move || {
            let mut sources = Sources::open();
            let mut wait = FIRST;
            loop {
                publish.store(Some(Arc::new(sources.sample())));
                if stopped.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
                wait = interval.max(FIRST);
            }
        };
        std::thread::Builder::new().name("ringscope-machine".into()).spawn(body).ok()?;
        Some(Sampler { newest, _stop: stop })
    }

    pub(crate) fn newest(&self) -> Sample {
        self.newest.load().as_deref().cloned().unwrap_or_default()
    }
}

/// What there is to sample.
struct Sources {
    #[cfg(feature = "system")]
    system: Option<system::System>,
    #[cfg(feature = "nvml")]
    gpus: Option<gpu::Gpus>,
}

impl Sources {
    fn open() -> Self {
        Sources {
            #[cfg(feature = "system")]
            system: system::System::open(),
            #[cfg(feature = "nvml")]
            gpus: gpu::Gpus::open(),
        }
    }

    fn sample(&mut self) -> Sample {
        Sample {
            #[cfg(feature = "system")]
            system: self.system.as_mut().and_then(system::System::sample),
            #[cfg(not(feature = "system"))]
            system: None,
            #[cfg(feature = "nvml")]
            gpus: self.gpus.as_ref().and_then(gpu::Gpus::sample),
            #[cfg(not(feature = "nvml"))]
            gpus: None,
        }
    }
}
