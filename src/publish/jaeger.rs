//! Jaeger, which takes OpenTelemetry's protocol.

use super::environment::Environment;
use super::error::PublishError;
use super::otlp::{Otlp, OtlpBuilder, OtlpSignal};
use super::publication::Publication;
use super::publisher::{Destination, Payload, Published, Temporality};
use super::target::Target;
use crate::collector::TelemetryCollector;

/// Sends spans to Jaeger: an [`Otlp`] with its port, 4318, and nothing but traces, since it takes no others.
///
/// By address it is `jaeger://host`, with the options and environment variables of [`Otlp`].
///
/// ```
/// use ringscope::publish::{Destination, Jaeger};
///
/// assert_eq!(Jaeger::new("localhost")?.name(), "jaeger");
/// # Ok::<(), ringscope::publish::PublishError>(())
/// ```
#[derive(Debug)]
pub struct Jaeger(Otlp);

impl Jaeger {
    /// Makes the one at `host`, or `host:port`.
    ///
    /// # Errors
    /// [`PublishError::BadSetting`] for what is no host.
    pub fn new(host: &str) -> Result<Self, PublishError> {
        let target = Target::parse(&format!("jaeger://{host}"))?;
        Jaeger::from_target(target, &Environment::of([]))
    }

    /// Makes the one of an address.
    ///
    /// # Errors
    /// As [`Otlp::from_target`].
    pub fn from_target(target: Target, environment: &Environment) -> Result<Self, PublishError> {
        let traces = |builder: OtlpBuilder| builder.name("jaeger").signals(&[OtlpSignal::Traces]);
        OtlpBuilder::preset(target, environment, false, false, traces)?.build().map(Jaeger)
    }
}

impl Destination for Jaeger {
    fn name(&self) -> &str {
        Destination::name(&self.0)
    }

    fn temporality(&self) -> Temporality {
        Destination::temporality(&self.0)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_temporality_that_was_chosen_is_its_own() {
        let jaeger = |url: &str| Jaeger::from_target(Target::parse(url).unwrap(), &Environment::of([])).unwrap();
        let chosen = jaeger("jaeger://localhost?signals=traces,metrics&temporality=delta");
        assert_eq!(chosen.temporality(), Temporality::Delta);
        assert_eq!(jaeger("jaeger://localhost").temporality(), Temporality::Cumulative);
    }
}
