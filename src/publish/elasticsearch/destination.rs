//! [`Elasticsearch`].

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;

use super::hosts::{Hosts, Request};
use super::reply::{FILTER, Settled, documents};
use crate::collector::TelemetryCollector;
use crate::export::elasticsearch::Stream as ElasticsearchStream;
use crate::export::elasticsearch::{BulkLimits, Parts, TEMPLATE_VERSION, bulk_bodies, index_template};
use crate::publish::error::PublishError;
use crate::publish::http::{Http, Reply, peer};
use crate::publish::publication::Publication;
use crate::publish::publisher::{Destination, Payload, Published, Temporality};

/// The only kind of payload: a body for `_bulk`.
const BULK: u8 = 1;
/// How long the templates that were put are taken to be there.
const TEMPLATES_LAST: Duration = Duration::from_secs(600);
/// However little a proxy takes, batches do not get smaller than this.
const FEWEST_BYTES: usize = 64 << 10;

/// Writes documents into three data streams of Elasticsearch, or of what has its API:
///
/// * `<index_prefix>-metrics`: one document for each kernel, each GPU, each label set of metrics of one's own, and one for the
///   process, of every snapshot;
/// * `<index_prefix>-operations`: operations and network operations that ended;
/// * `<index_prefix>-events`: events of the application and of kernels.
///
/// Before the first documents it puts an index template for each, with the types of all fields and how long documents are
/// kept, unless a newer version is there. Fields are the Elastic Common Schema's where it has them; counters are totals, and
/// fields of type `histogram` have what was added since the document before, in the device's own buckets.
///
/// What is sent again is not stored twice: documents have ids that stay the same, and one that is there counts as stored. (Ids
/// are unique in one index. A data stream that begins a new index meanwhile may have the document in both.) Documents that the
/// cluster is too busy for are sent again by themselves; those that do not fit the types are rejected and counted.
///
/// Requests go to all hosts in turn; one that cannot be reached, or answers with an error of its own, is left alone for a while.
///
/// ```
/// use ringscope::publish::Elasticsearch;
///
/// let destination = Elasticsearch::builder(["https://es1:9200", "https://es2:9200"])
///     .index_prefix("team-a")
///     .api_key("VnVhQ2ZHY0JDZGJrUW0tZTVhT3g6dWkybHAyYXhUTm1zeWFrdzl0dk5udw==".into())
///     .build();
/// # #[cfg(feature = "tls")]
/// # destination?;
/// # Ok::<(), ringscope::publish::PublishError>(())
/// ```
#[derive(Debug)]
pub struct Elasticsearch {
    pub(super) hosts: Hosts,
    pub(super) http: Http,
    pub(super) prefix: String,
    pub(super) streams: Vec<ElasticsearchStream>,
    /// How long documents are kept, where templates are put at all.
    pub(super) templates: Option<Option<Duration>>,
    /// When they were put.
    pub(super) templates_put: Mutex<Option<Instant>>,
    pub(super) machine: Option<String>,
    /// Most bytes of a body; less after somebody refused one as too large.
    pub(super) most_bytes: AtomicUsize,
    pub(super) most_documents: u64,
}

