//! Prometheus's remote write, both versions: a snapshot as requests of a bounded size.
//!
//! What a request has is what Prometheus would store after scraping the protobuf page: counters end in `_total`, classic
//! histograms are the series `_bucket`, `_sum` and `_count`, native ones have the buckets that the device counted. A series that
//! the snapshot before had and this one has not, and in the last one every series, gets a staleness marker.

mod messages;
mod series;
mod transcode;
mod v1;
mod v2;

use std::collections::HashSet;
use std::time::SystemTime;

use self::series::{Gone, Seen, Walk, Writer};
use super::catalog::visit;
use crate::snapshot::Snapshot;

pub(crate) use self::transcode::v1_of_v2;

/// The most bytes of a request before compression. Receivers take 32 MiB and more.
const MOST_BYTES: usize = 4 << 20;

/// Which version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V1,
    V2,
}

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

/// Writes the batch as requests.
pub(crate) fn encode(batch: &Batch<'_>, version: Version) -> Vec<Request> {
    match version {
        Version::V1 => write(batch, v1::Requests::new(batch)),
        Version::V2 => write(batch, v2::Requests::new(batch)),
    }
}

fn write<W: Writer>(batch: &Batch<'_>, mut writer: W) -> Vec<Request> {
    match batch.previous {
        None => walk(batch, batch.snapshot, &mut writer),
        Some(previous) => {
            let mut seen = Seen { series: HashSet::new(), writer };
            walk(batch, batch.snapshot, &mut seen);
            let mut gone = Gone { seen: seen.series, writer: seen.writer };
            walk(batch, previous, &mut gone);
            writer = gone.writer;
        }
    }
    writer.finish()
}

fn walk<W: Writer>(batch: &Batch<'_>, snapshot: &Snapshot, writer: &mut W) {
    match batch.histograms {
        Histograms::Classic => visit(snapshot, &mut Walk::<W, false>::new(batch, writer)),
        _ => visit(snapshot, &mut Walk::<W, true>::new(batch, writer)),
    }
}

/// Milliseconds since 1970, as samples have them.
fn millis(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
