//! Sends what a collector knows to where people look: queues, retries and counts of loss are the same for every destination.
//!
//! What is sent is a [`Publication`]: a snapshot, and what ended or happened since the one before. A [`Destination`] writes it
//! as [`Payload`]s and sends those; a [`Publisher`] of one's own takes it as it is.
//!
//! # What is kept where
//!
//! What waits for a destination is in memory, bounded in bytes and in age ([`Delivery`]). With a [spool](Delivery::spool) it is on
//! disk and outlives the process: every payload is a frame with a checksum, written before it is sent; a cursor says how far it
//! was sent. The next process that opens the folder sends the rest, in order. After a `kill -9` at any moment at most the
//! payload is lost that was just being written, and nothing that is not whole is ever sent; the one payload that was on its way is
//! sent again, since nobody knows whether it arrived. So every payload that was written is delivered at least once, and twice at
//! most where an attempt ended without an answer: a time limit, a connection that broke, the end of the process. After the end of
//! the machine the same holds for [`SyncPolicy::EachPublication`].
//!
//! # What it says with the feature `tracing`
//!
//! What goes wrong is counted in every snapshot, in [`publishers`](crate::Snapshot::publishers), and as `telemetry_publish_*` on
//! every page. With the feature `tracing` it is also a `tracing` event at the target `ringscope::publish`; of each of the first
//! three, at most ten a second for each destination, and the field `suppressed` of the next one is how many were left out. All
//! have the field `destination`; none has a secret in it.
//!
//! | level | message | fields |
//! |---|---|---|
//! | WARN | `attempt failed` | `error`, `reason` (one word: `unreachable`, `timeout`, `unavailable`, `refused`, …), `permanent`: whether it is not tried again |
//! | WARN | `items dropped` | `reason` ([one](crate::snapshot::DropReason) word), `items` |
//! | WARN | `publication skipped`: nothing of it was taken | `skipped`, all so far |
//! | WARN | `circuit opened`: only one attempt is made now and then | |
//! | INFO | `circuit closed` | |

#[cfg(any(feature = "elasticsearch", feature = "pushgateway", feature = "remote-write"))]
mod address;
#[cfg(feature = "alerts")]
mod alerting;
mod any;
#[cfg(feature = "cloudwatch")]
mod cloudwatch;
mod composite;
#[cfg(feature = "datadog")]
mod datadog;
mod delivery;
#[cfg(feature = "elasticsearch")]
mod elasticsearch;
mod environment;
mod error;
#[cfg(feature = "files")]
mod file;
#[cfg(feature = "grafana-cloud")]
mod grafana_cloud;
#[cfg(feature = "http-client")]
mod http;
#[cfg(feature = "otlp")]
mod jaeger;
mod lists;
#[cfg(feature = "otlp")]
mod otlp;
mod outbox;
#[cfg(feature = "page")]
mod page;
mod periodic;
#[cfg(feature = "prometheus-server")]
mod prometheus;
mod publication;
mod publisher;
#[cfg(any(feature = "pushgateway", feature = "remote-write"))]
mod push;
#[cfg(feature = "pushgateway")]
mod pushgateway;
mod queue;
#[cfg(feature = "recording")]
mod recording;
#[cfg(feature = "remote-write")]
mod remote_write;
mod scheme;
#[cfg(feature = "prometheus-server")]
#[doc(hidden)]
pub mod serving;
mod spool;
mod target;

#[cfg(feature = "alerts")]
pub use alerting::{Alerting, AlertingBuilder, AlertingError, AlertingFile, AlertingJudge, LogWanted, Notifier};
pub use any::AnyDestination;
#[cfg(feature = "cloudwatch")]
pub use cloudwatch::{CloudWatch, CloudWatchBuilder, CloudWatchEmf};
pub use composite::Composite;
#[cfg(feature = "datadog")]
pub use datadog::{DogStatsd, DogStatsdBuilder, DogStatsdHistogram};
pub use delivery::{Delivery, Spool, SyncPolicy};
#[cfg(feature = "elasticsearch")]
pub use elasticsearch::{Elasticsearch, ElasticsearchBuilder, ElasticsearchStream};
pub use environment::{Environment, secret_file};
pub use error::PublishError;
#[cfg(feature = "files")]
pub use file::{JsonFile, JsonLines, PrometheusFile};
#[cfg(feature = "grafana-cloud")]
pub use grafana_cloud::{GrafanaCloud, GrafanaCloudBuilder, GrafanaCloudProtocol};
#[cfg(feature = "http-client")]
pub use http::{Auth, HttpOptions};
#[cfg(feature = "otlp")]
pub use jaeger::Jaeger;
#[cfg(feature = "otlp")]
pub use otlp::{Otlp, OtlpBuilder, OtlpProtocol, OtlpSignal};
pub use outbox::Outbox;
#[cfg(feature = "page-tls")]
pub use page::TlsError;
#[cfg(feature = "page")]
pub use page::{BoundServer, ServeError, TelemetryServer, TelemetryServerBuilder};
pub use periodic::{Periodic, PeriodicBuilder};
#[cfg(feature = "prometheus-server")]
pub use prometheus::{PrometheusPublisher, PrometheusServer};
pub use publication::Publication;
pub use publisher::{Destination, Payload, Published, Publisher, Temporality};
#[cfg(feature = "pushgateway")]
pub use pushgateway::{Pushgateway, PushgatewayBuilder};
#[cfg(feature = "recording")]
pub use recording::{RecordError, Recording, RecordingBuilder, RecordingStatus};
#[cfg(feature = "remote-write")]
pub use remote_write::{Histograms, RemoteWrite, RemoteWriteBuilder, RemoteWriteVersion};
pub use scheme::{SCHEMES, Scheme, scheme};
pub use secrecy::SecretString;
pub use target::Target;
