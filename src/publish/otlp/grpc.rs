//! Over gRPC.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prost::Message;
use prost::bytes::{Buf, BufMut};
use reqwest::header::HeaderMap;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use url::Url;

use super::super::delivery::Delivery;
use super::super::error::PublishError;
use super::super::http::{self, HttpOptions, Meter};
use super::super::publisher::{Payload, Published};
use super::kind::Kind;
use super::reply::{self, Response};
use super::settings::{OtlpSignal, Settings, parsed};
use crate::collector::TelemetryCollector;
use crate::export::otlp::Encoding;

const USER_AGENT: &str = concat!("ringscope/", env!("CARGO_PKG_VERSION"));

/// The services, by signal.
const METHODS: [&str; 3] = [
    "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
];

/// One connection, for all signals.
pub(super) struct Client {
    url: Url,
    endpoint: Endpoint,
    /// Made in the runtime that sends, and made anew after it failed: a connection ends with its runtime.
    channel: Mutex<Option<Channel>>,
    headers: [HeaderMap; 3],
    gzip: bool,
    limit: Duration,
    meter: Meter,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({})", http::peer(&self.url))
    }
}

impl Client {
    pub(super) fn new(settings: &Settings) -> Result<Client, PublishError> {
        let url = parsed(&settings.endpoint)?;
        let limit = settings.timeout.unwrap_or(Delivery::DEFAULT_TIMEOUT);
        let endpoint = Endpoint::from_shared(url.to_string()).and_then(|endpoint| endpoint.user_agent(USER_AGENT));
        let endpoint = endpoint.map_err(|e| http::bad("the endpoint", &http::root_cause(&e)))?.connect_timeout(limit);
        let endpoint = trusted(endpoint, &url, settings)?;
        let headers = |signal: OtlpSignal| {
            let (headers, auth) = (settings.headers(signal).clone(), settings.auth.clone());
            http::headers(&HttpOptions { headers, auth, ..HttpOptions::default() })
        };
        let [metrics, traces, logs] = OtlpSignal::ALL.map(headers);
        let headers = [metrics?, traces?, logs?];
        let (channel, meter) = (Mutex::default(), Meter::default());
        Ok(Client { url, endpoint, channel, headers, gzip: settings.gzip, limit, meter })
    }

    pub(super) fn attach(&self, collector: &TelemetryCollector) {
        self.meter.attach(collector);
    }

    pub(super) async fn send(&self, kind: Kind, payload: &Payload) -> Result<Published, PublishError> {
        if kind.encoding != Encoding::Protobuf || kind.gzip {
            let reason = "it was written for OTLP over HTTP, in JSON or compressed".to_owned();
            return Err(PublishError::Unwritable { format: "OTLP over gRPC".to_owned(), reason });
        }
        let mut measured = self.meter.operation(&self.url);
        let result = self.answer(kind.signal, &payload.bytes).await;
        if result.is_err() {
            *self.channel.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        if let Some(operation) = &mut measured {
            operation.sent(payload.bytes.len() as u64);
            operation.received(result.as_ref().map_or(0, |bytes| bytes.len() as u64));
        }
        match (measured, &result) {
            (Some(operation), Ok(_)) => operation.succeed(),
            (Some(operation), Err(error)) => operation.fail(error),
            (None, _) => {}
        }
        let malformed = |reason| PublishError::Malformed { peer: http::peer(&self.url), reason };
        Ok(Response::from_protobuf(&result?).map_err(malformed)?.published(payload.items))
    }

    async fn answer(&self, signal: OtlpSignal, bytes: &Arc<[u8]>) -> Result<Vec<u8>, PublishError> {
        let call = self.call(signal, Arc::clone(bytes));
        match tokio::time::timeout(self.limit, call).await {
            Ok(answer) => answer.map_err(|status| failed(&status, http::peer(&self.url))),
            Err(_) => Err(PublishError::TimedOut { peer: http::peer(&self.url), limit: self.limit }),
        }
    }

    async fn call(&self, signal: OtlpSignal, bytes: Arc<[u8]>) -> Result<Vec<u8>, Status> {
        let mut client = tonic::client::Grpc::new(self.channel()).accept_compressed(CompressionEncoding::Gzip);
        if self.gzip {
            client = client.send_compressed(CompressionEncoding::Gzip);
        }
        client.ready().await.map_err(|e| Status::from_error(Box::new(e)))?;
        let mut request = tonic::Request::new(bytes);
        *request.metadata_mut() = MetadataMap::from_headers(self.headers[signal.index()].clone());
        let path = tonic::codegen::http::uri::PathAndQuery::from_static(METHODS[signal.index()]);
        client.unary(request, path, AsTheyAre).await.map(tonic::Response::into_inner)
    }

    fn channel(&self) -> Channel {
        let mut channel = self.channel.lock().unwrap_or_else(PoisonError::into_inner);
        channel.get_or_insert_with(|| self.endpoint.connect_lazy()).clone()
    }
}

/// A message that is bytes already, and an answer that stays so.
struct AsTheyAre;

impl Codec for AsTheyAre {
    type Encode = Arc<[u8]>;
    type Decode = Vec<u8>;
    type Encoder = AsTheyAre;
    type Decoder = AsTheyAre;

