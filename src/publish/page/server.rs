//! A server for people and programs, in two lines.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};

use super::super::serving::{Hosts, Listen, ListenError, Pages, Reading, Server, Streams};
use super::entries::Entries;
use super::health::HealthCheck;
use super::live::Live;
use super::past::{Past, Replayed, Source};
use super::routes::{Collected, Routes};
use crate::alert::Judge;
use crate::collector::TelemetryCollector;
use crate::feed::{Feed, FeedError};

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// What is to be listened on is no address.
    #[error("the address {address:?} cannot be listened on: {remedy}")]
    BadAddress {
        /// As it was written.
        address: String,
        /// What would be right.
        remedy: String,
    },
    /// The address cannot be had.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The collector cannot be read.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// A thread or an event queue is missing.
    #[error("cannot serve: {0}")]
    System(#[from] io::Error),
}

/// What is to be served where. Made by [`TelemetryServer::builder`].
#[must_use]
pub struct TelemetryServerBuilder {
    listen: Result<Listen, ServeError>,
    connections: usize,
    streams: usize,
    judge: Option<Box<dyn Judge>>,
}

/// An address that is taken, and not answered at yet. Made by [`TelemetryServerBuilder::bind`].
#[must_use = "nothing is answered until it serves"]
pub struct BoundServer {
    listeners: Vec<TcpListener>,
    hosts: Hosts,
    connections: usize,
    streams: usize,
    judge: Option<Box<dyn Judge>>,
}

/// A server that runs. Dropping it ends it at once, and with it answers that are under way.
#[must_use = "the server ends when it is dropped"]
pub struct TelemetryServer {
    server: Server,
    routes: Arc<Routes>,
}

impl TelemetryCollector {
    /// Serves a page for browsers, `/metrics` for Prometheus and JSON for scripts at this address, from now on until the server
    /// is dropped. Collection is started with an interval of 1 s where nobody has started it.
    ///
    /// ```
    /// let telemetry = ringscope::TelemetryCollector::new(true);
    /// # let address = "127.0.0.1:0";
    /// let server = telemetry.serve(address)?; // such as "127.0.0.1:9464"
    /// println!("open {}", server.url());
    /// # Ok::<(), ringscope::publish::ServeError>(())
    /// ```
    ///
    /// An address of the loopback interface serves this machine only. [`TelemetryServer::builder`] has the rest.
    ///
    /// # Errors
    /// [`ServeError`].
    pub fn serve(&self, address: &str) -> Result<TelemetryServer, ServeError> {
        TelemetryServer::builder(address).serve(self)
    }
}

impl TelemetryServerBuilder {
    /// Default of [`connections`](Self::connections).
    pub const DEFAULT_CONNECTIONS: usize = 256;
    /// Default of [`streams`](Self::streams).
    pub const DEFAULT_STREAMS: usize = 128;

    /// Sets the most connections at one time. Who comes after that takes the place of who has been idle the longest.
    /// Default: 256.
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections;
        self
    }

    /// Sets the most streams (`/live`) among them. Who asks for one more gets a 503. Default: 128.
    pub fn streams(mut self, streams: usize) -> Self {
        self.streams = streams;
        self
    }

    /// Sets who finds alerts. Default: nobody.
    pub fn judge(mut self, judge: Box<dyn Judge>) -> Self {
        self.judge = Some(judge);
        self
    }

    /// Takes the address, so that one that cannot be had is known before anything else is begun.
    ///
    /// # Errors
    /// [`ServeError::BadAddress`], [`ServeError::Listen`].
    pub fn bind(self) -> Result<BoundServer, ServeError> {
        let TelemetryServerBuilder { listen, connections, streams, judge } = self;
        let listen = listen?;
        let listeners = listen.bind()?;
        let hosts = listen.hosts(&listeners);
        Ok(BoundServer { listeners, hosts, connections, streams, judge })
    }

    /// Serves what `collector` reads, from now on until the server is dropped.
    ///
    /// # Errors
    /// [`ServeError`].
    pub fn serve(self, collector: &TelemetryCollector) -> Result<TelemetryServer, ServeError> {
        self.bind()?.serve(collector)
    }
}

impl BoundServer {
    /// Returns whether only this machine can ask.
    pub fn only_local(&self) -> bool {
        self.hosts.only_local()
    }

    /// Serves what `collector` reads, from now on until the server is dropped.
    ///
    /// # Errors
    /// [`ServeError::Feed`], [`ServeError::System`].
    pub fn serve(self, collector: &TelemetryCollector) -> Result<TelemetryServer, ServeError> {
        let mut bound = self;
        let feed = Feed::start(collector, bound.judge.take())?;
        let collected = Collected {
            collector: collector.clone(),
            reading: Reading::start(collector.clone())?,
            health: HealthCheck::start(collector.clone())?,
        };
        bound.start(feed, Some(collected), Replayed::default(), Source::Collector(collector.clone()))
    }

    /// Serves moments that somebody [pushes](Feed::push), as a replay does, from now on until the server is dropped. The history
    /// is that of the newest 600 of them.
    ///
    /// # Errors
    /// [`ServeError::System`].
    pub fn serve_feed(self, feed: &Feed) -> Result<TelemetryServer, ServeError> {
        let replayed = Replayed::default();
        self.start(feed.clone(), None, replayed.clone(), Source::Replay(replayed))
    }

    fn start(
        self,
        feed: Feed,
        collector: Option<Collected>,
        replayed: Replayed,
        source: Source,
    ) -> Result<TelemetryServer, ServeError> {
        let BoundServer { listeners, hosts, connections, streams, judge: _ } = self;
        let routes = Routes {
            collector,
            feed,
            hosts,
            past: Past::start(source)?,
            replayed,
            streams: Streams::new(streams),
            pages: Pages::default(),
            troubles: Mutex::default(),
            entries: Entries::default(),
            live: Live::default(),
            rules: Vec::new(),
        };
        let routes = Arc::new(routes);
        let server = Server::start(listeners, Arc::clone(&routes), connections)?;
        Ok(TelemetryServer { server, routes })
    }
}

impl TelemetryServer {
    /// Makes a builder of a server at this address: an address or a name, and a port, such as `127.0.0.1:9464`, or
    /// `0.0.0.0:9464` for all machines that reach this one; port 0 is any that is free.
    pub fn builder(address: &str) -> TelemetryServerBuilder {
        let bad = |remedy| ServeError::BadAddress { address: address.to_owned(), remedy };
        TelemetryServerBuilder {
            listen: address.parse().map_err(bad),
            connections: TelemetryServerBuilder::DEFAULT_CONNECTIONS,
            streams: TelemetryServerBuilder::DEFAULT_STREAMS,
            judge: None,
        }
    }

    /// Returns where it serves; of port 0, the one that was free.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Returns the address of the page.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address())
    }

    /// Returns the feed of moments that it shows.
    pub fn feed(&self) -> &Feed {
        &self.routes.feed
    }

    /// Sets what else is wrong, beside the kernels: `/healthz` says it, and is 503 as long as there is something.
    pub fn set_troubles(&self, troubles: &[String]) {
        *self.routes.troubles.lock().unwrap_or_else(PoisonError::into_inner) = troubles.to_vec();
    }
}

impl fmt::Debug for TelemetryServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TelemetryServer").field("address", &self.address()).finish_non_exhaustive()
    }
}
