//! [`OtlpBuilder`].

use std::time::Duration;

use secrecy::SecretString;

use super::super::error::PublishError;
use super::super::http::Auth;
use super::super::publisher::Temporality;
use super::destination::Otlp;
use super::settings::{OtlpProtocol, OtlpSignal, Settings};
use crate::trace::Attribute;

/// An [`Otlp`] that is about to be made; see [`Otlp::builder`].
#[derive(Clone, Debug)]
#[must_use = "nothing is made before `build`"]
pub struct OtlpBuilder {
    settings: Settings,
}

impl Otlp {
    /// Begins one that sends to `endpoint`, such as `http://localhost:4318`, or `http://localhost:4317` of gRPC. Over HTTP,
    /// `/v1/metrics`, `/v1/traces` and `/v1/logs` are appended to it.
    pub fn builder(endpoint: impl Into<String>) -> OtlpBuilder {
        let settings = Settings {
            name: "otlp".into(),
            protocol: OtlpProtocol::default(),
            endpoint: endpoint.into(),
            endpoints: [const { None }; 3],
            signals: OtlpSignal::ALL.to_vec(),
            gzip: false,
            temporality: Temporality::default(),
            exponential: true,
            most_bytes: OtlpBuilder::DEFAULT_REQUEST_BYTES,
            headers: Vec::new(),
            signal_headers: [const { None }; 3],
            auth: Auth::None,
            ca_pem: None,
            timeout: None,
            service: None,
            attributes: Vec::new(),
        };
        OtlpBuilder { settings }
    }
}

impl OtlpBuilder {
    /// Default of [`request_bytes`](Self::request_bytes): 4 MiB less 64 KiB, since receivers of gRPC take no more than 4 MiB
    /// by default.
    pub const DEFAULT_REQUEST_BYTES: usize = (4 << 20) - (64 << 10);

    /// Sets the name that it is counted under. Default: `otlp`.
    pub fn name(mut self, name: &str) -> Self {
        self.settings.name = name.into();
        self
    }

    /// Sets how requests travel. Default: protobuf over HTTP.
    pub fn protocol(mut self, protocol: OtlpProtocol) -> Self {
        self.settings.protocol = protocol;
        self
    }

    /// Sets what is sent. Default: all signals.
    pub fn signals(mut self, signals: &[OtlpSignal]) -> Self {
        self.settings.signals = OtlpSignal::ALL.into_iter().filter(|signal| signals.contains(signal)).collect();
        self
    }

    /// Sets where one signal goes over HTTP, as a whole: nothing is appended.
    pub fn signal_endpoint(mut self, signal: OtlpSignal, endpoint: impl Into<String>) -> Self {
        self.settings.endpoints[signal.index()] = Some(endpoint.into());
        self
    }

    /// Sets whether requests are compressed by gzip. Default: no.
    pub fn gzip(mut self, gzip: bool) -> Self {
        self.settings.gzip = gzip;
        self
    }

    /// Sets whether counts are sent as all so far, or as what came since the publication before. Default: cumulative.
    pub fn temporality(mut self, temporality: Temporality) -> Self {
        self.settings.temporality = temporality;
        self
    }

    /// Sets whether exponential histograms are sent as they are; else as explicit ones over powers of two, whose counts are
    /// exact. Default: yes.
    pub fn exponential_histograms(mut self, exponential: bool) -> Self {
        self.settings.exponential = exponential;
        self
    }

    /// Sets where requests are cut, in bytes before compression. Default:
    /// [`DEFAULT_REQUEST_BYTES`](Self::DEFAULT_REQUEST_BYTES).
    pub fn request_bytes(mut self, bytes: usize) -> Self {
        self.settings.most_bytes = bytes;
        self
    }

    /// Adds a header to each request (with gRPC, metadata).
    pub fn header(mut self, name: impl Into<String>, value: impl Into<SecretString>) -> Self {
        self.settings.headers.push((name.into(), value.into()));
        self
    }

    /// Adds a header to requests of one signal, which then have no others.
    pub fn signal_header(
        mut self,
        signal: OtlpSignal,
        name: impl Into<String>,
        value: impl Into<SecretString>,
    ) -> Self {
        self.settings.signal_headers[signal.index()].get_or_insert_default().push((name.into(), value.into()));
        self
    }

    /// Sets how it says who it is. Default: not at all.
    pub fn auth(mut self, auth: Auth) -> Self {
        self.settings.auth = auth;
        self
    }

    /// Trusts these certificates in PEM beside the system's; needs the feature `tls`.
    pub fn ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.settings.ca_pem = Some(pem.into());
        self
    }

    /// Sets the time limit of a request. Default: 10 s.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.settings.timeout = Some(limit);
        self
    }

    /// Sets `service.name`, whatever the publications say. Default: what they say.
    pub fn service(mut self, name: impl Into<String>) -> Self {
        self.settings.service = Some(name.into());
        self
    }

    /// Adds an attribute of the resource, unless publications have it.
    pub fn attribute(mut self, attribute: Attribute) -> Self {
        self.settings.attributes.push(attribute);
        self
    }

    /// Makes it. Nothing is connected before the first request.
    ///
    /// # Errors
    /// [`PublishError::BadSetting`] for an endpoint that is no address, a header that cannot be one, certificates that are
    /// none, a limit of 0, no signal at all, and what the build has no feature for.
    pub fn build(self) -> Result<Otlp, PublishError> {
        let wrong = |setting: &str, remedy: &str| {
            Err(PublishError::BadSetting { setting: setting.to_owned(), remedy: remedy.to_owned() })
        };
        if self.settings.signals.is_empty() {
            return wrong("signals", "give at least one of metrics, traces and logs");
        }
        if self.settings.most_bytes == 0 {
            return wrong("request_bytes", "it must be at least 1");
        }
        if self.settings.timeout.is_some_and(|limit| limit.is_zero()) {
            return wrong("timeout", "it must be longer than 0");
        }
        Otlp::new(self.settings)
    }
}