impl Elasticsearch {
    fn forget_templates(&self) {
        *self.templates_put.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Puts the templates where they may not be there.
    async fn put_templates(&self) -> Result<(), PublishError> {
        let Some(retention) = self.templates else { return Ok(()) };
        let put = *self.templates_put.lock().unwrap_or_else(PoisonError::into_inner);
        if put.is_some_and(|at| at.elapsed() < TEMPLATES_LAST) {
            return Ok(());
        }
        for stream in &self.streams {
            self.put_template(*stream, retention).await?;
        }
        *self.templates_put.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        Ok(())
    }

    async fn put_template(&self, stream: ElasticsearchStream, retention: Option<Duration>) -> Result<(), PublishError> {
        let name = format!("{}-{}", self.prefix, stream.name());
        let path = format!("/_index_template/{name}");
        let query = "filter_path=index_templates.index_template.version";
        let (reply, url) = self.ask(Method::GET, &path, query, &[]).await?;
        let there = match reply.status {
            404 => None,
            _ if reply.is_success() => version_in(&reply),
            _ => return Err(reply.error(&url)),
        };
        // Of two versions of ringscope that write to the same cluster, the newer has its way.
        if there.is_some_and(|version| version > TEMPLATE_VERSION) {
            return Ok(());
        }
        let body = index_template(stream, &name, retention).to_string();
        let (reply, url) = self.ask(Method::PUT, &path, "", body.as_bytes()).await?;
        if reply.is_success() { Ok(()) } else { Err(reply.error(&url)) }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        query: &str,
        body: &[u8],
    ) -> Result<(Reply, url::Url), PublishError> {
        let headers: &[_] = match body {
            [] => &[],
            _ if path == "/_bulk" => &[(CONTENT_TYPE, "application/x-ndjson")],
            _ => &[(CONTENT_TYPE, "application/json")],
        };
        let sent = self.hosts.send(&self.http, Request { method, path, query, headers, body }).await;
        if sent.is_err() {
            // It may come back as another one.
            self.forget_templates();
        }
        sent
    }

    /// Sends a body; in halves, if it is too large for whoever is in between.
    async fn send_bodies(&self, body: &[u8]) -> Result<Settled, PublishError> {
        let mut all = Settled::default();
        let mut waiting = vec![body];
        while let Some(body) = waiting.pop() {
            let (reply, url) = self.ask(Method::POST, "/_bulk", FILTER, body).await?;
            if reply.status == 413 {
                match halves(body) {
                    Some((first, second)) => {
                        self.most_bytes.fetch_min((body.len() / 2).max(FEWEST_BYTES), Ordering::Relaxed);
                        waiting.extend([second, first]);
                    }
                    None => {
                        all.rejected += 1;
                        all.reason.get_or_insert_with(|| format!("413: {} bytes are too many", body.len()));
                    }
                }
                continue;
            }
            if !reply.is_success() {
                if reply.status == 404 {
                    self.forget_templates();
                }
                return Err(reply.error(&url));
            }
            let malformed = |reason| PublishError::Malformed { peer: peer(&url), reason };
            all.merge(Settled::read(body, &reply.body).map_err(malformed)?);
        }
        Ok(all)
    }
}

/// The version of the template that an answer has.
fn version_in(reply: &Reply) -> Option<u64> {
    let answer: Value = serde_json::from_slice(&reply.body).ok()?;
    answer["index_templates"][0]["index_template"]["version"].as_u64()
}

/// Half of the documents each; `None` for a single one.
fn halves(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let count = documents(body).count();
    let first: usize = documents(body).take(count / 2).map(<[u8]>::len).sum();
    (first > 0).then(|| body.split_at(first))
}

impl Destination for Elasticsearch {
    fn name(&self) -> &str {
        "elasticsearch"
    }

    /// Histograms are of what was added.
    fn temporality(&self) -> Temporality {
        Temporality::Delta
    }

    fn attach(&self, collector: &TelemetryCollector) {
        self.http.attach(collector);
    }

    fn encode(&self, publication: &Publication) -> Result<Vec<Payload>, PublishError> {
        let parts = Parts {
            number: publication.number,
            source: &publication.source,
            host: self.machine.as_deref(),
            started: publication.started,
            snapshot: &publication.snapshot,
            previous: publication.previous.as_deref(),
            operations: &publication.operations,
            network_operations: &publication.network_operations,
            events: &publication.events,
            kernel_events: &publication.kernel_events,
        };
        let limits = BulkLimits { bytes: self.most_bytes.load(Ordering::Relaxed), documents: self.most_documents };
        let bodies = bulk_bodies(&parts, &self.prefix, &self.streams, limits).into_iter();
        let time = publication.snapshot.time;
        Ok(bodies.map(|body| Payload::new(BULK, body.documents, time, body.bytes)).collect())
    }

    async fn send(&self, payload: &Payload) -> Result<Published, PublishError> {
        self.put_templates().await?;
        let settled = self.send_bodies(&payload.bytes).await?;
        if settled.missing {
            self.forget_templates();
        }
        let mut published = Published::all(settled.stored);
        published.rejected = settled.rejected;
        published.warning = settled.reason;
        if settled.again_documents > 0 {
            published.again = Some(Payload::new(payload.kind, settled.again_documents, payload.time, settled.again));
        }
        Ok(published)
    }
}
