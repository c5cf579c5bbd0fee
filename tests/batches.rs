//! Messages in batches, and replies into memory that is used again: nothing is lost, what was sent is said exactly, and once
//! warm nothing is allocated.
#![cfg(feature = "host")]
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::time::Duration;

use ringscope::{LaunchOptions, Replies, Reply, RingKernel, RingKernelRuntime, RuntimeError};
use tokio::time::timeout;

mod common;

/// Counts what each thread allocates.
struct Counting;

thread_local! {
    static ALLOCATED: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // A thread that ends has no such word any more.
    let _ = ALLOCATED.try_with(|n| n.set(n.get() + 1));
}

// SAFETY: the system's allocator does it all; here calls are counted.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocated() -> u64 {
    ALLOCATED.with(Cell::get)
}

const SOON: Duration = Duration::from_secs(60);
const MOMENT: Duration = Duration::from_millis(10);
const SLOTS: u32 = 16;

/// For each device and each kind of rings a runtime with one active kernel, `w`.
fn kernels(kernel: &str, blocks: u32) -> impl Iterator<Item = (RingKernelRuntime, RingKernel)> {
    common::devices_and_rings().map(move |(device, ring)| {
        let builder = RingKernelRuntime::builder().device(device).input_ring(ring).kernel(kernel).telemetry(true);
        let runtime = builder.slots(SLOTS).slot_bytes(64).build().unwrap();
        runtime.launch_blocking("w", &LaunchOptions::new().blocks(blocks)).unwrap();
        runtime.activate_blocking("w").unwrap();
        let kernel = runtime.kernel("w").unwrap();
        (runtime, kernel)
    })
}

fn payloads(numbers: std::ops::Range<u64>) -> Vec<[u8; 8]> {
    numbers.map(u64::to_le_bytes).collect()
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().unwrap())
}

// ---- nothing is allocated ------------------------------------------------------------------------------------------------

const MESSAGES: u64 = 10_000;

/// What `work` allocates on this thread, once it has been done before.
fn warm(mut work: impl FnMut()) -> u64 {
    work();
    let before = allocated();
    work();
    allocated() - before
}

#[test]
fn threads_allocate_nothing_for_a_message_once_warm() {
    let messages = u64::from(common::fewer(MESSAGES as u32));
    for (_runtime, kernel) in kernels("echo", 2) {
        let mut reply = Reply::default();
        let one_by_one = warm(|| {
            for n in 0..messages {
                kernel.send_blocking(&n.to_le_bytes()).unwrap();
                kernel.receive_into_blocking(&mut reply, SOON).unwrap();
                assert_eq!(number(&reply.payload), n);
            }
        });
        assert_eq!(one_by_one, 0, "one by one");
        let batch = payloads(0..u64::from(SLOTS));
        let mut replies = Replies::new(SLOTS as usize);
        let mut sum = 0;
        let batches = warm(|| {
            for _ in 0..messages.div_ceil(u64::from(SLOTS)) {
                assert_eq!(kernel.send_batch_blocking(&batch).unwrap().count, batch.len());
                let mut received = 0;
                while received < batch.len() {
                    received += kernel.receive_batch_blocking(&mut replies, SOON).unwrap();
                    sum += replies.iter().map(|reply| number(reply.payload)).sum::<u64>();
                }
            }
        });
        assert_eq!(batches, 0, "in batches");
        assert_eq!(sum, 2 * messages.div_ceil(u64::from(SLOTS)) * (0..u64::from(SLOTS)).sum::<u64>());
        // Who looks without waiting, in vain or not.
        let looks = warm(|| {
            for n in 0..messages {
                while kernel.try_send(&n.to_le_bytes()).is_ok() {}
                while !kernel.try_receive_into(&mut reply).unwrap() {}
                while kernel.try_receive_batch(&mut replies).unwrap() > 0 {}
            }
        });
        assert_eq!(looks, 0, "without waiting");
    }
}

