//! Streams: slow readers lose frames and are told, nobody is slowed down, and there is a limit.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use ringscope::TelemetryCollector;
use ringscope::recording::Decoder;
use serde_json::json;

use crate::client::{Stream, get};
use crate::{serve, until};

#[test]
fn a_slow_page_loses_frames_and_is_told_how_many() {
    let collector = TelemetryCollector::new(true);
    // A frame that no buffer holds many of.
    (0..400).for_each(|n| collector.record_receive(&format!("actor_{n}_{}", "x".repeat(40))).unwrap());
    let (_server, address) = serve(&collector, |builder| builder);
    let mut slow = Stream::open(&address, "/live", "");
    let first = slow.event().unwrap();
    assert_eq!(first["lost"], 0);
    // It does not read; whoever does is told everything meanwhile, and the collector goes on.
    let mut quick = Stream::open(&address, "/live", "");
    let mut last = quick.event().unwrap()["sequence"].as_u64().unwrap();
    let begun = last;
    while last < begun + 40 {
        let event = quick.event().unwrap();
        last = event["sequence"].as_u64().unwrap();
    }
    let (mut expected, mut lost) = (first["sequence"].as_u64().unwrap(), 0);
    until("a frame that says how many are lost", || {
        let event = slow.event().unwrap();
        let (sequence, now) = (event["sequence"].as_u64().unwrap(), event["lost"].as_u64().unwrap());
        // What it is told is missing is missing; the feed itself may have been too slow for more.
        assert!(
            now >= lost && sequence >= expected + 1 + (now - lost),
            "{sequence} after {expected}, {lost} and {now} lost"
        );
        (expected, lost) = (sequence, now);
        (lost > 0).then_some(())
    });
}

#[test]
fn there_are_so_many_streams_at_most_and_a_place_comes_free() {
    let collector = TelemetryCollector::new(true);
    let (_server, address) = serve(&collector, |builder| builder.streams(3));
    let mut open: Vec<Stream> = ["/live", "/live.rscope", "/live"].map(|path| Stream::open(&address, path, "")).into();
    open.iter_mut().for_each(|stream| assert!(stream.chunk().is_some()));
    for path in ["/live", "/live.rscope"] {
        let answer = get(&address, path);
        assert!(answer.status == 503 && answer.text().contains("close one"), "{}", answer.text());
    }
    assert_eq!(get(&address, "/metrics").status, 200);
    open.pop();
    until("the place of the one that went", || {
        let mut stream = Stream::open(&address, "/live", "");
        stream.head.starts_with("http/1.1 200 ").then(|| stream.event().unwrap())
    });
}

/// As many as a server of this size takes; none of them reads.
#[test]
fn a_thousand_streams_that_nobody_reads_slow_nobody_down() {
    let collector = TelemetryCollector::new(true);
    (0..50).for_each(|n| collector.record_receive(&format!("actor_{n}")).unwrap());
    let (_server, address) = serve(&collector, |builder| builder.connections(2000).streams(1000));
    let deaf: Vec<TcpStream> = (0..1000)
        .map_while(|n| {
            let mut stream = TcpStream::connect(&address).ok()?;
            let path = if n % 10 == 0 { "/live.rscope" } else { "/live" };
            write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").ok()?;
            Some(stream)
        })
        .collect();
    println!("{} streams", deaf.len());
    assert!(deaf.len() > 200, "files for {} connections only", deaf.len());
    for _ in 0..5 {
        assert_eq!(get(&address, "/metrics").status, 200);
        let seen = collector.latest().unwrap().sequence;
        until("the next snapshot", || collector.latest().filter(|snapshot| snapshot.sequence > seen + 2));
    }
}

/// Moments out of a stream, until there are so many.
fn decode(stream: &mut Stream, count: usize) -> Vec<ringscope::feed::Moment> {
    let mut decoder = Decoder::new();
    let mut moments = Vec::new();
    while moments.len() < count {
        decoder.push(&stream.chunk().expect("more"));
        while let Some(moment) = decoder.next().unwrap() {
            moments.push(moment);
        }
    }
    moments
}

#[test]
fn the_recording_without_an_end_is_what_was_read_for_each_of_its_readers() {
    let collector = TelemetryCollector::new(true);
    collector.record_processed("a", Some(Duration::from_millis(1))).unwrap();
    let (server, address) = serve(&collector, |builder| builder);
    let mut first = Stream::open(&address, "/live.rscope", "");
    let mut told = server.feed().subscribe();
    let before = decode(&mut first, 3);
    // Others come later, and change nothing for the first.
    let mut second = Stream::open(&address, "/live.rscope", "");
    collector.record_processed("b", None).unwrap();
    let after = decode(&mut second, 20);
    let known: Vec<_> = std::iter::from_fn(|| told.try_next()).collect();
    let known = |sequence: u64| known.iter().find(|moment| moment.snapshot.sequence == sequence);
    let mut compared = 0;
    for moment in before.iter().chain(&after) {
        if let Some(known) = known(moment.snapshot.sequence) {
            let document = |snapshot: &ringscope::Snapshot| serde_json::to_value(snapshot).unwrap()["kernels"].clone();
            assert_eq!(document(&moment.snapshot), document(&known.snapshot));
            compared += 1;
        }
    }
    assert!(compared > 0);
    assert_eq!(after.last().unwrap().snapshot.kernel("b").unwrap().messages_processed, 1);
    let sequences: Vec<u64> = after.iter().map(|moment| moment.snapshot.sequence).collect();
    assert!(sequences.windows(2).all(|pair| pair[0] < pair[1]), "{sequences:?}");
}

#[test]
fn the_server_for_prometheus_has_the_recording_too() {
    let collector = TelemetryCollector::new(true);
    collector.record_processed("a", None).unwrap();
    let server = ringscope::publish::PrometheusPublisher::new(0).serve(&collector).unwrap();
    let address = server.address().to_string();
    assert!(!collector.is_collecting(), "until somebody asks");
    collector.start_collection(Duration::from_millis(20)).unwrap();
    for _ in 0..2 {
        let mut stream = Stream::open(&address, "/live.rscope", "");
        let moments = decode(&mut stream, 3);
        assert_eq!(moments[0].snapshot.kernel("a").unwrap().messages_processed, 1);
    }
    assert_eq!(get(&address, "/").status, 200);
    assert!(get(&address, "/").text().contains("/live.rscope"));
}

/// Whoever is gone is not written to: places and tasks come back also where nothing happens any more.
#[test]
fn a_stream_ends_with_its_client_and_with_the_server() {
    let collector = TelemetryCollector::new(true);
    let (server, address) = serve(&collector, |builder| builder.streams(1));
    collector.stop_collection();
    drop(Stream::open(&address, "/live", ""));
    let mut stream = until("the place", || {
        let stream = Stream::open(&address, "/live", "");
        stream.head.starts_with("http/1.1 200 ").then_some(stream)
    });
    assert_eq!(stream.block().as_deref(), Some("retry: 2000"));
    assert!(stream.head.contains("connection: close\r\n"), "{}", stream.head);
    drop(server);
    while stream.chunk().is_some() {}
    let mut rest = Vec::new();
    let _ = TcpStream::connect(&address).and_then(|mut stream| stream.read_to_end(&mut rest));
    assert_eq!(json!(rest), json!([]));
}
