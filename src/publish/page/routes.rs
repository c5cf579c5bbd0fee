//! What is served under which path.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use flate2::Compression;
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName,
    HeaderValue, IF_NONE_MATCH, REFERRER_POLICY, RETRY_AFTER, VARY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};

use super::super::serving::{
    Answer, Body, Handler, Hosts, Pages, Reading, Recorded, Streams, accepted, is_asked, not_allowed, plain, respond,
};
use super::assets::{Asset, asset, zipped};
use super::entries::Entries;
use super::health::{Health, HealthCheck};
use super::history::Question;
use super::live::Live;
use super::past::Replayed;
use super::query::Query;
use super::token::Token;
use super::worker::Worker;
use super::{json, stuck, trace};
use crate::collector::TelemetryCollector;
use crate::export::PageFormat;
use crate::feed::{Feed, Moment};
use crate::snapshot::Snapshot;

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const BYTES: &str = "application/octet-stream";
/// How long is waited for the device where nothing was read yet.
const READ_TIME: Duration = Duration::from_secs(5);
/// Points of a history that is asked for without a number.
const POINTS: usize = 300;
/// Most of them.
const MOST_POINTS: usize = 2000;
/// The page may load itself, talk to this server, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const FOREIGN_HOST: &str = "\
the Host header names another machine, and this server answers for this machine only: \
use http://localhost and the port, or start it with --listen and an address that other machines reach
";
const INDEX: &str = "\
ringscope: telemetry of ring kernels

/               the page, for a browser; for others this list, as /api
/metrics        for Prometheus
/snapshot.json  the whole snapshot as JSON
/summary.json   sums over all kernels
/stuck          which kernels hang, where and why, in sentences; as JSON with ?format=json
/healthz        200 if healthy, else 503 and the reasons
/moment.json    the newest snapshot with what happened since the one before, and alerts
/history.json   what happened before, as points: ?points=300, ?kernel=ID with its latencies' buckets
/entries.json   the log, the newest last: ?limit=1000
/alerts.json    alerts and rules
/blocks.json    where each block of a kernel is: ?kernel=ID
/live           moments as they come, as server-sent events
/live.rscope    the same as a recording, for `ringscope top --connect`
/trace.pftrace  the last seconds as a trace for ui.perfetto.dev: ?seconds=10
";
const PATHS: &[&str] = &[
    "/",
    "/api",
    "/metrics",
    "/snapshot.json",
    "/summary.json",
    "/stuck",
    "/healthz",
    "/moment.json",
    "/history.json",
    "/entries.json",
    "/alerts.json",
    "/blocks.json",
    "/live",
    "/live.rscope",
    "/trace.pftrace",
];

/// What is answered without the token, but for the page's files: no telemetry, and whether all is well.
const OPEN: &[&str] = &["/", "/api", "/healthz"];

/// What answers come from.
pub struct Routes {
    /// `None` for a replay.
    pub collector: Option<Collected>,
    pub feed: Feed,
    pub hosts: Hosts,
    /// Asked for zipped bytes or plain ones.
    pub history: Worker<(Question, bool)>,
    /// Asked for so many seconds, zipped or not.
    pub trace: Worker<(usize, bool)>,
    /// The newest snapshots of a replay.
    pub replayed: Replayed,
    pub streams: Streams,
    /// Zipped and plain.
    pub pages: Pages<(Page, bool)>,
    pub troubles: Mutex<Vec<String>>,
    pub entries: Arc<Entries>,
    pub live: Live,
    pub recorded: Recorded,
    pub rules: Vec<Arc<str>>,
    pub token: Option<Token>,
}

/// A collector, and who reads it when asked.
pub struct Collected {
    pub collector: TelemetryCollector,
    pub reading: Reading,
    pub health: HealthCheck,
}

/// What a snapshot can be written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    Metrics(PageFormat),
    Everything,
    Sums,
    /// The snapshot with what happened.
    Moment,
    /// Which kernels hang, in sentences or as JSON.
    Stuck {
        json: bool,
    },
}

