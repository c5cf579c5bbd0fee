//! The runtime itself: its device, its kernels, its collector.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use super::error::RuntimeError;
use super::kernel::RingKernel;
use super::waker::Waker;
use crate::collector::TelemetryCollector;
use crate::device::{CudaUnavailable, DeviceInfo, IdleRing, Kernel, Level, RingShape, RingWords, SharedDevice};
use crate::trace::Tracer;

/// Launches ring kernels on one device, sends them messages, receives their replies, reads their telemetry.
/// Clones share one runtime. When the last one is dropped its kernels are told to stop, and not waited for.
///
/// ```
/// use std::time::Duration;
/// use ringscope::{DeviceSpec, RingKernelRuntime};
///
/// # #[tokio::main(flavor = "multi_thread")] async fn main() -> Result<(), ringscope::RuntimeError> {
/// let runtime = RingKernelRuntime::builder().device(DeviceSpec::Host).telemetry(true).build()?;
/// runtime.launch("w").await?;
/// runtime.activate("w").await?;
/// runtime.send("w", b"hello").await?;
/// let reply = runtime.receive("w", Duration::from_secs(5)).await?;
/// assert_eq!(reply.payload, b"hello");
/// assert_eq!(runtime.telemetry("w").await?.messages_processed, 1);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct RingKernelRuntime {
    pub(super) inner: Arc<Inner>,
}

/// What all clones of a runtime share.
pub(super) struct Inner {
    pub(super) device: SharedDevice,
    pub(super) without_cuda: Option<CudaUnavailable>,
    /// That its kernels record at.
    pub(super) level: Level,
    pub(super) sources: HashMap<String, Box<dyn Kernel>>,
    pub(super) default_source: String,
    pub(super) shape: RingShape,
    pub(super) stop_limit: Duration,
    pub(super) start_limit: Duration,
    pub(super) copy_limit: Duration,
    pub(super) max_kernels: usize,
    pub(super) spares: Mutex<Vec<IdleRing>>,
    /// Of launches that failed. Not dropped before the runtime is: freeing waits for kernels that nobody here knows, and one of
    /// them may be why a launch failed.
    pub(super) spent: Mutex<Vec<IdleRing>>,
    /// Of all rings, of launched kernels too. Taken with the lock of the spares.
    pub(super) words: Mutex<RingWords>,
    pub(super) kernels: RwLock<HashMap<Arc<str>, RingKernel>>,
    pub(super) waker: Arc<Waker>,
    /// Kernels know it while the runtime is there.
    pub(super) collector: Arc<TelemetryCollector>,
    pub(super) tracer: Option<Tracer>,
}

impl RingKernelRuntime {
    /// Returns what its device is.
    pub fn device(&self) -> &DeviceInfo {
        self.inner.device.info()
    }

    /// Returns why its device is not a CUDA device, where the runtime was free to choose; `None` where it is one, or was
    /// chosen. See [`RuntimeBuilder::require_cuda`](super::RuntimeBuilder::require_cuda).
    pub fn without_cuda(&self) -> Option<&CudaUnavailable> {
        self.inner.without_cuda.as_ref()
    }

    /// Returns how many blocks of one of its kernels fill the device, where nothing else runs on it. More than that cannot be
    /// resident together on CUDA; on the host device they take turns on the cores, at most 8,192 of them in a
    /// process.
    ///
    /// # Errors
    /// [`RuntimeError::UnknownSource`].
    pub fn blocks_to_fill(&self, kernel: &str) -> Result<u32, RuntimeError> {
        let source = self.inner.sources.get(kernel).ok_or_else(|| self.inner.unknown_source(kernel))?;
        Ok(source.max_resident_blocks())
    }

    /// Returns its collector: snapshots, periodic reading, host actors beside the kernels.
    pub fn collector(&self) -> &TelemetryCollector {
        &self.inner.collector
    }

    /// Returns a handle for one kernel's messages, which costs no look-up.
    ///
    /// # Errors
    /// [`RuntimeError::UnknownKernel`].
    pub fn kernel(&self, id: &str) -> Result<RingKernel, RuntimeError> {
        let found = self.inner.kernels.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        found.ok_or_else(|| self.unknown_kernel(id))
    }

    pub(super) fn unknown_kernel(&self, id: &str) -> RuntimeError {
        let kernels = self.inner.kernels.read().unwrap_or_else(PoisonError::into_inner);
        let mut launched: Vec<&str> = kernels.keys().map(|id| &**id).collect();
        launched.sort_unstable();
        RuntimeError::UnknownKernel { id: id.to_owned(), launched: launched.join(", ") }
    }
}

impl std::fmt::Debug for RingKernelRuntime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kernels = self.inner.kernels.read().unwrap_or_else(PoisonError::into_inner).len();
        write!(f, "RingKernelRuntime({kernels} kernels on {})", self.device().name)
    }
}

impl Inner {
    pub(super) fn all_kernels(&self) -> Vec<RingKernel> {
        self.kernels.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    pub(super) fn unknown_source(&self, name: &str) -> RuntimeError {
        let mut available: Vec<&str> = self.sources.keys().map(String::as_str).collect();
        available.sort_unstable();
        RuntimeError::UnknownSource { name: name.to_owned(), available: available.join(", ") }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Told to stop, not waited for: blocks keep their memory alive until they end.
        for kernel in self.all_kernels() {
            kernel.tell_to_stop();
        }
    }
}

/// Runs what may block where it blocks nobody.
pub(super) async fn off_the_worker<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RuntimeError> + Send + 'static,
) -> Result<T, RuntimeError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(gone) => match gone.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down, and drops this future with it.
            Err(_) => std::future::pending().await,
        },
    }
}
