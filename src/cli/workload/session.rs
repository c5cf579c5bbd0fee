//! What `run` and `serve` do alike: the kernels are launched, the input is streamed through them, the counts are judged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use ringscope::device::DeviceKind;
use ringscope::{LaunchOptions, RingKernel, RingKernelRuntime, RuntimeError, Snapshot, TelemetryConfig};

use crate::cli::CliError;
use crate::cli::args::RunArgs;
use crate::cli::term::live::{self, View};
use crate::cli::term::table::{Style, plain, styled};
use crate::cli::term::terminal;
use crate::cli::workload::feed::Feed;
use crate::cli::workload::input::{Input, Limit, Source};
use crate::cli::workload::report::Report;
use crate::cli::workload::stream::{HostCounts, Outcome, Plan, Progress, Stream};

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
        let input = Input::new(&args.paths, args.message_bytes, limit)?;
        let stop = stop_on_ctrl_c()?;
        let runtime = build(args)?;
        announce(args, &runtime);
        let kernels = launch(args, &runtime)?;
        let (sources, input_bytes) = (input.sources().to_vec(), input.bytes());
        let (input, progress) = (Some(input), Arc::default());
        Ok(Session { args, limit, sources, input_bytes, input, runtime, kernels, progress, stop })
    }

    /// What runs the kernels.
    pub fn runtime(&self) -> &RingKernelRuntime {
        &self.runtime
    }

    /// Whether somebody wants the end.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// For whoever shows it.
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
    /// No thread to read a pipe with.
    pub fn stream(&mut self) -> Result<Outcome, CliError> {
        let Some(input) = self.input.take() else { return Ok(Outcome::default()) };
        let plan = Plan {
            work: self.args.kernel,
            limit: self.limit,
            message_bytes: self.args.message_bytes,
            slots: self.args.slots(),
            refusals: self.args.inject_errors > 0.0,
        };
        let feed = Feed::new(input)?;
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
            outcome.troubles.extend(counts.flat_map(|(kernel, host)| differences(kernel.id(), host, snapshot)));
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

fn build(args: &RunArgs) -> Result<RingKernelRuntime, RuntimeError> {
    let config = TelemetryConfig {
        max_kernels: args.kernels as usize,
        max_blocks: args.kernels * args.blocks,
        ..TelemetryConfig::default()
    };
    RingKernelRuntime::builder()
        .device(args.device)
        .telemetry(!args.no_telemetry)
        .kernel(args.kernel.builtin().name())
        .max_kernels(args.kernels as usize)
        .slot_bytes(args.slot_bytes())
        .slots(args.slots())
        .telemetry_config(config)
        .build()
}

fn launch(args: &RunArgs, runtime: &RingKernelRuntime) -> Result<Vec<RingKernel>, RuntimeError> {
    let options = LaunchOptions {
        kernel: None,
        blocks: args.blocks,
        inject_errors: args.inject_errors,
        ..LaunchOptions::default()
    };
    let launch = |i| {
        let id = format!("worker_{i}");
        runtime.launch_blocking(&id, &options)?;
        runtime.activate_blocking(&id)?;
        runtime.kernel(&id)
    };
    (0..args.kernels).map(launch).collect()
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
            _ => "the host".to_owned(),
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
    for kernel in kernels {
        if let Err(error) = runtime.terminate_blocking(kernel.id()) {
            troubles.push(error.to_string());
        }
    }
    if args.no_telemetry {
        return None;
    }
    let read = runtime.snapshot();
    read.map_err(|error| troubles.push(error.to_string())).ok().or_else(|| runtime.latest())
}

/// What the device counted otherwise than the host.
fn differences(id: &str, host: &HostCounts, snapshot: &Snapshot) -> Vec<String> {
    let Some(device) = snapshot.kernel(id) else {
        return vec![format!("{id}: the device has no counts of it")];
    };
    let pairs = [
        ("messages_received", device.messages_received, host.sent),
        ("messages_sent", device.messages_sent, host.replies),
        ("messages_processed + errors", device.handled(), device.messages_received),
        ("errors", device.errors, host.refused),
        ("bytes_in", device.bytes_in, host.bytes_in),
        ("bytes_out", device.bytes_out, host.bytes_out),
        ("dropped", device.dropped, 0),
    ];
    let differ = pairs.into_iter().filter(|(_, device, host)| device != host);
    differ.map(|(what, device, host)| format!("{id}: {what} is {device} on the device, and must be {host}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringscope::TelemetryCollector;
    use std::time::Duration;

    #[test]
    fn every_difference_is_told() {
        let collector = TelemetryCollector::new(true);
        collector.record_receive("w").unwrap();
        collector.record_processed("w", Some(Duration::from_micros(1))).unwrap();
        collector.record_send("w").unwrap();
        let snapshot = collector.snapshot().unwrap();
        let host = HostCounts { sent: 1, replies: 1, ..HostCounts::default() };
        assert_eq!(differences("w", &host, &snapshot), Vec::<String>::new());
        let host = HostCounts { sent: 2, replies: 1, refused: 1, bytes_in: 8, bytes_out: 4 };
        let told = differences("w", &host, &snapshot);
        assert_eq!(told.len(), 4, "{told:?}");
        assert_eq!(told[0], "w: messages_received is 1 on the device, and must be 2");
        assert_eq!(differences("x", &host, &snapshot).len(), 1);
    }
}
