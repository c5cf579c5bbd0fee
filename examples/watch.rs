//! Watch kernels from a thread that never talks to them: periodic snapshots, read without a lock.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ringscope::{LaunchOptions, RingKernelRuntime, RuntimeError};

fn main() -> Result<(), RuntimeError> {
    let interval = Duration::from_millis(20);
    let runtime = RingKernelRuntime::builder().telemetry(true).kernel("crc32c").interval(interval).build()?;
    for id in ["left", "right"] {
        runtime.launch_blocking(id, &LaunchOptions::default())?;
        runtime.activate_blocking(id)?;
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                std::thread::sleep(5 * interval);
                let Some(snapshot) = runtime.latest() else { continue };
                for t in &snapshot.kernels {
                    let (rate, busy) = (t.windowed_throughput, 100.0 * t.busy_ratio);
                    println!(
                        "{:<5} {}: {} messages, {rate:.0}/s, busy {busy:.0} %",
                        t.kernel_id, t.state, t.messages_processed
                    );
                }
            }
        });
        let result = traffic(&runtime);
        done.store(true, Ordering::Relaxed);
        result
    })?;
    assert_eq!(runtime.summary_blocking()?.total_messages, 20_000);
    Ok(())
}

fn traffic(runtime: &RingKernelRuntime) -> Result<(), RuntimeError> {
    for n in 0..10_000u32 {
        for id in ["left", "right"] {
            runtime.send_blocking(id, &n.to_le_bytes())?;
            runtime.receive_blocking(id, Duration::from_secs(10))?;
        }
    }
    Ok(())
}
