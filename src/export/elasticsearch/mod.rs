//! Documents for Elasticsearch: bodies for its `_bulk`, into three data streams, and their index templates.
//!
//! # Fields
//!
//! Names are the Elastic Common Schema's (ECS) where it has one; what it does not have is below `counter`, `gauge`,
//! `histogram`, `summary`, `state`, `resource` and `ringscope`. In all documents:
//!
//! | field | type | what |
//! |---|---|---|
//! | `@timestamp` | `date_nanos` | when the snapshot was taken, the operation began, or the event was recorded |
//! | `service.name`, `host.name`, `process.pid` | `keyword`, `long` | the process that it comes from |
//! | `resource.*` | `keyword` | other attributes of the process; those that ECS has are where ECS has them |
//! | `event.module`, `event.dataset`, `event.kind` | `keyword` | `ringscope`; `ringscope.metrics`, `.events`, `.operations`; `metric` or `event` |
//!
//! In `…-metrics`, one document for each kernel, GPU, name of operations, peer, label set of metrics of one's own, and one
//! for what has no labels (`NAME` is a family of [`catalog`](crate::export::catalog), or a metric of one's own):
//!
//! | field | type | what |
//! |---|---|---|
//! | `labels.*` | `keyword` | its labels: `labels.kernel`, `labels.gpu`, … |
//! | `counter.NAME` | `long`; of seconds `double` | total since the start or the last reset; `counter.NAME.STATUS` where there is one for each status |
//! | `gauge.NAME` | `double` | the value |
//! | `state.NAME` | `keyword` | the state |
//! | `histogram.NAME` | `histogram` | what was added since the document before, bucket by bucket as it was counted: a value for each bucket, and its count |
//! | `summary.NAME.count`, `.sum`, `.min`, `.max`, `.p50`, `.p95`, `.p99` | `long`, `double` | of the same values: count and sum are exact |
//!
//! Durations are in seconds. Nothing new in a histogram: neither field is there. Because histograms have what was added,
//! aggregations over any time (`percentiles`, `histogram`, `sum` of `summary.NAME.count`) are of exactly that time.
//! (`summary.ringscope_task_latency_seconds` alone, a summary in the catalog too, is of all values since the start.)
//!
//! In `…-operations`, operations, messages of device kernels and network operations that ended:
//!
//! | field | type | what |
//! |---|---|---|
//! | `event.action` | `keyword` | name; of a network operation, its kind |
//! | `event.duration`, `event.end`, `event.outcome`, `event.id` | `long` (ns), `date_nanos`, `keyword` | `success`, `failure`, `unknown` |
//! | `ringscope.status`, `ringscope.retries`, `error.message`, `labels.*` | `keyword`, `long`, `text` | `succeeded`, `failed`, `abandoned` |
//! | `process.thread.id`, `process.thread.name` | `long`, `keyword` | who began it |
//! | `ringscope.kernel`, `.block`, `.message`, `.code`, `.messages` | `keyword`, `long` | of a device message |
//! | `server.address`, `server.port`, `url.domain`, `network.protocol` | `keyword`, `long` | the peer; only network operations have `event.category: network` |
//! | `client.bytes`, `server.bytes`, `network.bytes` | `long` | sent, received, both |
//! | `ringscope.latency` | `long` (ns) | until the peer answered |
//!
//! In `…-events`, events of the application (`event.provider: application`) and of kernels (`kernel`):
//!
//! | field | type | what |
//! |---|---|---|
//! | `event.action`, `event.sequence` | `keyword`, `long` | what happened; number of an application's event |
//! | `ringscope.value`, `labels.*`, `ringscope.metadata` | `double`, `keyword`, `flattened` | of an application's event |
//! | `ringscope.kernel`, `message`, `error.message` | `keyword`, `text` | of a kernel's event |
//! | `ringscope.block`, `ringscope.place`, `ringscope.stalled_since` | `long`, `keyword`, `date_nanos` | of a stall |
//!
//! What is not finite is left out, and whole numbers above 2^63 − 1 are that.

mod bulk;
mod json;
mod metrics;
mod records;
mod stream;
mod template;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) use bulk::{BulkBody, BulkLimits};
pub use stream::Stream;
pub(crate) use template::{TEMPLATE_VERSION, index_template};

use crate::collector::{ApplicationEvent, KernelEvent, NetworkRecord, OperationRecord};
use crate::snapshot::Snapshot;
use crate::trace::Source;
use bulk::Bulk;
use json::Fields;
use stream::ECS_VERSION;

