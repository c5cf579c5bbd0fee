//! Over HTTP.

use std::sync::Arc;

use prost::Message;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName};
use url::Url;

use super::super::error::PublishError;
use super::super::http::{Http, HttpOptions, Reply, peer};
use super::super::publisher::{Payload, Published};
use super::kind::Kind;
use super::reply::{Response, Status};
use super::settings::{OtlpSignal, Settings};
use crate::collector::TelemetryCollector;
use crate::export::otlp::Encoding;

/// Where the requests of each signal go.
#[derive(Debug)]
pub(super) struct Client {
    routes: [Route; 3],
}

#[derive(Debug)]
struct Route {
    url: Url,
    /// Those with the same headers share one.
    http: Arc<Http>,
}

impl Client {
    pub(super) fn new(settings: &Settings) -> Result<Client, PublishError> {
        let shared = Arc::new(http(settings, &settings.headers)?);
        let route = |signal: OtlpSignal| {
            let http = match &settings.signal_headers[signal.index()] {
                None => Arc::clone(&shared),
                Some(_) => Arc::new(http(settings, settings.headers(signal))?),
            };
            Ok::<_, PublishError>(Route { url: settings.url(signal)?, http })
        };
        let [metrics, traces, logs] = OtlpSignal::ALL.map(route);
        Ok(Client { routes: [metrics?, traces?, logs?] })
    }

    pub(super) fn attach(&self, collector: &TelemetryCollector) {
        self.routes.iter().for_each(|route| route.http.attach(collector));
    }

    pub(super) async fn send(&self, kind: Kind, payload: &Payload) -> Result<Published, PublishError> {
        let Route { url, http } = &self.routes[kind.signal.index()];
        let reply = http.post(url, headers(kind), payload.bytes.to_vec()).await?;
        if !reply.is_success() {
            return Err(refused(reply, url));
        }
        let response = understood(&reply).map_err(|reason| PublishError::Malformed { peer: peer(url), reason })?;
        Ok(response.published(payload.items))
    }
}

fn http(settings: &Settings, headers: &super::settings::Headers) -> Result<Http, PublishError> {
    let (headers, auth) = (headers.clone(), settings.auth.clone());
    let (ca_pem, timeout) = (settings.ca_pem.clone(), settings.timeout);
    Http::new(&HttpOptions { headers, auth, ca_pem, timeout })
}

fn headers(kind: Kind) -> &'static [(HeaderName, &'static str)] {
    const PROTOBUF: (HeaderName, &str) = (CONTENT_TYPE, "application/x-protobuf");
    const JSON: (HeaderName, &str) = (CONTENT_TYPE, "application/json");
    const GZIP: (HeaderName, &str) = (CONTENT_ENCODING, "gzip");
    match (kind.encoding, kind.gzip) {
        (Encoding::Protobuf, false) => const { &[PROTOBUF] },
        (Encoding::Protobuf, true) => const { &[PROTOBUF, GZIP] },
        (Encoding::Json, false) => const { &[JSON] },
        (Encoding::Json, true) => const { &[JSON, GZIP] },
    }
}

fn content_type(reply: &Reply) -> &str {
    let value = reply.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

/// What a receiver says that took a request; many say nothing.
fn understood(reply: &Reply) -> Result<Response, String> {
    match content_type(reply) {
        _ if reply.body.is_empty() => Ok(Response::default()),
        "application/json" => Response::from_json(&reply.body),
        "application/x-protobuf" | "application/protobuf" => Response::from_protobuf(&reply.body),
        other => Err(format!("it is {other:?} and begins with {:?}: is this a receiver of OTLP?", reply.said())),
    }
}

/// An error is a `google.rpc.Status`, in the encoding of the request, or whatever a proxy says.
fn refused(mut reply: Reply, url: &Url) -> PublishError {
    let status = Status::decode(&reply.body[..]).ok().filter(|_| content_type(&reply).ends_with("protobuf"));
    if let Some(status) = status {
        reply.body = status.message.into_bytes();
    }
    reply.error(url)
}
