//! Which devices a test runs on: the host device, and a GPU where there is one.

use ringscope::DeviceSpec;
use ringscope::device::{DeviceError, open};

/// The devices of this machine. Says aloud where there is no GPU, and fails there with RINGSCOPE_REQUIRE_CUDA=1.
///
/// On a GPU one runtime after another opens the same device; a test takes one at a time.
pub fn devices() -> Vec<DeviceSpec> {
    let mut devices = vec![DeviceSpec::Host];
    match open(DeviceSpec::Cuda(0)) {
        Ok(_) => devices.push(DeviceSpec::Cuda(0)),
        Err(error) => absent(&error),
    }
    devices
}

fn absent(error: &DeviceError) {
    let required = std::env::var("RINGSCOPE_REQUIRE_CUDA").is_ok_and(|v| v == "1");
    assert!(!required, "RINGSCOPE_REQUIRE_CUDA=1, and {error}");
    println!("skipped: no CUDA device: {error}");
}
