//! The hosts of a cluster: each request goes to the next, and not to one that just failed while there are others.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::header::HeaderName;
use url::Url;

use crate::publish::error::PublishError;
use crate::publish::http::{Http, Reply};

/// How long a host that failed is the last that is asked.
const REST: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Hosts {
    all: Vec<Host>,
    next: AtomicUsize,
}

#[derive(Debug)]
struct Host {
    url: Url,
    failed: Mutex<Option<Instant>>,
}

/// A request, but for the host.
pub(super) struct Request<'a> {
    pub(super) method: Method,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    pub(super) headers: &'a [(HeaderName, &'a str)],
    pub(super) body: &'a [u8],
}

impl Host {
    fn is_resting(&self) -> bool {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|at| at.elapsed() < REST)
    }

    fn note(&self, failed: bool) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = failed.then(Instant::now);
    }

    fn address(&self, request: &Request<'_>) -> Url {
        let mut url = self.url.clone();
        url.set_path(&format!("{}{}", self.url.path().trim_end_matches('/'), request.path));
        url.set_query(Some(request.query).filter(|query| !query.is_empty()));
        url
    }
}

impl Hosts {
    pub(super) fn new(urls: Vec<Url>) -> Hosts {
        let all = urls.into_iter().map(|url| Host { url, failed: Mutex::new(None) }).collect();
        Hosts { all, next: AtomicUsize::new(0) }
    }

    /// Sends a request to one host after the other until one answers; an answer of 500 and more is none. One that does not
    /// answer in time ends it: the time of the attempt is over.
    ///
    /// Returns the answer, and who gave it.
    pub(super) async fn send(&self, http: &Http, request: Request<'_>) -> Result<(Reply, Url), PublishError> {
        let mut last = None;
        for host in self.in_order() {
            let url = host.address(&request);
            let sent = http.request(request.method.clone(), &url, request.headers, request.body.to_vec()).await;
            let failed = match sent {
                Ok(reply) if reply.status < 500 => {
                    host.note(false);
                    return Ok((reply, url));
                }
                Ok(reply) => reply.error(&url),
                Err(error) => error,
            };
            host.note(true);
            if matches!(failed, PublishError::TimedOut { .. }) {
                return Err(failed);
            }
            last = Some(failed);
        }
        let none = || PublishError::Unreachable { peer: "no host".to_owned(), reason: "there is none".to_owned() };
        Err(last.unwrap_or_else(none))
    }

    /// All that work in turn, so that each is the first equally often; those that rest come last.
    fn in_order(&self) -> Vec<&Host> {
        let (mut order, resting): (Vec<&Host>, Vec<&Host>) = self.all.iter().partition(|host| !host.is_resting());
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let first = turn % order.len().max(1);
        order.rotate_left(first);
        order.extend(resting);
        order
    }
}
