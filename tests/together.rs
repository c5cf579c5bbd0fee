//! Two runtimes of one process share a device: what one does waits for no kernel of the other.
#![cfg(feature = "host")]

use std::sync::mpsc::channel;
use std::time::Duration;

use ringscope::{DeviceSpec, RingKernelRuntime};

mod common;

const SOON: Duration = Duration::from_secs(20);

/// A runtime of its own, which opens the device by itself, with a kernel that runs.
fn started(device: DeviceSpec) -> RingKernelRuntime {
    let runtime =
        RingKernelRuntime::builder().device(device).telemetry(true).max_kernels(2).build().expect("a runtime");
    runtime.launch_blocking("w", &Default::default()).expect("it is launched");
    runtime.activate_blocking("w").expect("it is activated");
    answers(&runtime);
    runtime
}

fn answers(runtime: &RingKernelRuntime) {
    runtime.send_blocking("w", b"there?").expect("it is sent");
    assert_eq!(runtime.receive_blocking("w", SOON).expect("a reply").payload, b"there?");
}

/// In a thread, so that what never comes back fails the test.
fn within_limit<T: Send + 'static>(what: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = channel();
    std::thread::spawn(move || done.send(work()));
    result.recv_timeout(SOON).unwrap_or_else(|_| panic!("{what} waits for the kernel of the other runtime"))
}

#[test]
fn one_lives_and_ends_beside_the_other() {
    for device in common::devices() {
        println!("on {device:?}");
        let stays = started(device);
        for round in 0..3 {
            let other = within_limit("a start", move || started(device));
            answers(&stays);
            within_limit("a drop", move || drop(other));
            answers(&stays);
            let counted = stays.telemetry_blocking("w").expect("it is there").messages_processed;
            assert_eq!(counted, 1 + 2 * (round + 1), "on {device:?}");
        }
        stays.terminate_blocking("w").expect("it ends");
        within_limit("the last drop", move || drop(stays));
    }
}
