//! What `run` and `serve` do alike: the kernels are launched, the input is streamed through them, the counts are judged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use ringscope::device::DeviceKind;
use ringscope::{RingKernel, RingKernelRuntime, Snapshot};

use crate::cli::CliError;
use crate::cli::args::RunArgs;
use crate::cli::term::live::{self, View};
use crate::cli::term::table::{Style, plain, styled};
use crate::cli::term::terminal;
use crate::cli::workload::feed::Feed;
use crate::cli::workload::input::{Input, Limit, Source};
use crate::cli::workload::launch;
use crate::cli::workload::report::Report;
use crate::cli::workload::stream::{Outcome, Plan, Progress, Stream};

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
    /// Opens the files and the device, and launches the kernels.
    ///
    /// # Errors
    /// A file, or the device, cannot be used.
    pub fn start(args: &'a RunArgs, limit: Limit) -> Result<Session<'a>, CliError> {
        let input = Input::new(&args.paths, limit)?;
        let stop = stop_on_ctrl_c()?;
        let runtime = launch::open(args, stop)?;
        announce(args, &runtime);
        let kernels = launch::launch(args, &runtime, stop)?;
        let (sources, input_bytes) = (input.sources().to_vec(), input.bytes());
        let (input, progress) = (Some(input), Arc::default());
        Ok(Session { args, limit, sources, input_bytes, input, runtime, kernels, progress, stop })
    }

    /// Returns what runs the kernels.
    pub fn runtime(&self) -> &RingKernelRuntime {
        &self.runtime
    }

    /// Returns whether somebody wants the end.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Returns what the display shows.
    pub fn view(&self) -> View {
        View {
            runtime: self.runtime.clone(),
            progress: Arc::clone(&self.progress),
            limit: self.limit,
            input_bytes: self.input_bytes,
            interval: self.args.interval,
        }
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
            slots: self.args.slots(),
            refusals: self.args.inject_errors > 0.0,
            reply_timeout: self.args.reply_timeout,
        };
        let feed = Feed::new(input, plan.message_bytes)?;
        Ok(Stream::new(plan, &self.sources, feed, self.kernels.clone(), &self.progress).run(self.stop))
    }

    /// Ends the kernels, compares the device's counts with the host's, and shows all that is known; whether all was right.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn report(&self, mut outcome: Outcome) -> Result<bool, CliError> {
        let (args, runtime) = (self.args, &self.runtime);
        let snapshot = finish(args, runtime, &self.kernels, &mut outcome.troubles);
        if let Some(snapshot) = &snapshot {
            let counts = self.kernels.iter().zip(&outcome.counts);
            outcome.troubles.extend(counts.flat_map(|(kernel, host)| host.differences(kernel.id(), snapshot)));
        }
        let (sources, snapshot) = (&self.sources[..], snapshot.as_ref());
        Report { args, device: runtime.device(), sources, outcome: &outcome, snapshot }.show()
    }
}

/// The first Ctrl-C asks for the end, which is clean; the second does not ask.
fn stop_on_ctrl_c() -> Result<&'static AtomicBool, CliError> {
    static STOP: AtomicBool = AtomicBool::new(false);
    ctrlc::set_handler(|| {
        static TIMES: AtomicU32 = AtomicU32::new(0);
        if TIMES.fetch_add(1, Ordering::Relaxed) > 0 {
            live::restore_cursor();
            std::process::exit(130);
        }
        STOP.store(true, Ordering::Relaxed);
    })?;
    Ok(&STOP)
}

/// Which device is used, and why, before the first message.
fn announce(args: &RunArgs, runtime: &RingKernelRuntime) {
    let device = runtime.device();
    let s = |n| if n == 1 { "" } else { "s" };
    let what = format!(
        "{} in {} ring kernel{} of {} block{} on {}, ",
        args.kernel.builtin().name(),
        args.kernels,
        s(args.kernels),
        args.blocks,
        s(args.blocks),
        match device.kind {
            DeviceKind::Cuda => format!("cuda:{}", device.ordinal),
            DeviceKind::Host => "the host".to_owned(),
        }
    );
    terminal::say(&[plain(&what), styled(Style::Bold, &device.name), plain(&format!(" ({})", device.detail))]);
    if let Some(why) = runtime.without_cuda() {
        terminal::say(&[styled(Style::Dim, &format!("not on CUDA: {why}"))]);
    }
    for warning in &device.warnings {
        terminal::say(&[styled(Style::Warn, &format!("warning: {warning}"))]);
    }
}

/// Ends the kernels and reads their last numbers; `None` where they count nothing, or cannot be read.
fn finish(
    args: &RunArgs,
    runtime: &RingKernelRuntime,
    kernels: &[RingKernel],
    troubles: &mut Vec<String>,
) -> Option<Arc<Snapshot>> {
    launch::end(runtime, kernels, troubles);
    if args.no_telemetry {
        return None;
    }
    let read = runtime.snapshot_blocking();
    read.map_err(|error| troubles.push(error.to_string())).ok().or_else(|| runtime.latest())
}