#[test]
fn futures_allocate_nothing_for_a_message_once_warm() {
    let messages = u64::from(common::fewer(MESSAGES as u32));
    let tokio = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    for (_runtime, kernel) in kernels("echo", 2) {
        let (mut reply, mut replies) = (Reply::default(), Replies::new(SLOTS as usize));
        let batch = payloads(0..u64::from(SLOTS));
        let count = warm(|| {
            tokio.block_on(async {
                for n in 0..messages {
                    kernel.send(&n.to_le_bytes()).await.unwrap();
                    kernel.receive_into(&mut reply, SOON).await.unwrap();
                    assert_eq!(number(&reply.payload), n);
                }
                for _ in 0..messages / u64::from(SLOTS) {
                    let mut due = kernel.send_batch(&batch).await.unwrap().count;
                    while due > 0 {
                        due -= kernel.receive_batch(&mut replies, SOON).await.unwrap();
                    }
                }
            });
        });
        // Waiters are made until there are enough of them, whenever a machine that is busy first needs another.
        assert!(count < 100, "{count} of {messages} messages");
    }
}

/// Parked, not merely spinning: what wakes them is used again as well.
#[test]
fn futures_that_park_again_and_again_allocate_nothing_more() {
    const PARKS: u64 = 100;
    let tokio = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    for (_runtime, kernel) in kernels("echo", 1) {
        let mut reply = Reply::default();
        let sender = kernel.clone();
        let sends = std::thread::spawn(move || {
            for n in 0..2 * PARKS {
                std::thread::sleep(Duration::from_millis(2));
                sender.send_blocking(&n.to_le_bytes()).unwrap();
            }
        });
        let mut due = 0..2 * PARKS;
        let count = warm(|| {
            tokio.block_on(async {
                for n in due.by_ref().take(PARKS as usize) {
                    kernel.receive_into(&mut reply, SOON).await.unwrap();
                    assert_eq!(number(&reply.payload), n);
                }
            });
        });
        sends.join().unwrap();
        assert!(count < PARKS, "{count} of {PARKS}");
    }
}

// ---- what is sent --------------------------------------------------------------------------------------------------------

#[test]
fn a_full_ring_in_the_middle_is_no_error_of_the_first_ones() {
    for (runtime, kernel) in kernels("echo", 1) {
        // Nobody receives: both rings fill, and then the block waits with a reply in its hand.
        let batch = payloads(0..4 * u64::from(SLOTS));
        let mut sent = 0;
        while sent < 2 * SLOTS as usize {
            match kernel.try_send_batch(&batch[sent..]) {
                Ok(some) => {
                    assert_eq!(some.first, sent as u64, "numbers in a row");
                    assert!((1..=SLOTS as usize).contains(&some.count), "{some:?}");
                    sent += some.count;
                }
                Err(RuntimeError::QueueFull { slots: SLOTS, .. }) => std::thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(sent, 2 * SLOTS as usize);
        assert!(matches!(kernel.try_send_batch(&batch[sent..]), Err(RuntimeError::QueueFull { .. })));
        assert_eq!(kernel.messages_sent(), sent as u64);
        let empty = kernel.try_send_batch::<&[u8]>(&[]).unwrap();
        assert_eq!((empty.first, empty.count), (sent as u64, 0));
        // All of them come back, in their order, as many at once as there is room for.
        let mut replies = Replies::new(5);
        let mut answered = Vec::new();
        while answered.len() < sent {
            let count = kernel.receive_batch_blocking(&mut replies, SOON).unwrap();
            assert_eq!((count, (1..=5).contains(&count)), (replies.len(), true));
            for reply in replies.iter() {
                assert_eq!((reply.seq, reply.status), (number(reply.payload), 0));
                answered.push(reply.seq);
            }
        }
        assert_eq!(answered, (0..sent as u64).collect::<Vec<_>>());
        assert_eq!((kernel.try_receive_batch(&mut replies), replies.is_empty()), (Ok(0), true));
        assert_eq!(kernel.replies_received(), sent as u64);
        assert_eq!(runtime.telemetry_blocking("w").unwrap().messages_processed, sent as u64);
    }
}

#[test]
fn a_message_that_does_not_fit_is_named_before_any_is_sent() {
    for (runtime, kernel) in kernels("echo", 1) {
        let batch = [vec![1; 64], vec![2; 65], vec![3; 100]];
        let error = kernel.try_send_batch(&batch).unwrap_err();
        let wanted = RuntimeError::MessageTooLarge { id: "w".into(), bytes: 65, slot_bytes: 64, place: Some(1) };
        assert_eq!(error, wanted);
        let text = error.to_string();
        assert!(
            text.starts_with("message 1 of the batch (from 0), of 65 bytes does not fit the 64-byte slots"),
            "{text}"
        );
        assert_eq!(kernel.send_batch_blocking(&batch), Err(wanted.clone()));
        let tokio = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        assert_eq!(tokio.block_on(runtime.send_batch("w", &batch)), Err(wanted));
        let alone = kernel.try_send(&batch[1]).unwrap_err();
        assert_eq!(alone, RuntimeError::MessageTooLarge { id: "w".into(), bytes: 65, slot_bytes: 64, place: None });
        assert_eq!(kernel.messages_sent(), 0);
        assert_eq!(kernel.send_batch_blocking(&batch[..1]).unwrap().count, 1);
        assert_eq!(kernel.receive_blocking(SOON).unwrap().payload, batch[0]);
    }
}

/// Grows between two looks.
struct Liar(Cell<usize>);

impl AsRef<[u8]> for Liar {
    fn as_ref(&self) -> &[u8] {
        self.0.set(self.0.get() + 60);
        &[9; 120][..self.0.get()]
    }
}

struct Panics(Cell<bool>);

impl AsRef<[u8]> for Panics {
    fn as_ref(&self) -> &[u8] {
        assert!(!self.0.replace(true), "the second look");
        b"12345678"
    }
}

#[test]
fn payloads_that_change_or_panic_lose_nothing_that_was_sent() {
    for (_runtime, kernel) in kernels("echo", 1) {
        let error = kernel.send_batch_blocking(&[Liar(Cell::new(0))]).unwrap_err();
        assert!(matches!(error, RuntimeError::MessageTooLarge { bytes: 120, place: Some(0), .. }), "{error}");
        let batch: [&dyn AsRef<[u8]>; 3] = [&b"11111111", &b"22222222", &Panics(Cell::new(false))];
        struct Each<'a>(&'a dyn AsRef<[u8]>);
        impl AsRef<[u8]> for Each<'_> {
            fn as_ref(&self) -> &[u8] {
                self.0.as_ref()
            }
        }
        let batch = batch.map(Each);
        let sending = std::panic::AssertUnwindSafe(|| kernel.send_batch_blocking(&batch));
        assert!(std::panic::catch_unwind(sending).is_err());
        // The two before it are on their way, and others can be sent.
        assert_eq!(kernel.messages_sent(), 2);
        assert_eq!(kernel.send_blocking(b"33333333"), Ok(2));
        for wanted in [b"11111111", b"22222222", b"33333333"] {
            assert_eq!(kernel.receive_blocking(SOON).unwrap().payload, wanted);
        }
    }
}

