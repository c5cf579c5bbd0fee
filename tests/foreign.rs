//! Ring kernels that ringscope did not write: some record nothing, or half of it, and some return by themselves while
//! others wait for them.
#![cfg(feature = "host")]
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ringscope::abi::{self, Counter, RingArgs, Word, block_state};
use ringscope::device::HostEntry;
use ringscope::{
    DeviceSpec, KernelSource, KernelState, KernelTelemetry, LaunchOptions, Level, RingKernelRuntime, RuntimeError,
};

const SOON: Duration = Duration::from_secs(60);
const MOMENT: Duration = Duration::from_millis(100);

unsafe extern "C" {
    /// The built-in echo, compiled without telemetry.
    fn echo_l0_host(args: *mut *mut c_void);
}

/// Replies, and writes no more than the first words of its shard.
unsafe extern "C" fn half(args: *mut *mut c_void) {
    // SAFETY: a ring kernel has one argument.
    let telemetry = unsafe { (**args.cast::<*mut RingArgs>()).telemetry };
    let put = |word: Word, value: u64| {
        let address = telemetry.shards as usize + 128 + word as usize * 8;
        // SAFETY: a word of its only block's shard, all accesses to which are atomic; the launch keeps the slab.
        unsafe { AtomicU64::from_ptr(std::ptr::with_exposed_provenance_mut(address)) }.store(value, Ordering::Relaxed);
    };
    put(Word::Abi, u64::from(abi::ABI_VERSION));
    put(Word::StartNs, 1);
    put(Word::State, block_state::ACTIVE);
    // SAFETY: it takes the same argument.
    unsafe { echo_l0_host(args) };
}

static LATE_SHARD: AtomicU64 = AtomicU64::new(0);

/// The same, and says where its shard is: somebody else records its messages, later and word by word.
unsafe extern "C" fn late(args: *mut *mut c_void) {
    // SAFETY: a ring kernel has one argument.
    LATE_SHARD.store(unsafe { (**args.cast::<*mut RingArgs>()).telemetry.shards }, Ordering::SeqCst);
    // SAFETY: it takes the same argument.
    unsafe { half(args) };
}

static LEAVE: AtomicBool = AtomicBool::new(false);

