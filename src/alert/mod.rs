//! What needs somebody's attention: rules, and the alerts that they raise, as pure functions of snapshots.

pub mod anomaly;
mod raised;

pub use raised::{Alert, AlertState, Judge, Severity};
