//! [`RingKernelRuntime`]: launches ring kernels, talks to them, and knows what they are doing.
//!
//! Every call has an async form, which never blocks a tokio worker, and a blocking form for use without tokio.
//! A kernel's life: `launch` (resident, takes no messages), `activate`, `deactivate`, `terminate`. Messages that
//! are still queued when a kernel is terminated are counted as dropped; replies may be received after its end.

mod builder;
mod error;
mod kernel;
mod wait;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use crate::abi::KernelRef;
use crate::collector::{TelemetryCollector, TelemetryError};
use crate::device::{
    Command, CudaUnavailable, DeviceError, DeviceInfo, IdleRing, Kernel, KernelArgs, Memory, RingShape, SharedDevice,
};
use crate::snapshot::{KernelState, KernelTelemetry, Snapshot, Summary};

pub use crate::device::Reply;
pub use builder::RuntimeBuilder;
pub use error::RuntimeError;
pub use kernel::RingKernel;

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
/// assert_eq!(runtime.telemetry("w")?.messages_processed, 1);
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
    collector: TelemetryCollector,
}

/// How to launch one kernel.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LaunchOptions {
    /// Name of its source; `None` is the runtime's default.
    pub kernel: Option<String>,
    /// Blocks that share its queue; 0 counts as 1.
    pub blocks: u32,
    /// Fraction of messages that it refuses, 0.0 to 1.0, to see errors being counted. Which ones depends on their
    /// numbers alone.
    pub inject_errors: f64,
    /// What the kernel takes beside its ring: the `Args` of `RINGSCOPE_RING_KERNEL(name, Handler, Args)`.
    pub args: KernelArgs,
}

impl LaunchOptions {
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
}

/// What a shutdown left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shutdown {
    /// Kernels that did not end in time, and run on.
    pub abandoned: Vec<String>,
}

impl RingKernelRuntime {
    /// Starts configuring one.
    pub fn builder() -> RuntimeBuilder {
        RuntimeBuilder::default()
    }

    /// The device it runs on.
    pub fn device(&self) -> &DeviceInfo {
        self.inner.device.info()
    }

    /// Why that is not a CUDA device, where it was free to choose.
    pub fn without_cuda(&self) -> Option<&CudaUnavailable> {
        self.inner.without_cuda.as_ref()
    }

    /// Blocks of one of its kernels that fill the device, where nothing else runs on it. More than that cannot be resident
    /// together on CUDA; on the host device they take turns.
    ///
    /// # Errors
    /// [`RuntimeError::UnknownSource`].
    pub fn blocks_to_fill(&self, kernel: &str) -> Result<u32, RuntimeError> {
        let source = self.inner.sources.get(kernel).ok_or_else(|| self.inner.unknown_source(kernel))?;
        Ok(source.max_resident_blocks())
    }

    /// Its collector: snapshots, periodic reading, host actors beside the kernels.
    pub fn collector(&self) -> &TelemetryCollector {
        &self.inner.collector
    }

    /// A handle for one kernel's traffic, which costs no look-up.
    ///
    /// # Errors
    /// [`RuntimeError::UnknownKernel`].
    pub fn kernel(&self, id: &str) -> Result<RingKernel, RuntimeError> {
        let kernels = self.inner.kernels.read().unwrap_or_else(PoisonError::into_inner);
        kernels.get(id).cloned().ok_or_else(|| {
            let mut launched: Vec<&str> = kernels.keys().map(|id| &**id).collect();
            launched.sort_unstable();
            RuntimeError::UnknownKernel { id: id.to_owned(), launched: launched.join(", ") }
        })
    }

    // ---- life cycle ----------------------------------------------------------------------------------

    /// Launches the default kernel under an id, with one block.
    ///
    /// # Errors
    /// A bad or taken id, a bound that is reached, or what the device refuses.
    pub async fn launch(&self, id: &str) -> Result<(), RuntimeError> {
        self.launch_with(id, LaunchOptions::default()).await
    }

    /// Launches a kernel under an id.
    ///
    /// # Errors
    /// As [`launch`](Self::launch), [`RuntimeError::UnknownSource`], and an `inject_errors` outside of 0 to 1.
    pub async fn launch_with(&self, id: &str, options: LaunchOptions) -> Result<(), RuntimeError> {
        let (runtime, owned) = (self.clone(), id.to_owned());
        off_the_worker(move || runtime.launch_blocking(&owned, &options)).await
    }

    /// [`launch_with`](Self::launch_with) for use without tokio.
    ///
    /// # Errors
    /// As there.
    pub fn launch_blocking(&self, id: &str, options: &LaunchOptions) -> Result<(), RuntimeError> {
        self.inner.launch(id, options)
    }

    /// Lets a launched or deactivated kernel take messages. Of an active one it changes nothing.
    ///
    /// # Errors
    /// [`RuntimeError::UnknownKernel`], [`RuntimeError::BadTransition`].
    pub async fn activate(&self, id: &str) -> Result<(), RuntimeError> {
        self.activate_blocking(id)
    }

