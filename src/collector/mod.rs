//! [`TelemetryCollector`]: which kernels there are, since when they are counted, and what a reading means for them.
//!
//! # What it says with the feature `tracing`
//!
//! What goes wrong is counted in every snapshot and told to hooks. With the feature `tracing` it is also a `tracing` event;
//! without the feature nothing is printed anywhere. Of each message at most ten a second are emitted, and the field
//! `suppressed` of the next one is how many were left out. Events are emitted while no lock of the collector is held, on
//! the thread that noticed: a subscriber may use the collector.
//!
//! | target | level | message | fields |
//! |---|---|---|---|
//! | `ringscope::collector` | WARN | `collection failed`: a copy was late | `error` |
//! | `ringscope::collector` | ERROR | `device failed` | `error` |
//! | `ringscope::collector` | ERROR | `kernel failed` | `kernel_id`, `reason` |
//! | `ringscope::collector` | WARN | `unknown kernel`, `unknown metric`: a look-up by a wrong name | `kernel_id` or `metric` |
//! | `ringscope::collector` | WARN | `series dropped`: [standard metrics](StandardMetrics) had no room for a kernel | `dropped`, all so far |
//! | `ringscope::metrics` | WARN | `metric not found`: a kernel looked up an index that is not there, or is of another kind | `misses`, all so far |
//! | `ringscope::watchdog` | WARN | `kernel stalled` | `kernel_id`, `block`, `stuck`, a sentence |
//! | `ringscope::watchdog` | INFO | `kernel recovered` | `kernel_id` |
//! | `ringscope::hooks` | ERROR | `hook panicked` | `hook`, `panic` |
//! | `ringscope::hooks` | ERROR | `hook disabled`: it panicked [too often](MAX_PANICS) | `hook` |
//! | `ringscope::hooks` | WARN | `hook slow` | `hook`, `seconds` |
//! | `ringscope::hooks` | WARN | `notification dropped`: the hook's queue was full | `hook` |
//! | `ringscope::subscribers` | DEBUG | `snapshots skipped`: a subscriber was too slow for them | `skipped` |
//! | `ringscope::history` | DEBUG | `snapshots left the history`: it was full, or they were too old | `dropped` |

mod actor;
mod boxes;
mod builder;
mod changes;
mod clock;
mod collect;
mod config;
mod core;
mod counts;
mod error;
mod free_list;
mod handle;
mod history;
mod lives;
mod log;
mod metrics;
mod notify;
mod operations;
mod ops;
mod periodic;
mod publishers;
mod recorder;
mod registration;
mod registry;
mod ring;
mod room;
mod standard;
mod trace;

pub use actor::ActorHandle;
pub use builder::CollectorBuilder;
pub(crate) use builder::check_devices;
pub use changes::{Changed, Changes};
pub use config::{MAX_WINDOWS, TelemetryConfig};
pub use error::TelemetryError;
pub use handle::TelemetryCollector;
pub use history::SnapshotHistory;
pub(crate) use lives::Life;
#[cfg(all(feature = "tracing", feature = "publish"))]
pub(crate) use log::Limits;
pub use notify::{
    EventKind, HookId, HookKind, HookReport, KernelEvent, MAX_HOOKS, MAX_PANICS, Notification, Subscription,
};
pub use ops::{
    ApplicationEvent, DeviceMessage, EventFilter, EventSubscription, MAX_ERROR_BYTES, MAX_METADATA_BYTES, Metered,
    NetworkOperation, NetworkRecord, Operation, OperationBuilder, OperationError, OperationRecord, OperationsConfig,
    PeerThroughput, RetryStats, ThreadInfo,
};
#[cfg(feature = "publish")]
pub(crate) use publishers::CountsPublishing;
pub use recorder::TraceRecorder;
pub use registration::KernelRegistration;
pub use registry::MAX_ID_BYTES;
pub(crate) use registry::check_id;
pub use standard::{Health, HealthLimits, StandardMetrics};
