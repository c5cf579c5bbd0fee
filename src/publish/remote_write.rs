//! Prometheus's remote write: version 2.0 with native histograms, or 1.0 where the receiver knows no other.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName};
use url::Url;

use super::environment::Environment;
use super::error::PublishError;
use super::http::{Auth, Http, HttpOptions, Reply, peer};
use super::publication::Publication;
use super::publisher::{Destination, Payload, Published};
use super::push::{self, bad};
use super::target::Target;
use crate::collector::TelemetryCollector;
use crate::export::remote_write::{Batch, Version, encode, v1_of_v2, without_native};

pub use crate::export::remote_write::Histograms;

const PATH: &str = "/api/v1/write";
const VERSION: HeaderName = HeaderName::from_static("x-prometheus-remote-write-version");
const SAMPLES_WRITTEN: &str = "x-prometheus-remote-write-samples-written";
const HISTOGRAMS_WRITTEN: &str = "x-prometheus-remote-write-histograms-written";
/// The prefix of its environment variables.
const VARIABLES: &str = "PROMETHEUS_REMOTE_WRITE";
const OPTIONS: [&str; 10] = [
    "version",
    "histograms",
    "job",
    "instance",
    "labels",
    "stale",
    "max_samples",
    "name",
    push::OPTIONS[0],
    push::OPTIONS[1],
];
/// What a Prometheus says that does not take them, with status 500.
const DISABLED: &str = "native histograms are disabled";
/// Every so many publications those of version 1 have help, types and units with them.
const METADATA_EVERY: u64 = 20;
/// Payloads' kinds: the version of the request in it.
const V1: u8 = 1;
const V2: u8 = 2;
/// Nothing is known of the receiver yet.
const UNKNOWN: u8 = 0;

/// Which version of remote write is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RemoteWriteVersion {
    /// 2.0, until the receiver says that it does not know it, or does not say that it stored something: 1.0 from then on.
    #[default]
    Negotiated,
    /// 1.0.
    V1,
    /// 2.0.
    V2,
}

/// Sends every snapshot to a receiver of Prometheus's remote write.
///
/// A receiver that takes 2.0 gets native histograms, types, units and since when counts are counted, and says how many samples
/// it stored. Samples have the time of their snapshot, so that sending one again stores nothing twice. Of a series that went
/// away, and at the end of every one, the receiver is told that it ended: who asks for its value later finds none, and finds the
/// last one by `last_over_time`.
///
/// Counters end in `_total`. Histograms of whole numbers, and those of durations in nanoseconds, are native ones, bucket by bucket
/// what the device counted; classic ones are the series `_bucket`, `_sum` and `_count`, with bounds written as Prometheus 3 writes
/// them (`le="1.0"`). A Prometheus that refuses native histograms, since it was not started with
/// `--enable-feature=native-histograms`, gets classic ones from then on; VictoriaMetrics drops them.
///
/// ```
/// use ringscope::publish::RemoteWrite;
///
/// let prometheus = RemoteWrite::builder("http://localhost:9090").label("rack", "7").build()?;
/// # Ok::<(), ringscope::publish::PublishError>(())
/// ```
#[derive(Debug)]
pub struct RemoteWrite {
    url: Url,
    http: Http,
    settings: Settings,
    /// [`UNKNOWN`], [`V1`] or [`V2`].
    known: AtomicU8,
    /// Whether it turned out to take no native histograms.
    classic_only: AtomicBool,
}

#[derive(Clone, Debug)]
struct Settings {
    name: String,
    version: RemoteWriteVersion,
    histograms: Histograms,
    labels: Vec<(String, String)>,
    stale_at_end: bool,
    max_samples: usize,
}

/// Sets up a [`RemoteWrite`].
#[derive(Clone, Debug)]
#[must_use]
pub struct RemoteWriteBuilder {
    endpoint: String,
    options: HttpOptions,
    settings: Settings,
}