    /// [`activate`](Self::activate) for use without tokio; it does not block.
    ///
    /// # Errors
    /// As there.
    pub fn activate_blocking(&self, id: &str) -> Result<(), RuntimeError> {
        self.kernel(id)?.activate(&self.inner.collector)
    }

    /// Lets an active kernel finish the messages in hand and take no more; its queue stays. A block that is never
    /// idle looks for commands every 32 messages.
    ///
    /// # Errors
    /// [`RuntimeError::UnknownKernel`], [`RuntimeError::BadTransition`].
    pub async fn deactivate(&self, id: &str) -> Result<(), RuntimeError> {
        self.deactivate_blocking(id)
    }

    /// [`deactivate`](Self::deactivate) for use without tokio; it does not block.
    ///
    /// # Errors
    /// As there.
    pub fn deactivate_blocking(&self, id: &str) -> Result<(), RuntimeError> {
        self.kernel(id)?.deactivate(&self.inner.collector)
    }

    /// Ends a kernel after the messages in hand; what is queued is counted as dropped. A block that is never idle
    /// looks for commands every 32 messages. Of an ended kernel it changes nothing.
    ///
    /// # Errors
    /// [`RuntimeError::StopTimedOut`] after the runtime's stop limit: it stays `Terminating`, and may be tried
    /// again. [`RuntimeError::UnknownKernel`]; what the kernel died of.
    pub async fn terminate(&self, id: &str) -> Result<(), RuntimeError> {
        let (runtime, owned) = (self.clone(), id.to_owned());
        off_the_worker(move || runtime.terminate_blocking(&owned)).await
    }

    /// [`terminate`](Self::terminate) for use without tokio.
    ///
    /// # Errors
    /// As there.
    pub fn terminate_blocking(&self, id: &str) -> Result<(), RuntimeError> {
        self.kernel(id)?.terminate(&self.inner.collector, self.inner.stop_limit)
    }

    /// Ends all kernels, and waits for all of them together at most `limit`.
    pub async fn shutdown(&self, limit: Duration) -> Shutdown {
        let runtime = self.clone();
        off_the_worker(move || Ok(runtime.shutdown_blocking(limit))).await.unwrap_or_default()
    }

    /// [`shutdown`](Self::shutdown) for use without tokio.
    pub fn shutdown_blocking(&self, limit: Duration) -> Shutdown {
        let deadline = Instant::now().checked_add(limit);
        let mut kernels = self.inner.all_kernels();
        kernels.sort_by(|a, b| a.id().cmp(b.id()));
        kernels.iter().for_each(|k| k.tell_to_stop(&self.inner.collector));
        let left = || deadline.map_or(Duration::MAX, |d| d.saturating_duration_since(Instant::now()));
        let stays = |k: &&RingKernel| {
            matches!(k.terminate(&self.inner.collector, left()), Err(RuntimeError::StopTimedOut { .. }))
        };
        Shutdown { abandoned: kernels.iter().filter(stays).map(|k| k.id().to_owned()).collect() }
    }

    // ---- messages ------------------------------------------------------------------------------------

    /// Sends a message, waiting while the queue is full, and returns its number, which its reply carries.
    ///
    /// # Errors
    /// [`RuntimeError::UnknownKernel`], [`RuntimeError::MessageTooLarge`], [`RuntimeError::NotActive`].
    pub async fn send(&self, id: &str, payload: &[u8]) -> Result<u64, RuntimeError> {
        self.kernel(id)?.send(payload).await
    }

    /// Sends messages in their order, waiting while the queue is full, and returns the number of the first.
    ///
    /// # Errors
    /// As [`send`](Self::send); messages before the one refused are sent.
    pub async fn send_batch<P: AsRef<[u8]>>(&self, id: &str, payloads: &[P]) -> Result<u64, RuntimeError> {
        self.kernel(id)?.send_batch(payloads).await
    }

    /// The next reply, waiting at most `timeout`. Replies come in the order of completion.
    ///
    /// # Errors
    /// [`RuntimeError::ReceiveTimedOut`], [`RuntimeError::Ended`], [`RuntimeError::UnknownKernel`], what the kernel
    /// died of.
    pub async fn receive(&self, id: &str, timeout: Duration) -> Result<Reply, RuntimeError> {
        self.kernel(id)?.receive(timeout).await
    }

    /// The next reply if it is there.
    ///
    /// # Errors
    /// As [`receive`](Self::receive), but for the time-out.
    pub fn try_receive(&self, id: &str) -> Result<Option<Reply>, RuntimeError> {
        self.kernel(id)?.try_receive()
    }

    /// [`send`](Self::send) for use without tokio.
    ///
    /// # Errors
    /// As there.
    pub fn send_blocking(&self, id: &str, payload: &[u8]) -> Result<u64, RuntimeError> {
        self.kernel(id)?.send_blocking(payload)
    }

    /// [`receive`](Self::receive) for use without tokio.
    ///
    /// # Errors
    /// As there.
    pub fn receive_blocking(&self, id: &str, timeout: Duration) -> Result<Reply, RuntimeError> {
        self.kernel(id)?.receive_blocking(timeout)
    }

