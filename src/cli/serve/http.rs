//! The HTTP server: one thread, few connections, and no patience with slow ones. What it answers is in `routes`.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{sleep, timeout};

use super::routes::{self, Routes};
use crate::cli::error::CliError;

/// Connections at one time; more wait until one ends.
const CONNECTIONS: usize = 64;
/// How long a request's head may take, from the opening of the connection or the last answer.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// After which a connection takes no more requests. One that is never closed would keep its place for ever.
const CONNECTION_TIME: Duration = Duration::from_secs(60);
/// How long an answer under way may then still take.
const LAST_ANSWER_TIME: Duration = Duration::from_secs(10);
/// Largest head of a request.
const HEAD_BYTES: usize = 16 << 10;

/// Takes the address.
///
/// # Errors
/// [`CliError::Listen`].
pub fn bind(address: SocketAddr) -> Result<TcpListener, CliError> {
    let taken = TcpListener::bind(address).and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
    taken.map_err(|source| CliError::Listen { address, source })
}

/// A server that runs. Dropping it ends it.
pub struct Server {
    address: SocketAddr,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves from now on.
    ///
    /// # Errors
    /// No thread, or no event queue.
    pub fn start(listener: TcpListener, routes: Arc<Routes>) -> Result<Server, CliError> {
        let address = listener.local_addr().map_err(CliError::NoServer)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
        let runtime = runtime.map_err(CliError::NoServer)?;
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener).map_err(CliError::NoServer)?
        };
        let (end, ended) = oneshot::channel();
        let body = move || {
            runtime.spawn(accept(listener, routes));
            // An error is the end as well: nobody is left to send it.
            let _ = runtime.block_on(ended);
            // A health check may be waiting for a device that does not answer.
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new().name("http".into()).spawn(body).map_err(CliError::NoServer)?;
        Ok(Server { address, end: Some(end), thread: Some(thread) })
    }

    /// Where it serves; of port 0, the one that was free.
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

async fn accept(listener: tokio::net::TcpListener, routes: Arc<Routes>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let routes = Arc::clone(&routes);
                tokio::spawn(async move {
                    serve_connection(stream, routes).await;
                    drop(place);
                });
            }
            // Too many open files, or a client that is gone already: the next one may be luckier.
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Answers a connection's requests until it is closed, or has had its time. Its errors are the client's.
async fn serve_connection(stream: TcpStream, routes: Arc<Routes>) {
    let service = service_fn(move |request| {
        let routes = Arc::clone(&routes);
        async move { Ok::<_, Infallible>(routes::answer(routes, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    if timeout(CONNECTION_TIME, connection.as_mut()).await.is_err() {
        connection.as_mut().graceful_shutdown();
        let _ = timeout(LAST_ANSWER_TIME, connection).await;
    }
}
