//! [`RingKernelRuntime`]: launches ring kernels, talks to them, and knows what they are doing.
//!
//! Every call has an async form, which never blocks a tokio worker, and a blocking form for use without tokio.
//! A kernel's life: `launch` (resident, takes no messages), `activate`, `deactivate`, `terminate`. Messages that
//! are still queued when a kernel is terminated are counted as dropped; replies may be received after its end.

mod builder;
mod error;
mod kernel;
mod launch;
mod memory;
mod readings;
mod traffic;
mod wait;
mod waker;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use crate::collector::TelemetryCollector;
use crate::device::{CudaUnavailable, DeviceInfo, IdleRing, Kernel, RingShape, SharedDevice};

use waker::Waker;

pub use crate::device::Reply;
pub use builder::RuntimeBuilder;
pub use error::RuntimeError;
pub use kernel::RingKernel;
pub use launch::LaunchOptions;

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
    inner: Arc<Inner>,
}

struct Inner {
    device: SharedDevice,
    without_cuda: Option<CudaUnavailable>,
    sources: HashMap<String, Box<dyn Kernel>>,
    default_source: String,
    shape: RingShape,
    stop_limit: Duration,
    max_kernels: usize,
    spares: Mutex<Vec<IdleRing>>,
    kernels: RwLock<HashMap<Arc<str>, RingKernel>>,
    waker: Arc<Waker>,
    /// Kernels know it while the runtime is there.
    collector: Arc<TelemetryCollector>,
}

/// What a shutdown left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shutdown {
    /// Kernels that did not end in time, and run on.
    pub abandoned: Vec<String>,
}

impl RingKernelRuntime {
    /// Starts configuring a runtime.
    pub fn builder() -> RuntimeBuilder {
        RuntimeBuilder::default()
    }

    /// Returns what its device is.
    pub fn device(&self) -> &DeviceInfo {
        self.inner.device.info()
    }

    /// Returns why its device is not a CUDA device, where the runtime was free to choose; `None` where it is one, or was
    /// chosen. See [`RuntimeBuilder::require_cuda`].
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

    fn unknown_kernel(&self, id: &str) -> RuntimeError {
        let kernels = self.inner.kernels.read().unwrap_or_else(PoisonError::into_inner);
        let mut launched: Vec<&str> = kernels.keys().map(|id| &**id).collect();
        launched.sort_unstable();
        RuntimeError::UnknownKernel { id: id.to_owned(), launched: launched.join(", ") }
    }

    // ---- life cycle ----------------------------------------------------------------------------------

    /// Launches the default kernel under an id, with one block. It is resident then, and takes no messages before it is
    /// [activated](Self::activate).
    ///
    /// # Cancel safety
    /// If the future is dropped after it was polled, the launch happens all the same.
    ///
    /// # Errors
    /// A bad or taken id, a bound that is reached, or what the device refuses.
    pub async fn launch(&self, id: &str) -> Result<(), RuntimeError> {
        self.launch_with(id, LaunchOptions::default()).await
    }

    /// Launches a kernel under an id.
    ///
    /// # Cancel safety
    /// As [`launch`](Self::launch).
    ///
    /// # Errors
    /// As [`launch`](Self::launch), [`RuntimeError::UnknownSource`], and [`RuntimeError::BadValue`] for options out of range.
    pub async fn launch_with(&self, id: &str, options: LaunchOptions) -> Result<(), RuntimeError> {
        let (runtime, owned) = (self.clone(), id.to_owned());
        off_the_worker(move || runtime.launch_blocking(&owned, &options)).await
    }

    /// Launches a kernel as [`launch_with`](Self::launch_with) does, on the calling thread: on CUDA for the time of one
    /// driver call, on the host for the time of making a thread for each block.
    ///
    /// # Errors
    /// As [`launch_with`](Self::launch_with).
    pub fn launch_blocking(&self, id: &str, options: &LaunchOptions) -> Result<(), RuntimeError> {
        self.inner.launch(id, options)
    }

    /// Lets a launched or deactivated kernel take messages. Of an active one it changes nothing. Waits for nothing.
    ///
    /// # Errors
    /// [`RuntimeError::UnknownKernel`], [`RuntimeError::BadTransition`].
    pub async fn activate(&self, id: &str) -> Result<(), RuntimeError> {
        self.activate_blocking(id)
    }