impl RemoteWriteBuilder {
    /// Default of [`max_samples`](Self::max_samples), which is Prometheus's own.
    pub const DEFAULT_MAX_SAMPLES: usize = 2000;

    /// Sets the name that it is counted under. Default: `remote-write`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.settings.name = name.into();
        self
    }

    /// Sets the version of the protocol. Default: [`RemoteWriteVersion::Negotiated`].
    pub fn version(mut self, version: RemoteWriteVersion) -> Self {
        self.settings.version = version;
        self
    }

    /// Sets in which form histograms are sent. Default: [`Histograms::Both`].
    pub fn histograms(mut self, histograms: Histograms) -> Self {
        self.settings.histograms = histograms;
        self
    }

    /// Sets a label of every series that has none of that name itself. Default: `job`, the service, and `instance`, the
    /// attribute `service.instance.id` or host and process.
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        push::set(&mut self.settings.labels, name.into(), value.into());
        self
    }

    /// Sets whether the last publication ends all series, as they end when a scraped target is gone. Default: yes.
    pub fn stale_at_end(mut self, stale: bool) -> Self {
        self.settings.stale_at_end = stale;
        self
    }

    /// Sets the most samples of a request. Default: 2,000.
    pub fn max_samples(mut self, samples: usize) -> Self {
        self.settings.max_samples = samples;
        self
    }

    /// Sets who asks. Default: nobody in particular.
    pub fn auth(mut self, auth: Auth) -> Self {
        self.options.auth = auth;
        self
    }

    /// Sets headers, certificates and the time limit of a request.
    pub fn http(mut self, options: HttpOptions) -> Self {
        self.options = options;
        self
    }

    /// Makes the destination; nothing is sent yet.
    ///
    /// # Errors
    /// [`PublishError::BadSetting`].
    pub fn build(self) -> Result<RemoteWrite, PublishError> {
        if self.settings.max_samples == 0 {
            return Err(bad("max_samples", "it is at least 1"));
        }
        push::check_labels(&self.settings.labels)?;
        let known = AtomicU8::new(match self.settings.version {
            RemoteWriteVersion::Negotiated => UNKNOWN,
            RemoteWriteVersion::V1 => V1,
            RemoteWriteVersion::V2 => V2,
        });
        let url = push::url(&self.endpoint, PATH)?;
        Ok(RemoteWrite {
            url,
            http: Http::new(&self.options)?,
            settings: self.settings,
            known,
            classic_only: AtomicBool::new(false),
        })
    }
}

impl RemoteWrite {
    /// Begins one that sends to `endpoint`, such as `http://localhost:9090`; without a path that is `/api/v1/write`.
    pub fn builder(endpoint: impl Into<String>) -> RemoteWriteBuilder {
        RemoteWriteBuilder {
            endpoint: endpoint.into(),
            options: HttpOptions::default(),
            settings: Settings {
                name: "remote-write".to_owned(),
                version: RemoteWriteVersion::default(),
                histograms: Histograms::default(),
                labels: Vec::new(),
                stale_at_end: true,
                max_samples: RemoteWriteBuilder::DEFAULT_MAX_SAMPLES,
            },
        }
    }

