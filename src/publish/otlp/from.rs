//! [`Otlp`] by an address, and by the environment variables of OpenTelemetry's own exporters.

use std::time::Duration;

use super::super::environment::Environment;
use super::super::error::PublishError;
use super::super::publisher::Temporality;
use super::super::target::Target;
use super::builder::OtlpBuilder;
use super::destination::Otlp;
use super::settings::{OtlpProtocol, OtlpSignal, parsed};
use crate::publish::lists::pairs;
use crate::trace::Attribute;

const OPTIONS: [&str; 9] = [
    "encoding",
    "compression",
    "temporality",
    "histograms",
    "signals",
    "timeout",
    "request_bytes",
    "certificate",
    "name",
];
const COMPRESSIONS: [(&str, bool); 2] = [("gzip", true), ("none", false)];
const PROTOCOLS: [(&str, OtlpProtocol); 3] = [
    ("http/protobuf", OtlpProtocol::HttpProtobuf),
    ("http/json", OtlpProtocol::HttpJson),
    ("grpc", OtlpProtocol::Grpc),
];
const TEMPORALITIES: [(&str, Temporality); 3] = [
    ("cumulative", Temporality::Cumulative),
    ("delta", Temporality::Delta),
    // Counters and histograms as differences, the rest as it is: there is nothing else here.
    ("lowmemory", Temporality::Delta),
];

fn wrong(setting: impl Into<String>, remedy: impl Into<String>) -> PublishError {
    PublishError::BadSetting { setting: setting.into(), remedy: remedy.into() }
}

impl Otlp {
    /// Makes the one of an address with the scheme `otlp+http`, `otlp+https`, `otlp+grpc` or `otlp+grpcs`; see [`Otlp`].
    ///
    /// # Errors
    /// [`PublishError::BadSetting`] for what is not such an address, an option that is none, and a variable that is wrong;
    /// [`PublishError::File`] for certificates or headers that cannot be read.
    pub fn from_target(target: Target, environment: &Environment) -> Result<Self, PublishError> {
        OtlpBuilder::from_target(target, environment)?.build()
    }

    /// Makes the one that the environment variables describe; without any, protobuf over HTTP to `localhost:4318`.
    ///
    /// # Errors
    /// As [`from_target`](Self::from_target).
    pub fn from_environment(environment: &Environment) -> Result<Self, PublishError> {
        OtlpBuilder::from_environment(environment)?.build()
    }
}

impl OtlpBuilder {
    /// Begins with what an address and the environment variables say; see [`Otlp::from_target`].
    ///
    /// # Errors
    /// As [`Otlp::from_target`].
    pub fn from_target(target: Target, environment: &Environment) -> Result<Self, PublishError> {
        let (secure, grpc) = match target.scheme.as_str() {
            "otlp+http" => (false, false),
            "otlp+https" => (true, false),
            "otlp+grpc" => (false, true),
            "otlp+grpcs" => (true, true),
            other => {
                return Err(wrong(
                    format!("the scheme {other}"),
                    "give one of otlp+http, otlp+https, otlp+grpc, otlp+grpcs",
                ));
            }
        };
        OtlpBuilder::preset(target, environment, secure, grpc, |builder| builder)
    }

    /// Whatever its scheme is, with defaults of its own.
    pub(in crate::publish) fn preset(
        mut target: Target,
        environment: &Environment,
        secure: bool,
        grpc: bool,
        defaults: impl FnOnce(OtlpBuilder) -> OtlpBuilder,
    ) -> Result<Self, PublishError> {
        let base = match target.address.as_str() {
            "" => None,
            address => Some(endpoint(address, secure, grpc)?),
        };
        let protocol = if grpc { OtlpProtocol::Grpc } else { OtlpProtocol::HttpProtobuf };
        let builder = OtlpBuilder::of(environment, base, Some(protocol))?;
        let builder = defaults(builder).with_options(&mut target, grpc)?;
        target.finish(&OPTIONS)?;
        Ok(builder)
    }

