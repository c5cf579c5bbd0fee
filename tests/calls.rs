//! Calls: each gets its own reply, nobody else does, and what is given up halfway disturbs nobody. Sends and receives that
//! are dropped lose nothing and do nothing twice.
#![cfg(feature = "host")]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ringscope::{LaunchOptions, RingKernel, RingKernelRuntime, RuntimeError};
use tokio::time::timeout;

mod common;

const SOON: Duration = Duration::from_secs(60);
const MOMENT: Duration = Duration::from_millis(10);

/// For each device a runtime with one active kernel, `w`.
fn kernels(kernel: &str, slots: u32, blocks: u32) -> impl Iterator<Item = (RingKernelRuntime, RingKernel)> {
    common::devices().into_iter().map(move |device| {
        let builder = RingKernelRuntime::builder().device(device).kernel(kernel).telemetry(true);
        let runtime = builder.slots(slots).slot_bytes(64).build().unwrap();
        runtime.launch_blocking("w", &LaunchOptions::new().blocks(blocks)).unwrap();
        runtime.activate_blocking("w").unwrap();
        let kernel = runtime.kernel("w").unwrap();
        (runtime, kernel)
    })
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_call_gets_its_own_reply_beside_senders_and_receivers() {
    const CALLERS: u64 = 8;
    const EACH: u64 = 200;
    for (runtime, kernel) in kernels("echo", 16, 3) {
        let mut callers = tokio::task::JoinSet::new();
        for caller in 0..CALLERS {
            let kernel = kernel.clone();
            callers.spawn(async move {
                for n in 0..EACH {
                    let payload = (caller << 32 | n).to_le_bytes();
                    // Every other one as a thread would.
                    let reply = match n % 2 {
                        0 => kernel.call(&payload, SOON).await,
                        _ => tokio::task::block_in_place(|| kernel.call_blocking(&payload, SOON)),
                    };
                    assert_eq!(reply.unwrap().payload, payload);
                }
            });
        }
        let sender = kernel.clone();
        let sends = tokio::spawn(async move {
            for n in 0..1000u64 {
                sender.send(&(1 << 63 | n).to_le_bytes()).await.unwrap();
            }
        });
        let mut received = BTreeSet::new();
        for _ in 0..1000 {
            received.insert(number(&kernel.receive(SOON).await.unwrap().payload));
        }
        sends.await.unwrap();
        while let Some(caller) = callers.join_next().await {
            caller.unwrap();
        }
        assert_eq!(received, (0..1000).map(|n| 1 << 63 | n).collect());
        assert_eq!(kernel.try_receive(), Ok(None));
        assert_eq!(kernel.replies_received(), 1000 + CALLERS * EACH);
        assert_eq!(runtime.telemetry("w").await.unwrap().messages_processed, 1000 + CALLERS * EACH);
    }
}

/// A message that keeps a `compute` kernel busy for longer than a moment.
fn long() -> Vec<u8> {
    [1_000_000_000u32.to_le_bytes(), [0; 4], 7u32.to_le_bytes(), [0; 4]].concat()
}

fn short() -> Vec<u8> {
    [&1u32.to_le_bytes()[..], &long()[4..]].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_late_reply_to_a_call_goes_to_nobody() {
    for (_runtime, kernel) in kernels("compute", 8, 1) {
        let error = kernel.call(&long(), MOMENT).await.unwrap_err();
        assert_eq!(error, RuntimeError::ReceiveTimedOut { id: "w".into(), waited: MOMENT });
        let error = tokio::task::block_in_place(|| kernel.call_blocking(&long(), MOMENT).unwrap_err());
        assert_eq!(error, RuntimeError::ReceiveTimedOut { id: "w".into(), waited: MOMENT });
        // Given up without a limit of its own.
        timeout(MOMENT, kernel.call(&long(), SOON)).await.unwrap_err();
        let sent = kernel.send(&short()).await.unwrap();
        let called = kernel.call(&short(), SOON).await.unwrap();
        assert_eq!((sent, called.seq), (3, 4));
        assert_eq!(kernel.receive(SOON).await.unwrap().seq, sent);
        assert_eq!((kernel.try_receive(), kernel.replies_received()), (Ok(None), 5));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_that_came_too_late_do_not_fill_the_rings() {
    for (_runtime, kernel) in kernels("compute", 2, 1) {
        // Far more than both rings hold, of which nobody receives one.
        for _ in 0..20 {
            let _ = timeout(Duration::from_micros(200), kernel.call(&short(), SOON)).await;
        }
        let n = kernel.send_timeout(&short(), SOON).await.unwrap();
        assert_eq!(kernel.receive(SOON).await.unwrap().seq, n);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_moves_in_full_rings_until_replies_are_received() {
    const SLOTS: u32 = 4;
    for (runtime, kernel) in kernels("echo", SLOTS, 1) {
        for n in 0..2 * u64::from(SLOTS) {
            assert_eq!(kernel.send_timeout(&n.to_le_bytes(), SOON).await, Ok(n));
        }
        let full = RuntimeError::SendTimedOut { id: "w".into(), slots: SLOTS, waited: MOMENT };
        assert!(full.to_string().contains("receive its replies, without which nothing moves"), "{full}");
        assert_eq!(kernel.send_timeout(b"x", MOMENT).await, Err(full.clone()));
        assert_eq!(runtime.send_timeout("w", b"x", MOMENT).await, Err(full.clone()));
        assert_eq!(tokio::task::block_in_place(|| runtime.send_timeout_blocking("w", b"x", MOMENT)), Err(full.clone()));
        assert_eq!(kernel.call(b"x", MOMENT).await, Err(full));
        assert!(matches!(runtime.try_send("w", b"x"), Err(RuntimeError::QueueFull { slots: SLOTS, .. })));
        assert_eq!(kernel.messages_sent(), 2 * u64::from(SLOTS));
        // A block records a message behind its reply.
        let patience = Instant::now() + SOON;
        while runtime.telemetry("w").await.unwrap().messages_sent < u64::from(SLOTS) {
            assert!(Instant::now() < patience, "all are recorded");
        }
        assert_eq!(runtime.telemetry("w").await.unwrap().messages_sent, u64::from(SLOTS));
        // One reply makes room for one message.
        assert_eq!(number(&kernel.receive(SOON).await.unwrap().payload), 0);
        assert_eq!(kernel.send(&8u64.to_le_bytes()).await, Ok(8));
        // A call waits its turn behind them, and they are all there afterwards, in their order.
        let called = tokio::spawn({
            let kernel = kernel.clone();
            async move { kernel.call(&9u64.to_le_bytes(), SOON).await }
        });
        for n in 1..9 {
            assert_eq!(number(&kernel.receive(SOON).await.unwrap().payload), n);
        }
        assert_eq!(number(&called.await.unwrap().unwrap().payload), 9);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_send_was_not_sent_and_a_dropped_receive_has_taken_nothing() {
    const TRIES: u64 = 3000;
    for (_runtime, kernel) in kernels("echo", 2, 1) {
        let (done, mut is_done) = tokio::sync::watch::channel(None);
        let receiver = tokio::spawn({
            let kernel = kernel.clone();
            async move {
                let mut received = Vec::new();
                for round in 0u64.. {
                    // Dropped in the middle of spinning, and parked.
                    let patience = Duration::from_micros(round * 37 % 1500);
                    if let Ok(reply) = timeout(patience, kernel.receive(SOON)).await {
                        received.push(number(&reply.unwrap().payload));
                    }
                    if is_done.borrow_and_update().is_some_and(|sent| received.len() >= sent) {
                        return received;
                    }
                }
                unreachable!()
            }
        });
        let mut sent = Vec::new();
        for n in 0..TRIES {
            if let Ok(number) = timeout(Duration::from_micros(n * 53 % 700), kernel.send(&n.to_le_bytes())).await {
                assert_eq!(number.unwrap(), sent.len() as u64);
                sent.push(n);
            }
        }
        done.send_replace(Some(sent.len()));
        assert_eq!(receiver.await.unwrap(), sent);
        assert_eq!(kernel.messages_sent(), sent.len() as u64);
        assert_eq!(kernel.try_receive(), Ok(None));
        assert!(!sent.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_batch_was_sent_up_to_some_place() {
    for (_runtime, kernel) in kernels("echo", 2, 1) {
        let batch: Vec<[u8; 8]> = (0..100u64).map(u64::to_le_bytes).collect();
        // Four fit the rings, and nobody receives.
        timeout(MOMENT, kernel.send_batch(&batch)).await.unwrap_err();
        let sent = kernel.messages_sent();
        assert!(sent <= 4, "{sent}");
        for n in 0..sent {
            assert_eq!(number(&kernel.receive(SOON).await.unwrap().payload), n);
        }
        assert_eq!(kernel.send_batch(&batch[..2]).await.map(|sent| sent.first), Ok(sent));
        let next = tokio::task::block_in_place(|| kernel.send_batch_blocking(&batch[2..4])).unwrap();
        assert_eq!((next.first, next.count), (sent + 2, 2));
        for n in 0..4 {
            assert_eq!(number(&kernel.receive(SOON).await.unwrap().payload), n);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_are_dropped_disturb_nobody() {
    for (_runtime, kernel) in kernels("echo", 4, 2) {
        let dropping = tokio::spawn({
            let kernel = kernel.clone();
            async move {
                for n in 0..2000u64 {
                    let patience = Duration::from_micros(n * 31 % 300);
                    if let Ok(reply) = timeout(patience, kernel.call(&(1 << 40 | n).to_le_bytes(), SOON)).await {
                        assert_eq!(number(&reply.unwrap().payload), 1 << 40 | n);
                    }
                }
            }
        });
        let mut received = BTreeSet::new();
        for n in 0..1000u64 {
            kernel.send(&n.to_le_bytes()).await.unwrap();
            received.insert(number(&kernel.receive(SOON).await.unwrap().payload));
        }
        dropping.await.unwrap();
        assert_eq!(received, (0..1000).collect());
        assert_eq!(kernel.call(b"12345678", SOON).await.unwrap().payload, b"12345678");
        assert_eq!(kernel.try_receive(), Ok(None));
    }
}

/// What waits leaves the one worker to the others.
#[tokio::test]
async fn many_wait_on_one_worker_and_each_is_woken() {
    for (runtime, kernel) in kernels("echo", 8, 1) {
        let mut receivers = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let kernel = kernel.clone();
            receivers.spawn(async move { kernel.receive(SOON).await.map(|reply| number(&reply.payload)) });
        }
        // Until they have parked.
        tokio::time::sleep(MOMENT * 10).await;
        for n in 0..49u64 {
            kernel.send(&n.to_le_bytes()).await.unwrap();
        }
        let mut received = BTreeSet::new();
        for _ in 0..49 {
            received.insert(receivers.join_next().await.unwrap().unwrap().unwrap());
        }
        assert_eq!(received, (0..49).collect());
        // The last one waits for the end.
        runtime.terminate("w").await.unwrap();
        let last = receivers.join_next().await.unwrap().unwrap();
        assert_eq!(last, Err(RuntimeError::Ended { id: "w".into() }));
    }
}