    /// Makes one of `remote-write+http://host:port/path`. Options: `version` (`1`, `2`, `auto`), `histograms` (`both`, `native`,
    /// `classic`), `job`, `instance`, `labels` (`rack=7,site=a`), `stale` (`true`, `false`: whether series end with the
    /// program), `max_samples`, `name`, `ca` (a file of certificates in PEM), `timeout` (seconds). Who asks is in the environment:
    /// `PROMETHEUS_REMOTE_WRITE_USERNAME` and `PROMETHEUS_REMOTE_WRITE_PASSWORD`, or `PROMETHEUS_REMOTE_WRITE_BEARER_TOKEN`, the
    /// latter two also in files that the variables with `_FILE` at their ends name.
    ///
    /// # Errors
    /// [`PublishError::BadSetting`]; [`PublishError::File`] for a secret's or the certificates' that cannot be read.
    pub fn from_target(mut target: Target, environment: &Environment) -> Result<RemoteWrite, PublishError> {
        use RemoteWriteVersion as Of;
        let mut builder = RemoteWrite::builder(push::endpoint(&target)?);
        builder.options = push::options(&mut target, environment, VARIABLES)?;
        let settings = &mut builder.settings;
        let versions = [("auto", Of::Negotiated), ("1", Of::V1), ("2", Of::V2)];
        settings.version = target.take_one_of("version", &versions)?.unwrap_or_default();
        let forms = [("both", Histograms::Both), ("native", Histograms::Native), ("classic", Histograms::Classic)];
        settings.histograms = target.take_one_of("histograms", &forms)?.unwrap_or_default();
        settings.stale_at_end = target.take_one_of("stale", &[("true", true), ("false", false)])?.unwrap_or(true);
        if let Some(most) = target.take("max_samples") {
            settings.max_samples = most.parse().map_err(|_| bad("the option max_samples", "it is a number"))?;
        }
        for (name, value) in push::labels(&mut target)? {
            builder = builder.label(name, value);
        }
        if let Some(name) = target.take("name") {
            builder = builder.name(name);
        }
        target.finish(&OPTIONS)?;
        builder.build()
    }

    /// What is sent now, as far as is known.
    fn version(&self) -> u8 {
        if self.known.load(Ordering::Relaxed) == V1 { V1 } else { V2 }
    }

    async fn post(&self, version: u8, body: Vec<u8>) -> Result<Reply, PublishError> {
        let (content_type, number) = match version {
            V2 => ("application/x-protobuf;proto=io.prometheus.write.v2.Request", "2.0.0"),
            _ => ("application/x-protobuf", "0.1.0"),
        };
        let headers = [(CONTENT_ENCODING, "snappy"), (CONTENT_TYPE, content_type), (VERSION, number)];
        self.http.post(&self.url, &headers, body).await
    }

    /// Sends a request of version 2 if it may be taken; `None` if the receiver turns out not to know it.
    async fn send_v2(&self, payload: &Payload) -> Result<Option<Published>, PublishError> {
        let reply = self.post(V2, payload.bytes.to_vec()).await?;
        let must = self.settings.version == RemoteWriteVersion::V2;
        match written(&reply.headers) {
            Some(written) if reply.is_success() || reply.status == 400 => {
                self.learn(V2);
                let written = written.min(payload.items);
                let rejected = payload.items - written;
                let warning = (rejected > 0).then(|| format!("{rejected} samples were not stored: {}", reply.said()));
                Ok(Some(Published { items: written, rejected, warning, ..Published::default() }))
            }
            // One that ignores the type of what it gets finds nothing in it that it knows, and says that all is well.
            None if reply.is_success() && must => Err(PublishError::Refused {
                peer: peer(&self.url),
                status: reply.status.to_string(),
                said: "it does not say that it stored anything of version 2.0: use version 1".to_owned(),
            }),
            None if (reply.is_success() || matches!(reply.status, 406 | 415)) && !must => {
                self.learn(V1);
                Ok(None)
            }
            _ => Err(reply.error(&self.url)),
        }
    }

    async fn send_v1(&self, items: u64, body: Vec<u8>) -> Result<Published, PublishError> {
        let reply = self.post(V1, body).await?;
        if reply.is_success() { Ok(Published::all(items)) } else { Err(reply.error(&self.url)) }
    }

