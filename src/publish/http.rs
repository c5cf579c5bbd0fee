//! One client for all destinations over HTTP: time limits, bounded answers, errors by kind, its own traffic measured.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::error::PublishError;
use crate::collector::{NetworkOperation, TelemetryCollector};

/// The most of an answer that is read.
const MOST_ANSWER: usize = 1 << 20;
/// The most of an answer that an error quotes.
const MOST_SAID: usize = 300;
const USER_AGENT: &str = concat!("ringscope/", env!("CARGO_PKG_VERSION"));

/// Who is asked, and who asks.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct HttpOptions {
    /// Headers of each request, beside those of the protocol.
    pub headers: Vec<(String, SecretString)>,
    /// Who asks.
    pub auth: Auth,
    /// Certificates in PEM that are trusted beside the system's; needs the feature `tls`.
    pub ca_pem: Option<Vec<u8>>,
    /// Time limit of a request, connection and answer included. Default: 10 s.
    pub timeout: Option<Duration>,
}

/// How a client says who it is.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Auth {
    /// It does not.
    #[default]
    None,
    /// `Authorization: Basic`.
    Basic {
        /// User, or instance.
        user: String,
        /// Password, or key.
        password: SecretString,
    },
    /// `Authorization: Bearer`.
    Bearer(SecretString),
    /// `Authorization: ApiKey`, of Elasticsearch.
    ApiKey(SecretString),
}

/// What came back, whatever its status.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// A client of one destination.
#[derive(Debug)]
pub(super) struct Http {
    client: reqwest::Client,
    /// Why the system has no certificates to trust; `None` where it has some, or the user named others.
    no_certificates: Option<String>,
    headers: HeaderMap,
    limit: Duration,
    meter: Meter,
}

/// Counts what a destination does in the network, from when it is attached on.
#[derive(Debug, Default)]
pub(super) struct Meter(OnceLock<TelemetryCollector>);

impl Meter {
    pub(super) fn attach(&self, collector: &TelemetryCollector) {
        // The first one stays.
        let _ = self.0.set(collector.clone());
    }

    /// Begins an operation with the host of `url`.
    pub(super) fn operation(&self, url: &Url) -> Option<NetworkOperation> {
        let port = url.port_or_known_default().unwrap_or_default();
        self.0.get()?.network_operation("publish", url.host_str()?, port).ok()
    }
}

impl Http {
    pub(super) fn new(options: &HttpOptions) -> Result<Http, PublishError> {
        let limit = options.timeout.unwrap_or(super::Delivery::DEFAULT_TIMEOUT);
        let (client, no_certificates) = client(options, limit)?;
        Ok(Http { client, no_certificates, headers: headers(options)?, limit, meter: Meter::default() })
    }

    /// Counts its requests in `collector` from now on.
    pub(super) fn attach(&self, collector: &TelemetryCollector) {
        self.meter.attach(collector);
    }

    /// Sends `body` to `url`; `Ok` is any answer at all.
    #[cfg(any(feature = "otlp", feature = "remote-write"))]
    pub(super) async fn post(
        &self,
        url: &Url,
        headers: &[(HeaderName, &str)],
        body: Vec<u8>,
    ) -> Result<Reply, PublishError> {
        self.request(reqwest::Method::POST, url, headers, body).await
    }

    pub(super) async fn request(
        &self,
        method: reqwest::Method,
        url: &Url,
        headers: &[(HeaderName, &str)],
        body: Vec<u8>,
    ) -> Result<Reply, PublishError> {
        let mut measured = self.meter.operation(url);
        let sent = body.len() as u64;
        let result = self.exchange(method, url, headers, body, &mut measured).await;
        if let Some(mut operation) = measured {
            match &result {
                Ok(reply) if reply.status < 400 => {
                    operation.sent(sent);
                    operation.succeed();
                }
                Ok(reply) => {
                    operation.sent(sent);
                    operation.fail(reply.status);
                }
                Err(error) => operation.fail(error),
            }
        }
        result
    }

