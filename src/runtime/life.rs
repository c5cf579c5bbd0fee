//! Launching kernels, commanding them, ending them.

use std::error::Error;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::error::RuntimeError;
use super::handle::{Inner, RingKernelRuntime, off_the_worker};
use super::kernel::RingKernel;
use super::limit::RunLimit;
use super::on_device::{Placed, Spent};
use super::options::LaunchOptions;
use super::wait;
use crate::abi::KernelRef;
use crate::collector::{Life, TelemetryError, check_id};
use crate::device::{Command, DeviceError, IdleRing, Launch, Level};
use crate::snapshot::KernelState;
use crate::trace::TraceFilter;

/// What a shutdown left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shutdown {
    /// Kernels that did not end in time, and run on.
    pub abandoned: Vec<String>,
}

impl RingKernelRuntime {
    /// Launches the default kernel under an id, with one block. It is resident then, and takes no messages before it is
    /// [activated](Self::activate).
    ///
    /// A kernel that has ended leaves its id to the next: it begins another life, with counts from zero and the next
    /// [`generation`](crate::KernelTelemetry::generation), on the rings and in the shards of the one before, so that nothing is
    /// allocated. Handles of the life before stay its own: they give the replies that were not received yet, and then
    /// [`RuntimeError::Ended`]. Where all [`max_kernels`](super::RuntimeBuilder::max_kernels) have been launched, a new id gets
    /// the rings of the kernel that ended first, which the runtime forgets.
    ///
    /// # Cancel safety
    /// If the future is dropped after it was polled, the launch happens all the same.
    ///
    /// # Errors
    /// A bad id, [`TelemetryError::AlreadyRegistered`] for that of a kernel that has not ended, a bound that is reached, or
    /// what the device refuses.
    pub async fn launch(&self, id: &str) -> Result<(), RuntimeError> {
        self.launch_with(id, LaunchOptions::default()).await
    }

    /// Launches a kernel under an id.
    ///
    /// # Cancel safety
    /// As [`launch`](Self::launch).
    ///
    /// # Errors
    /// As [`launch`](Self::launch), [`RuntimeError::UnknownSource`], [`RuntimeError::UnknownDevice`], and [`RuntimeError::BadValue`] for options out of range.
    /// On CUDA, [`DeviceError::TooManyBlocks`] where it is not certain that all blocks find room beside the other kernels'
    /// on this GPU; and [`RuntimeError::NotStarted`] where some found none all the same within the
    /// [start limit](super::RuntimeBuilder::start_limit), another library's kernel being resident: the kernel is then told to
    /// stop, and waited for as by [`terminate`](Self::terminate).
    pub async fn launch_with(&self, id: &str, options: LaunchOptions) -> Result<(), RuntimeError> {
        let (runtime, owned) = (self.clone(), id.to_owned());
        off_the_worker(move || runtime.launch_blocking(&owned, &options)).await
    }

    /// Launches a kernel as [`launch_with`](Self::launch_with) does, on the calling thread: on CUDA until all of its blocks
    /// have started, which takes some 20 µs, on the host for the time of making a thread for each block.
    ///
    /// # Errors
    /// As [`launch_with`](Self::launch_with).
    pub fn launch_blocking(&self, id: &str, options: &LaunchOptions) -> Result<(), RuntimeError> {
        self.inner.launch(id, options)
    }

    /// Changes of which messages a kernel leaves a span, while it runs: those that end from then on, a copy to the device
    /// later. The default is of those that fail.
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use ringscope::trace::TraceFilter;
    /// # async fn example(runtime: &ringscope::RingKernelRuntime) -> Result<(), ringscope::RuntimeError> {
    /// runtime.trace("w", TraceFilter::none().slow(Duration::from_micros(50)).one_of(64).errors(true)).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Cancel safety
    /// If the future is dropped after it was polled, the filter is changed all the same.
    ///
    /// # Errors
    /// [`RuntimeError::UnknownKernel`]; of [`RuntimeError::Telemetry`] [`TelemetryError::Filter`] for a filter that makes no
    /// sense, and [`TelemetryError::NotTraced`] without [`trace_records`](crate::TelemetryConfig::trace_records) or below
    /// [`Level::Events`](crate::Level::Events): then the filter stays as it was. What the device died of.
    pub async fn trace(&self, id: &str, filter: TraceFilter) -> Result<(), RuntimeError> {
        let (runtime, owned) = (self.clone(), id.to_owned());
        off_the_worker(move || runtime.trace_blocking(&owned, filter)).await
    }

