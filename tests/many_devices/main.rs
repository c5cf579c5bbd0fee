//! One collector, and one runtime, over several devices: two host devices, and the two GPUs of the stand-in driver.
#![cfg(feature = "host")]
#![allow(unsafe_code)]

#[cfg(feature = "cuda")]
#[path = "../cuda-driver/mod.rs"]
mod stand_in;

mod counts;
mod host;
#[cfg(feature = "cuda")]
mod one_dies;

use std::time::{Duration, Instant};

use ringscope::{RingKernelRuntime, Snapshot};

const WAIT: Duration = Duration::from_secs(120);

/// Sends so many messages to a kernel, and takes their replies.
fn traffic(runtime: &RingKernelRuntime, id: &str, count: u64) {
    for _ in 0..count {
        let number = runtime.send_blocking(id, id.as_bytes()).expect("it is sent");
        let reply = runtime.receive_blocking(id, WAIT).expect("a reply");
        assert_eq!((reply.seq, &reply.payload[..]), (number, id.as_bytes()));
    }
}

fn processed(snapshot: &Snapshot, id: &str) -> (Option<u32>, u64) {
    let kernel = snapshot.kernel(id).expect("it is registered");
    (kernel.device, kernel.messages_processed)
}

/// Waits until it holds: on a busy machine a while.
fn soon(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < WAIT, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
