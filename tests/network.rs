//! Streams that count what goes through them: byte for byte what both ends of a real connection saw, and every way in which
//! a connection ends.

use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

use proptest::prelude::*;
use ringscope::TelemetryCollector;
use ringscope::collector::{Metered, NetworkRecord, OperationsConfig};
use ringscope::snapshot::OperationStatus;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

const SOON: Duration = Duration::from_secs(60);

fn monitored() -> TelemetryCollector {
    let telemetry = TelemetryCollector::new(true);
    telemetry.monitor_operations().unwrap();
    telemetry
}

/// A peer on a thread of its own, which does that with one connection.
fn peer<T: Send + 'static>(does: impl FnOnce(StdStream) -> T + Send + 'static) -> (SocketAddr, JoinHandle<T>) {
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.set_write_timeout(Some(SOON)).unwrap();
        does(stream)
    });
    (address, thread)
}

async fn connect(telemetry: &TelemetryCollector, address: SocketAddr) -> std::io::Result<Metered<TcpStream>> {
    let operation = telemetry.network_operation("tcp", "127.0.0.1", address.port()).unwrap();
    Metered::connect(operation, TcpStream::connect(address)).await
}

fn only(telemetry: &TelemetryCollector) -> NetworkRecord {
    let mut all = telemetry.network_operations();
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, what).await.expect("within a minute")
}

/// Bytes that tell where they are.
fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|i| (i * 31 + (i >> 8)) as u8).collect()
}

#[tokio::test]
async fn both_ends_count_the_same_bytes() {
    // Echoes all of it, then says more once the other has closed its half.
    let (address, echo) = peer(|mut stream| {
        let (mut received, mut sent, mut buffer) = (0, 0, [0; 7000]);
        loop {
            let bytes = stream.read(&mut buffer).unwrap();
            if bytes == 0 {
                break;
            }
            received += bytes;
            stream.write_all(&buffer[..bytes]).unwrap();
            sent += bytes;
        }
        stream.write_all(b"and goodbye").unwrap();
        (received, sent + 11)
    });
    let telemetry = monitored();
    let stream = soon(connect(&telemetry, address)).await.unwrap();
    assert_eq!(telemetry.snapshot().unwrap().operations.as_ref().unwrap().network_totals().running, 1);
    let message = pattern(5_000_000);
    let (mut reading, mut writing) = tokio::io::split(stream);
    let written = message.clone();
    let writer = tokio::spawn(async move {
        writing.write_all(&written).await.unwrap();
        writing.flush().await.unwrap();
        // Half-closed: the peer's answers still come.
        writing.shutdown().await.unwrap();
        writing
    });
    let mut answer = Vec::new();
    soon(reading.read_to_end(&mut answer)).await.unwrap();
    let writing = soon(writer).await.unwrap();
    let (received, sent) = echo.join().unwrap();
    assert_eq!((received, sent), (message.len(), answer.len()));
    assert!(answer.starts_with(&message) && answer.ends_with(b"and goodbye"));

    // Counted as it went, and not only at the end.
    let stream = reading.unsplit(writing);
    assert_eq!(stream.operation().bytes_sent(), received as u64);
    let live = telemetry.snapshot().unwrap();
    let live = &live.operations.as_ref().unwrap().network[0];
    assert_eq!((live.bytes_sent, live.bytes_received, live.counts.running), (received as u64, sent as u64, 1));
    drop(stream);
    let record = only(&telemetry);
    assert_eq!((record.bytes_sent, record.bytes_received), (received as u64, sent as u64));
    assert_eq!((record.status, &record.error, &*record.host), (OperationStatus::Succeeded, &None, "127.0.0.1"));
    assert_eq!((record.pid, record.port), (std::process::id(), address.port()));
    assert!(record.latency <= record.duration);
    let throughput = telemetry.throughput_by_peer();
    let [peer] = &throughput[..] else { panic!("{throughput:?}") };
    assert_eq!((peer.bytes_sent, peer.bytes_received, peer.port), (received as u64, sent as u64, address.port()));
    let rate = received as f64 / peer.over.as_secs_f64();
    assert!((peer.sent_per_second - rate).abs() <= rate * 1e-9, "{peer:?}");
}

#[tokio::test]
async fn large_vectored_writes_are_counted_as_far_as_they_went() {
    let (address, reader) = peer(|mut stream| {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        all
    });
    let telemetry = monitored();
    let mut stream = soon(connect(&telemetry, address)).await.unwrap();
    assert!(stream.is_write_vectored());
    let parts: Vec<Vec<u8>> = [0, 1, 700_000, 3, 2_500_000, 0, 65_536].into_iter().map(pattern).collect();
    let whole = parts.concat();
    let mut written = 0;
    while written < whole.len() {
        let mut slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
        let mut rest = &mut slices[..];
        IoSlice::advance_slices(&mut rest, written);
        let bytes = soon(stream.write_vectored(rest)).await.unwrap();
        written += bytes;
        assert_eq!(stream.operation().bytes_sent(), written as u64);
    }
    soon(stream.shutdown()).await.unwrap();
    assert_eq!(tokio::task::spawn_blocking(move || reader.join().unwrap()).await.unwrap(), whole);
    drop(stream);
    assert_eq!((only(&telemetry).bytes_sent, only(&telemetry).bytes_received), (whole.len() as u64, 0));
}

