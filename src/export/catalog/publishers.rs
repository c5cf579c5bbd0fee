//! The families of destinations, with a sample for each; there where something is published.

use super::family::{ExportedFamily, Read};
use super::kind::FamilyKind::{self, Counter, Gauge};
use super::sample::{Sample, count, unix_time};
use crate::snapshot::PublisherTelemetry;

const fn of_each(
    name: &'static str,
    kind: FamilyKind,
    help: &'static str,
    read: fn(&PublisherTelemetry) -> Option<Sample<'_>>,
) -> ExportedFamily {
    ExportedFamily::new(name, kind, help, Read::Publisher(read))
}

/// In the order of a page.
#[rustfmt::skip]
pub(super) const PUBLISHERS: &[ExportedFamily] = &[
    of_each("telemetry_publish_publications", Counter, "Publications that were offered to the destination", |p| count(p.publications)),
    of_each("telemetry_publish_skipped", Counter, "Publications of which nothing was taken, because the queue was full or the ones before were still being written", |p| count(p.skipped)),
    of_each("telemetry_publish_encoded_items", Counter, "Items (series, spans, events, documents) that were to be published; each was published, was dropped, or is queued", |p| count(p.encoded_items)),
    of_each("telemetry_publish_items", Counter, "Items (series, spans, events, documents) that the destination took", |p| count(p.published_items)),
    ExportedFamily::new("telemetry_publish_dropped", Counter, "Items (series, spans, events, documents) that were dropped, by reason", Read::PublisherDropped),
    of_each("telemetry_publish_attempts", Counter, "Attempts to send something to the destination", |p| count(p.attempts)),
    of_each("telemetry_publish_failures", Counter, "Attempts to send something that failed, whether they were made again or not", |p| count(p.failures)),
    of_each("telemetry_publish_retries", Counter, "Attempts to send what was tried before", |p| count(p.retries)),
    of_each("telemetry_publish_sent_bytes", Counter, "Bytes of what the destination took, as they were written in its format", |p| count(p.sent_bytes)).unit("bytes"),
    of_each("telemetry_publish_queued_items", Gauge, "Items that wait to be sent, in memory or on disk", |p| count(p.queued_items)),
    of_each("telemetry_publish_queued_bytes", Gauge, "Bytes that wait to be sent, in memory or on disk", |p| count(p.queued_bytes)).unit("bytes"),
    of_each("telemetry_publish_circuit_open", Gauge, "1 while only one attempt is made now and then, after too many failures in a row", |p| count(p.circuit_open.into())),
    of_each("telemetry_publish_last_success_timestamp_seconds", Gauge, "Unix time at which the destination took something last", |p| unix_time(Some(p.last_success?))).unit("seconds"),
];
