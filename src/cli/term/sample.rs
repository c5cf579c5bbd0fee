//! Snapshots for the tests of what is shown.

use std::sync::Arc;
use std::time::Duration;

use ringscope::{DeviceSpec, Snapshot, TelemetryCollector, device};

/// Names that no terminal has room for, with what terminals hide or obey.
pub const LONG_NAMES: [&str; 3] = [
    "a_kernel_whose_name_takes_more_columns_than_a_narrow_terminal_has_0",
    "名前がとても長いカーネルの名前がとても長いカーネルの名前がとても長い1",
    "\u{202e}evil\u{200b}\u{1b}[2J\r\n2",
];

/// Kernels `worker_0` and so on, each with so many messages; every fourth is an error.
pub fn snapshot(kernels: usize, messages: u64) -> Arc<Snapshot> {
    let names: Vec<String> = (0..kernels).map(|i| format!("worker_{i}")).collect();
    snapshot_of(&names, messages)
}

/// The same of kernels with these names.
pub fn snapshot_of(names: &[impl AsRef<str>], messages: u64) -> Arc<Snapshot> {
    let collector = TelemetryCollector::new(true);
    for id in names.iter().map(AsRef::as_ref) {
        for n in 0..messages {
            collector.record_receive(id).unwrap();
            match n % 4 {
                3 => collector.record_error(id, "refused").unwrap(),
                _ => collector.record_processed(id, Some(Duration::from_nanos(n))).unwrap(),
            }
        }
        if messages == 0 {
            collector.actor(id).unwrap();
        }
    }
    collector.snapshot().unwrap()
}

/// Two kernels, each on a host device of its own, and a host actor.
pub fn on_two_devices() -> Arc<Snapshot> {
    let devices = [DeviceSpec::Host; 2].map(|spec| device::open(spec).expect("the host device").device);
    let collector = TelemetryCollector::builder().devices(devices).build().unwrap();
    for on in [0, 1] {
        collector.kernel(format!("worker_{on}")).device(on).register().unwrap();
    }
    collector.actor("parser").unwrap();
    collector.snapshot().unwrap()
}
