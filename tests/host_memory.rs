//! Memory of the host device costs what is used of it: rings of large slots are not gigabytes before the first message.
#![cfg(all(feature = "host", target_os = "linux"))]

use std::time::Duration;

use ringscope::device::{Device, host::HostDevice};
use ringscope::{DeviceSpec, LaunchOptions, RingKernelRuntime};

const MIB: u64 = 1 << 20;

/// Bytes of this process that are in memory.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux says");
    let pages: u64 = statm.split(' ').nth(1).and_then(|n| n.parse().ok()).expect("a number");
    pages * 4096
}

// One test: what another one allocates meanwhile would be counted.
#[test]
fn pages_are_not_touched_before_they_are_used() {
    let before = resident();
    let device = HostDevice::new();
    let memory = device.allocate_mapped(1 << 30).expect("an address");
    let copier = device.copier(&memory).expect("another");
    let words = memory.host_words().expect("the host addresses it");
    assert_eq!(words.len(), (1 << 30) / 8);
    assert!(
        memory.device_address().is_multiple_of(128) && copier.words().iter().step_by(1 << 20).all(|word| *word == 0)
    );
    assert!(words.iter().step_by(1 << 20).all(|word| word.load(std::sync::atomic::Ordering::Relaxed) == 0));

    // Two rings of 256 slots of 1 MiB each, for each of 4 kernels: 2 GiB.
    let builder =
        RingKernelRuntime::builder().device(DeviceSpec::Host).max_kernels(4).slots(256).slot_bytes(MIB as u32);
    let runtime = builder.telemetry(true).build().expect("a runtime");
    runtime.launch_blocking("w", &LaunchOptions::default()).expect("it is launched");
    runtime.activate_blocking("w").expect("it is activated");
    let message = vec![7; MIB as usize];
    runtime.send_blocking("w", &message).expect("it is sent");
    assert!(runtime.receive_blocking("w", Duration::from_secs(20)).expect("a reply").payload == message);
    runtime.snapshot_blocking().expect("a snapshot");
    let grown = resident().saturating_sub(before);
    assert!(grown < 128 * MIB, "{} MiB", grown / MIB);
}
