//! Sends what a collector knows to where people look: queues, retries and counts of loss are the same for every destination.
//!
//! What is sent is a [`Publication`]: a snapshot, and what ended or happened since the one before. A [`Destination`] writes it
//! as [`Payload`]s and sends those; a [`Publisher`] of one's own takes it as it is.

mod delivery;
mod environment;
mod error;
#[cfg(feature = "http-client")]
mod http;
#[cfg(feature = "otlp")]
mod otlp;
mod publication;
mod publisher;
mod target;

pub use delivery::{Delivery, Spool, SyncPolicy};
pub use environment::{Environment, secret_file};
pub use error::PublishError;
#[cfg(feature = "http-client")]
pub use http::{Auth, HttpOptions};
#[cfg(feature = "otlp")]
pub use otlp::{Otlp, OtlpBuilder, OtlpProtocol, OtlpSignal};
pub use publication::Publication;
pub use publisher::{Destination, Payload, Published, Publisher, Temporality};
pub use secrecy::SecretString;
pub use target::Target;
