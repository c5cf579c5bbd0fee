//! Times in a trace, and the host's clock.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::track::DeviceTrack;
use crate::device::ClockSample;

/// A moment: Unix time, how far that may be off, and what the device's clock said, where a device took it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Time {
    /// Unix time in nanoseconds.
    pub unix_ns: u64,
    /// How far `unix_ns` may be from the host's own clock, in nanoseconds; 0 for times that the host took.
    pub uncertainty_ns: u64,
    /// The device's clock in nanoseconds, for times that a device took.
    pub device_ns: Option<u64>,
}

impl Time {
    /// Makes a time that the host took.
    pub const fn host(unix_ns: u64) -> Self {
        Time { unix_ns, uncertainty_ns: 0, device_ns: None }
    }

    /// Makes a time that a device took, and what it is in Unix time.
    pub const fn device(device_ns: u64, unix_ns: u64, uncertainty_ns: u64) -> Self {
        Time { unix_ns, uncertainty_ns, device_ns: Some(device_ns) }
    }

    /// Returns the nanoseconds from `begin` to this: by the device's clock where it took both, else in Unix time. 0 if this
    /// is earlier.
    pub fn since_ns(&self, begin: &Time) -> u64 {
        match (self.device_ns, begin.device_ns) {
            (Some(end), Some(begin)) => end.saturating_sub(begin),
            _ => self.unix_ns.saturating_sub(begin.unix_ns),
        }
    }
}

/// A device's clock as it was read during a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceClock {
    /// The device.
    pub device: Arc<DeviceTrack>,
    /// In the order of reading.
    pub samples: Vec<ClockSample>,
}

impl DeviceClock {
    /// Makes the clock of a device, not read yet.
    pub fn new(device: Arc<DeviceTrack>) -> Self {
        DeviceClock { device, samples: Vec::new() }
    }

    /// Adds a reading of both clocks at the same moment, which were at most `uncertainty_ns` apart.
    pub fn add(&mut self, device_ns: u64, unix_ns: u64, uncertainty_ns: u64) {
        self.samples.push(ClockSample { device_ns, unix_ns, uncertainty_ns, ..ClockSample::default() });
    }
}

/// Unix time that never goes back: the system's at one moment, and steady from there. Who sets the system's clock while a
/// program runs does not change the order of its spans.
#[derive(Clone, Copy, Debug)]
pub(super) struct HostClock {
    begun: Instant,
    unix: Duration,
}

impl HostClock {
    pub(super) fn start() -> Self {
        HostClock { begun: Instant::now(), unix: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() }
    }

    pub(super) fn now(&self) -> Time {
        Time::host(u64::try_from((self.unix + self.begun.elapsed()).as_nanos()).unwrap_or(u64::MAX))
    }
}