#[test]
fn a_batch_that_the_end_cuts_short_says_how_many_were_sent() {
    for (runtime, kernel) in kernels("echo", 1) {
        // More than both rings hold, and nobody receives.
        let batch = payloads(0..8 * u64::from(SLOTS));
        let error = std::thread::scope(|scope| {
            let sender = scope.spawn(|| kernel.send_batch_blocking(&batch));
            while kernel.messages_sent() < 2 * u64::from(SLOTS) {
                std::thread::yield_now();
            }
            runtime.deactivate_blocking("w").unwrap();
            sender.join().unwrap().unwrap_err()
        });
        let RuntimeError::BatchCut { ref id, first, sent, of, ref why } = error else { panic!("{error}") };
        assert_eq!((id.as_str(), first, of), ("w", 0, batch.len()));
        assert_eq!(sent as u64, kernel.messages_sent());
        assert!(matches!(**why, RuntimeError::NotActive { .. }), "{why}");
        let text = error.to_string();
        assert!(text.starts_with(&format!("{sent} of {of} messages were sent to kernel `w`")), "{text}");
        // Where none was sent it is as with one.
        assert!(matches!(kernel.send_batch_blocking(&batch), Err(RuntimeError::NotActive { .. })));
        assert!(matches!(kernel.try_send_batch(&batch), Err(RuntimeError::NotActive { .. })));
        // The others are there, with the kernel's end behind them.
        runtime.activate_blocking("w").unwrap();
        let mut replies = Replies::new(3);
        let mut received = 0;
        while received < sent as u64 {
            kernel.receive_batch_blocking(&mut replies, SOON).unwrap();
            for reply in replies.iter() {
                assert_eq!(number(reply.payload), received);
                received += 1;
            }
        }
        runtime.terminate_blocking("w").unwrap();
        assert_eq!(kernel.receive_batch_blocking(&mut replies, SOON), Err(RuntimeError::Ended { id: "w".into() }));
        assert!(replies.is_empty());
    }
}

// ---- what is received ----------------------------------------------------------------------------------------------------

