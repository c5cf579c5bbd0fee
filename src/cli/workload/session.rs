//! What `run` and `serve` do alike: the kernels are launched, the input is streamed through them, the counts are judged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ringscope::device::DeviceInfo;
use ringscope::{RingKernel, RingKernelRuntime, Snapshot};

use crate::cli::error::CliError;
use crate::cli::term::live::View;
use crate::cli::term::{signals, terminal};
use crate::cli::workload::args::RunArgs;
use crate::cli::workload::feed::Feed;
use crate::cli::workload::input::{Input, Limit, Source};
use crate::cli::workload::launch;
pub use crate::cli::workload::launch::Traced;
use crate::cli::workload::report::{Kept, Report};
use crate::cli::workload::stream::{Outcome, Plan, Progress, Stream};
use crate::cli::workload::view;

/// Kernels that are running, and what is to be streamed through them.
pub struct Session<'a> {
    args: &'a RunArgs,
    limit: Limit,
    sources: Vec<Source>,
    input_bytes: Option<u64>,
    /// Until it is streamed.
    input: Option<Input>,
    runtime: RingKernelRuntime,
    kernels: Vec<RingKernel>,
    progress: Arc<Progress>,
    stop: &'static AtomicBool,
}

impl<'a> Session<'a> {
    /// Opens the files and the device, and launches the kernels, which record what happens when if that is wanted.
    ///
    /// # Errors
    /// A file, or the device, cannot be used.
    pub fn start(args: &'a RunArgs, limit: Limit, traced: Option<&Traced>) -> Result<Session<'a>, CliError> {
        let input = Input::new(&args.paths, limit)?;
        let stop = signals::stop_on_signals()?;
        let runtime = launch::open(args, traced, stop)?;
        let why = runtime.without_cuda().map(ToString::to_string);
        view::header(args, &runtime.devices().collect::<Vec<_>>(), why.as_deref())
            .iter()
            .for_each(|line| terminal::say(line));
        let kernels = launch::launch(args, traced, &runtime, stop)?;
        let (sources, input_bytes) = (input.sources().to_vec(), input.bytes());
        let (input, progress) = (Some(input), Arc::default());
        Ok(Session { args, limit, sources, input_bytes, input, runtime, kernels, progress, stop })
    }

    /// Returns what runs the kernels.
    pub fn runtime(&self) -> &RingKernelRuntime {
        &self.runtime
    }

    /// Returns what the kernels run on.
    pub fn devices(&self) -> Vec<&DeviceInfo> {
        self.runtime.devices().collect()
    }

    /// Returns whether somebody wants the end.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Returns the flag that ends the stream.
    pub fn stop(&self) -> &'static AtomicBool {
        self.stop
    }

    /// Returns what the live display shows.
    pub fn view(&self) -> View {
        let (progress, limit, input_bytes) = (Arc::clone(&self.progress), self.limit, self.input_bytes);
        let done = move |elapsed| view::done(&progress, limit, input_bytes, elapsed);
        View { runtime: self.runtime.clone(), done: Box::new(done), interval: self.args.interval }
    }

    /// Streams until the limit, a trouble or Ctrl-C. A second time there is nothing left.
    ///
    /// # Errors
    /// No thread to read the input with.
    pub fn stream(&mut self) -> Result<Outcome, CliError> {
        let Some(input) = self.input.take() else { return Ok(Outcome::default()) };
        let plan = Plan {
            work: self.args.kernel,
            limit: self.limit,
            message_bytes: self.args.message_bytes,
            slots: self.args.slots(self.args.kernels(self.runtime.devices().len())),
            refusals: self.args.inject_errors > 0.0,
            reply_timeout: self.args.reply_timeout,
        };
        let feed = Feed::new(input, plan.message_bytes)?;
        Ok(Stream::new(plan, &self.sources, feed, self.kernels.clone(), &self.progress).run(self.stop))
    }

    /// Ends the kernels, compares the device's counts with the host's, and shows all that is known, with what `keep` says of a
    /// trace and of publishing once the kernels have ended; it may add troubles. Whether all was right.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn report(&self, mut outcome: Outcome, keep: impl FnOnce(&mut Vec<String>) -> Kept) -> Result<bool, CliError> {
        let (args, runtime) = (self.args, &self.runtime);
        let snapshot = finish(args, runtime, &self.kernels, &mut outcome.troubles);
        if let Some(snapshot) = &snapshot {
            let counts = self.kernels.iter().zip(&outcome.counts);
            outcome.troubles.extend(counts.flat_map(|(kernel, host)| host.differences(kernel.id(), snapshot)));
        }
        let kept = keep(&mut outcome.troubles);
        let (sources, snapshot) = (&self.sources[..], snapshot.as_ref());
        Report { args, devices: &self.devices(), sources, outcome: &outcome, snapshot, kept }.show()
    }
}

/// Ends the kernels and reads their last numbers; `None` where they count nothing, or cannot be read.
fn finish(
    args: &RunArgs,
    runtime: &RingKernelRuntime,
    kernels: &[RingKernel],
    troubles: &mut Vec<String>,
) -> Option<Arc<Snapshot>> {
    if let Ok(before) = runtime.collector().snapshot() {
        // Some of them end when they are told to, and then nobody knows why they hung.
        troubles.extend(before.stuck().iter().map(ToString::to_string));
    }
    launch::end(runtime, kernels, troubles);
    if args.no_telemetry {
        return None;
    }
    let read = runtime.snapshot_blocking();
    read.map_err(|error| troubles.push(error.to_string())).ok().or_else(|| runtime.latest())
}