    /// Activates a kernel as [`activate`](Self::activate) does; it does not block.
    ///
    /// # Errors
    /// As [`activate`](Self::activate).
    pub fn activate_blocking(&self, id: &str) -> Result<(), RuntimeError> {
        self.kernel(id)?.activate()
    }

    /// Lets an active kernel finish the messages in hand and take no more; its queue stays. A block that is never
    /// idle looks for commands every 32 messages. Waits for nothing.
    ///
    /// # Errors
    /// [`RuntimeError::UnknownKernel`], [`RuntimeError::BadTransition`].
    pub async fn deactivate(&self, id: &str) -> Result<(), RuntimeError> {
        self.deactivate_blocking(id)
    }

    /// Deactivates a kernel as [`deactivate`](Self::deactivate) does; it does not block.
    ///
    /// # Errors
    /// As [`deactivate`](Self::deactivate).
    pub fn deactivate_blocking(&self, id: &str) -> Result<(), RuntimeError> {
        self.kernel(id)?.deactivate()
    }

    /// Ends a kernel after the messages in hand, and waits until it has ended; what is queued is counted as dropped. A block
    /// that is never idle looks for commands every 32 messages. Of an ended kernel it changes nothing.
    ///
    /// # Cancel safety
    /// If the future is dropped after it was polled, the kernel is ended all the same.
    ///
    /// # Errors
    /// [`RuntimeError::StopTimedOut`] after the runtime's [stop limit](RuntimeBuilder::stop_limit): it stays `Terminating`,
    /// and may be tried again. [`RuntimeError::UnknownKernel`]. What the kernel died of before: [`RuntimeError::Returned`],
    /// or a [`RuntimeError::Device`].
    pub async fn terminate(&self, id: &str) -> Result<(), RuntimeError> {
        let (runtime, owned) = (self.clone(), id.to_owned());
        off_the_worker(move || runtime.terminate_blocking(&owned)).await
    }

    /// Ends a kernel as [`terminate`](Self::terminate) does, on the calling thread.
    ///
    /// # Errors
    /// As [`terminate`](Self::terminate).
    pub fn terminate_blocking(&self, id: &str) -> Result<(), RuntimeError> {
        self.kernel(id)?.terminate(self.inner.stop_limit)
    }

    /// Ends all kernels, and waits for all of them together at most `limit`.
    ///
    /// # Cancel safety
    /// If the future is dropped after it was polled, the kernels are ended all the same.
    pub async fn shutdown(&self, limit: Duration) -> Shutdown {
        let runtime = self.clone();
        off_the_worker(move || Ok(runtime.shutdown_blocking(limit))).await.unwrap_or_default()
    }

    /// Ends all kernels as [`shutdown`](Self::shutdown) does, on the calling thread.
    pub fn shutdown_blocking(&self, limit: Duration) -> Shutdown {
        let deadline = Instant::now().checked_add(limit);
        let mut kernels = self.inner.all_kernels();
        kernels.sort_by(|a, b| a.id().cmp(b.id()));
        for kernel in &kernels {
            // What the device says of it, it says again below.
            let _ = kernel.note_end_before_stop();
            kernel.tell_to_stop();
        }
        let left = || deadline.map_or(Duration::MAX, |d| d.saturating_duration_since(Instant::now()));
        let stays = |k: &&RingKernel| matches!(k.terminate(left()), Err(RuntimeError::StopTimedOut { .. }));
        Shutdown { abandoned: kernels.iter().filter(stays).map(|k| k.id().to_owned()).collect() }
    }
}

impl std::fmt::Debug for RingKernelRuntime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kernels = self.inner.kernels.read().unwrap_or_else(PoisonError::into_inner).len();
        write!(f, "RingKernelRuntime({kernels} kernels on {})", self.device().name)
    }
}

/// Runs what may block where it blocks nobody.
async fn off_the_worker<T: Send + 'static>(
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

impl Inner {
    fn all_kernels(&self) -> Vec<RingKernel> {
        self.kernels.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
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