    async fn exchange(
        &self,
        method: reqwest::Method,
        url: &Url,
        headers: &[(HeaderName, &str)],
        body: Vec<u8>,
        measured: &mut Option<NetworkOperation>,
    ) -> Result<Reply, PublishError> {
        if let (Some(reason), "https") = (&self.no_certificates, url.scheme()) {
            let remedy = format!("{reason}: install them (ca-certificates), or name a file with those to trust");
            return Err(bad("the system's list of certificates", &remedy));
        }
        let mut all = self.headers.clone();
        for (name, value) in headers {
            all.insert(
                name,
                HeaderValue::from_str(value).map_err(|_| bad(name.as_str(), "it has control characters"))?,
            );
        }
        let failed = |error: reqwest::Error| self.failed(url, &error);
        let request = self.client.request(method, url.clone()).headers(all).body(body);
        let mut answer = request.send().await.map_err(failed)?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let mut read = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if let Some(operation) = measured.as_mut() {
                operation.received(chunk.len() as u64);
            }
            if read.len() + chunk.len() > MOST_ANSWER {
                let reason = format!("it is longer than {MOST_ANSWER} bytes");
                return Err(PublishError::Malformed { peer: peer(url), reason });
            }
            read.extend_from_slice(&chunk);
        }
        Ok(Reply { status, headers, body: read })
    }

    fn failed(&self, url: &Url, error: &reqwest::Error) -> PublishError {
        if error.is_timeout() {
            return PublishError::TimedOut { peer: peer(url), limit: self.limit };
        }
        PublishError::Unreachable { peer: peer(url), reason: root_cause(error) }
    }
}

impl Reply {
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Begin of the body, as a sentence of an error can quote it.
    pub(super) fn said(&self) -> String {
        begin_of(&self.body)
    }

    /// What a status other than success means.
    pub(super) fn error(&self, url: &Url) -> PublishError {
        let (peer, status, said) = (peer(url), self.status.to_string(), self.said());
        match self.status {
            408 | 425 | 429 | 500.. => {
                PublishError::Unavailable { peer, status, said, retry_after: retry_after(&self.headers) }
            }
            _ => PublishError::Refused { peer, status, said },
        }
    }
}

/// Begin of what a peer said, as a sentence of an error can quote it.
pub(super) fn begin_of(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(&said[..said.len().min(MOST_SAID)]);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() { "it gave no reason".to_owned() } else { text }
}

/// `host:port`, which is all that errors say of an address: the rest may have keys in it.
pub(super) fn peer(url: &Url) -> String {
    let port = url.port_or_known_default().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}{port}", url.host_str().unwrap_or_default())
}

/// Seconds, or a date, as RFC 9110 has it.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

pub(super) fn bad(setting: &str, remedy: &str) -> PublishError {
    PublishError::BadSetting { setting: setting.to_owned(), remedy: remedy.to_owned() }
}

/// Those that were set, and who asks.
pub(super) fn headers(options: &HttpOptions) -> Result<HeaderMap, PublishError> {
    let mut headers = HeaderMap::new();
    for (name, value) in &options.headers {
        let name = HeaderName::try_from(name).map_err(|_| bad(name, "that is no name of a header"))?;
        headers.insert(&name, hidden(name.as_str(), value.expose_secret())?);
    }
    let auth = match &options.auth {
        Auth::None => return Ok(headers),
        Auth::Basic { user, password } => format!("Basic {}", base64(&format!("{user}:{}", password.expose_secret()))),
        Auth::Bearer(token) => format!("Bearer {}", token.expose_secret()),
        Auth::ApiKey(key) => format!("ApiKey {}", key.expose_secret()),
    };
    headers.insert(reqwest::header::AUTHORIZATION, hidden("the key", &auth)?);
    Ok(headers)
}

/// A value that no Debug output shows.
fn hidden(name: &str, value: &str) -> Result<HeaderValue, PublishError> {
    let mut value = HeaderValue::from_str(value).map_err(|_| bad(name, "it has characters that no header may have"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn base64(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

fn builder(limit: Duration) -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder().user_agent(USER_AGENT).timeout(limit);
    // A redirect would carry keys to somebody else.
    builder.redirect(reqwest::redirect::Policy::none())
}

fn built(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, PublishError> {
    builder.build().map_err(|e| bad("the HTTP client", &root_cause(&e)))
}

/// A client, and why the system has no certificates to trust: in many containers there are none, and `http://` needs none.
#[cfg(feature = "tls")]
fn client(options: &HttpOptions, limit: Duration) -> Result<(reqwest::Client, Option<String>), PublishError> {
    let own = options.ca_pem.as_deref().map_or(Ok(Vec::new()), reqwest::Certificate::from_pem_bundle);
    let own = own.map_err(|e| bad("the certificates", &root_cause(&e)))?;
    match builder(limit).tls_certs_merge(own.clone()).build() {
        Ok(client) => Ok((client, None)),
        Err(error) => {
            let reason = own.is_empty().then(|| root_cause(&error));
            Ok((built(builder(limit).tls_certs_only(own))?, reason))
        }
    }
}

#[cfg(not(feature = "tls"))]
fn client(options: &HttpOptions, limit: Duration) -> Result<(reqwest::Client, Option<String>), PublishError> {
    match options.ca_pem {
        None => Ok((built(builder(limit))?, None)),
        Some(_) => Err(bad("the certificates", "this build has no TLS: build with the feature tls")),
    }
}

/// The innermost error, which says what happened; the outer ones have the whole address.
pub(super) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