    /// Begins with what the environment variables say; see [`Otlp::from_environment`].
    ///
    /// # Errors
    /// As [`Otlp::from_target`].
    pub fn from_environment(environment: &Environment) -> Result<Self, PublishError> {
        OtlpBuilder::of(environment, None, None)
    }

    /// `base` and `protocol` go before the environment's.
    fn of(
        environment: &Environment,
        base: Option<String>,
        protocol: Option<OtlpProtocol>,
    ) -> Result<Self, PublishError> {
        let said = choice(environment, "OTEL_EXPORTER_OTLP_PROTOCOL", &PROTOCOLS)?;
        let is_grpc = |protocol| protocol == OtlpProtocol::Grpc;
        let protocol = match (protocol, said) {
            (None, said) => said.unwrap_or_default(),
            // The address says whether it is HTTP; which one of the two, the variable may.
            (Some(own), Some(said)) if is_grpc(own) == is_grpc(said) => said,
            (Some(own), _) => own,
        };
        let by_address = base.is_some();
        let base = base.or_else(|| environment.get("OTEL_EXPORTER_OTLP_ENDPOINT"));
        let default = if is_grpc(protocol) { "http://localhost:4317" } else { "http://localhost:4318" };
        let mut builder = Otlp::builder(base.unwrap_or_else(|| default.to_owned())).protocol(protocol);
        for signal in OtlpSignal::ALL {
            let name = signal.name().to_uppercase();
            if let Some(own) = environment.get(&format!("OTEL_EXPORTER_OTLP_{name}_ENDPOINT")).filter(|_| !by_address) {
                builder = builder.signal_endpoint(signal, own);
            }
            for (header, value) in environment.headers(&format!("OTEL_EXPORTER_OTLP_{name}_HEADERS"))? {
                builder = builder.signal_header(signal, header, value);
            }
        }
        for (header, value) in environment.headers("OTEL_EXPORTER_OTLP_HEADERS")? {
            builder = builder.header(header, value);
        }
        builder.with_environment(environment)
    }

    fn with_environment(mut self, environment: &Environment) -> Result<Self, PublishError> {
        if let Some(gzip) = choice(environment, "OTEL_EXPORTER_OTLP_COMPRESSION", &COMPRESSIONS)? {
            self = self.gzip(gzip);
        }
        let preference = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
        if let Some(temporality) = choice(environment, preference, &TEMPORALITIES)? {
            self = self.temporality(temporality);
        }
        if let Some(text) = environment.get("OTEL_EXPORTER_OTLP_TIMEOUT") {
            self = self.timeout(milliseconds("OTEL_EXPORTER_OTLP_TIMEOUT", &text)?);
        }
        if let Some(path) = environment.get("OTEL_EXPORTER_OTLP_CERTIFICATE") {
            self = self.ca_pem(file(&path)?);
        }
        self.with_resource(environment)
    }

    /// What the environment variables say of the process.
    pub(in crate::publish) fn with_resource(mut self, environment: &Environment) -> Result<Self, PublishError> {
        if let Some(text) = environment.get("OTEL_RESOURCE_ATTRIBUTES") {
            for (name, value) in pairs("OTEL_RESOURCE_ATTRIBUTES", &text)? {
                self = self.attribute(Attribute::new(name, value));
            }
        }
        match environment.get("OTEL_SERVICE_NAME") {
            Some(name) => Ok(self.service(name)),
            None => Ok(self),
        }
    }

