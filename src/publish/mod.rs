//! Sends what a collector knows to where people look: queues, retries and counts of loss are the same for every destination.
//!
//! What is sent is a [`Publication`]: a snapshot, and what ended or happened since the one before. A [`Destination`] writes it
//! as [`Payload`]s and sends those; a [`Publisher`] of one's own takes it as it is.

#[cfg(any(feature = "elasticsearch", feature = "pushgateway", feature = "remote-write"))]
mod address;
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
#[cfg(feature = "http-client")]
mod http;
mod outbox;
mod periodic;
mod publication;
mod publisher;
#[cfg(any(feature = "pushgateway", feature = "remote-write"))]
mod push;
#[cfg(feature = "pushgateway")]
mod pushgateway;
mod queue;
#[cfg(feature = "remote-write")]
mod remote_write;
mod target;

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
#[cfg(feature = "http-client")]
pub use http::{Auth, HttpOptions};
pub use outbox::Outbox;
pub use periodic::{Periodic, PeriodicBuilder};
pub use publication::Publication;
pub use publisher::{Destination, Payload, Published, Publisher, Temporality};
#[cfg(feature = "pushgateway")]
pub use pushgateway::{Pushgateway, PushgatewayBuilder};
#[cfg(feature = "remote-write")]
pub use remote_write::{Histograms, RemoteWrite, RemoteWriteBuilder, RemoteWriteVersion};
pub use secrecy::SecretString;
pub use target::Target;
