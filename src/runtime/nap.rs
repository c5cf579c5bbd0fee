//! How long to sleep between two looks at what no interrupt announces.

use std::time::Duration;

/// The shortest and the longest sleep between two looks.
const NAPS: (Duration, Duration) = (Duration::from_micros(50), Duration::from_millis(1));

/// How long to sleep before the next look, after having waited for so long: a sixteenth of it, so that sleeping makes no
/// wait longer by more than that, and a long one costs next to nothing.
pub(super) fn nap(waited: Duration) -> Duration {
    (waited / 16).clamp(NAPS.0, NAPS.1)
}
