//! Stream messages in batches: the kernel is told once of each, and what replies come in is used again.

use std::time::Duration;

use ringscope::{Replies, RingKernelRuntime, RuntimeError};

const MESSAGES: usize = 100_000;
const BATCH: usize = 64;

#[tokio::main]
async fn main() -> Result<(), RuntimeError> {
    let runtime = RingKernelRuntime::builder().telemetry(true).kernel("crc32c").build()?;
    println!("on {}", runtime.device().name);
    runtime.launch("checker").await?;
    runtime.activate("checker").await?;
    let kernel = runtime.kernel("checker")?;

    // In a task of its own: more than the rings hold moves only while replies are received.
    let sender = kernel.clone();
    let sends = tokio::spawn(async move {
        let batch = [b"123456789"; BATCH];
        for _ in 0..MESSAGES / BATCH {
            let sent = sender.send_batch(&batch).await?;
            assert_eq!(sent.count, BATCH);
        }
        Ok::<(), RuntimeError>(())
    });
    let mut replies = Replies::new(256);
    let mut received = 0;
    while received < MESSAGES / BATCH * BATCH {
        received += kernel.receive_batch(&mut replies, Duration::from_secs(10)).await?;
        assert!(replies.iter().all(|reply| reply.payload == 0xe306_9283_u32.to_le_bytes()));
    }
    sends.await.unwrap_or(Ok(()))?;

    let t = runtime.telemetry("checker").await?;
    println!("{received} replies, {} messages processed", t.messages_processed);
    assert_eq!(t.messages_processed, received as u64);
    runtime.terminate("checker").await
}
