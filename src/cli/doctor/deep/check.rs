//! What a check is given, and what it finds.

use ringscope::DeviceSpec;
use ringscope::device::SharedDevice;
use serde::Serialize;

/// The device under examination.
pub struct Target {
    pub device: SharedDevice,
    /// What opens the same device in another process.
    pub spec: DeviceSpec,
    /// Snapshots through which counters must never go back.
    pub snapshots: u64,
}

/// What became of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It holds.
    Passed,
    /// It does not.
    Failed,
    /// Good to know; nothing to pass.
    Noted,
    /// There is no such thing on this device.
    DoesNotApply,
}

/// The outcome and a figure for a person, or why the check could not even be made, which counts as failed.
pub type Finding = Result<(Outcome, String), Box<dyn std::error::Error>>;

/// Returns the figure of a check that passed or did not.
pub fn judged(passed: bool, figure: String) -> Finding {
    Ok((if passed { Outcome::Passed } else { Outcome::Failed }, figure))
}
