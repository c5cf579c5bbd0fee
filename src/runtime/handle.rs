//! The runtime itself: its device, its kernels, its collector.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use super::error::RuntimeError;
#[cfg(doc)]
use super::input_ring::InputRing;
use super::input_ring::MeasuredInputRing;
use super::kernel::{RingKernel, Watch};
use super::on_device::{OnDevice, Placed};
use super::waker::Waker;
use crate::collector::TelemetryCollector;
use crate::device::{CudaUnavailable, DeviceInfo, Level, RingShape};
use crate::trace::Tracer;

/// Launches ring kernels on one or several devices, sends them messages, receives their replies, reads their telemetry.
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
    pub(super) devices: Vec<OnDevice>,
    /// Where kernels were launched, by their ids.
    pub(super) placed: Mutex<HashMap<Arc<str>, Placed>>,
    /// Held while a kernel is launched: one at a time.
    pub(super) launching: Mutex<()>,
    pub(super) without_cuda: Option<CudaUnavailable>,
    /// That its kernels record at.
    pub(super) level: Level,
    pub(super) default_source: String,
    pub(super) shape: RingShape,
    pub(super) stop_limit: Duration,
    pub(super) start_limit: Duration,
    pub(super) copy_limit: Duration,
    pub(super) max_kernels: usize,
    pub(super) kernels: RwLock<HashMap<Arc<str>, RingKernel>>,
    pub(super) waker: Arc<Waker<Watch>>,
    /// Kernels know it while the runtime is there.
    pub(super) collector: Arc<TelemetryCollector>,
    pub(super) tracer: Option<Tracer>,
}

impl RingKernelRuntime {
    /// Returns what its device is; of several, the first.
    pub fn device(&self) -> &DeviceInfo {
        self.inner.devices[0].device.info()
    }

    /// Returns what its devices are, in the order in which it was given them.
    pub fn devices(&self) -> impl ExactSizeIterator<Item = &DeviceInfo> {
        self.inner.devices.iter().map(|on| on.device.info())
    }

    /// Returns the index of the device that a kernel was launched on.
    ///
    /// # Errors
    /// [`RuntimeError::UnknownKernel`].
    pub fn device_of(&self, id: &str) -> Result<usize, RuntimeError> {
        let placed = self.inner.placed.lock().unwrap_or_else(PoisonError::into_inner).get(id).copied();
        placed.map(|placed| placed.device).ok_or_else(|| self.unknown_kernel(id))
    }

    /// Returns where the blocks of a device find messages, and what was measured if that was
    /// [to be chosen](InputRing::Fastest).
    ///
    /// # Errors
    /// [`RuntimeError::UnknownDevice`].
    pub fn input_ring(&self, device: usize) -> Result<MeasuredInputRing, RuntimeError> {
        let unknown = || RuntimeError::UnknownDevice { device, devices: self.inner.devices.len() };
        self.inner.devices.get(device).map(|on| on.input).ok_or_else(unknown)
    }

    /// Returns why its device is not a CUDA device, where the runtime was free to choose; `None` where it is one, or was
    /// chosen. See [`RuntimeBuilder::require_cuda`](super::RuntimeBuilder::require_cuda).
    pub fn without_cuda(&self) -> Option<&CudaUnavailable> {
        self.inner.without_cuda.as_ref()
    }

    /// Returns how many blocks of one of its kernels fill the device, of several the first, where nothing else runs on it. More than that cannot be
    /// resident together on CUDA; on the host device they take turns on the cores, at most 8,192 of them in a
    /// process.
    ///
    /// # Errors
    /// [`RuntimeError::UnknownSource`].
    pub fn blocks_to_fill(&self, kernel: &str) -> Result<u32, RuntimeError> {
        let source = self.inner.devices[0].sources.get(kernel).ok_or_else(|| self.inner.unknown_source(kernel))?;
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
        let mut available: Vec<&str> = self.devices[0].sources.keys().map(String::as_str).collect();
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
