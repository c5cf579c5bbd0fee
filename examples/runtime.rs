//! Launch a ring kernel, send it messages, and read what it counts while it runs.

use std::time::Duration;

use ringscope::{RingKernelRuntime, RuntimeError};

#[tokio::main]
async fn main() -> Result<(), RuntimeError> {
    let runtime = RingKernelRuntime::builder().telemetry(true).kernel("vector_add").build()?;
    println!("on {}", runtime.device().name);
    runtime.launch("adder").await?;
    runtime.activate("adder").await?;

    let numbers: Vec<u8> = [1.0f32, 2.0, 10.0, 20.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    // A message and its own reply; `send` and `receive` are for streams of them.
    for _ in 0..1000 {
        let sum = runtime.call("adder", &numbers, Duration::from_secs(5)).await?;
        assert_eq!(sum.payload, [11.0f32, 22.0].map(f32::to_le_bytes).concat());
    }

    let t = runtime.telemetry("adder").await?;
    let p50 = t.latency.map_or(0.0, |l| l.p50_ns);
    println!("{}: {} messages, {} errors, p50 {p50:.0} ns", t.state, t.messages_processed, t.errors);
    assert_eq!((t.messages_processed, t.errors), (1000, 0));
    runtime.terminate("adder").await
}