#[tokio::test]
async fn a_refused_connection_has_failed() {
    // A port that nobody else can get, and where nobody listens.
    let bound = tokio::net::TcpSocket::new_v4().unwrap();
    bound.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = bound.local_addr().unwrap();
    let telemetry = monitored();
    let error = soon(connect(&telemetry, address)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    let failed = telemetry.failed_network_ops();
    let [failed] = &failed[..] else { panic!("{failed:?}") };
    assert_eq!((failed.error.as_deref(), failed.bytes_sent), (Some(&*error.to_string()), 0));
    assert_eq!(failed.latency, failed.duration, "nobody answered");
    let snapshot = telemetry.snapshot().unwrap();
    let counts = snapshot.operations.as_ref().unwrap().network[0].counts;
    assert_eq!((counts.started, counts.failed, counts.running), (1, 1, 0));
}

#[tokio::test]
async fn a_reset_by_the_peer_is_an_error_and_bytes_until_then_count() {
    let (written, all_written) = std::sync::mpsc::channel();
    let (address, resetter) = peer(move |mut stream| {
        stream.write_all(b"hello").unwrap();
        stream.read_exact(&mut [0; 49_000]).unwrap();
        all_written.recv_timeout(SOON).unwrap();
        // Closing with bytes unread resets the connection.
        assert_eq!(stream.peek(&mut [0]).unwrap(), 1);
    });
    let telemetry = monitored();
    let mut stream = soon(connect(&telemetry, address)).await.unwrap();
    let mut hello = [0; 5];
    soon(stream.read_exact(&mut hello)).await.unwrap();
    let message = pattern(50_000);
    soon(stream.write_all(&message)).await.unwrap();
    written.send(()).unwrap();
    resetter.join().unwrap();
    let error = soon(async {
        loop {
            let mut rest = [0; 16];
            match stream.read(&mut rest).await {
                Ok(bytes) => assert_eq!(bytes, 0, "nothing more was sent"),
                Err(error) => break error,
            }
        }
    })
    .await;
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    // A later error does not take the first one's place.
    let _ = soon(stream.write_all(b"x")).await;
    drop(stream);
    let failed = telemetry.failed_network_ops();
    let [failed] = &failed[..] else { panic!("{failed:?}") };
    assert_eq!(failed.error.as_deref(), Some(&*error.to_string()));
    assert_eq!((failed.bytes_received, failed.bytes_sent >= 50_000), (5, true));
}

#[tokio::test]
async fn the_end_of_a_stream_is_no_error() {
    let (address, closer) = peer(|stream| stream.shutdown(Shutdown::Both).unwrap());
    let telemetry = monitored();
    let mut stream = soon(connect(&telemetry, address)).await.unwrap();
    let mut rest = Vec::new();
    assert_eq!(soon(stream.read_to_end(&mut rest)).await.unwrap(), 0);
    closer.join().unwrap();
    let inner: TcpStream = stream.into_inner();
    let record = only(&telemetry);
    assert_eq!((record.status, record.bytes_received), (OperationStatus::Succeeded, 0));
    drop(inner);
    assert_eq!(telemetry.network_operations().len(), 1);
}

#[tokio::test]
async fn a_connection_that_nobody_waits_for_any_more_is_abandoned() {
    let telemetry = monitored();
    let operation = telemetry.network_operation("tcp", "nowhere", 1).unwrap();
    let never = std::future::pending::<std::io::Result<TcpStream>>();
    let connecting = Metered::connect(operation, never);
    assert!(tokio::time::timeout(Duration::from_millis(1), connecting).await.is_err());
    assert_eq!(only(&telemetry).status, OperationStatus::Abandoned);
    assert!(telemetry.failed_network_ops().is_empty());
}

#[tokio::test]
async fn nothing_is_counted_where_nothing_is_monitored() {
    let (address, reader) = peer(|mut stream| {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        all.len()
    });
    let telemetry = TelemetryCollector::new(false);
    let mut stream = soon(connect(&telemetry, address)).await.unwrap();
    soon(stream.write_all(b"through all the same")).await.unwrap();
    drop(stream);
    assert_eq!(reader.join().unwrap(), 20);
    assert!(telemetry.network_operations().is_empty());
}

#[test]
fn slow_is_who_lets_one_wait_for_an_answer() {
    let config = OperationsConfig { slow_limit: Duration::ZERO, ..OperationsConfig::default() };
    let telemetry = TelemetryCollector::new(true);
    telemetry.monitor_operations_with(&config).unwrap();
    let wait = |threshold: Duration| std::thread::sleep(threshold + Duration::from_millis(1));
    let threshold = Duration::from_millis(5);
    let mut late = telemetry.network_operation("http", "late", 80).unwrap();
    let never = telemetry.network_operation("http", "never", 80).unwrap();
    wait(threshold);
    late.received(1);
    late.succeed();
    never.fail("timed out");
    let found = telemetry.slow_network_ops(threshold);
    let hosts: Vec<&str> = found.iter().map(|record| &*record.host).collect();
    assert_eq!(hosts, ["late", "never"]);
    let snapshot = telemetry.snapshot().unwrap();
    let latency = &snapshot.operations.as_ref().unwrap().network[0].latency;
    assert!(latency.min() > Some(threshold.as_nanos() as u64));
    assert!(telemetry.slow_network_ops(Duration::MAX).is_empty());
}

// ---- whatever a stream does -----------------------------------------------------------------------------

/// What the stream beneath does when it is next called.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Bytes(usize),
    Pending,
    Error(ErrorKind),
}

