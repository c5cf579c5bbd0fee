//! What is to be written, and what comes of it.

use std::time::SystemTime;

use crate::snapshot::Snapshot;

/// The most bytes of a request before compression. Receivers take 32 MiB and more.
pub(super) const MOST_BYTES: usize = 4 << 20;

/// In which form histograms are written that have exponential buckets and classic ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Histograms {
    /// As native histograms and as classic ones, like the protobuf page.
    #[default]
    Both,
    /// As native ones only. Durations in seconds stay classic, since their native form is the family in nanoseconds.
    Native,
    /// As classic ones only, and no native histogram at all.
    Classic,
}

/// What requests are made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batch<'a> {
    pub(crate) snapshot: &'a Snapshot,
    /// What the receiver was told before.
    pub(crate) previous: Option<&'a Snapshot>,
    /// Since when counts are counted.
    pub(crate) started: SystemTime,
    /// Whether help, types and units are in the requests of version 1; those of version 2 always have them.
    pub(crate) metadata: bool,
    /// Whether all series end with it.
    pub(crate) ends: bool,
    /// Labels of every series that has none of that name itself.
    pub(crate) labels: &'a [(String, String)],
    pub(crate) histograms: Histograms,
    /// The most samples of a request.
    pub(crate) most: usize,
}

/// A request before compression.
#[derive(Debug, PartialEq)]
pub(crate) struct Request {
    /// Samples and native histograms in it.
    pub(crate) points: u64,
    pub(crate) bytes: Vec<u8>,
}

/// Milliseconds since 1970, as samples have them.
pub(super) fn millis(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
