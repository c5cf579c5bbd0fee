//! Sums over all kernels: what has ended is counted, and is not a rate any more.
#![cfg(feature = "host")]

use std::time::Duration;

use ringscope::{DeviceSpec, KernelState, LaunchOptions, RingKernelRuntime};

const SOON: Duration = Duration::from_secs(60);

#[test]
fn kernels_that_have_ended_count_but_have_no_rate() {
    let runtime = RingKernelRuntime::builder().device(DeviceSpec::Host).telemetry(true).build().unwrap();
    let traffic = |id: &str, messages: usize, inject_errors: f64| {
        let options = LaunchOptions::new().inject_errors(inject_errors);
        runtime.launch_blocking(id, &options).unwrap();
        runtime.activate_blocking(id).unwrap();
        for _ in 0..messages {
            runtime.send_blocking(id, b"12345678").unwrap();
            runtime.receive_blocking(id, SOON).unwrap();
        }
    };
    traffic("ended", 300, 0.0);
    runtime.terminate_blocking("ended").unwrap();
    traffic("runs", 200, 0.5);
    traffic("held", 50, 0.0);
    runtime.deactivate_blocking("held").unwrap();
    runtime.collector().record_processed("actor", None).unwrap();
    let snapshot = runtime.snapshot_blocking().unwrap();
    let kernel = |id: &str| snapshot.kernel(id).unwrap();
    assert_eq!(kernel("ended").state, KernelState::Terminated);
    assert!(kernel("ended").throughput > 0.0 && kernel("runs").errors > 0);

    let (totals, summary, tasks) = (snapshot.totals(), snapshot.summary(), snapshot.tasks());
    let running = ["runs", "held", "actor"].map(kernel);
    let rate: f64 = running.iter().map(|k| k.throughput).sum();
    assert_eq!((totals.throughput, summary.aggregate_throughput, tasks.throughput_per_second), (rate, rate, rate));
    assert_eq!(totals.windowed_throughput, running.iter().map(|k| k.windowed_throughput).sum::<f64>());
    let processed = snapshot.kernels.iter().map(|k| k.messages_processed).sum::<u64>();
    assert_eq!(processed, 551 - kernel("runs").errors);
    assert_eq!(
        (totals.messages_received, totals.messages_processed, totals.errors),
        (550, processed, kernel("runs").errors)
    );
    assert_eq!((summary.kernel_count, summary.total_messages, summary.total_errors), (4, processed, totals.errors));
    assert_eq!((tasks.tasks_executed, tasks.tasks_failed), (processed, totals.errors));
    assert_eq!((totals.kernels, totals.running, totals.need_attention, totals.blocks), (4, 3, 0, 3));
    assert_eq!((totals.bytes_in, snapshot.merged_latencies().count()), (550 * 8, 550));
    runtime.shutdown_blocking(SOON);
    let totals = runtime.snapshot_blocking().unwrap().totals();
    assert_eq!((totals.running, totals.messages_processed, totals.throughput), (1, processed, kernel_rate(&runtime)));
}

/// Of the host actor, which runs as long as it is registered.
fn kernel_rate(runtime: &RingKernelRuntime) -> f64 {
    runtime.latest().unwrap().kernel("actor").unwrap().throughput
}
