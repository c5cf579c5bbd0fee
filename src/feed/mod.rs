//! What happens, moment by moment, for everybody who looks: terminals, pages, recordings, reports.
//!
//! A [`Moment`] is a snapshot with what happened since the one before it: log entries and alerts. A [`Feed`] makes moments of a
//! collector's snapshots, or is given those of a recording, and hands them to any number of subscribers, none of which can
//! slow it down. [`points`](points()) makes of a row of snapshots what a chart shows.

mod entry;
mod hub;
mod moment;
mod points;

pub use entry::{Entry, EntryKind};
pub use hub::{Feed, FeedError, FeedReceiver};
pub use moment::Moment;
pub use points::{KernelPoint, points, points_between};
