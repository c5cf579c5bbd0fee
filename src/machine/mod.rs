//! The machine around the kernels: its processors and memory, and what NVIDIA's management library says of its GPUs.
//!
//! Both are asked on a thread of their own, at most every so often, because an answer may take milliseconds; a snapshot
//! takes the newest answer along. What is not there is `None`, never zero, and never an error.
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

/// The machine's processors and memory, all programs together.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct SystemMetrics {
    /// How busy the processors were since the sample before, all of them together, 0 to 100.
    pub cpu_utilization_percent: f64,
    /// Memory in use, in units of 10^6 bytes.
    pub memory_used_mb: f64,
}

/// One GPU; `None` is what it, or its driver, does not tell.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct GpuMetrics {
    /// Its number among the GPUs of the management library, which counts all of them and in the order of the bus:
    /// CUDA's own numbers may differ. Tell GPUs by their UUIDs.
    pub index: u32,
    /// What it is called for good.
    pub uuid: Option<Arc<str>>,
    /// Its model.
    pub name: Option<Arc<str>>,
    /// Part of the time in which any kernel was resident, in percent: 100 under a persistent kernel, busy or not.
    pub utilization_percent: Option<u32>,
    /// Part of the time in which its memory was read or written, in percent.
    pub memory_utilization_percent: Option<u32>,
    /// Memory in use, all programs together.
    pub memory_used_bytes: Option<u64>,
    /// Memory that it has.
    pub memory_total_bytes: Option<u64>,
    /// Memory in use by this process; `None` as well where the library does not list it, as in many containers.
    pub process_memory_bytes: Option<u64>,
    /// Of the chip.
    pub temperature_celsius: Option<u32>,
    /// Power that it draws.
    pub power_watts: Option<f64>,
    /// Clock of its multiprocessors.
    pub sm_clock_mhz: Option<u32>,
    /// Clock of its memory.
    pub memory_clock_mhz: Option<u32>,
    /// Memory errors that were corrected since the driver was loaded.
    pub ecc_errors_corrected: Option<u64>,
    /// Memory errors that could not be corrected since the driver was loaded.
    pub ecc_errors_uncorrected: Option<u64>,
    /// Why its clocks are lower than they could be; empty where they are not.
    pub throttle_reasons: Option<Vec<&'static str>>,
}

/// The newest answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    pub(crate) system: Option<SystemMetrics>,
    pub(crate) gpus: Option<Arc<[GpuMetrics]>>,
}

/// A thread that asks; it ends when this is dropped.
pub(crate) struct Sampler {
    newest: Arc<ArcSwapOption<Sample>>,
    _stop: Sender<()>,
}

/// Utilization is over the time between two samples: less than this says nothing.
const FIRST: Duration = Duration::from_millis(250);

impl Sampler {
    /// Asks every `interval`; `None` where there is nothing to ask, where the interval is zero, or without a thread.
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

/// Whom there is to ask.
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
