//! `ringscope run`: launches the kernels, streams the input through them, and judges the counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use ringscope::device::DeviceKind;
use ringscope::{LaunchOptions, RingKernel, RingKernelRuntime, RuntimeError, Snapshot, TelemetryConfig};

use super::args::RunArgs;
use super::feed::Feed;
use super::input::Input;
use super::live::{self, Last, Live, View};
use super::report::Report;
use super::stream::{HostCounts, Plan, Progress, Stream};
use super::table::{Style, plain, span};
use super::{CliError, terminal};

/// Whether every reply was right and the device's counts equal the host's.
pub fn run(args: &RunArgs) -> Result<bool, CliError> {
    let input = Input::new(&args.paths, args.message_bytes, args.limit())?;
    let stop = stop_on_ctrl_c()?;
    let runtime = build(args)?;
    announce(args, &runtime);
    let kernels = launch(args, &runtime)?;
    let (sources, input_bytes) = (input.sources().to_vec(), input.bytes());
    let feed = Feed::new(input)?;
    let progress = Arc::new(Progress::default());
    let live = Live::start(View {
        runtime: runtime.clone(),
        progress: Arc::clone(&progress),
        limit: args.limit(),
        input_bytes,
        interval: args.interval,
    });
    let plan = Plan {
        work: args.kernel,
        limit: args.limit(),
        message_bytes: args.message_bytes,
        slots: args.slots(),
        refusals: args.inject_errors > 0.0,
    };
    let mut outcome = Stream::new(plan, &sources, feed, kernels.clone(), &progress).run(stop);
    // The summary takes the place of the live display, if that is where it goes.
    let replaced = !args.json && terminal::stdout_is_terminal();
    live.end(if replaced { Last::Erase } else { Last::Keep });
    let snapshot = finish(args, &runtime, &kernels, &mut outcome.troubles);
    if let Some(snapshot) = &snapshot {
        let counts = kernels.iter().zip(&outcome.counts);
        outcome.troubles.extend(counts.flat_map(|(kernel, host)| differences(kernel.id(), host, snapshot)));
    }
    Report { args, device: runtime.device(), sources: &sources, outcome: &outcome, snapshot: snapshot.as_ref() }.show()
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
    let options = LaunchOptions { kernel: None, blocks: args.blocks, inject_errors: args.inject_errors };
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
            DeviceKind::Host => "the host".to_owned(),
        }
    );
    terminal::say(&[plain(&what), span(Style::Bold, &device.name), plain(&format!(" ({})", device.detail))]);
    if let Some(why) = runtime.without_cuda() {
        terminal::say(&[span(Style::Dim, &format!("not on CUDA: {why}"))]);
    }
    for warning in &device.warnings {
        terminal::say(&[span(Style::Warn, &format!("warning: {warning}"))]);
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
