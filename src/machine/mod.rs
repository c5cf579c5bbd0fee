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
mod sample;
#[cfg(feature = "system")]
mod system;

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use arc_swap::ArcSwapOption;

pub(crate) use sample::Sample;
#[cfg(feature = "recording")]
pub(crate) use sample::THROTTLE_REASONS;
pub use sample::{GpuMetrics, SystemMetrics};

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
