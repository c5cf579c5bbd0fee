//! What answers are made of: pages that are written once for each snapshot, and the questions that every path asks.

use std::sync::{Arc, Mutex, PoisonError};

use hyper::body::Bytes;
use hyper::header::{ACCEPT, ALLOW, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{HeaderMap, Request, Response, StatusCode};

use super::body::Body;
use super::listen::Hosts;
use crate::snapshot::Snapshot;

/// An answer, with all of its body or a stream.
pub type Answer = Response<Body>;

const TEXT: &str = "text/plain; charset=utf-8";

/// The newest page of each kind: a snapshot is written once, however many ask for it.
#[derive(Debug)]
pub struct Pages<K> {
    written: Mutex<Vec<Written<K>>>,
}

#[derive(Debug)]
struct Written<K> {
    page: K,
    of: Arc<Snapshot>,
    bytes: Bytes,
}

impl<K> Default for Pages<K> {
    fn default() -> Self {
        Pages { written: Mutex::default() }
    }
}

impl<K: Copy + PartialEq> Pages<K> {
    /// Returns the snapshot as this page, which is written if it is not there.
    ///
    /// # Errors
    /// Those of `write`.
    pub fn page<E>(
        &self,
        page: K,
        snapshot: &Arc<Snapshot>,
        write: impl FnOnce(&Snapshot) -> Result<Bytes, E>,
    ) -> Result<Bytes, E> {
        let mut pages = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = pages.iter().find(|w| w.page == page && Arc::ptr_eq(&w.of, snapshot)) {
            return Ok(known.bytes.clone());
        }
        let bytes = write(snapshot)?;
        pages.retain(|w| w.page != page);
        pages.push(Written { page, of: Arc::clone(snapshot), bytes: bytes.clone() });
        Ok(bytes)
    }
}

/// Returns whether the request is for this server. A browser always says for whom it is; who says nothing is none.
pub fn is_asked<B>(hosts: &Hosts, request: &Request<B>) -> bool {
    let headers = request.headers().get_all(HOST).iter();
    let mut named = headers.map(|value| value.to_str().unwrap_or_default()).chain(request.uri().host());
    named.all(|host| hosts.allow(host))
}

/// Returns all `Accept` headers as one, as HTTP has it.
pub fn accepted(headers: &HeaderMap) -> String {
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    values.collect::<Vec<_>>().join(",")
}

/// Answers who wants to change something.
pub fn not_allowed() -> Answer {
    let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD: nothing here can be changed\n");
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    answer
}

/// Answers with a text.
pub fn plain(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    respond(status, TEXT, text.into())
}

/// Answers with a body of this type.
pub fn respond(status: StatusCode, content_type: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(Body::from(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn a_snapshot_is_written_once() {
        let collector = crate::TelemetryCollector::new(true);
        let pages = Pages::default();
        let write = |page: u8, snapshot: &Arc<Snapshot>| {
            let number = snapshot.sequence.to_string();
            pages.page(page, snapshot, |_| Ok::<Bytes, Infallible>(number.into())).unwrap()
        };
        let (first, second) = (collector.snapshot().unwrap(), collector.snapshot().unwrap());
        let bytes = write(1, &first);
        assert_eq!(bytes.as_ptr(), write(1, &first).as_ptr());
        assert_eq!((write(2, &first), write(1, &second)), ("1".into(), "2".into()));
        assert_eq!(pages.written.lock().unwrap().len(), 2, "one of each kind is kept");
        let failed = pages.page(3, &second, |_| Err::<Bytes, _>("no"));
        assert_eq!(failed, Err("no"));
    }
}