#[test]
fn a_receive_in_vain_leaves_the_reply_as_it_was() {
    for (runtime, kernel) in kernels("echo", 1) {
        let mut reply = Reply::default();
        kernel.send_blocking(b"kept").unwrap();
        kernel.receive_into_blocking(&mut reply, SOON).unwrap();
        let kept = reply.clone();
        let late = |waited| Err(RuntimeError::ReceiveTimedOut { id: "w".into(), waited });
        assert_eq!(kernel.receive_into_blocking(&mut reply, MOMENT), late(MOMENT));
        assert_eq!(kernel.try_receive_into(&mut reply), Ok(false));
        assert_eq!(reply, kept);
        let mut replies = Replies::new(8);
        assert_eq!(kernel.receive_batch_blocking(&mut replies, MOMENT).map(|_| ()), late(MOMENT));
        // What is queued when it ends is received after it.
        assert_eq!(kernel.send_batch_blocking(&payloads(0..4)).unwrap().first, 1);
        while runtime.telemetry_blocking("w").unwrap().messages_processed < 5 {
            std::thread::yield_now();
        }
        runtime.terminate_blocking("w").unwrap();
        kernel.receive_into_blocking(&mut reply, SOON).unwrap();
        assert_eq!((reply.seq, number(&reply.payload)), (1, 0));
        assert_eq!(runtime.receive_batch_blocking("w", &mut replies, SOON), Ok(3));
        assert_eq!(replies.iter().map(|r| number(r.payload)).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(kernel.try_receive_into(&mut reply), Err(RuntimeError::Ended { id: "w".into() }));
        assert_eq!(number(&reply.payload), 0, "as it was");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_of_many_tasks_lose_nothing_beside_calls_and_single_messages() {
    const SENDERS: u64 = 3;
    let each = u64::from(common::fewer(3000));
    for (runtime, kernel) in kernels("echo", 3) {
        let mut tasks = tokio::task::JoinSet::new();
        for sender in 0..SENDERS {
            let kernel = kernel.clone();
            tasks.spawn(async move {
                let all = payloads(sender << 32..(sender << 32) + each);
                let mut left = all.as_slice();
                for size in (1..).map(|n: usize| 1 + n * 7 % (3 * SLOTS as usize)) {
                    let (batch, others) = left.split_at(size.min(left.len()));
                    let sent = match size % 3 {
                        0 => tokio::task::block_in_place(|| kernel.send_batch_blocking(batch)).unwrap().count,
                        1 => kernel.send_batch(batch).await.unwrap().count,
                        _ => match kernel.try_send_batch(batch) {
                            Ok(sent) => sent.count,
                            Err(RuntimeError::QueueFull { .. }) => 0,
                            Err(error) => panic!("{error}"),
                        },
                    };
                    left = if sent == batch.len() { others } else { &left[sent..] };
                    if left.is_empty() {
                        return;
                    }
                }
            });
        }
        let caller = kernel.clone();
        tasks.spawn(async move {
            for n in 0..each / 10 {
                let payload = (1 << 62 | n).to_le_bytes();
                assert_eq!(caller.call(&payload, SOON).await.unwrap().payload, payload);
            }
        });
        let (mut replies, mut reply, mut received) = (Replies::new(7), Reply::default(), BTreeSet::new());
        let mut fresh = |bytes: &[u8]| assert!(received.insert(number(bytes)), "a reply came twice");
        let mut count = 0;
        for round in 0.. {
            if count == SENDERS * each {
                break;
            }
            if round % 4 == 0 {
                // Dropped in the middle, now and then.
                let patience = Duration::from_micros(round * 37 % 900);
                if let Ok(done) = timeout(patience, kernel.receive_into(&mut reply, SOON)).await {
                    done.unwrap();
                    fresh(&reply.payload);
                    count += 1;
                }
            } else if let Ok(some) =
                timeout(Duration::from_micros(round * 53 % 900), kernel.receive_batch(&mut replies, SOON)).await
            {
                assert_eq!(some.unwrap(), replies.len());
                replies.iter().for_each(|reply| fresh(reply.payload));
                count += replies.len() as u64;
            }
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
        let wanted = (0..SENDERS).flat_map(|sender| sender << 32..(sender << 32) + each);
        assert_eq!(received, wanted.collect());
        let all = SENDERS * each + each / 10;
        assert_eq!((kernel.messages_sent(), kernel.replies_received()), (all, all));
        assert_eq!(runtime.telemetry("w").await.unwrap().messages_processed, all);
    }
}
