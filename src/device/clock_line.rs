//! A clock as a line over another's time.

/// The fit, good from the newest bound on: device time of the host's, both in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Line {
    /// A moment of the host, and the device's time then.
    pub(super) host: i64,
    pub(super) device: i64,
    /// Nanoseconds of the device to each of the host's, less one.
    pub(super) drift: f64,
    /// How far the truth may be from it then, in nanoseconds, and how much farther with each nanosecond.
    pub(super) error: f64,
    pub(super) error_growth: f64,
}

impl Line {
    /// A clock that runs with the host's.
    pub(super) fn parallel(host: i64, device: i64) -> Self {
        Line { host, device, drift: 0.0, error: 0.0, error_growth: 0.0 }
    }

    pub(super) fn device_at(&self, host: i64) -> i64 {
        let since = host - self.host;
        self.device + since + (self.drift * since as f64).round() as i64
    }

    /// The host's time at that of the device.
    pub(super) fn host_at(&self, device: i64) -> i64 {
        let since = (device - self.device) as f64;
        self.host + (device - self.device) - (since * self.drift / (1.0 + self.drift)).round() as i64
    }

    /// How far what the device's clock reads may be from [`device_at`](Self::device_at).
    pub(super) fn error_at(&self, host: i64) -> i64 {
        if self.error == 0.0 && self.error_growth == 0.0 {
            return 0;
        }
        (self.error + self.error_growth * (host - self.host).unsigned_abs() as f64).ceil() as i64 + 1
    }
}