/// Takes no message, and returns when it likes to.
unsafe extern "C" fn deserter(_: *mut *mut c_void) {
    while !LEAVE.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A runtime with an active kernel `w` of that entry.
fn active(entry: HostEntry) -> RingKernelRuntime {
    // SAFETY: the entries above take one RingArgs, and write to the ring and the slab that it names.
    let source = unsafe { KernelSource::host_at("own", Level::Histograms, entry) };
    let builder = RingKernelRuntime::builder().device(DeviceSpec::Host).telemetry(true).source("own", source);
    let runtime = builder.kernel("own").slots(2).build().unwrap();
    runtime.launch_blocking("w", &LaunchOptions::new()).unwrap();
    runtime.activate_blocking("w").unwrap();
    runtime
}

#[test]
fn a_kernel_without_telemetry_code_is_an_error_with_the_remedy() {
    let runtime = active(echo_l0_host);
    assert_eq!(runtime.telemetry_blocking("w").unwrap().start_time, None, "it may just not have started");
    for n in 1..=3 {
        runtime.call_blocking("w", b"x", SOON).unwrap();
        let error = runtime.telemetry_blocking("w").unwrap_err();
        assert_eq!(error, RuntimeError::RecordsNothing { id: "w".into(), replies: n });
        assert!(error.to_string().contains("RINGSCOPE_LEVEL"), "{error}");
    }
    // The others' numbers are there all the same.
    runtime.launch_blocking("well", &LaunchOptions::new().kernel("echo")).unwrap();
    runtime.activate_blocking("well").unwrap();
    runtime.call_blocking("well", b"x", SOON).unwrap();
    assert_eq!(runtime.telemetry_blocking("well").unwrap().messages_processed, 1);
    assert_eq!(runtime.summary_blocking().unwrap().kernel_count, 2);
}

#[tokio::test]
async fn waiting_for_records_leaves_the_worker_to_others() {
    let runtime = active(half);
    runtime.call("w", b"x", SOON).await.unwrap();
    // It is waited for its records, in vain. On the only worker that would be the end of the first branch.
    let reading = runtime.telemetry("w");
    tokio::pin!(reading);
    tokio::select! {
        biased;
        t = &mut reading => panic!("{t:?}"),
        () = async { for _ in 0..10 { tokio::task::yield_now().await } } => {}
    }
    let t = reading.await.unwrap();
    assert_eq!((t.state, t.messages_processed), (KernelState::Active, 0));
    // And that once: it reads again and again only while it waits.
    runtime.call("w", b"x", SOON).await.unwrap();
    for _ in 0..3 {
        let before = runtime.latest().unwrap().sequence;
        assert_eq!(runtime.snapshot().await.unwrap().sequence, before + 1);
    }
}

/// A reply is received, and the words of its record become visible one after the other, each as the newest for a reading or two
/// if somebody goes on reading: what a reading that began after the reply returns.
fn reading_of_a_late_record() -> KernelTelemetry {
    let runtime = active(late);
    runtime.call_blocking("w", b"x", SOON).unwrap();
    let shard = LATE_SHARD.load(Ordering::SeqCst) as usize;
    let put = |word: usize, value: u64| {
        // SAFETY: a word of the kernel's only shard, which the runtime keeps; all accesses to it are atomic.
        let place = unsafe { AtomicU64::from_ptr(std::ptr::with_exposed_provenance_mut(shard + word * 8)) };
        place.store(value, Ordering::SeqCst);
    };
    let readings = || runtime.latest().map_or(0, |latest| latest.sequence);
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| runtime.telemetry_blocking("w").unwrap());
        for counter in [Counter::Sent, Counter::Received, Counter::Processed] {
            let before = readings();
            put(counter as usize, 1);
            while readings() < before + 2 && !reading.is_finished() {
                std::thread::yield_now();
            }
        }
        put(16 + Word::LastMessageNs as usize, 7);
        reading.join().unwrap()
    })
}

#[test]
fn a_snapshot_waits_for_all_words_of_a_record_and_not_only_for_one_count() {
    let is_whole = |t: KernelTelemetry| {
        let counts = (t.messages_sent, t.messages_received, t.messages_processed);
        counts == (1, 1, 1) && t.last_message_time.is_some()
    };
    // It waits for a second of its own time: a machine that gives this test no more turns in that is asked again.
    assert!((0..10).any(|_| is_whole(reading_of_a_late_record())));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_kernel_that_dies_is_told_what_it_died_of() {
    let runtime = active(deserter);
    let kernel = runtime.kernel("w").unwrap();
    let died = RuntimeError::Returned { id: "w".into() };
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..2 {
        let kernel = kernel.clone();
        waiting.spawn(async move { kernel.receive(Duration::MAX).await.map(drop) });
    }
    let caller = kernel.clone();
    waiting.spawn(async move { caller.call(b"x", Duration::MAX).await.map(drop) });
    let blocked = kernel.clone();
    waiting.spawn_blocking(move || blocked.receive_blocking(Duration::MAX).map(drop));
    tokio::time::sleep(MOMENT).await;
    while kernel.messages_sent() < 1 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    kernel.send(b"fills the queue").await.unwrap();
    let sender = kernel.clone();
    waiting.spawn(async move { sender.send(b"finds it full").await.map(drop) });
    // By now they have parked.
    tokio::time::sleep(MOMENT).await;
    assert!(waiting.try_join_next().is_none());
    LEAVE.store(true, Ordering::SeqCst);
    while let Some(told) = waiting.join_next().await {
        let told = told.unwrap().unwrap_err();
        // The sender may look after it was noticed by another.
        assert!(
            told == died || told == RuntimeError::NotActive { id: "w".into(), state: KernelState::Failed },
            "{told}"
        );
    }
    assert_eq!(runtime.terminate("w").await, Err(died));
    assert_eq!(kernel.state(), KernelState::Failed);
}
