//! Which kernels hang: said once for each stall.

use std::sync::Arc;

use ringscope::Snapshot;

/// What was said so far.
#[derive(Debug, Default)]
pub struct StuckNews {
    /// The kernels that hung at the last look.
    hanging: Vec<Arc<str>>,
}

impl StuckNews {
    /// Returns a sentence for each kernel that did not hang at the look before.
    pub fn look(&mut self, now: &Snapshot) -> Vec<String> {
        let stuck = now.stuck();
        let is_new = |id: &Arc<str>| !self.hanging.contains(id);
        let news = stuck.iter().filter(|kernel| is_new(&kernel.kernel_id)).map(ToString::to_string).collect();
        self.hanging = stuck.into_iter().map(|kernel| kernel.kernel_id).collect();
        news
    }
}

#[cfg(all(test, feature = "host"))]
pub mod tests {
    use std::time::{Duration, Instant};

    use ringscope::{DeviceSpec, LaunchOptions, RingKernelRuntime, TelemetryConfig};

    use super::*;

    /// A snapshot in which kernel `w` hangs.
    pub fn of_a_kernel_in_one_long_message() -> Arc<Snapshot> {
        let config = TelemetryConfig { stall_limit: Duration::from_millis(20), ..TelemetryConfig::default() };
        let builder = RingKernelRuntime::builder().device(DeviceSpec::Host).kernel("compute").telemetry(true);
        let builder = builder.telemetry_config(config).stop_limit(Duration::from_millis(1));
        let runtime = builder.build().unwrap();
        runtime.launch_blocking("w", &LaunchOptions::default()).unwrap();
        runtime.activate_blocking("w").unwrap();
        let message = [u32::MAX.to_le_bytes(), [0; 4], 7u32.to_le_bytes(), [0; 4]].concat();
        runtime.send_blocking("w", &message).unwrap();
        let patience = Instant::now() + Duration::from_secs(60);
        loop {
            let snapshot = runtime.collector().snapshot().unwrap();
            // A busy machine may keep the block from its core before it takes the message.
            if snapshot.stuck_kernel("w").is_some_and(|kernel| kernel.look_at().is_some_and(|b| b.message.is_some())) {
                return snapshot;
            }
            assert!(Instant::now() < patience, "{:?}", snapshot.kernels);
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn each_stall_is_said_once() {
        let hangs = of_a_kernel_in_one_long_message();
        let lives = ringscope::TelemetryCollector::new(true).snapshot().unwrap();
        let mut news = StuckNews::default();
        let said: Vec<usize> = [&lives, &hangs, &hangs, &lives, &hangs].map(|s| news.look(s).len()).into();
        assert_eq!(said, [0, 1, 0, 0, 1]);
    }
}