    fn encoder(&mut self) -> AsTheyAre {
        AsTheyAre
    }

    fn decoder(&mut self) -> AsTheyAre {
        AsTheyAre
    }
}

impl Encoder for AsTheyAre {
    type Item = Arc<[u8]>;
    type Error = Status;

    fn encode(&mut self, bytes: Arc<[u8]>, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put_slice(&bytes);
        Ok(())
    }
}

impl Decoder for AsTheyAre {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining()).to_vec()))
    }
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, Copy, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    delay: Option<Delay>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Delay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// How long a receiver wants to be left alone, if it says anything of it.
fn retry_info(status: &Status) -> Option<Duration> {
    let details = reply::Status::decode(status.details()).ok()?.details;
    let info = details.iter().find(|any| any.type_url.ends_with("google.rpc.RetryInfo"))?;
    let Delay { seconds, nanos } = RetryInfo::decode(&info.value[..]).ok()?.delay.unwrap_or_default();
    Some(Duration::new(u64::try_from(seconds).ok()?, u32::try_from(nanos).ok().filter(|n| *n < 1_000_000_000)?))
}

/// What a failed call means, as OTLP has it.
fn failed(status: &Status, peer: String) -> PublishError {
    // Statuses with a source are of this side: the connection failed.
    if let Some(source) = status.source() {
        return PublishError::Unreachable { peer, reason: http::root_cause(source) };
    }
    let retry_after = retry_info(status);
    let (said, code) = (http::begin_of(status.message().as_bytes()), name(status.code()));
    match status.code() {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => PublishError::Unavailable { peer, status: code, said, retry_after },
        Code::ResourceExhausted if retry_after.is_some() => {
            PublishError::Unavailable { peer, status: code, said, retry_after }
        }
        _ => PublishError::Refused { peer, status: code, said },
    }
}

/// `RESOURCE_EXHAUSTED`.
fn name(code: Code) -> String {
    let mut name = String::new();
    for c in format!("{code:?}").chars() {
        if c.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(c.to_ascii_uppercase());
    }
    name
}

#[cfg(feature = "tls")]
fn trusted(endpoint: Endpoint, url: &Url, settings: &Settings) -> Result<Endpoint, PublishError> {
    use tonic::transport::{Certificate, ClientTlsConfig};
    if url.scheme() != "https" {
        return Ok(endpoint);
    }
    let mut config = ClientTlsConfig::new().with_native_roots();
    if let Some(pem) = &settings.ca_pem {
        config = config.ca_certificate(Certificate::from_pem(pem));
    }
    endpoint.tls_config(config).map_err(|e| http::bad("the certificates", &http::root_cause(&e)))
}

#[cfg(not(feature = "tls"))]
fn trusted(endpoint: Endpoint, _: &Url, settings: &Settings) -> Result<Endpoint, PublishError> {
    match settings.ca_pem {
        None => Ok(endpoint),
        Some(_) => Err(http::bad("the certificates", "this build has no TLS: build with the feature tls")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_protocol_says_what_is_tried_again() {
        let again = [Code::Cancelled, Code::DeadlineExceeded, Code::Aborted, Code::OutOfRange, Code::Unavailable];
        for number in 1..=16 {
            let code = Code::from(number);
            let is_again = again.contains(&code) || code == Code::DataLoss;
            let error = failed(&Status::new(code, "no"), "h:1".to_owned());
            assert_eq!(!error.is_permanent(), is_again, "{code:?}: {error}");
        }
        assert_eq!(name(Code::ResourceExhausted), "RESOURCE_EXHAUSTED");
    }

    #[test]
    fn a_receiver_that_is_exhausted_says_when_to_come_again() {
        let info = RetryInfo { delay: Some(Delay { seconds: 7, nanos: 500_000_000 }) };
        let any =
            reply::Any { type_url: "type.googleapis.com/google.rpc.RetryInfo".into(), value: info.encode_to_vec() };
        let details = reply::Status { message: "later".into(), details: vec![any] }.encode_to_vec();
        let error = failed(&Status::with_details(Code::ResourceExhausted, "later", details.into()), "h:1".to_owned());
        assert_eq!((error.is_permanent(), error.retry_after()), (false, Some(Duration::from_millis(7500))));
        assert!(error.to_string().contains("RESOURCE_EXHAUSTED"), "{error}");
    }
}
