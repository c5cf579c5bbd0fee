//! [`Otlp`]: what of a publication is sent, and how.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::error::PublishError;
use super::super::publication::Publication;
use super::super::publisher::{Destination, Payload, Published, Temporality};
use super::http;
use super::kind::Kind;
use super::settings::{OtlpProtocol, OtlpSignal, Settings};
use crate::collector::TelemetryCollector;
use crate::export::otlp::{self, Counted, Encoding, Form, Happened, Operations, Request};
use crate::trace::{Source, Value};

/// Sends metrics, spans and log records by OpenTelemetry's protocol.
///
/// Histograms stay as they were counted: an exponential one arrives with its scale and every bucket. Durations, which devices
/// count in nanoseconds, are sent in that unit only, `ns`; their families in seconds are for receivers without exponential
/// histograms.
///
/// # Addresses
/// `otlp+http://host:4318`, `otlp+https://host/path`, `otlp+grpc://host:4317`, `otlp+grpcs://host`. Without a port it is 4318,
/// 4317, and 443 with TLS. Without a host, everything comes from the environment variables. Options: `encoding` (`protobuf`,
/// `json`), `compression` (`none`, `gzip`), `temporality` (`cumulative`, `delta`), `histograms` (`exponential`, `explicit`),
/// `signals` (such as `metrics,logs`), `timeout` and `request_bytes` (numbers: milliseconds, bytes), `certificate` (a file), `name`.
///
/// # Environment
/// Those of OpenTelemetry's own exporters: `OTEL_EXPORTER_OTLP_ENDPOINT`, `_METRICS_ENDPOINT`, `_TRACES_ENDPOINT`,
/// `_LOGS_ENDPOINT`, `_HEADERS` and each signal's, `_COMPRESSION`, `_TIMEOUT`, `_PROTOCOL`, `_CERTIFICATE`,
/// `_METRICS_TEMPORALITY_PREFERENCE`, and for the resource `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`. Headers may be
/// in a file that `OTEL_EXPORTER_OTLP_HEADERS_FILE` names.
///
/// # What it takes for final
/// As the protocol has it, but for HTTP's 500 and its like: behind a proxy they pass, and are tried again.
///
/// ```
/// use ringscope::publish::{Destination, Otlp, OtlpProtocol, Temporality};
///
/// let otlp = Otlp::builder("http://localhost:4318").gzip(true).temporality(Temporality::Delta).build()?;
/// assert_eq!(otlp.name(), "otlp");
/// # Ok::<(), ringscope::publish::PublishError>(())
/// ```
#[derive(Debug)]
pub struct Otlp {
    name: Arc<str>,
    signals: Vec<OtlpSignal>,
    form: Form,
    gzip: bool,
    temporality: Temporality,
    exponential: AtomicBool,
    service: Option<String>,
    attributes: Vec<crate::trace::Attribute>,
    transport: Transport,
}

#[derive(Debug)]
enum Transport {
    Http(Box<http::Client>),
    #[cfg(feature = "otlp-grpc")]
    Grpc(Box<super::grpc::Client>),
}

impl Otlp {
    pub(super) fn new(settings: Settings) -> Result<Otlp, PublishError> {
        let transport = match settings.protocol {
            OtlpProtocol::HttpProtobuf | OtlpProtocol::HttpJson => {
                Transport::Http(Box::new(http::Client::new(&settings)?))
            }
            #[cfg(feature = "otlp-grpc")]
            OtlpProtocol::Grpc => Transport::Grpc(Box::new(super::grpc::Client::new(&settings)?)),
            #[cfg(not(feature = "otlp-grpc"))]
            OtlpProtocol::Grpc => {
                let remedy = "this build has no gRPC: build with the feature otlp-grpc".to_owned();
                return Err(PublishError::BadSetting { setting: "the protocol".to_owned(), remedy });
            }
        };
        let encoding = if settings.protocol == OtlpProtocol::HttpJson { Encoding::Json } else { Encoding::Protobuf };
        // gRPC compresses message by message itself.
        let gzip = settings.gzip && settings.protocol != OtlpProtocol::Grpc;
        Ok(Otlp {
            name: settings.name,
            signals: settings.signals,
            form: Form { encoding, most_bytes: settings.most_bytes },
            gzip,
            temporality: settings.temporality,
            exponential: AtomicBool::new(settings.exponential),
            service: settings.service,
            attributes: settings.attributes,
            transport,
        })
    }