fn answer() -> impl Strategy<Value = Answer> {
    let kinds = [ErrorKind::Interrupted, ErrorKind::WouldBlock, ErrorKind::BrokenPipe, ErrorKind::ConnectionReset];
    prop_oneof![
        4 => (0..40usize).prop_map(Answer::Bytes),
        1 => Just(Answer::Pending),
        1 => prop::sample::select(kinds.to_vec()).prop_map(Answer::Error),
    ]
}

/// Answers each call as it was told to, and counts for itself.
struct Scripted {
    answers: std::vec::IntoIter<Answer>,
    moved: [u64; 2],
    first_error: Option<String>,
}

impl Scripted {
    fn next(&mut self, way: usize, room: usize) -> Poll<std::io::Result<usize>> {
        match self.answers.next() {
            Some(Answer::Bytes(bytes)) => {
                let bytes = bytes.min(room);
                self.moved[way] += bytes as u64;
                Poll::Ready(Ok(bytes))
            }
            Some(Answer::Error(kind)) => {
                if !matches!(kind, ErrorKind::Interrupted | ErrorKind::WouldBlock) {
                    self.first_error.get_or_insert(std::io::Error::from(kind).to_string());
                }
                Poll::Ready(Err(kind.into()))
            }
            Some(Answer::Pending) | None => Poll::Pending,
        }
    }
}

impl AsyncRead for Scripted {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let room = buffer.remaining();
        self.next(0, room).map_ok(|bytes| buffer.put_slice(&vec![7; bytes]))
    }
}

impl AsyncWrite for Scripted {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.next(1, bytes.len())
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        self.next(1, slices.iter().map(|slice| slice.len()).sum())
    }
    fn is_write_vectored(&self) -> bool {
        true
    }
    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.next(1, 0).map_ok(drop)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.next(1, 0).map_ok(drop)
    }
}

proptest! {
    #[test]
    fn every_answer_comes_through_and_is_counted_once(script in prop::collection::vec((0..5u8, answer()), 0..60)) {
        let telemetry = monitored();
        let answers: Vec<Answer> = script.iter().map(|(_, answer)| *answer).collect();
        let scripted = Scripted { answers: answers.into_iter(), moved: [0; 2], first_error: None };
        let mut stream = Metered::new(scripted, telemetry.network_operation("test", "h", 1).unwrap());
        let mut context = Context::from_waker(std::task::Waker::noop());
        for (call, answer) in &script {
            let mut pinned = Pin::new(&mut stream);
            let mut memory = [0; 32];
            // Some of the buffer may be full already.
            let mut buffer = ReadBuf::new(&mut memory);
            buffer.put_slice(b"full");
            let result = match call {
                0 => pinned.poll_read(&mut context, &mut buffer).map_ok(|()| buffer.filled().len() - 4),
                1 => pinned.poll_write(&mut context, &[1; 32]),
                2 => pinned.poll_write_vectored(&mut context, &[IoSlice::new(&[1; 9]), IoSlice::new(&[2; 20])]),
                3 => pinned.as_mut().poll_flush(&mut context).map_ok(|()| 0),
                _ => pinned.as_mut().poll_shutdown(&mut context).map_ok(|()| 0),
            };
            match (answer, result) {
                (Answer::Pending, Poll::Pending) => {}
                (Answer::Error(kind), Poll::Ready(Err(error))) => prop_assert_eq!(error.kind(), *kind),
                (Answer::Bytes(told), Poll::Ready(Ok(bytes))) => prop_assert!(bytes <= *told),
                (answer, result) => prop_assert!(false, "{:?} became {:?}", answer, result),
            }
        }
        let Scripted { moved: [received, sent], first_error, .. } = stream.into_inner();
        let record = only(&telemetry);
        prop_assert_eq!((record.bytes_received, record.bytes_sent), (received, sent));
        prop_assert_eq!(record.error.as_deref(), first_error.as_deref());
        let status = if first_error.is_some() { OperationStatus::Failed } else { OperationStatus::Succeeded };
        prop_assert_eq!(record.status, status);
    }
}
