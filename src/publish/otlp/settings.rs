//! What of a destination can be set.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::super::error::PublishError;
use super::super::http::Auth;
use super::super::publisher::Temporality;
use crate::trace::Attribute;

/// How requests travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OtlpProtocol {
    /// Protobuf over HTTP/1.1.
    #[default]
    HttpProtobuf,
    /// JSON over HTTP/1.1.
    HttpJson,
    /// gRPC; needs the feature `otlp-grpc`.
    Grpc,
}

/// What is sent. Each has requests of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OtlpSignal {
    /// Every number of a snapshot.
    Metrics,
    /// Spans that ended, and operations.
    Traces,
    /// Events of kernels and of the application, operations that failed, lines of text out of traces.
    Logs,
}

impl OtlpSignal {
    /// All of them, in this order.
    pub const ALL: [OtlpSignal; 3] = [OtlpSignal::Metrics, OtlpSignal::Traces, OtlpSignal::Logs];

    /// Returns the name, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            OtlpSignal::Metrics => "metrics",
            OtlpSignal::Traces => "traces",
            OtlpSignal::Logs => "logs",
        }
    }

    pub(super) const fn index(self) -> usize {
        self as usize
    }
}

/// Headers of requests.
pub(super) type Headers = Vec<(String, SecretString)>;

/// Everything that can be set.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) name: Arc<str>,
    pub(super) protocol: OtlpProtocol,
    /// What paths are appended to.
    pub(super) endpoint: String,
    /// Taken as they are.
    pub(super) endpoints: [Option<String>; 3],
    pub(super) signals: Vec<OtlpSignal>,
    pub(super) gzip: bool,
    pub(super) temporality: Temporality,
    pub(super) exponential: bool,
    pub(super) most_bytes: usize,
    pub(super) headers: Headers,
    /// Instead of `headers`.
    pub(super) signal_headers: [Option<Headers>; 3],
    pub(super) auth: Auth,
    pub(super) ca_pem: Option<Vec<u8>>,
    pub(super) timeout: Option<Duration>,
    pub(super) service: Option<String>,
    pub(super) attributes: Vec<Attribute>,
}

impl Settings {
    /// Where requests with `signal` go over HTTP.
    pub(super) fn url(&self, signal: OtlpSignal) -> Result<Url, PublishError> {
        match &self.endpoints[signal.index()] {
            Some(own) => parsed(own),
            None => parsed(&format!("{}/v1/{}", self.endpoint.trim_end_matches('/'), signal.name())),
        }
    }

    /// The headers of requests with `signal`.
    pub(super) fn headers(&self, signal: OtlpSignal) -> &Headers {
        self.signal_headers[signal.index()].as_ref().unwrap_or(&self.headers)
    }
}

/// An address with host, of HTTP or HTTPS.
pub(super) fn parsed(text: &str) -> Result<Url, PublishError> {
    let wrong = |remedy: String| PublishError::BadSetting { setting: "the endpoint".to_owned(), remedy };
    let url = Url::parse(text).map_err(|e| wrong(format!("{e}: give it as http://host:4318")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(wrong("give it as http://host:4318 or https://host".to_owned()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("user and password do not belong into it: set them as auth or as a header".to_owned()));
    }
    if url.scheme() == "https" && !cfg!(feature = "tls") {
        return Err(wrong("this build has no TLS: build with the feature tls".to_owned()));
    }
    Ok(url)
}
