//! What is served under which path.

use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ACCEPT, ALLOW, CONTENT_TYPE, HOST, HeaderValue, VARY};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use ringscope::export::PageFormat;
use ringscope::{Snapshot, TelemetryCollector};

use super::health::HealthCheck;
use super::listen::Hosts;
use super::stuck;

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const FOREIGN_HOST: &str = "\
the Host header names another machine, and this server answers for this machine only: \
use http://localhost and the port, or start it with --listen and an address that other machines reach
";
const INDEX: &str = "\
ringscope: telemetry of ring kernels

/metrics        for Prometheus
/snapshot.json  the whole snapshot as JSON
/summary.json   sums over all kernels
/stuck          which kernels hang, where and why, in sentences; as JSON with ?format=json
/healthz        200 if healthy, else 503 and the reasons
";

/// What answers come from.
pub struct Routes {
    collector: TelemetryCollector,
    health: HealthCheck,
    hosts: Hosts,
    /// The newest page of each kind: a snapshot is written once, however many ask for it.
    pages: Mutex<Vec<Written>>,
    troubles: Mutex<Vec<String>>,
}

/// What a snapshot can be written as.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Page {
    Metrics(PageFormat),
    Everything,
    Sums,
    /// Which kernels hang, in sentences or as JSON.
    Stuck {
        json: bool,
    },
}

struct Written {
    page: Page,
    of: Arc<Snapshot>,
    bytes: Bytes,
}

type Answer = Response<Full<Bytes>>;

impl Routes {
    /// Serves what `collector` reads, to requests for `hosts`.
    ///
    /// # Errors
    /// The system gives no thread for the health checks.
    pub fn new(collector: TelemetryCollector, hosts: Hosts) -> std::io::Result<Routes> {
        let health = HealthCheck::start(collector.clone())?;
        Ok(Routes { collector, health, hosts, pages: Mutex::default(), troubles: Mutex::default() })
    }

    /// Sets what is wrong with the stream; it is not healthy then.
    pub fn set_troubles(&self, troubles: &[String]) {
        *self.troubles.lock().unwrap_or_else(PoisonError::into_inner) = troubles.to_vec();
    }

    /// The newest snapshot as this page.
    fn page(&self, page: Page) -> Answer {
        let Some(snapshot) = self.collector.latest() else {
            return plain(StatusCode::SERVICE_UNAVAILABLE, "nothing was read yet: ask again\n");
        };
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = match pages.iter().find(|w| w.page == page && Arc::ptr_eq(&w.of, &snapshot)) {
            Some(written) => written.bytes.clone(),
            None => {
                let Ok(bytes) = page.write(&snapshot) else {
                    return plain(StatusCode::INTERNAL_SERVER_ERROR, "the snapshot cannot be written as JSON\n");
                };
                pages.retain(|w| w.page != page);
                pages.push(Written { page, of: snapshot, bytes: bytes.clone() });
                bytes
            }
        };
        respond(StatusCode::OK, page.content_type(), bytes)
    }

    async fn health(&self) -> Answer {
        let troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let health = self.health.ask(troubles).await;
        let status = if health.healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        // Strings and numbers are always JSON.
        respond(status, JSON, serde_json::to_vec(&health).unwrap_or_default().into())
    }

    /// Whether the request is for this server. A browser always says for whom it is; who says nothing is none.
    fn is_asked<B>(&self, request: &Request<B>) -> bool {
        let headers = request.headers().get_all(HOST).iter();
        let mut named = headers.map(|value| value.to_str().unwrap_or_default()).chain(request.uri().host());
        named.all(|host| self.hosts.allow(host))
    }
}

impl Page {
    fn write(self, snapshot: &Snapshot) -> Result<Bytes, serde_json::Error> {
        Ok(match self {
            Page::Metrics(format) => snapshot.export_page(format).into(),
            Page::Everything => snapshot.export_json_full()?.into(),
            Page::Sums => snapshot.export_json()?.into(),
            Page::Stuck { json: false } => stuck::text(snapshot).into(),
            Page::Stuck { json: true } => stuck::json(snapshot)?.into(),
        })
    }

    fn content_type(self) -> &'static str {
        match self {
            Page::Metrics(format) => format.content_type(),
            Page::Stuck { json: false } => TEXT,
            Page::Everything | Page::Sums | Page::Stuck { json: true } => JSON,
        }
    }
}

/// Answers one request; of HEAD, the server leaves the body out.
pub async fn answer<B>(routes: &Routes, request: Request<B>) -> Answer {
    if !routes.is_asked(&request) {
        return plain(StatusCode::FORBIDDEN, FOREIGN_HOST);
    }
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    match request.uri().path() {
        "/" | "/metrics" | "/snapshot.json" | "/summary.json" | "/stuck" | "/healthz" if !reads => {
            let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD: nothing here can be changed\n");
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            answer
        }
        "/metrics" => {
            let mut answer = routes.page(Page::Metrics(PageFormat::negotiate(&accepted(request.headers()))));
            answer.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
            answer
        }
        "/snapshot.json" => routes.page(Page::Everything),
        "/summary.json" => routes.page(Page::Sums),
        "/stuck" => {
            let json = stuck::wants_json(request.uri().query(), &accepted(request.headers()));
            let mut answer = routes.page(Page::Stuck { json });
            answer.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
            answer
        }
        "/healthz" => routes.health().await,
        "/" => plain(StatusCode::OK, INDEX),
        _ => plain(
            StatusCode::NOT_FOUND,
            "not found: the paths are /metrics, /snapshot.json, /summary.json, /stuck and /healthz\n",
        ),
    }
}

/// All `Accept` headers as one, as HTTP has it.
fn accepted(headers: &HeaderMap) -> String {
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    values.collect::<Vec<_>>().join(",")
}

fn plain(status: StatusCode, text: &'static str) -> Answer {
    respond(status, TEXT, Bytes::from_static(text.as_bytes()))
}

fn respond(status: StatusCode, content_type: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::serve::listen::Listen;

    #[test]
    fn a_snapshot_is_written_once() {
        let collector = TelemetryCollector::new(true);
        let routes = Routes::new(collector.clone(), "127.0.0.1:0".parse::<Listen>().unwrap().hosts(&[])).unwrap();
        assert_eq!(routes.page(Page::Everything).status(), StatusCode::SERVICE_UNAVAILABLE);
        let bytes = |of: &Routes| of.pages.lock().unwrap().iter().map(|w| w.bytes.as_ptr()).collect::<Vec<_>>();
        collector.snapshot().unwrap();
        routes.page(Page::Metrics(PageFormat::Text));
        let first = bytes(&routes);
        routes.page(Page::Metrics(PageFormat::Text));
        assert_eq!(bytes(&routes), first);
        routes.page(Page::Sums);
        collector.snapshot().unwrap();
        routes.page(Page::Metrics(PageFormat::Text));
        assert_eq!(routes.pages.lock().unwrap().len(), 2, "one of each kind is kept");
    }
}
