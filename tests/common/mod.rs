//! Which devices a test runs on: the host device, and a GPU where there is one.

use ringscope::device::{DeviceError, open};
use ringscope::{DeviceSpec, InputRing};

/// The devices of this machine. Says aloud where there is no GPU, and fails there with RINGSCOPE_REQUIRE_CUDA=1. With
/// RINGSCOPE_TEST_DEVICE=cuda the GPU alone.
///
/// On a GPU one runtime after another opens the same device; a test takes one at a time.
pub fn devices() -> Vec<DeviceSpec> {
    let only_cuda = std::env::var("RINGSCOPE_TEST_DEVICE").is_ok_and(|only| only == "cuda");
    let mut devices = if only_cuda { Vec::new() } else { vec![DeviceSpec::Host] };
    match open(DeviceSpec::Cuda(0)) {
        Ok(_) => devices.push(DeviceSpec::Cuda(0)),
        Err(error) => absent(&error),
    }
    devices
}

/// The kinds of rings of messages: what holds of one holds of the other.
#[allow(dead_code, reason = "most tests send few messages")]
pub const INPUT_RINGS: [InputRing; 2] = [InputRing::Mapped, InputRing::DeviceMemory];

/// Each of the devices with each kind of rings.
#[allow(dead_code, reason = "as above")]
pub fn devices_and_rings() -> impl Iterator<Item = (DeviceSpec, InputRing)> {
    devices().into_iter().flat_map(|device| INPUT_RINGS.map(|ring| (device, ring)))
}

/// So many, or the part of them that RINGSCOPE_TEST_FEWER asks for: a device may be simulated, instruction by instruction.
#[allow(dead_code, reason = "most tests are short")]
pub fn fewer(n: u32) -> u32 {
    let part = std::env::var("RINGSCOPE_TEST_FEWER").ok().and_then(|part| part.parse().ok()).unwrap_or(1);
    (n / part).max(1)
}

fn absent(error: &DeviceError) {
    let required = std::env::var("RINGSCOPE_REQUIRE_CUDA").is_ok_and(|v| v == "1");
    assert!(!required, "RINGSCOPE_REQUIRE_CUDA=1, and {error}");
    println!("skipped: no CUDA device: {error}");
}