impl Page {
    fn write(self, snapshot: &Snapshot) -> Result<Bytes, serde_json::Error> {
        Ok(match self {
            Page::Metrics(format) => snapshot.export_page(format).into(),
            Page::Everything => snapshot.export_json_full()?.into(),
            Page::Sums => snapshot.export_json()?.into(),
            Page::Moment => json::moment(&Moment::of_snapshot(Arc::new(snapshot.clone())))?,
            Page::Stuck { json: false } => stuck::text(snapshot).into(),
            Page::Stuck { json: true } => stuck::json(snapshot)?.into(),
        })
    }

    fn content_type(self) -> &'static str {
        match self {
            Page::Metrics(format) => format.content_type(),
            Page::Stuck { json: false } => TEXT,
            Page::Everything | Page::Sums | Page::Moment | Page::Stuck { json: true } => JSON,
        }
    }
}

impl Handler for Routes {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let zip = takes_gzip(request.headers());
        let mut answer = self.route(&request, zip).await;
        let is_static = answer.headers().contains_key(ETAG);
        let headers = answer.headers_mut();
        let mut set = |name: HeaderName, value| headers.insert(name, HeaderValue::from_static(value));
        set(CONTENT_SECURITY_POLICY, POLICY);
        set(X_CONTENT_TYPE_OPTIONS, "nosniff");
        set(REFERRER_POLICY, "no-referrer");
        set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
        set(CACHE_CONTROL, if is_static { "no-cache" } else { "no-store" });
        answer
    }

    async fn attend(self: Arc<Self>) {
        let mut moments = self.feed.subscribe();
        if let Some(moment) = self.feed.latest() {
            self.take(moment, 0);
        }
        while let Some(moment) = moments.next().await {
            self.take(moment, moments.missed());
        }
    }
}

impl Routes {
    fn take(&self, moment: Arc<Moment>, missed: u64) {
        self.entries.add(&moment.entries);
        if self.collector.is_none() {
            self.replayed.add(&moment.snapshot);
        }
        self.recorded.push(&moment);
        self.live.push(moment, missed);
    }

    async fn route(&self, request: &Request<Incoming>, zip: bool) -> Answer {
        if !is_asked(&self.hosts, request) {
            return plain(StatusCode::FORBIDDEN, FOREIGN_HOST);
        }
        let path = request.uri().path();
        let file = path.strip_prefix("/page/").and_then(asset);
        if !PATHS.contains(&path) && file.is_none() {
            return plain(StatusCode::NOT_FOUND, format!("not found: the paths are {}\n", PATHS.join(", ")));
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return not_allowed();
        }
        let admitted = self.token.as_ref().is_none_or(|token| token.is_in(request.headers()));
        if !admitted && file.is_none() && !OPEN.contains(&path) {
            return no_token();
        }
        let query = Query::new(request.uri().query());
        let accept = accepted(request.headers());
        match path {
            "/" if stuck::weight(&accept, "text/html") > 0.0 => varied(
                asset("index.html").map_or_else(|| plain(StatusCode::OK, INDEX), |page| file_answer(page, request)),
            ),
            "/" => varied(plain(StatusCode::OK, INDEX)),
            "/api" => plain(StatusCode::OK, INDEX),
            "/metrics" => varied(self.page(Page::Metrics(PageFormat::negotiate(&accept)), zip).await),
            "/snapshot.json" => self.page(Page::Everything, zip).await,
            "/summary.json" => self.page(Page::Sums, zip).await,
            "/stuck" => {
                let json = stuck::wants_json(request.uri().query(), &accept);
                varied(self.page(Page::Stuck { json }, zip).await)
            }
            "/healthz" => self.healthy(admitted).await,
            "/moment.json" => self.moment(zip).await,
            "/history.json" => self.history(&query, zip).await,
            "/entries.json" => self.entries(&query, zip),
            "/alerts.json" => written(json::alerts(self.feed.latest().as_deref(), &self.rules)),
            "/blocks.json" => self.blocks(&query).await,
            "/live" => self.live(),
            "/live.rscope" => self.recorded.answer(&self.streams),
            "/trace.pftrace" => self.trace(&query, zip).await,
            _ => file.map_or_else(|| plain(StatusCode::NOT_FOUND, INDEX), |file| file_answer(file, request)),
        }
    }