    /// Sends what is no native histogram, to a Prometheus that was not told to take them and refuses all that is beside them.
    async fn send_classic(&self, payload: &Payload) -> Result<Published, PublishError> {
        self.classic_only.store(true, Ordering::Relaxed);
        let (rest, taken) = without_native(&decompressed(&as_v1(payload)?)?).map_err(unreadable)?;
        let mut published = Published { rejected: taken, ..Published::default() };
        if taken < payload.items {
            published.items = self.send_v1(payload.items - taken, compressed(&rest)?).await?.items;
        }
        published.warning = Some(format!(
            "{DISABLED} there, and are sent as classic ones from now on: start it with --enable-feature=native-histograms"
        ));
        Ok(published)
    }

    fn learn(&self, version: u8) {
        if self.settings.version == RemoteWriteVersion::Negotiated {
            self.known.store(version, Ordering::Relaxed);
        }
    }
}

impl Destination for RemoteWrite {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn attach(&self, collector: &TelemetryCollector) {
        self.http.attach(collector);
    }

    fn encode(&self, publication: &Publication) -> Result<Vec<Payload>, PublishError> {
        let snapshot = &publication.snapshot;
        let classic_only = self.classic_only.load(Ordering::Relaxed);
        let histograms = if classic_only { Histograms::Classic } else { self.settings.histograms };
        let batch = Batch {
            snapshot,
            previous: publication.previous.as_deref(),
            started: publication.started,
            metadata: publication.previous.is_none() || publication.number.is_multiple_of(METADATA_EVERY),
            ends: !publication.running && self.settings.stale_at_end,
            labels: &push::with_identity(&self.settings.labels, &publication.source),
            histograms,
            most: self.settings.max_samples,
        };
        let kind = self.version();
        let version = if kind == V1 { Version::V1 } else { Version::V2 };
        let mut payloads = Vec::new();
        for request in encode(&batch, version) {
            payloads.push(Payload::new(kind, request.points, snapshot.time, compressed(&request.bytes)?));
        }
        Ok(payloads)
    }

    async fn send(&self, payload: &Payload) -> Result<Published, PublishError> {
        let sent = if payload.kind == V2 && self.version() == V2 { self.send_v2(payload).await } else { Ok(None) };
        let sent = match sent {
            Ok(Some(published)) => return Ok(published),
            Ok(None) => self.send_v1(payload.items, as_v1(payload)?).await,
            Err(error) => Err(error),
        };
        match sent {
            Err(PublishError::Unavailable { said, .. } | PublishError::Refused { said, .. })
                if said.contains(DISABLED) =>
            {
                self.send_classic(payload).await
            }
            sent => sent,
        }
    }
}

/// The payload as a request of version 1, compressed: it may have been written before it was known that the receiver takes no other.
fn as_v1(payload: &Payload) -> Result<Vec<u8>, PublishError> {
    if payload.kind == V1 {
        return Ok(payload.bytes.to_vec());
    }
    compressed(&v1_of_v2(&decompressed(&payload.bytes)?).map_err(unreadable)?)
}

fn unreadable(error: impl std::fmt::Display) -> PublishError {
    PublishError::Unwritable { format: "remote write 1.0".to_owned(), reason: error.to_string() }
}

fn decompressed(bytes: &[u8]) -> Result<Vec<u8>, PublishError> {
    snap::raw::Decoder::new().decompress_vec(bytes).map_err(unreadable)
}

fn compressed(bytes: &[u8]) -> Result<Vec<u8>, PublishError> {
    let unwritable = |e: snap::Error| PublishError::Unwritable { format: "snappy".to_owned(), reason: e.to_string() };
    snap::raw::Encoder::new().compress_vec(bytes).map_err(unwritable)
}

/// How many samples and histograms the receiver says that it stored; `None` if it says nothing of them.
fn written(headers: &HeaderMap) -> Option<u64> {
    let of = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    match (of(SAMPLES_WRITTEN), of(HISTOGRAMS_WRITTEN)) {
        (None, None) => None,
        (samples, histograms) => Some(samples.unwrap_or(0).saturating_add(histograms.unwrap_or(0))),
    }
}
