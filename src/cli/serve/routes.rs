//! What is served under which path.

use std::sync::{Mutex, PoisonError};

use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderValue, VARY};
use hyper::{Method, Request, StatusCode};
use ringscope::export::PageFormat;
use ringscope::publish::serving::{Answer, Handler, Hosts, Pages, accepted, is_asked, not_allowed, plain, respond};
use ringscope::{Snapshot, TelemetryCollector};

use super::health::HealthCheck;
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
    pages: Pages<Page>,
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

impl Routes {
    /// Serves what `collector` reads, to requests for `hosts`.
    ///
    /// # Errors
    /// The system gives no thread for the health checks.
    pub fn new(collector: TelemetryCollector, hosts: Hosts) -> std::io::Result<Routes> {
        let health = HealthCheck::start(collector.clone())?;
        Ok(Routes { collector, health, hosts, pages: Pages::default(), troubles: Mutex::default() })
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
        match self.pages.page(page, &snapshot, |snapshot| page.write(snapshot)) {
            Ok(bytes) => respond(StatusCode::OK, page.content_type(), bytes),
            Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "the snapshot cannot be written as JSON\n"),
        }
    }

    async fn health(&self) -> Answer {
        let troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let health = self.health.ask(troubles).await;
        let status = if health.healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        // Strings and numbers are always JSON.
        respond(status, JSON, serde_json::to_vec(&health).unwrap_or_default().into())
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

impl Handler for Routes {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        answer(self, request).await
    }
}

async fn answer(routes: &Routes, request: Request<Incoming>) -> Answer {
    if !is_asked(&routes.hosts, &request) {
        return plain(StatusCode::FORBIDDEN, FOREIGN_HOST);
    }
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    match request.uri().path() {
        "/" | "/metrics" | "/snapshot.json" | "/summary.json" | "/stuck" | "/healthz" if !reads => not_allowed(),
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