    /// The newest snapshot; or the answer that there is none.
    async fn snapshot(&self) -> Result<Arc<Snapshot>, Answer> {
        let known = match &self.collector {
            Some(collected) => collected.collector.latest(),
            None => self.feed.latest().map(|moment| Arc::clone(&moment.snapshot)),
        };
        let unavailable = |why: String| plain(StatusCode::SERVICE_UNAVAILABLE, why);
        match (known, &self.collector) {
            (Some(snapshot), _) => Ok(snapshot),
            (None, None) => Err(unavailable("nothing was read yet: ask again\n".to_owned())),
            (None, Some(collected)) => match collected.reading.ask(READ_TIME).await {
                Some(read) => read.map_err(|error| unavailable(format!("{error}\n"))),
                None => Err(unavailable(format!("the device did not answer within {READ_TIME:?}\n"))),
            },
        }
    }

    /// The newest snapshot as this page.
    async fn page(&self, page: Page, zip: bool) -> Answer {
        let snapshot = match self.snapshot().await {
            Ok(snapshot) => snapshot,
            Err(answer) => return answer,
        };
        self.written(page, zip, &snapshot, |snapshot| page.write(snapshot))
    }

    /// What is written once for each snapshot, zipped where it may and should be.
    fn written(
        &self,
        page: Page,
        zip: bool,
        snapshot: &Arc<Snapshot>,
        write: impl FnOnce(&Snapshot) -> Result<Bytes, serde_json::Error>,
    ) -> Answer {
        let zip = zip && page.content_type() == JSON;
        match self
            .pages
            .page((page, zip), snapshot, |snapshot| Ok::<_, serde_json::Error>(packed(write(snapshot)?, zip)))
        {
            Ok(bytes) if page.content_type() == JSON => marked(respond(StatusCode::OK, JSON, bytes), zip),
            Ok(bytes) => respond(StatusCode::OK, page.content_type(), bytes),
            Err(_) => unwritable(),
        }
    }

    async fn healthy(&self, admitted: bool) -> Answer {
        let troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let health = match &self.collector {
            Some(collected) => collected.health.ask(troubles).await,
            None => Health::of(self.feed.latest().map(|moment| Arc::clone(&moment.snapshot)).as_deref(), troubles),
        };
        let status = if health.healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        if !admitted {
            return respond(status, JSON, format!("{{\"healthy\":{}}}", health.healthy).into());
        }
        // Strings and numbers are always JSON.
        respond(status, JSON, serde_json::to_vec(&health).unwrap_or_default().into())
    }

    async fn moment(&self, zip: bool) -> Answer {
        let moment = match (self.feed.latest(), self.snapshot()) {
            (Some(moment), _) => moment,
            (None, snapshot) => match snapshot.await {
                Ok(snapshot) => Arc::new(Moment::of_snapshot(snapshot)),
                Err(answer) => return answer,
            },
        };
        self.written(Page::Moment, zip, &moment.snapshot, |_| json::moment(&moment))
    }

    async fn history(&self, query: &Query, zip: bool) -> Answer {
        let points = match query.number("points", POINTS, 2..=MOST_POINTS) {
            Ok(points) => points,
            Err(why) => return plain(StatusCode::BAD_REQUEST, why),
        };
        let kernel = query.text("kernel").map(Arc::from);
        if let Some(id) = &kernel {
            match self.snapshot().await {
                Ok(snapshot) if snapshot.kernel(id).is_none() => return unknown_kernel(id),
                Ok(_) => {}
                Err(answer) => return answer,
            }
        }
        match self.history.ask((Question { kernel, points }, zip)).await {
            Some(bytes) => marked(respond(StatusCode::OK, JSON, bytes), zip),
            None => too_many("too many ask for the history at this moment: ask again\n"),
        }
    }

    fn entries(&self, query: &Query, zip: bool) -> Answer {
        match query.number("limit", 1000, 1..=super::entries::MOST) {
            Ok(limit) => match json::entries(&self.entries.newest(limit)) {
                Ok(bytes) => marked(respond(StatusCode::OK, JSON, packed(bytes, zip)), zip),
                Err(_) => unwritable(),
            },
            Err(why) => plain(StatusCode::BAD_REQUEST, why),
        }
    }