    /// Sends explicit histograms instead of exponential ones from now on. Returns whether it did not before.
    #[cfg(feature = "grafana-cloud")]
    pub(in crate::publish) fn give_up_exponential(&self) -> bool {
        self.exponential.swap(false, Ordering::Relaxed)
    }

    /// The process, as the settings have it.
    fn source(&self, publication: &Publication) -> Source {
        let mut source = (*publication.source).clone();
        for attribute in &self.attributes {
            match (&*attribute.name, &attribute.value) {
                ("service.name", Value::Text(name)) => source.service = name.clone(),
                // What the program says of itself is closer to the truth.
                _ if source.attributes.iter().any(|own| own.name == attribute.name) => {}
                _ => source.attributes.push(attribute.clone()),
            }
        }
        if let Some(service) = &self.service {
            source.service = service.clone().into();
        }
        source
    }

    fn requests(
        &self,
        signal: OtlpSignal,
        source: &Source,
        publication: &Publication,
    ) -> Result<Vec<Request>, serde_json::Error> {
        let Publication { snapshot, trace, operations, network_operations, .. } = publication;
        match signal {
            OtlpSignal::Metrics => {
                let since = (self.temporality == Temporality::Delta).then_some(publication.previous.as_deref());
                let counted = Counted { snapshot, since, started: publication.started };
                otlp::metrics(source, counted, self.exponential.load(Ordering::Relaxed), self.form)
            }
            OtlpSignal::Traces => {
                let operations = Operations { operations, network: network_operations };
                otlp::traces(source, trace.as_deref(), operations, self.form)
            }
            OtlpSignal::Logs => {
                let happened = Happened {
                    events: &publication.events,
                    kernel_events: &publication.kernel_events,
                    operations: Operations { operations, network: network_operations },
                    trace: trace.as_deref(),
                    observed: snapshot.time,
                };
                otlp::logs(source, &happened, self.form)
            }
        }
    }
}

impl Destination for Otlp {
    fn name(&self) -> &str {
        &self.name
    }

    fn temporality(&self) -> Temporality {
        self.temporality
    }

    fn attach(&self, collector: &TelemetryCollector) {
        match &self.transport {
            Transport::Http(client) => client.attach(collector),
            #[cfg(feature = "otlp-grpc")]
            Transport::Grpc(client) => client.attach(collector),
        }
    }

    fn encode(&self, publication: &Publication) -> Result<Vec<Payload>, PublishError> {
        let unwritable = |reason: String| PublishError::Unwritable { format: "OTLP".to_owned(), reason };
        let source = self.source(publication);
        let mut payloads = Vec::new();
        for signal in &self.signals {
            let kind = Kind { signal: *signal, encoding: self.form.encoding, gzip: self.gzip };
            for request in self.requests(*signal, &source, publication).map_err(|e| unwritable(e.to_string()))? {
                let bytes = if self.gzip { compressed(&request.bytes) } else { Ok(request.bytes) };
                let bytes = bytes.map_err(|e| unwritable(e.to_string()))?;
                payloads.push(Payload::new(kind.number(), request.items, publication.snapshot.time, bytes));
            }
        }
        Ok(payloads)
    }

    async fn send(&self, payload: &Payload) -> Result<Published, PublishError> {
        let kind = Kind::from_number(payload.kind).ok_or_else(|| PublishError::Unwritable {
            format: "OTLP".to_owned(),
            reason: format!("a payload of kind {} is none of it", payload.kind),
        })?;
        match &self.transport {
            Transport::Http(client) => client.send(kind, payload).await,
            #[cfg(feature = "otlp-grpc")]
            Transport::Grpc(client) => client.send(kind, payload).await,
        }
    }
}

fn compressed(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::with_capacity(bytes.len() / 8), flate2::Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}
