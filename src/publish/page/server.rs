//! A server for people and programs, in two lines.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
#[cfg(feature = "page-tls")]
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use secrecy::SecretString;

use super::super::serving::{Door, Hosts, Listen, ListenError, Pages, Reading, Recorded, Server, Streams};
use super::entries::Entries;
use super::health::HealthCheck;
use super::live::Live;
use super::past::{Past, Replayed};
use super::routes::{Collected, Routes, packed};
#[cfg(feature = "page-tls")]
use super::tls::{TlsError, acceptor};
use super::token::Token;
use super::trace::Tracing;
use super::worker::Worker;
use crate::alert::{Engine, Judge, Rules};
use crate::collector::{TelemetryCollector, TraceRecorder};
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
    /// The token is no good.
    #[error("the token cannot be used: {remedy}")]
    BadToken {
        /// What would be right.
        remedy: String,
    },
    /// The certificate or the key is no good.
    #[cfg(feature = "page-tls")]
    #[error(transparent)]
    Tls(#[from] TlsError),
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
    token: Option<SecretString>,
    #[cfg(feature = "page-tls")]
    tls: Option<(PathBuf, PathBuf)>,
}

/// An address that is taken, and not answered at yet. Made by [`TelemetryServerBuilder::bind`].
#[must_use = "nothing is answered until it serves"]
pub struct BoundServer {
    listeners: Vec<TcpListener>,
    hosts: Hosts,
    connections: usize,
    streams: usize,
    judge: Option<Box<dyn Judge>>,
    rules: Vec<Arc<str>>,
    token: Option<Token>,
    door: Door,
    recorder: Option<TraceRecorder>,
}

/// A server that runs. Dropping it ends it at once, and with it answers that are under way.
#[must_use = "the server ends when it is dropped"]
pub struct TelemetryServer {
    server: Server,
    routes: Arc<Routes>,
    scheme: &'static str,
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

    /// Sets the rules for alerts; `Rules::new()` is none. Default: the [ready-made](Rules::ready_made) ones.
    pub fn rules(self, rules: Rules) -> Self {
        self.judge(Box::new(Engine::new(rules)))
    }

    /// Sets who finds alerts. Default: an engine with the rules that are [ready-made](crate::alert::Rules::ready_made).
    pub fn judge(mut self, judge: Box<dyn Judge>) -> Self {
        self.judge = Some(judge);
        self
    }

    /// Sets the token that a request must have, as `Authorization: Bearer TOKEN`; without it are the files of the page, which asks
    /// for it, and whether `/healthz` is well. 16 or more visible ASCII characters. Default: none, and everybody who reaches the
    /// address can read the telemetry.
    pub fn token(mut self, token: impl Into<SecretString>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Serves `https://` with the certificate (and those between it and its root) and the key in these files, both PEM: TLS 1.2
    /// and 1.3. They are read by [`bind`](Self::bind). Default: `http://`.
    #[cfg(feature = "page-tls")]
    pub fn tls(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.tls = Some((certificate.into(), key.into()));
        self
    }

    /// Takes the address, so that one that cannot be had is known before anything else is begun.
    ///
    /// # Errors
    /// [`ServeError::BadAddress`], [`ServeError::BadToken`], [`ServeError::Listen`]; with TLS also `ServeError::Tls`.
    pub fn bind(self) -> Result<BoundServer, ServeError> {
        let listen = self.listen?;
        let token = self.token.map(Token::new).transpose().map_err(|remedy| ServeError::BadToken { remedy })?;
        let door = Door::Plain;
        #[cfg(feature = "page-tls")]
        let door = match self.tls {
            Some((certificate, key)) => Door::Tls(acceptor(&certificate, &key)?),
            None => door,
        };
        let listeners = listen.bind()?;
        let hosts = listen.hosts(&listeners);
        let TelemetryServerBuilder { connections, streams, judge, .. } = self;
        let rules = judge.as_ref().map(|judge| judge.rules()).unwrap_or_default();
        Ok(BoundServer { listeners, hosts, connections, streams, judge, rules, token, door, recorder: None })
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
    /// Sets who finds alerts, as [`TelemetryServerBuilder::judge`] does: one that needs the collector is made after the address
    /// is taken.
    pub fn judge(mut self, judge: Box<dyn Judge>) -> Self {
        self.rules = judge.rules();
        self.judge = Some(judge);
        self
    }

    /// Returns whether only this machine can ask.
    pub fn only_local(&self) -> bool {
        self.hosts.only_local()
    }

    /// Sets what records the trace that `/trace.pftrace` is: messages of kernels, and the host's spans. Default: none, and the
    /// trace is of the collector's operations, of the log, and of rates and queues.
    pub fn trace(mut self, recorder: TraceRecorder) -> Self {
        self.recorder = Some(recorder);
        self
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
        bound.start(feed, Some(collected), Replayed::default(), Past::Collector(collector.clone()))
    }

    /// Serves moments that somebody [pushes](Feed::push), as a replay does, from now on until the server is dropped. The history
    /// is that of the newest 600 of them.
    ///
    /// # Errors
    /// [`ServeError::System`].
    pub fn serve_feed(self, feed: &Feed) -> Result<TelemetryServer, ServeError> {
        let replayed = Replayed::default();
        // What a recording has of alerts is what was found then.
        let bound = BoundServer { rules: Vec::new(), ..self };
        bound.start(feed.clone(), None, replayed.clone(), Past::Replay(replayed))
    }

    fn start(
        self,
        feed: Feed,
        collector: Option<Collected>,
        replayed: Replayed,
        past: Past,
    ) -> Result<TelemetryServer, ServeError> {
        let BoundServer { listeners, hosts, connections, streams, judge: _, rules, token, door, recorder } = self;
        let entries = Arc::new(Entries::default());
        let tracing = Tracing { past: past.clone(), entries: Arc::clone(&entries), recorder };
        let scheme = door.scheme();
        let routes = Routes {
            collector,
            feed,
            hosts,
            history: Worker::start("history", move |(question, zip)| packed(past.history(question), *zip))?,
            trace: Worker::start("trace", move |(seconds, zip)| packed(tracing.write(*seconds), *zip))?,
            replayed,
            streams: Streams::new(streams),
            pages: Pages::default(),
            troubles: Mutex::default(),
            entries,
            live: Live::default(),
            recorded: Recorded::default(),
            rules,
            token,
        };
        let routes = Arc::new(routes);
        let server = Server::start(listeners, Arc::clone(&routes), connections, door)?;
        Ok(TelemetryServer { server, routes, scheme })
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
            judge: Some(Box::new(Engine::new(Rules::ready_made()))),
            token: None,
            #[cfg(feature = "page-tls")]
            tls: None,
        }
    }

    /// Returns where it serves; of port 0, the one that was free.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Returns the address of the page.
    pub fn url(&self) -> String {
        format!("{}://{}/", self.scheme, self.address())
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
