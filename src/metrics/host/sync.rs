//! The primitives that [`shard`](super::shard) is made of, in one place: `tests/loom_metrics.rs` puts loom's in theirs.

pub(super) use std::sync::OnceLock;
pub(super) use std::sync::atomic::{AtomicU64, Ordering};
