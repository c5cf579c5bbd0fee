//! The HTTP server: one thread, many connections, and no patience with slow ones. What it answers is its handler's.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::io::Errno;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{sleep, timeout};

use super::connections::{Connections, Place};
use super::door::Door;
use super::impatient::Impatient;
use super::pages::Answer;

/// How long a request's head may take, from the opening of the connection or the last answer.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// After which a connection takes no more requests. A stream may go on: it is the last answer of its connection.
const CONNECTION_TIME: Duration = Duration::from_secs(60);
/// How long an answer under way may then still take.
const LAST_ANSWER_TIME: Duration = Duration::from_secs(10);
/// Largest head of a request.
const HEAD_BYTES: usize = 16 << 10;
/// Bytes of answers that the system holds for a client that does not read. Without a bound it takes megabytes for each.
const UNREAD_BYTES: usize = 64 << 10;
/// A client that asks again so soon after its last answer is answered after all that do not.
const SOON: Duration = Duration::from_millis(100);

/// Answers requests; of HEAD, the server leaves the body out.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request. It must not block: all connections have one thread.
    fn answer(&self, request: Request<Incoming>) -> impl Future<Output = Answer> + Send;

    /// Does what has to be done beside the answers, on the same thread, until the server ends. It must not block.
    fn attend(self: Arc<Self>) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// A server that runs. Dropping it ends it.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves from now on, on all of `listeners`, of which there is at least one; at most so many connections at one time. Who
    /// comes after that takes the place of who has been idle the longest.
    ///
    /// # Errors
    /// The system's: no thread, no event queue.
    pub fn start<H: Handler>(
        listeners: Vec<TcpListener>,
        handler: Arc<H>,
        connections: usize,
        door: Door,
    ) -> io::Result<Server> {
        let address =
            listeners.first().ok_or(io::ErrorKind::AddrNotAvailable).map_err(io::Error::from)?.local_addr()?;
        // Nothing here waits: no other thread is ever made.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let listeners = {
            let _inside = runtime.enter();
            listeners.into_iter().map(registered).collect::<io::Result<Vec<_>>>()?
        };
        let connections = Arc::new(Connections::new(connections.max(1)));
        let turns = Arc::new(Semaphore::new(1));
        let (end, ended) = oneshot::channel();
        let body = move || {
            runtime.spawn(Arc::clone(&handler).attend());
            for listener in listeners {
                let served = Served { handler: Arc::clone(&handler), turns: Arc::clone(&turns), door: door.clone() };
                runtime.spawn(accept(listener, Arc::clone(&connections), served));
            }
            // An error is the end as well: nobody is left to send it.
            let _ = runtime.block_on(ended);
        };
        let thread = std::thread::Builder::new().name("http".into()).spawn(body)?;
        Ok(Server { address, end: Some(end), thread: Some(thread) })
    }

    /// Returns where it serves; of port 0, the one that was free.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // If the thread is gone, it need not be told; if it panicked, it has said so.
        let _ = self.end.take().map(|end| end.send(()));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn registered(listener: TcpListener) -> io::Result<tokio::net::TcpListener> {
    // A hundred clients may come at one time, and the system's own bound is the right one.
    rustix::net::listen(&listener, i32::MAX)?;
    // Each connection has it from its listener.
    rustix::net::sockopt::set_socket_send_buffer_size(&listener, UNREAD_BYTES)?;
    listener.set_nonblocking(true)?;
    tokio::net::TcpListener::from_std(listener)
}

/// What all connections share.
struct Served<H> {
    handler: Arc<H>,
    /// One, for which those wait in line who ask again and again.
    turns: Arc<Semaphore>,
    door: Door,
}

impl<H> Clone for Served<H> {
    fn clone(&self) -> Self {
        Served { handler: Arc::clone(&self.handler), turns: Arc::clone(&self.turns), door: self.door.clone() }
    }
}

impl<H> Served<H> {
    /// Waits until all who have waited for longer, and all who ask now and then, have their answers.
    async fn turn(&self) {
        // It is never closed.
        let turn = self.turns.acquire().await;
        // Whoever has come meanwhile is first.
        tokio::task::yield_now().await;
        drop(turn);
    }
}

async fn accept<H: Handler>(listener: tokio::net::TcpListener, connections: Arc<Connections>, served: Served<H>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let (place, evicted) = connections.enter();
                tokio::spawn(unless_evicted(evicted, serve_connection(stream, Arc::new(place), served.clone())));
                // Who has to give way closes its file before the next one is opened.
                tokio::task::yield_now().await;
            }
            Err(error) if is_out_of_files(&error) => {
                connections.evict();
                sleep(Duration::from_millis(10)).await;
            }
            // A client that is gone already, say.
            Err(_) => sleep(Duration::from_millis(1)).await,
        }
    }
}

/// Whether it failed only because too many other files are open.
fn is_out_of_files(error: &io::Error) -> bool {
    matches!(error.raw_os_error().map(Errno::from_raw_os_error), Some(Errno::MFILE | Errno::NFILE))
}

/// Does `work` until it is done, or its place is taken.
async fn unless_evicted(evicted: oneshot::Receiver<()>, work: impl Future<Output = ()>) {
    let (mut evicted, mut work) = (pin!(evicted), pin!(work));
    poll_fn(|cx| match evicted.as_mut().poll(cx) {
        Poll::Ready(_) => Poll::Ready(()),
        Poll::Pending => work.as_mut().poll(cx),
    })
    .await;
}

/// Answers a connection's requests until it is closed, or has had its time. Its errors are the client's.
async fn serve_connection<H: Handler>(stream: TcpStream, place: Arc<Place>, served: Served<H>) {
    let here = Arc::clone(&place);
    // As long as for a head: it is one more thing that a client says first.
    let Ok(Ok(stream)) = timeout(HEAD_TIME, served.door.open(stream)).await else { return };
    let stream = Impatient::new(stream, Arc::clone(&place));
    let service = service_fn(move |request| {
        let (place, served) = (Arc::clone(&place), served.clone());
        async move {
            if place.answered_within(SOON) {
                served.turn().await;
            }
            place.busy();
            let mut answer = served.handler.answer(request).await;
            place.answered();
            if answer.body().is_stream() {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                place.stream();
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    if timeout(CONNECTION_TIME, connection.as_mut()).await.is_err() {
        if here.is_stream() {
            let _ = connection.await;
            return;
        }
        connection.as_mut().graceful_shutdown();
        let _ = timeout(LAST_ANSWER_TIME, connection).await;
    }
}
