//! A server that Prometheus scrapes, in two lines. With the feature `recording`, `ringscope top` connects to it as well.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hyper::body::Incoming;
use hyper::header::{HeaderValue, VARY};
use hyper::{Method, Request, StatusCode};

use super::error::PublishError;
#[cfg(feature = "recording")]
use super::serving::OnDemand;
use super::serving::{
    Answer, Door, Handler, Hosts, Listen, Pages, Reading, Server, accepted, is_asked, not_allowed, plain, respond,
};
use crate::collector::TelemetryCollector;
use crate::export::PageFormat;
use crate::snapshot::Snapshot;

/// How long a scraper waits for the device. Prometheus itself waits for 10 s, unless it is told otherwise.
const READ_TIME: Duration = Duration::from_secs(5);
const FOREIGN_HOST: &str = "\
the Host header names another machine, and this server answers for this machine only: use http://localhost and the port, or have it \
listen on an address that other machines reach
";

const INDEX: &str = if cfg!(feature = "recording") {
    "ringscope: telemetry of ring kernels\n\n/metrics       for Prometheus\n/live.rscope   for `ringscope top --connect`\n"
} else {
    "ringscope: telemetry of ring kernels\n\n/metrics  for Prometheus\n"
};

/// Serves a collector's telemetry under `/metrics`, for Prometheus to scrape: protobuf with native histograms, OpenMetrics or
/// classic text, as the scraper prefers.
///
/// ```
/// use ringscope::TelemetryCollector;
/// use ringscope::publish::PrometheusPublisher;
///
/// let collector = TelemetryCollector::new(true);
/// # let port = 0;
/// let server = PrometheusPublisher::new(port).serve(&collector)?; // until it is dropped
/// println!("http://{}/metrics", server.address());
/// # Ok::<(), ringscope::publish::PublishError>(())
/// ```
///
/// It answers this machine only, and no page of the web that has a browser on this machine ask for it, unless it is told to
/// [`listen`](Self::listen) elsewhere. Its one thread serves all connections, whose number is bounded and of which the slow ones
/// end; a second one reads the device where periodic collection has no snapshot that is new enough.
///
/// With the feature `recording`, `/live.rscope` is for `ringscope top --connect`: a stream of every snapshot with what happened
/// since the one before. Who asks for it starts collection, with an interval of 1 s, where nobody has started it. A quarter of the
/// connections may be such streams.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct PrometheusPublisher {
    listen: Result<Listen, PublishError>,
    max_age: Duration,
    connections: usize,
}

impl PrometheusPublisher {
    /// Default of [`max_age`](Self::max_age).
    pub const DEFAULT_MAX_AGE: Duration = Duration::from_secs(1);
    /// Default of [`connections`](Self::connections).
    pub const DEFAULT_CONNECTIONS: usize = 64;

    /// Serves this machine only, on this port of its loopback interface; 0 is any that is free.
    pub fn new(port: u16) -> Self {
        PrometheusPublisher {
            listen: Ok(Listen::loopback(port)),
            max_age: Self::DEFAULT_MAX_AGE,
            connections: Self::DEFAULT_CONNECTIONS,
        }
    }

    /// Sets where to listen: an address or a name, and a port, such as `0.0.0.0:9464` for all machines that reach this one. They
    /// can read the telemetry without a password, unencrypted. Default: `127.0.0.1` and the port.
    pub fn listen(mut self, address: &str) -> Self {
        let bad = |remedy| PublishError::BadSetting { setting: format!("the address {address}"), remedy };
        self.listen = address.parse().map_err(bad);
        self
    }

    /// Sets how old a snapshot of periodic collection may be to be served; for an older one, and without periodic collection,
    /// the device is read. Default: 1 s.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// Sets the most connections at one time. Who comes after that takes the place of who has been idle the longest.
    /// Default: 64.
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections;
        self
    }

    /// Serves what `collector` reads, from now on until the server is dropped.
    ///
    /// # Errors
    /// [`PublishError::BadSetting`] for an address that cannot be listened on; [`PublishError::NoThread`].
    pub fn serve(self, collector: &TelemetryCollector) -> Result<PrometheusServer, PublishError> {
        let listen = self.listen?;
        let bad = |remedy: String| PublishError::BadSetting { setting: format!("the address {listen}"), remedy };
        let listeners = listen.bind().map_err(|e| bad(e.to_string()))?;
        let hosts = listen.hosts(&listeners);
        let no_thread =
            |e: std::io::Error| PublishError::NoThread { what: format!("serving {listen}"), reason: e.to_string() };
        let reading = Reading::start(collector.clone()).map_err(no_thread)?;
        let routes = Routes {
            collector: collector.clone(),
            reading,
            hosts,
            max_age: self.max_age,
            pages: Pages::default(),
            #[cfg(feature = "recording")]
            recorded: OnDemand::new(collector.clone(), self.connections.div_ceil(4)),
        };
        Ok(PrometheusServer(
            Server::start(listeners, Arc::new(routes), self.connections, Door::Plain).map_err(no_thread)?,
        ))
    }
}

/// A server that runs. Dropping it ends it at once, and with it answers that are under way.
#[derive(Debug)]
#[must_use = "the server ends when it is dropped"]
pub struct PrometheusServer(Server);

impl PrometheusServer {
    /// Returns where it serves; of port 0, the one that was free.
    pub fn address(&self) -> SocketAddr {
        self.0.address()
    }
}

#[derive(Debug)]
struct Routes {
    collector: TelemetryCollector,
    reading: Reading,
    hosts: Hosts,
    max_age: Duration,
    pages: Pages<PageFormat>,
    #[cfg(feature = "recording")]
    recorded: OnDemand,
}

impl Routes {
    async fn metrics(&self, format: PageFormat) -> Answer {
        let snapshot = match self.snapshot().await {
            Ok(snapshot) => snapshot,
            Err(why) => return plain(StatusCode::SERVICE_UNAVAILABLE, why),
        };
        let written =
            self.pages.page(format, &snapshot, |snapshot| Ok::<_, Infallible>(snapshot.export_page(format).into()));
        let Ok(page) = written;
        let mut answer = respond(StatusCode::OK, format.content_type(), page);
        answer.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
        answer
    }

    /// The newest one if it is new enough, else one of this moment; or why there is none.
    async fn snapshot(&self) -> Result<Arc<Snapshot>, String> {
        let is_new = |snapshot: &Arc<Snapshot>| {
            // One of the future was taken before somebody set the clock.
            SystemTime::now().duration_since(snapshot.time).is_ok_and(|age| age <= self.max_age)
        };
        if let Some(latest) = self.collector.latest().filter(is_new) {
            return Ok(latest);
        }
        match self.reading.ask(READ_TIME).await {
            Some(read) => read.map_err(|error| format!("{error}\n")),
            None => Err(format!("the device did not answer within {READ_TIME:?}: it hangs, or is overloaded\n")),
        }
    }
}

impl Handler for Routes {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        if !is_asked(&self.hosts, &request) {
            return plain(StatusCode::FORBIDDEN, FOREIGN_HOST);
        }
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        match request.uri().path() {
            "/" | "/metrics" if !reads => not_allowed(),
            #[cfg(feature = "recording")]
            "/live.rscope" if !reads => not_allowed(),
            #[cfg(feature = "recording")]
            "/live.rscope" => self.recorded.answer(),
            "/metrics" => self.metrics(PageFormat::negotiate(&accepted(request.headers()))).await,
            "/" => plain(StatusCode::OK, INDEX),
            _ => plain(StatusCode::NOT_FOUND, "not found: the path is /metrics\n"),
        }
    }
}
