//! A receiver that misbehaves as it is told, on a free port of its own.

use std::collections::{BTreeSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

/// What happens to one request; all others are answered as they should.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// The connection breaks while the request is still coming.
    ResetsTheRequest,
    /// The connection breaks in the middle of the answer, after all was taken.
    ResetsTheAnswer,
    /// An answer with this status and these headers.
    Answers(u16, Vec<(&'static str, String)>),
    /// No answer, and no end either.
    Silent,
    /// Takes no byte of it.
    TakesNothing,
    /// Something else than HTTP.
    Malformed,
    /// An answer that goes on and on.
    Endless,
}

impl Fault {
    pub fn status(status: u16) -> Fault {
        Fault::Answers(status, Vec::new())
    }

    pub fn busy(retry_after: &str) -> Fault {
        Fault::Answers(429, vec![("retry-after", retry_after.to_owned())])
    }

    pub fn busy_until(time: SystemTime) -> Fault {
        Fault::busy(&httpdate(time))
    }
}

/// As RFC 9110 writes it.
fn httpdate(time: SystemTime) -> String {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Days from the civil calendar's era, as in Howard Hinnant's algorithm.
    let z = days as i64 + 719_468;
    let era = z / 146_097;
    let doe = z - era * 146_097;
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let year = yoe + era * 400 + i64::from(month <= 2);
    let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][(days % 7) as usize];
    let names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let name = names[month as usize - 1];
    format!("{weekday}, {day:02} {name} {year} {:02}:{:02}:{:02} GMT", rest / 3600, rest / 60 % 60, rest % 60)
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub head: String,
    pub body: Vec<u8>,
}

/// What to say to a good request: status, headers, body.
pub type Good = fn(&Request) -> (u16, &'static str, Vec<u8>);

#[derive(Default)]
struct Seen {
    script: VecDeque<Fault>,
    always: Option<Fault>,
    requests: u64,
    heads: Vec<String>,
    /// Bodies that were taken.
    taken: BTreeSet<Vec<u8>>,
    /// Those that were answered as they should, in their order.
    good: Vec<Request>,
}

/// Stops when it is dropped, and gives its port free.
pub struct Server {
    pub address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    _stop: oneshot::Sender<()>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    pub fn start(good: Good) -> Server {
        Server::on(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), good, None)
    }

    pub fn with_tls(good: Good, tls: TlsAcceptor) -> Server {
        Server::on(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), good, Some(tls))
    }

    pub fn on(address: SocketAddr, good: Good, tls: Option<TlsAcceptor>) -> Server {
        let seen = Arc::<Mutex<Seen>>::default();
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = std::sync::mpsc::channel();
        let shared = Arc::clone(&seen);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::bind(address).await.expect("the port");
                tell.send(listener.local_addr().expect("an address")).expect("somebody waits");
                let accept = async {
                    loop {
                        let (stream, _) = listener.accept().await.expect("a connection");
                        let (seen, tls) = (Arc::clone(&shared), tls.clone());
                        tokio::spawn(async move {
                            match tls {
                                None => serve(stream, &seen, good).await,
                                Some(tls) => match tls.accept(stream).await {
                                    Ok(stream) => serve(stream, &seen, good).await,
                                    // A client that does not trust it.
                                    Err(_) => seen.lock().expect("no panic inside").requests += 1,
                                },
                            }
                        });
                    }
                };
                tokio::select! {
                    () = accept => {}
                    _ = stopped => {}
                }
            });
        });
        let address = told.recv_timeout(Duration::from_secs(60)).expect("it starts");
        Server { address, seen, _stop: stop, thread: Some(thread) }
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().expect("no panic inside")
    }

    /// What happens to the next requests, one each.
    pub fn script(&self, faults: impl IntoIterator<Item = Fault>) {
        self.seen().script.extend(faults);
    }

    /// What happens to all requests after the script.
    pub fn always(&self, fault: Option<Fault>) {
        self.seen().always = fault;
    }

    pub fn heads(&self) -> Vec<String> {
        self.seen().heads.clone()
    }

    /// The request of that number that was answered as it should be.
    #[allow(dead_code, reason = "not every test asks")]
    pub fn good(&self, number: usize) -> Option<Request> {
        self.seen().good.get(number).cloned()
    }

    /// How many different bodies were taken.
    pub fn taken(&self) -> usize {
        self.seen().taken.len()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let (stop, _) = oneshot::channel();
        // Dropping the other end stops it.
        drop(std::mem::replace(&mut self._stop, stop));
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server does not panic");
        }
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, seen: &Mutex<Seen>, good: Good) {
    // Errors are the client's going away.
    while let Some(next) = one(&mut stream, seen, good).await {
        if !next {
            return;
        }
    }
}

/// Serves one request; whether the connection stays.
async fn one<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, seen: &Mutex<Seen>, good: Good) -> Option<bool> {
    // Nothing is taken off the script before there is a request.
    let mut first = [0; 1];
    stream.read_exact(&mut first).await.ok()?;
    let fault = {
        let mut seen = seen.lock().expect("no panic inside");
        seen.requests += 1;
        seen.script.pop_front().or_else(|| seen.always.clone())
    };
    match fault {
        // Closed with bytes that nobody read, a connection is reset.
        Some(Fault::ResetsTheRequest) => return None,
        Some(Fault::TakesNothing) => std::future::pending().await,
        _ => {}
    }
    let request = read(stream, first[0]).await?;
    seen.lock().expect("no panic inside").heads.push(request.head.clone());
    let (status, headers, body) = match fault {
        None => {
            let answer = good(&request);
            let mut seen = seen.lock().expect("no panic inside");
            seen.taken.insert(request.body.clone());
            seen.good.push(request);
            answer
        }
        Some(Fault::ResetsTheAnswer) => {
            seen.lock().expect("no panic inside").taken.insert(request.body);
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf of it").await.ok()?;
            stream.flush().await.ok()?;
            return None;
        }
        Some(Fault::Answers(status, headers)) => {
            let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let text = format!("HTTP/1.1 {status} Trouble\r\n{headers}content-length: 7\r\n\r\nno room");
            stream.write_all(text.as_bytes()).await.ok()?;
            return Some(true);
        }
        Some(Fault::Malformed) => {
            stream.write_all(b"+PONG\r\n\r\n\0\0\0\r\n\r\n").await.ok()?;
            return None;
        }
        Some(Fault::Endless) => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.ok()?;
            loop {
                stream.write_all(b"1000\r\n").await.ok()?;
                stream.write_all(&[b'x'; 0x1000]).await.ok()?;
                stream.write_all(b"\r\n").await.ok()?;
            }
        }
        Some(_) => std::future::pending().await,
    };
    let head = format!("HTTP/1.1 {status} OK\r\n{headers}content-length: {}\r\n\r\n", body.len());
    // 204 has no body, nor its length.
    let head = if status == 204 { format!("HTTP/1.1 204 No Content\r\n{headers}\r\n") } else { head };
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(&body).await.ok()?;
    stream.flush().await.ok()?;
    Some(true)
}

async fn read<S: AsyncRead + Unpin>(stream: &mut S, first: u8) -> Option<Request> {
    let mut bytes = vec![first];
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let mut body = bytes.split_off(end);
    while body.len() < length.unwrap_or(0) {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some(Request { head, body })
}
