//! Prometheus's remote write, both versions: a snapshot as requests of a bounded size.
//!
//! What a request has is what Prometheus would store after scraping the protobuf page: counters end in `_total`, classic
//! histograms are the series `_bucket`, `_sum` and `_count`, native ones have the buckets that the device counted. A series that
//! the snapshot before had and this one has not, and in the last one every series, gets a staleness marker.

mod batch;
mod messages;
mod series;
#[cfg(test)]
mod tests;
mod transcode;
mod v1;
mod v2;

use std::collections::HashSet;

use self::series::{Gone, Seen, Walk, Writer};
use super::catalog::visit;
use crate::snapshot::Snapshot;

pub use self::batch::Histograms;
pub(crate) use self::batch::{Batch, Request};
pub(crate) use self::transcode::{v1_of_v2, without_native};

/// Which version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V1,
    V2,
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