    /// Changes the filter as [`trace`](Self::trace) does, on the calling thread: it blocks for the time of a copy.
    ///
    /// # Errors
    /// As [`trace`](Self::trace).
    pub fn trace_blocking(&self, id: &str, filter: TraceFilter) -> Result<(), RuntimeError> {
        self.kernel(id)?;
        if self.inner.collector.enabled() && self.inner.level < Level::Events {
            return Err(TelemetryError::NotTraced { id: id.to_owned() }.into());
        }
        Ok(self.inner.collector.trace(id, filter)?)
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
    /// idle looks for commands after a message, if it did not in the 50 µs before. Waits for nothing.
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
    /// that is never idle looks for commands after a message, if it did not in the 50 µs before. Of an ended kernel it changes
    /// nothing.
    ///
    /// # Cancel safety
    /// If the future is dropped after it was polled, the kernel is ended all the same.
    ///
    /// # Errors
    /// [`RuntimeError::StopTimedOut`] after the runtime's [stop limit](super::RuntimeBuilder::stop_limit): it stays `Terminating`,
    /// and may be tried again. Time in which the process was stopped or frozen does not count.
    /// [`RuntimeError::UnknownKernel`]. What the kernel died of before: [`RuntimeError::Returned`],
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
        self.kernel(id)?.terminate(&mut RunLimit::new(self.inner.stop_limit))
    }

    /// Ends all kernels, and waits for all of them together at most `limit`, as [`terminate`](Self::terminate) counts it.
    ///
    /// # Cancel safety
    /// If the future is dropped after it was polled, the kernels are ended all the same.
    pub async fn shutdown(&self, limit: Duration) -> Shutdown {
        let runtime = self.clone();
        off_the_worker(move || Ok(runtime.shutdown_blocking(limit))).await.unwrap_or_default()
    }

    /// Ends all kernels as [`shutdown`](Self::shutdown) does, on the calling thread.
    pub fn shutdown_blocking(&self, limit: Duration) -> Shutdown {
        let mut limit = RunLimit::new(limit);
        let mut kernels = self.inner.all_kernels();
        kernels.sort_by(|a, b| a.id().cmp(b.id()));
        for kernel in &kernels {
            // What the device says of it, it says again below.
            let _ = kernel.note_end_before_stop();
            kernel.tell_to_stop();
        }
        kernels.retain(|kernel| matches!(kernel.terminate(&mut limit), Err(RuntimeError::StopTimedOut { .. })));
        Shutdown { abandoned: kernels.iter().map(|kernel| kernel.id().to_owned()).collect() }
    }
}