    // ---- telemetry -----------------------------------------------------------------------------------

    /// Reads everything now. Every message whose reply was received is counted in it, though kernels record after
    /// they reply: it reads again, for up to a second, until it is so. Blocks for the time of a copy; from async code
    /// prefer the periodic [`interval`](RuntimeBuilder::interval) and [`latest`](Self::latest).
    ///
    /// # Errors
    /// [`TelemetryError::Disabled`] without [`telemetry(true)`](RuntimeBuilder::telemetry); what the device died of.
    pub fn snapshot(&self) -> Result<Arc<Snapshot>, RuntimeError> {
        // A record is nanoseconds behind its reply, or as long as the system takes the block's thread away.
        const PATIENCE: Duration = Duration::from_secs(1);
        let kernels = self.inner.all_kernels();
        kernels.iter().for_each(|k| k.note_end(&self.inner.collector));
        let received: Vec<(&RingKernel, u64)> = kernels.iter().map(|k| (k, k.replies_received())).collect();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let snapshot = self.inner.collector.snapshot()?;
            let missing: Vec<_> = received.iter().filter(|(k, replies)| k.is_behind(&snapshot, *replies)).collect();
            if missing.is_empty() {
                return Ok(snapshot);
            }
            if Instant::now() >= deadline {
                missing.iter().for_each(|(kernel, _)| kernel.give_up_on_records());
                return Ok(snapshot);
            }
            std::thread::yield_now();
        }
    }

    /// The newest snapshot, whoever took it; `None` before the first. Takes no lock.
    pub fn latest(&self) -> Option<Arc<Snapshot>> {
        self.inner.collector.latest()
    }

    /// Reads everything now, as [`snapshot`](Self::snapshot), and returns one kernel.
    ///
    /// # Errors
    /// [`RuntimeError::UnknownKernel`], and as [`snapshot`](Self::snapshot).
    pub fn telemetry(&self, id: &str) -> Result<KernelTelemetry, RuntimeError> {
        let snapshot = self.snapshot()?;
        match snapshot.kernel(id) {
            Some(kernel) => Ok(kernel.clone()),
            // Launched this moment, or not at all.
            None => self.kernel(id).and_then(|_| Ok(self.inner.collector.telemetry(id)?)),
        }
    }

    /// Reads everything now, as [`snapshot`](Self::snapshot), and adds it up.
    ///
    /// # Errors
    /// As [`snapshot`](Self::snapshot).
    pub fn summary(&self) -> Result<Summary, RuntimeError> {
        Ok(self.snapshot()?.summary())
    }

    /// Counts of `id`, or of all kernels, start from zero here and now; nothing that comes later is lost.
    ///
    /// # Errors
    /// [`TelemetryError::UnknownKernel`], and as [`snapshot`](Self::snapshot).
    pub fn reset_telemetry(&self, id: Option<&str>) -> Result<(), RuntimeError> {
        // What was replied to before the reset is counted before it.
        self.snapshot()?;
        Ok(self.inner.collector.reset(id)?)
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

    fn launch(&self, id: &str, options: &LaunchOptions) -> Result<(), RuntimeError> {
        let blocks = options.blocks.max(1);
        let name = options.kernel.as_ref().unwrap_or(&self.default_source);
        let source = self.sources.get(name).ok_or_else(|| self.unknown_source(name))?;
        let refuse_below = fraction(options.inject_errors)?;
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
            true => (self.collector.register(id, blocks)?, self.collector.memory()),
            false => (KernelRef::default(), Vec::new()),
        };
        self.collector.set_state(id, KernelState::Launched);
        let Some(mut ring) = spares.pop() else {
            return Err(RuntimeError::TooManyKernels { limit: self.max_kernels });
        };
        match ring.launch(&**source, blocks, telemetry, memory, refuse_below, &options.args) {
            Ok(launch) => {
                let kernel = RingKernel::new(
                    id,
                    self.shape,
                    ring.producer,
                    ring.consumer,
                    launch,
                    self.collector.queue_full(id),
                );
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

    fn unknown_source(&self, name: &str) -> RuntimeError {
        let mut available: Vec<&str> = self.sources.keys().map(String::as_str).collect();
        available.sort_unstable();
        RuntimeError::UnknownSource { name: name.to_owned(), available: available.join(", ") }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Told to stop, not waited for: blocks keep their memory alive until they end.
        for kernel in self.all_kernels() {
            kernel.tell_to_stop(&self.collector);
        }
    }
}

/// A fraction of the 2^32 hashes.
fn fraction(p: f64) -> Result<u64, RuntimeError> {
    if !(0.0..=1.0).contains(&p) {
        let value = p.abs().min(1e18) as u64;
        return Err(RuntimeError::BadSize { what: "inject_errors", value, must: "a fraction, 0.0 to 1.0" });
    }
    Ok((p * 4_294_967_296.0).round() as u64)
}
