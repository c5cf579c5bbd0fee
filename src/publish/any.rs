//! Any destination, by its address: what `--publish URL` and a configuration file choose.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use super::error::PublishError;
use super::publication::Publication;
use super::publisher::{Destination, Payload, Published, Temporality};
use crate::collector::TelemetryCollector;

type Sent<'a> = Pin<Box<dyn Future<Output = Result<Published, PublishError>> + Send + 'a>>;

/// A destination whose type is known when the program runs: one of ringscope's own by its [address](AnyDestination::from_url), or
/// [another](AnyDestination::new).
///
/// ```
/// use ringscope::publish::{AnyDestination, Destination, Environment};
///
/// # #[cfg(feature = "files")] {
/// let destination = AnyDestination::from_url("json-file:telemetry.json", &Environment::of_this_process())?;
/// assert_eq!(Destination::name(&destination), "json-file");
/// # }
/// let unknown = AnyDestination::from_url("carrier-pigeon://roof", &Environment::of_this_process());
/// assert!(unknown.unwrap_err().to_string().contains("otlp+http"));
/// # Ok::<(), ringscope::publish::PublishError>(())
/// ```
pub struct AnyDestination(Box<dyn Boxed>);

/// A destination with a future that has a size.
trait Boxed: Send + Sync {
    fn name(&self) -> &str;
    fn temporality(&self) -> Temporality;
    fn attach(&self, collector: &TelemetryCollector);
    fn encode(&self, publication: &Publication) -> Result<Vec<Payload>, PublishError>;
    fn send<'a>(&'a self, payload: &'a Payload) -> Sent<'a>;
}

impl<D: Destination> Boxed for D {
    fn name(&self) -> &str {
        Destination::name(self)
    }

    fn temporality(&self) -> Temporality {
        Destination::temporality(self)
    }

    fn attach(&self, collector: &TelemetryCollector) {
        Destination::attach(self, collector);
    }

    fn encode(&self, publication: &Publication) -> Result<Vec<Payload>, PublishError> {
        Destination::encode(self, publication)
    }

    fn send<'a>(&'a self, payload: &'a Payload) -> Sent<'a> {
        Box::pin(Destination::send(self, payload))
    }
}

impl AnyDestination {
    /// Makes one of any destination.
    pub fn new(destination: impl Destination) -> Self {
        AnyDestination(Box::new(destination))
    }
}

impl fmt::Debug for AnyDestination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyDestination").field(&self.0.name()).finish()
    }
}

impl Destination for AnyDestination {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn temporality(&self) -> Temporality {
        self.0.temporality()
    }

    fn attach(&self, collector: &TelemetryCollector) {
        self.0.attach(collector);
    }

    fn encode(&self, publication: &Publication) -> Result<Vec<Payload>, PublishError> {
        self.0.encode(publication)
    }

    async fn send(&self, payload: &Payload) -> Result<Published, PublishError> {
        self.0.send(payload).await
    }
}
