//! On the host device.

use std::sync::Arc;

use ringscope::device::host::{Grid, HostArgument, HostDevice, HostLaunch, neighbours_entry};
use ringscope::device::{Launch, Level, SharedDevice};
use ringscope::{DeviceError, KernelState, RuntimeError};

use crate::library::library;
use crate::sized::{BLOCKS, How, SIZES, SOON, Sized};

fn device() -> SharedDevice {
    Arc::new(HostDevice::new())
}

#[test]
fn every_size_is_exact_at_every_level() {
    let (library, device) = (library(), device());
    for threads in SIZES {
        for &level in Level::ALL {
            let how = How { level, dynamic: level == Level::Events, inject_errors: 0.1, ..How::new(threads) };
            let mut kernel = Sized::start(&device, library.source(threads), how);
            kernel.activate();
            kernel.traffic(60);
            kernel.end();
        }
    }
}

#[test]
fn every_size_is_held_stopped_and_finds_its_reply_ring_full() {
    let (library, device) = (library(), device());
    for threads in SIZES {
        let mut kernel = Sized::start(&device, library.source(threads), How { slots: 4, ..How::new(threads) });
        kernel.activate();
        // Replies fill their ring, each block waits for room with one, and messages wait in the queue.
        let in_hand = 4 + u64::from(BLOCKS);
        kernel.send_until_all_wait_for_room(in_hand);
        kernel.runtime.deactivate_blocking("w").expect("it is held");
        let received = kernel.answered() + in_hand;
        for _ in 0..in_hand {
            kernel.receive();
        }
        // Held, with messages in the queue that it does not take.
        kernel.until("a held kernel tells its queue", |runtime| {
            let t = runtime.telemetry_blocking("w").expect("it is known");
            t.messages_received == received && t.queue_depth > 0
        });
        kernel.activate();
        kernel.receive();
        // In the middle of it: what is queued is dropped, and so are replies without room.
        kernel.end();
    }
}

#[test]
fn a_thread_that_dies_is_its_blocks_end_and_nobody_waits_for_it() {
    let (library, device) = (library(), device());
    for threads in SIZES {
        let mut kernel = Sized::start(&device, library.source(threads), How { deadly: Some(131), ..How::new(threads) });
        kernel.activate();
        // The second message is the first with bytes, of which the first is 131.
        kernel.send_until(2);
        kernel.until("it is known to have died", |runtime| {
            runtime.telemetry_blocking("w").expect("it is known").state == KernelState::Failed
        });
        let died = kernel.runtime.terminate_blocking("w").expect_err("it died");
        let trapped = matches!(&died, RuntimeError::Device(DeviceError::Trapped { .. }));
        assert!(trapped, "{threads} threads: {died}");
    }
}

fn finish(launch: &HostLaunch) -> Result<(), DeviceError> {
    let patience = std::time::Instant::now() + SOON;
    while !launch.ended()? {
        assert!(std::time::Instant::now() < patience, "it does not end");
        std::thread::yield_now();
    }
    Ok(())
}

/// Launches blocks that look at what their neighbours have written, of which thread `traps` traps.
fn neighbours(grid: Grid, words: usize, traps: u32) -> Result<Vec<u32>, DeviceError> {
    let found: &'static mut [u32] = vec![0u32; words].leak();
    let address = found.as_mut_ptr().expose_provenance() as u64;
    let args: [&dyn HostArgument; 2] = [&address, &traps];
    // SAFETY: the kernel takes an address, of a word for each thread, and a number; the words are there for ever.
    let launch = unsafe { HostDevice::new().launch(neighbours_entry(), grid, &args, Vec::new()) }?;
    finish(&launch)?;
    // SAFETY: the blocks have ended.
    Ok(unsafe { std::slice::from_raw_parts(std::ptr::with_exposed_provenance::<u32>(address as usize), words) }
        .to_vec())
}

#[test]
fn a_launch_of_any_kernel_has_as_many_threads_as_it_says() {
    for threads in [1, 2, 3, 32, 33, 256, 1024] {
        for shared in [0, threads * 4] {
            let found = neighbours(Grid::from(3).threads(threads).shared_bytes(shared), 3 * threads as usize, !0);
            let expected = |block: u32, thread: u32| 1000 * block + (thread + 1) % threads + threads.div_ceil(2);
            let expected: Vec<u32> = (0..3).flat_map(|b| (0..threads).map(move |t| expected(b, t))).collect();
            assert_eq!(found, Ok(expected), "{threads} threads");
        }
        let trapped = neighbours(Grid::from(1).threads(threads), threads as usize, threads - 1).expect_err("it traps");
        assert!(matches!(trapped, DeviceError::Trapped { block: 0, .. }), "{trapped}");
    }
}