    fn with_options(mut self, target: &mut Target, grpc: bool) -> Result<Self, PublishError> {
        let encodings = [("protobuf", OtlpProtocol::HttpProtobuf), ("json", OtlpProtocol::HttpJson)];
        if let Some(protocol) = if grpc { None } else { target.take_one_of("encoding", &encodings)? } {
            self = self.protocol(protocol);
        }
        if let Some(gzip) = target.take_one_of("compression", &COMPRESSIONS)? {
            self = self.gzip(gzip);
        }
        if let Some(temporality) = target.take_one_of("temporality", &TEMPORALITIES[..2])? {
            self = self.temporality(temporality);
        }
        if let Some(exponential) = target.take_one_of("histograms", &[("exponential", true), ("explicit", false)])? {
            self = self.exponential_histograms(exponential);
        }
        if let Some(text) = target.take("signals") {
            self = self.signals(&signals(&text)?);
        }
        if let Some(limit) = target.take_duration("timeout")? {
            self = self.timeout(limit);
        }
        if let Some(text) = target.take("request_bytes") {
            let bytes = text.parse().map_err(|_| wrong("the option request_bytes", "give a whole number of bytes"))?;
            self = self.request_bytes(bytes);
        }
        if let Some(path) = target.take("certificate") {
            self = self.ca_pem(file(&path)?);
        }
        match target.take("name") {
            Some(name) => Ok(self.name(&name)),
            None => Ok(self),
        }
    }
}

/// `host:port/path` as an address of HTTP; the port is the protocol's own, with TLS the web's.
fn endpoint(address: &str, secure: bool, grpc: bool) -> Result<String, PublishError> {
    let mut url = parsed(&format!("{}://{address}", if secure { "https" } else { "http" }))?;
    if url.port().is_none() && !secure && !says_port(address) {
        // It has a host, and so it may have a port.
        let _ = url.set_port(Some(if grpc { 4317 } else { 4318 }));
    }
    Ok(url.to_string())
}

/// Port 80 of HTTP is not kept in an address that was read.
fn says_port(address: &str) -> bool {
    let authority = address.split('/').next().unwrap_or_default();
    authority.rsplit_once(':').is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
}

fn choice<T: Copy>(environment: &Environment, variable: &str, values: &[(&str, T)]) -> Result<Option<T>, PublishError> {
    let Some(text) = environment.get(variable) else { return Ok(None) };
    let found = values.iter().find(|(known, _)| known.eq_ignore_ascii_case(text.trim()));
    let known = || values.iter().map(|(known, _)| *known).collect::<Vec<_>>().join(", ");
    found.map(|(_, value)| Some(*value)).ok_or_else(|| wrong(variable, format!("{text} is none of {}", known())))
}

fn signals(text: &str) -> Result<Vec<OtlpSignal>, PublishError> {
    let known = |name: &str| OtlpSignal::ALL.into_iter().find(|signal| signal.name() == name);
    let signal = |name: &str| {
        known(name).ok_or_else(|| wrong("the option signals", format!("{name} is none of metrics, traces, logs")))
    };
    text.split(',').map(signal).collect()
}

fn milliseconds(setting: &str, text: &str) -> Result<Duration, PublishError> {
    let number = text.trim().parse().map_err(|_| wrong(setting, "give a whole number of milliseconds"))?;
    Ok(Duration::from_millis(number))
}

fn file(path: &str) -> Result<Vec<u8>, PublishError> {
    std::fs::read(path).map_err(|e| PublishError::File { path: path.to_owned(), reason: e.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_not_said_is_the_protocols_own() {
        let said = |address, secure, grpc| endpoint(address, secure, grpc).unwrap();
        assert_eq!(said("collector", false, false), "http://collector:4318/");
        assert_eq!(said("collector/a/b", false, true), "http://collector:4317/a/b");
        assert_eq!(said("collector:80", false, false), "http://collector/");
        assert_eq!(said("collector:9", false, false), "http://collector:9/");
        assert_eq!(said("[::1]", false, false), "http://[::1]:4318/");
        #[cfg(feature = "tls")]
        assert_eq!(said("gateway/otlp", true, false), "https://gateway/otlp");
        assert!(endpoint("a b", false, false).is_err());
    }
}