    async fn blocks(&self, query: &Query) -> Answer {
        let Some(kernel) = query.text("kernel") else {
            return plain(StatusCode::BAD_REQUEST, "of which kernel? write /blocks.json?kernel=ID\n");
        };
        match self.snapshot().await.map(|snapshot| json::blocks(&snapshot, kernel)) {
            Ok(Ok(Some(bytes))) => respond(StatusCode::OK, JSON, bytes),
            Ok(Ok(None)) => unknown_kernel(kernel),
            Ok(Err(_)) => unwritable(),
            Err(answer) => answer,
        }
    }

    async fn trace(&self, query: &Query, zip: bool) -> Answer {
        let seconds = match query.number("seconds", trace::SECONDS, 1..=trace::MOST_SECONDS) {
            Ok(seconds) => seconds,
            Err(why) => return plain(StatusCode::BAD_REQUEST, why),
        };
        match self.trace.ask((seconds, zip)).await {
            Some(bytes) => marked(respond(StatusCode::OK, BYTES, bytes), zip),
            None => too_many("the trace is not ready: ask again\n"),
        }
    }

    fn live(&self) -> Answer {
        let Some((page, body)) = self.streams.open() else {
            return too_many("as many streams are open as this server has place for: close one, or ask again\n");
        };
        tokio::spawn(self.live.subscribe().send_to(page));
        stream("text/event-stream", body)
    }
}

fn stream(content_type: &'static str, body: Body) -> Answer {
    let mut answer = Response::new(body);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

fn written(bytes: Result<Bytes, serde_json::Error>) -> Answer {
    bytes.map_or_else(|_| unwritable(), |bytes| respond(StatusCode::OK, JSON, bytes))
}

fn unwritable() -> Answer {
    plain(StatusCode::INTERNAL_SERVER_ERROR, "the snapshot cannot be written as JSON\n")
}

fn unknown_kernel(id: &str) -> Answer {
    let known = format!("there is no kernel {id:?}: /snapshot.json has the ids of all\n");
    plain(StatusCode::NOT_FOUND, known)
}

fn no_token() -> Answer {
    let why = "this server asks for a token: send the header `Authorization: Bearer TOKEN`\n";
    let mut answer = plain(StatusCode::UNAUTHORIZED, why);
    answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"ringscope\""));
    answer
}

fn too_many(why: &'static str) -> Answer {
    let mut answer = plain(StatusCode::SERVICE_UNAVAILABLE, why);
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    answer
}

fn varied(mut answer: Answer) -> Answer {
    let zips = answer.headers().contains_key(VARY);
    let on = if zips { "Accept, Accept-Encoding" } else { "Accept" };
    answer.headers_mut().insert(VARY, HeaderValue::from_static(on));
    answer
}

fn file_answer(file: &Asset, request: &Request<Incoming>) -> Answer {
    let zip = takes_gzip(request.headers());
    let known = request.headers().get(IF_NONE_MATCH).is_some_and(|tag| tag.as_bytes() == file.tag().as_bytes());
    let mut answer = match known {
        true => respond(StatusCode::NOT_MODIFIED, file.content_type(), Bytes::new()),
        false => respond(StatusCode::OK, file.content_type(), file.bytes(zip)),
    };
    answer = marked(answer, zip && !known);
    if let Ok(tag) = HeaderValue::from_str(file.tag()) {
        answer.headers_mut().insert(ETAG, tag);
    }
    answer
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let all = values.collect::<Vec<_>>().join(",");
    stuck::weight(&all, "gzip") > 0.0
}

/// The bytes of an answer that may be zipped: a small one is zipped as well, so that it is known without looking.
pub fn packed(bytes: Bytes, zip: bool) -> Bytes {
    if zip { zipped(&bytes, Compression::fast()).into() } else { bytes }
}

/// The answer with the headers that say whether it is zipped.
fn marked(mut answer: Answer, zip: bool) -> Answer {
    let headers = answer.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    if zip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    answer
}
