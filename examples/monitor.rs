//! A monitor: every snapshot as it comes, a word when a kernel hangs, and the health of all of them.

use std::time::Duration;

use ringscope::collector::{HealthLimits, StandardMetrics};
use ringscope::{HookKind, LaunchOptions, RingKernelRuntime, RuntimeError};

#[tokio::main]
async fn main() -> Result<(), RuntimeError> {
    let runtime = RingKernelRuntime::builder().telemetry(true).kernel("crc32c").build()?;
    let telemetry = runtime.collector();
    telemetry.install(StandardMetrics::Messaging)?;
    telemetry.install(StandardMetrics::Health(HealthLimits { degraded_error_rate: 0.05, ..Default::default() }))?;
    telemetry.add_hook(HookKind::StateChange, |notification| {
        let Some(event) = notification.event() else { return };
        println!("{} {}", event.kernel_id, event.kind);
    })?;

    // One of the two refuses some of its messages.
    for (id, inject_errors) in [("good", 0.0), ("bad", 0.07)] {
        runtime.launch_with(id, LaunchOptions::new().inject_errors(inject_errors)).await?;
        runtime.activate(id).await?;
    }
    let mut snapshots = telemetry.subscribe()?;
    telemetry.start_collection(Duration::from_millis(100))?;
    let traffic = tokio::spawn(traffic(runtime.clone()));
    while !traffic.is_finished() {
        let Some(snapshot) = snapshots.next().await else { break };
        let health = snapshot.metric("health_status").and_then(|m| m.value(&[])?.gauge()).unwrap_or(0.0);
        let tasks = snapshot.tasks();
        println!(
            "health {health}: {} done, {} failed, {} waiting, p99 {:.4} ms",
            tasks.tasks_executed, tasks.tasks_failed, tasks.tasks_pending, tasks.p99_latency_ms
        );
        for kernel in &snapshot.kernels {
            let last_second = kernel.rates.over(Duration::from_secs(1));
            println!("  {:<4} {:.0}/s in the last second", kernel.kernel_id, last_second.messages_per_second);
        }
    }
    traffic.await.expect("it does not panic")?;

    let snapshot = runtime.snapshot().await?;
    let sent = snapshot.metric("messages_sent").and_then(|m| m.value(&[("kernel_id", "bad")])?.counter());
    assert_eq!(sent, Some(5_000));
    telemetry.stop_collection();
    let history = telemetry.history();
    println!("{} snapshots are kept, in {} bytes", history.len(), history.bytes());
    Ok(())
}

async fn traffic(runtime: RingKernelRuntime) -> Result<(), RuntimeError> {
    for n in 0..5_000u32 {
        for id in ["good", "bad"] {
            runtime.send(id, &n.to_le_bytes()).await?;
            runtime.receive(id, Duration::from_secs(10)).await?;
        }
    }
    Ok(())
}
