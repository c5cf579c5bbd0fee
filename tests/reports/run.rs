//! Recordings of real kernels.

use std::path::Path;
use std::time::{Duration, Instant};

use ringscope::{DeviceSpec, LaunchOptions, RingKernelRuntime, TelemetryConfig};

/// Far more than anything here takes.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Kernels that compute for as many rounds as a message says.
pub struct Run {
    pub runtime: RingKernelRuntime,
}

impl Run {
    pub fn start(kernels: &[&str], stall_limit: Duration) -> Run {
        let config = TelemetryConfig { stall_limit, ..TelemetryConfig::default() };
        let builder = RingKernelRuntime::builder().device(DeviceSpec::Host).kernel("compute").telemetry(true);
        let runtime = builder.slots(64).telemetry_config(config).build().unwrap();
        for id in kernels {
            runtime.launch_blocking(id, &LaunchOptions::new()).unwrap();
            runtime.activate_blocking(id).unwrap();
        }
        runtime.collector().start_collection(Duration::from_millis(10)).unwrap();
        Run { runtime }
    }

    pub fn record(&self, path: &Path) -> ringscope::publish::Recording {
        self.runtime.collector().record(path).start().unwrap()
    }

    /// Sends a message of so many rounds without taking its reply.
    pub fn send(&self, id: &str, rounds: u32) {
        let message = [rounds.to_le_bytes(), [0; 4], [7, 0, 0, 0], [0; 4]].concat();
        self.runtime.send_blocking(id, &message).unwrap();
    }

    /// Sends a message of so many rounds, and takes the reply.
    pub fn call(&self, id: &str, rounds: u32) {
        self.send(id, rounds);
        self.take(id);
    }

    pub fn take(&self, id: &str) {
        self.runtime.receive_blocking(id, PATIENCE).unwrap();
    }

    /// Sends a message that the kernel refuses.
    pub fn refused(&self, id: &str) {
        self.runtime.send_blocking(id, b"wrong").unwrap();
        // The reply says so.
        let _ = self.runtime.receive_blocking(id, PATIENCE);
    }

    /// Waits until a snapshot says so.
    pub fn wait_for(&self, what: &str, is: impl Fn(&ringscope::Snapshot) -> bool) {
        let patience = Instant::now() + PATIENCE;
        while !is(&self.runtime.snapshot_blocking().unwrap()) {
            assert!(Instant::now() < patience, "{what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
