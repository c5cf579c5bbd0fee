//! Operations of the application: what began and how it ended, what went over the network, and events.
//!
//! What the hot path touches is a thread's own: counts and durations are host metrics, whose words no other thread
//! writes. What ended goes into one of a few bounded rings, by a number that one atomic addition gives out, each place
//! behind a lock of its own that is held for a move. Nothing of the user's runs under any of these locks.

mod config;
mod device;
mod error;
mod events;
mod input;
mod lists;
mod metered;
mod monitor;
mod network;
mod operation;
mod record;
mod report;
mod series;
mod thread;

pub use config::OperationsConfig;
pub use error::OperationError;
pub use events::{ApplicationEvent, EventFilter, EventSubscription};
pub use input::{MAX_ERROR_BYTES, MAX_METADATA_BYTES};
pub use metered::Metered;
pub use network::NetworkOperation;
pub use operation::{Operation, OperationBuilder};
pub use record::{DeviceMessage, NetworkRecord, OperationRecord};
pub use report::{PeerThroughput, RetryStats};
pub use thread::ThreadInfo;

pub(super) use device::{EndedMessage, ErrorSpans, ErrorsSeen};
pub(super) use monitor::{Monitor, Switch};
pub(super) use record::Positions;
#[cfg(feature = "json")]
pub(super) use report::Report;
