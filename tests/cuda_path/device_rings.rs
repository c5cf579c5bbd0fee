//! Rings of messages in device memory: what holds of mapped ones holds of them, and what the driver does to them is said.

use std::sync::Arc;
use std::time::Duration;

use ringscope::device::cuda::CudaDevice;
use ringscope::device::cuda::cudarc::driver::sys::CUresult;
use ringscope::device::{DeviceError, DeviceSpec, SharedDevice};
use ringscope::runtime::{RuntimeBuilder, RuntimeError};
use ringscope::{InputRing, KernelState, Replies, RingKernelRuntime};

use crate::stand_in::{Fault, StandIn, assert_clean, on_stand_in};
use crate::{WAIT, blocks, builder, soon, start, traffic};

fn in_device_memory() -> RuntimeBuilder {
    builder(DeviceSpec::Cuda(0)).input_ring(InputRing::DeviceMemory)
}

fn payload(n: u64, longest: u64) -> Vec<u8> {
    (0..n * 37 % (longest + 1)).map(|i| (n * 31 + i) as u8).collect()
}

/// Sends messages in batches of all sizes, and receives each reply once.
fn batches(runtime: &RingKernelRuntime, id: &str, count: u64, longest: u64) {
    let kernel = runtime.kernel(id).expect("it is there");
    let first = kernel.messages_sent();
    let all: Vec<Vec<u8>> = (first..first + count).map(|n| payload(n, longest)).collect();
    let (mut sent, mut seen, mut replies) = (0, vec![false; all.len()], Replies::new(7));
    for size in (1..).map(|n: usize| 1 + n * 5 % 40) {
        let batch = &all[sent..all.len().min(sent + size)];
        match kernel.try_send_batch(batch) {
            Ok(some) => sent += some.count,
            Err(RuntimeError::QueueFull { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        if kernel.replies_received() < kernel.messages_sent() {
            kernel.receive_batch_blocking(&mut replies, WAIT).expect("replies");
            for reply in replies.iter() {
                let place = (reply.seq - first) as usize;
                assert!(!std::mem::replace(&mut seen[place], true), "message {} was answered twice", reply.seq);
                assert_eq!(reply.payload, crc32c::crc32c(&all[place]).to_le_bytes(), "message {}", reply.seq);
            }
        }
        if seen.iter().all(|seen| *seen) {
            return;
        }
    }
}

/// Puts messages into the ring of a held kernel until it is full.
fn fill_held(runtime: &RingKernelRuntime, id: &str, driver: &StandIn) -> u64 {
    let kernel = runtime.kernel(id).expect("it is there");
    driver.set("hang_copies", 1);
    let mut sent = 0;
    while kernel.try_send(&[1; 8]).is_ok() {
        sent += 1;
    }
    sent
}

on_stand_in! {
    fn blocks_find_in_device_memory_what_the_host_copied_there(driver) {
        let runtime = in_device_memory().build().expect("a runtime");
        let chosen = runtime.input_ring(0).expect("a device");
        assert_eq!((chosen.ring, chosen.mapped, chosen.device_memory), (InputRing::DeviceMemory, None, None));
        assert!(matches!(runtime.input_ring(1), Err(RuntimeError::UnknownDevice { device: 1, devices: 1 })));
        start(&runtime, "w", &blocks(4));
        let words = driver.get("words");
        traffic(&runtime, "w", 200);
        assert!(driver.get("words") >= words + 200, "a word for each message that was sent alone");
        batches(&runtime, "w", 400, 512);
        assert_eq!(runtime.telemetry_blocking("w").map(|k| (k.messages_received, k.messages_processed)), Ok((600, 600)));
        // Held and resumed: the queue stays.
        runtime.deactivate_blocking("w").expect("it is deactivated");
        assert!(runtime.send_blocking("w", b"").is_err());
        runtime.activate_blocking("w").expect("it is activated");
        batches(&runtime, "w", 60, 0);
        runtime.terminate_blocking("w").expect("it ends");
        let last = runtime.telemetry_blocking("w").expect("its numbers");
        assert_eq!((last.messages_processed, last.dropped, last.state), (660, 0, KernelState::Terminated));
        drop(runtime);
        assert_clean(&driver);
    }

    fn messages_of_more_than_a_part_and_short_ones_in_long_slots_are_whole(driver) {
        let runtime = in_device_memory().slots(16).slot_bytes(16 << 10).build().expect("a runtime");
        start(&runtime, "w", &blocks(3));
        let by_rows = driver.get("copies_2d");
        batches(&runtime, "w", 40, 200);
        assert!(driver.get("copies_2d") > by_rows, "short ones go row by row");
        batches(&runtime, "w", 40, 16 << 10);
        assert_eq!(runtime.telemetry_blocking("w").map(|k| k.messages_processed), Ok(80));
        runtime.terminate_blocking("w").expect("it ends");
        drop(runtime);
        assert_clean(&driver);
    }

    fn an_id_lives_again_in_a_ring_that_is_clean(driver) {
        let runtime = in_device_memory().slots(8).max_kernels(1).build().expect("a runtime");
        let mut live = 0;
        for life in 1..=4_u64 {
            start(&runtime, "w", &blocks(2));
            batches(&runtime, "w", 13 * life, 100);
            assert_eq!(runtime.telemetry_blocking("w").map(|k| k.messages_processed), Ok(13 * life));
            runtime.terminate_blocking("w").expect("it ends");
            match life {
                1 | 2 => live = driver.get("live"),
                _ => assert_eq!(driver.get("live"), live, "nothing is allocated anew"),
            }
        }
        drop(runtime);
        assert_clean(&driver);
    }

    fn a_stop_counts_what_is_queued_once(driver) {
        let runtime = in_device_memory().slots(16).build().expect("a runtime");
        start(&runtime, "w", &blocks(3));
        let kernel = runtime.kernel("w").expect("it is there");
        // Nobody receives: replies fill their ring, each block waits with one in its hand, and the others stay in the queue. It is
        // full at 16 if the first message is in the hand of a block that was late, and at 35 at the most.
        let (mut sent, mut in_vain) = (0, 0);
        while in_vain < 200 {
            match kernel.try_send(&[7; 8]) {
                Ok(_) => (sent, in_vain) = (sent + 1, 0),
                Err(full) => {
                    assert!(matches!(full, RuntimeError::QueueFull { .. }), "{full}");
                    in_vain += 1;
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        }
        assert!((16..=35).contains(&sent), "{sent}");
        runtime.terminate_blocking("w").expect("it ends");
        let last = runtime.telemetry_blocking("w").expect("its numbers");
        assert_eq!(last.messages_received + (last.dropped - last.retries), sent, "{last:?}");
        let mut received = 0;
        while kernel.receive_blocking(WAIT).is_ok() {
            received += 1;
        }
        assert_eq!(received, last.messages_sent);
        drop((kernel, runtime));
        assert_clean(&driver);
    }

    fn a_device_that_dies_says_so_to_who_sends_and_who_waits(driver) {
        let runtime = in_device_memory().build().expect("a runtime");
        start(&runtime, "w", &blocks(2));
        batches(&runtime, "w", 30, 100);
        runtime.snapshot_blocking().expect("a snapshot");
        driver.kill(0, CUresult::CUDA_ERROR_ILLEGAL_ADDRESS as i32);
        // As to a mapped ring: a message may be sent before that is known, but no reply comes.
        let _ = runtime.send_blocking("w", b"late");
        let died = |error: &RuntimeError| error.to_string().contains("CUDA_ERROR_ILLEGAL_ADDRESS (700)");
        let error = runtime.receive_blocking("w", WAIT).expect_err("its context is dead");
        assert!(died(&error), "{error}");
        assert!(soon(|| runtime.send_blocking("w", b"late").is_err()));
        let error = runtime.terminate_blocking("w").expect_err("its context is dead");
        assert!(died(&error), "{error}");
        runtime.snapshot_blocking().expect_err("its context is dead");
        let latest = runtime.latest().expect("the last good one");
        assert_eq!(latest.kernel("w").map(|k| (k.state, k.messages_processed)), Some((KernelState::Failed, 30)));
        drop((latest, runtime));
        for what in ["live", "contexts", "resident", "blocked", "wild"] {
            assert_eq!(driver.get(what), 0, "{what}");
        }
    }

    fn a_call_that_fails_once_is_made_again(driver) {
        let runtime = in_device_memory().slots(4).build().expect("a runtime");
        start(&runtime, "w", &blocks(1));
        for (phase, call) in [(1, "cuStreamWriteValue64_v2"), (2, "cuMemcpyHtoDAsync_v2")] {
            driver.phase(phase);
            driver.fault(call, phase, 2, Fault::OutOfMemory);
            let hits = driver.get("hits");
            traffic_of_few(&runtime);
            assert_eq!(driver.get("hits"), hits + 1, "{call}");
        }
        runtime.terminate_blocking("w").expect("it ends");
        drop(runtime);
        assert_clean(&driver);
    }

    fn a_call_that_fails_again_and_again_is_what_the_kernel_died_of(driver) {
        let runtime = in_device_memory().build().expect("a runtime");
        start(&runtime, "w", &blocks(2));
        batches(&runtime, "w", 30, 100);
        let counted = runtime.telemetry_blocking("w").expect("its numbers").messages_processed;
        // Both tries of the message; questions of the clock harm nobody.
        driver.set("fail_words", 1000);
        assert_eq!(runtime.send_blocking("w", b"never comes"), Ok(30));
        driver.set("fail_words", 0);
        let says = |error: &RuntimeError| error.to_string().starts_with("cuStreamWriteValue64 failed with CUDA_ERROR_OUT_OF_MEMORY (2)");
        let error = runtime.receive_blocking("w", WAIT).expect_err("nobody got it");
        assert!(says(&error), "{error}");
        runtime.snapshot_blocking().expect("the device is well");
        assert_eq!(runtime.kernel("w").map(|k| k.state()), Ok(KernelState::Failed));
        assert!(matches!(runtime.send_blocking("w", b""), Err(RuntimeError::NotActive { .. })));
        let error = runtime.terminate_blocking("w").expect_err("it failed");
        assert!(says(&error), "{error}");
        assert_eq!(driver.get("resident"), 0, "it was told to stop all the same");
        let last = runtime.telemetry_blocking("w").expect("its numbers");
        assert_eq!((last.messages_received + last.dropped, last.state), (counted + 1, KernelState::Failed), "{last:?}");
        // Its rings are another's, which nothing is wrong with.
        start(&runtime, "w", &blocks(2));
        batches(&runtime, "w", 30, 100);
        runtime.terminate_blocking("w").expect("it ends");
        drop(runtime);
        assert_clean(&driver);
    }

    fn copies_that_hang_fill_the_queue_and_nothing_waits_for_ever(driver) {
        const SLOTS: u32 = 512;
        let stop_limit = Duration::from_millis(200);
        let runtime = in_device_memory().slots(SLOTS).slot_bytes(8).stop_limit(stop_limit).build().expect("a runtime");
        start(&runtime, "w", &blocks(2));
        batches(&runtime, "w", 5, 8);
        let sent = fill_held(&runtime, "w", &driver);
        assert!((32..u64::from(SLOTS)).contains(&sent), "{sent}: fewer than a driver's queue takes without waiting");
        assert!(matches!(runtime.try_send("w", b""), Err(RuntimeError::QueueFull { .. })));
        let waited = Duration::from_millis(50);
        assert!(matches!(runtime.kernel("w").expect("w").send_timeout_blocking(b"", waited), Err(RuntimeError::SendTimedOut { .. })));
        let error = runtime.terminate_blocking("w").expect_err("it does not hear of it");
        assert!(matches!(error, RuntimeError::StopTimedOut { .. }), "{error}");
        // It goes on after all: all that was sent is there before the command.
        driver.set("hang_copies", 0);
        assert!(soon(|| runtime.terminate_blocking("w").is_ok()));
        let last = runtime.telemetry_blocking("w").expect("its numbers");
        assert_eq!(last.messages_received + last.dropped, 5 + sent, "{last:?}");
        drop(runtime);
        assert_clean(&driver);
    }

    fn a_runtime_that_is_dropped_while_copies_hang_leaves_their_memory_alone(driver) {
        let device: SharedDevice = Arc::new(CudaDevice::open(0).expect("a device"));
        let runtime = || builder(DeviceSpec::Auto).on(Arc::clone(&device)).input_ring(InputRing::DeviceMemory).build().expect("a runtime");
        drop(runtime());
        let memory = driver.get("memory");
        let runtime = runtime();
        start(&runtime, "w", &blocks(2));
        batches(&runtime, "w", 5, 100);
        fill_held(&runtime, "w", &driver);
        drop(runtime);
        assert_eq!((driver.get("wild"), driver.get("blocked")), (0, 0));
        driver.set("hang_copies", 0);
        assert!(soon(|| driver.get("resident") == 0), "the command to stop comes through");
        // What is dropped now frees the rest, once all is known to have ended.
        let freed = soon(|| {
            drop(device.allocate(64).expect("memory"));
            driver.get("memory") == memory
        });
        assert!(freed, "{} of {memory}", driver.get("memory"));
        drop(device);
        assert_clean(&driver);
    }

    fn a_gpu_without_words_in_streams_says_so(driver) {
        driver.set("no_words_in_streams", 1);
        let error = in_device_memory().build().expect_err("it cannot");
        assert!(matches!(error, RuntimeError::Device(DeviceError::Unsupported { .. })), "{error:?}");
        assert!(error.to_string().contains("InputRing::Mapped"), "{error}");
        let runtime = builder(DeviceSpec::Cuda(0)).input_ring(InputRing::Fastest).build().expect("a runtime");
        let chosen = runtime.input_ring(0).expect("a device");
        assert_eq!((chosen.ring, chosen.mapped, chosen.device_memory), (InputRing::Mapped, None, None));
        start(&runtime, "w", &blocks(2));
        traffic(&runtime, "w", 20);
        runtime.shutdown_blocking(WAIT);
        drop(runtime);
        assert_clean(&driver);
    }

    fn the_fastest_is_measured_and_nobody_else_hears_of_it(driver) {
        let runtime = builder(DeviceSpec::Cuda(0)).slots(8).max_kernels(1).input_ring(InputRing::Fastest).build().expect("a runtime");
        let chosen = runtime.input_ring(0).expect("a device");
        let (mapped, device_memory) = (chosen.mapped.expect("measured"), chosen.device_memory.expect("measured"));
        assert!(mapped > 0.0 && device_memory > 0.0, "{chosen:?}");
        let faster = if device_memory > mapped { InputRing::DeviceMemory } else { InputRing::Mapped };
        assert_eq!(chosen.ring, faster);
        assert_eq!(driver.get("resident"), 0, "its kernels have ended");
        let snapshot = runtime.snapshot_blocking().expect("a snapshot");
        assert!(snapshot.kernels.is_empty());
        start(&runtime, "w", &blocks(2));
        batches(&runtime, "w", 50, 100);
        let snapshot = runtime.snapshot_blocking().expect("a snapshot");
        assert_eq!(snapshot.kernels.iter().map(|k| (&*k.kernel_id, k.messages_processed, k.generation)).collect::<Vec<_>>(), [("w", 50, snapshot.kernels[0].generation)]);
        runtime.terminate_blocking("w").expect("it ends");
        drop((snapshot, runtime));
        assert_clean(&driver);
    }
}

fn traffic_of_few(runtime: &RingKernelRuntime) {
    for n in 0..4 {
        let payload = payload(n + 1, 60);
        let reply = runtime.kernel("w").expect("w").call_blocking(&payload, WAIT).expect("a reply");
        assert_eq!(reply.payload, crc32c::crc32c(&payload).to_le_bytes());
    }
}