/// What documents are made of.
#[derive(Clone, Copy)]
pub(crate) struct Parts<'a> {
    pub(crate) number: u64,
    pub(crate) source: &'a Source,
    /// The machine, where the source does not say it.
    pub(crate) host: Option<&'a str>,
    pub(crate) started: SystemTime,
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) previous: Option<&'a Snapshot>,
    pub(crate) operations: &'a [OperationRecord],
    pub(crate) network_operations: &'a [NetworkRecord],
    pub(crate) events: &'a [Arc<ApplicationEvent>],
    pub(crate) kernel_events: &'a [KernelEvent],
}

/// Writes bodies for `_bulk` with everything that goes to one of `streams`, whose names begin with `prefix`.
///
/// The ids of documents say where they come from, so that the same document has the same id in whatever body: process,
/// publication, snapshot, and the place there.
pub(crate) fn bulk_bodies(parts: &Parts<'_>, prefix: &str, streams: &[Stream], limits: BulkLimits) -> Vec<BulkBody> {
    let mut bulk = Bulk::new(limits);
    let process = process_id(parts);
    let (number, sequence) = (parts.number, parts.snapshot.sequence);
    let common = common_fields(parts);
    let mut put = |stream: Stream, letter: char, documents: &mut dyn Iterator<Item = Fields>| {
        if !streams.contains(&stream) {
            return;
        }
        let name = format!("{prefix}-{}", stream.name());
        let mut of_stream = common.clone();
        of_stream.text(&["event.dataset"], &format!("ringscope.{}", stream.name()));
        if stream == Stream::Metrics {
            of_stream.text(&["event.kind"], "metric");
            of_stream.time(&["@timestamp"], parts.snapshot.time);
        }
        for (i, fields) in documents.enumerate() {
            let id = format_args!("{process:016x}-{number}.{sequence}-{letter}{i}");
            bulk.push(&name, id, [&of_stream.bytes, &fields.bytes]);
        }
    };
    if streams.contains(&Stream::Metrics) {
        put(Stream::Metrics, 'm', &mut metrics::documents(parts.snapshot, parts.previous));
    }
    put(Stream::Events, 'e', &mut parts.events.iter().map(|event| records::application_event(event)));
    put(Stream::Events, 'k', &mut parts.kernel_events.iter().map(records::kernel_event));
    put(Stream::Operations, 'o', &mut parts.operations.iter().map(records::operation));
    put(Stream::Operations, 'n', &mut parts.network_operations.iter().map(records::network));
    bulk.finish()
}

/// Another number for each process and machine. It is written into documents, and never worked out again for them.
fn process_id(parts: &Parts<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    parts.source.service.hash(&mut hasher);
    parts.host.hash(&mut hasher);
    parts.source.attributes.iter().for_each(|a| (&a.name, a.value.to_string()).hash(&mut hasher));
    parts.source.pid.hash(&mut hasher);
    parts.started.duration_since(UNIX_EPOCH).unwrap_or_default().hash(&mut hasher);
    hasher.finish()
}

/// What OpenTelemetry calls something that ECS has too.
const KNOWN: [(&str, &str); 12] = [
    ("cloud.account.id", "cloud.account.id"),
    ("cloud.availability_zone", "cloud.availability_zone"),
    ("cloud.provider", "cloud.provider"),
    ("cloud.region", "cloud.region"),
    ("container.id", "container.id"),
    ("container.name", "container.name"),
    ("deployment.environment.name", "service.environment"),
    ("host.arch", "host.architecture"),
    ("host.id", "host.id"),
    ("host.name", "host.name"),
    ("service.instance.id", "service.node.name"),
    ("service.version", "service.version"),
];

/// The fields that all documents have.
fn common_fields(parts: &Parts<'_>) -> Fields {
    let mut fields = Fields::default();
    fields.text(&["ecs.version"], ECS_VERSION);
    fields.text(&["event.module"], "ringscope");
    fields.text(&["service.name"], &parts.source.service);
    fields.count(&["process.pid"], parts.source.pid.into());
    let mut known = HashSet::new();
    let mut others: Vec<(&str, String)> = Vec::new();
    for attribute in &parts.source.attributes {
        let ecs = KNOWN.iter().find(|(name, _)| *name == attribute.name);
        match ecs {
            Some((_, ecs)) if known.insert(*ecs) => fields.text(&[ecs], &attribute.value.to_string()),
            _ if ["service.name", "process.pid"].contains(&&*attribute.name) => {}
            _ => others.push((&attribute.name, attribute.value.to_string())),
        }
    }
    if let Some(host) = parts.host.filter(|_| !known.contains("host.name")) {
        fields.text(&["host.name"], host);
    }
    fields.named("resource.", others.iter().map(|(name, value)| (*name, &**value)));
    fields
}
