//! What is known of the device's clock.

use std::time::Duration;

/// How well the device's clock is known, by which its kernels tell times. All zero for the host device, whose clock is the
/// host's steady one, and without a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct DeviceClock {
    /// How far a time of the device, as this snapshot tells it, may be from the truth, because the clocks of host and
    /// device are two: times of starts and messages, and, since a message is sent with a time of the device's clock as the host knows it, each
    /// value of [`waiting`](super::KernelTelemetry::waiting). A wait shorter than this is not told from none. Durations that a kernel
    /// measured, those of handling, are not affected.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::convert::seconds"))]
    pub uncertainty: Duration,
    /// How much faster the device's clock runs than the host's, in parts in 10^9.
    pub drift_ppb: i64,
    /// How often what was known of the clock turned out to be wrong, and was learned anew: because one of the clocks was set,
    /// or steered.
    pub restarts_total: u64,
}