impl Inner {
    fn launch(&self, id: &str, options: &LaunchOptions) -> Result<(), RuntimeError> {
        options.check()?;
        let name = options.kernel.as_ref().unwrap_or(&self.default_source);
        // One launch at a time: this lock, and not that of the kernels, which their traffic takes, is held while
        // the device works.
        let launching = self.launching.lock().unwrap_or_else(PoisonError::into_inner);
        let device = self.pick(name, options)?;
        let on = &self.devices[device];
        let source = on.sources.get(name).ok_or_else(|| self.unknown_source(name))?;
        options.args.check(name, source.args_layout())?;
        check_id(id)?;
        self.note_ends();
        if self.is_there(id) {
            return Err(TelemetryError::AlreadyRegistered { id: id.to_owned() }.into());
        }
        if !self.has_ring(device) {
            return Err(RuntimeError::TooManyKernels { limit: self.max_kernels });
        }
        let (telemetry, memory) = match self.collector.enabled() {
            true => {
                let registration = options.describe(self.collector.kernel(id).device(device), source.names());
                (registration.register()?, self.collector.memory_of(device))
            }
            false => (KernelRef::default(), Vec::new()),
        };
        let life = self.collector.life(id);
        let mut ring = match self.ring_for(id, device) {
            Ok(ring) => ring,
            Err(error) => {
                drop(launching);
                self.refuse(life.as_ref(), &error);
                return Err(error);
            }
        };
        life.iter().for_each(|life| self.collector.set_state(life, KernelState::Launched));
        let (launch, error) = match ring.launch(&**source, telemetry, memory, options.ring()) {
            Ok(launch) => match self.await_start((id, device), &mut ring, options.blocks, &*launch) {
                Ok(()) => {
                    let parts = (self.shape, Arc::clone(&self.waker), self.tracer.clone());
                    let kernel = RingKernel::new(id, ring, launch, (&self.collector, life), parts);
                    let placed = Placed::new(device, options.blocks);
                    self.placed.lock().unwrap_or_else(PoisonError::into_inner).insert(id.into(), placed);
                    self.kernels.write().unwrap_or_else(PoisonError::into_inner).insert(id.into(), kernel);
                    self.forget_beyond_rings();
                    return Ok(());
                }
                Err(error) => (Some(launch), error),
            },
            Err(error) if error.is_refusal() => {
                on.give_back(ring.place);
                // Without the lock: whoever hears of it may launch another.
                drop(launching);
                self.refuse(life.as_ref(), &error);
                return Err(error.into());
            }
            Err(error) => (None, error.into()),
        };
        let error = match (error, &life) {
            (RuntimeError::Device(error), Some(life)) => self.collector.quoted(life, error).into(),
            (error, _) => error,
        };
        // Blocks may have started: they are told to stop, and the id and the rings are taken until they have ended.
        ring.producer.command(Command::Stop);
        let spent = Spent { place: ring.place, launch, life: life.clone() };
        on.spent.lock().unwrap_or_else(PoisonError::into_inner).push(spent);
        drop(launching);
        life.iter().for_each(|life| self.collector.set_failed(life, &error.to_string()));
        Err(error)
    }

    /// Takes back a registration of which nothing was launched. Where it stays, that says why.
    fn refuse(&self, life: Option<&Life>, error: &dyn Error) {
        if let Some(life) = life {
            self.collector.set_failed(life, &error.to_string());
            self.collector.forget(life);
        }
    }

    /// Waits until all blocks have started, where they may have to wait for room: what others of the context launched is not
    /// known here, nor where the hardware places blocks. A kernel that does not start as a whole is stopped.
    fn await_start(
        &self,
        (id, device): (&str, usize),
        ring: &mut IdleRing,
        blocks: u32,
        launch: &dyn Launch,
    ) -> Result<(), RuntimeError> {
        let failed = match self.count_started((device, ring.place.number), blocks, launch) {
            Ok(None) => return Ok(()),
            Ok(Some(started)) => {
                RuntimeError::NotStarted { id: id.to_owned(), started, blocks, waited: self.start_limit }
            }
            Err(error) => error.into(),
        };
        ring.producer.command(Command::Stop);
        // What it has is given back when it is known to have ended. Blocks without room end when they have had their turn.
        let ended = || launch.ended().map(|ended| ended.then_some(()));
        let _ = wait::blocking(&mut RunLimit::new(self.stop_limit), ended);
        Err(failed)
    }

    /// How many blocks have started when the limit is over; `None` as soon as all have.
    fn count_started(
        &self,
        (device, ring): (usize, usize),
        blocks: u32,
        launch: &dyn Launch,
    ) -> Result<Option<u32>, DeviceError> {
        let mut words = self.devices[device].words.lock().unwrap_or_else(PoisonError::into_inner);
        let mut started = 0;
        let all =
            wait::blocking(&mut RunLimit::new(self.start_limit), || match words.started(ring, self.copy_limit)? {
                Some(some) if some < blocks => {
                    started = some;
                    // A kernel that has returned by itself had started.
                    launch.ended().map(|ended| ended.then_some(()))
                }
                _ => Ok(Some(())),
            })?;
        Ok(all.is_none().then_some(started))
    }
}
