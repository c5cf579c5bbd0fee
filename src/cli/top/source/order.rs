//! What somebody who looks wants of a recording.

/// What is to be done with a recording.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Order {
    /// Hold.
    Hold,
    /// Go on.
    GoOn,
    /// Show one moment, and hold.
    Next,
    /// Go to so many seconds from the moment that was shown last.
    Seek(i64),
    /// Play so many times as fast as it was.
    Speed(f64),
}
