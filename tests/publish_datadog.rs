//! DogStatsD against two receivers that others wrote: Etsy's statsd, which adds up and knows rates, and Datadog's own parser.
#![cfg(all(feature = "datadog", feature = "host"))]

mod live;
mod receivers;

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use ringscope::publish::{Destination, DogStatsd, DogStatsdHistogram, Outbox, Payload, PublishError};

use live::{Live, Sampled, is_close, samples};
use receivers::{Datadog, Statsd, wait_for};

/// As statsd calls a series: tags are part of the name, and some characters go.
fn statsd_key(sample: &Sampled) -> String {
    let tag = |(name, value): &(String, String)| format!(";{name}={}", value.replace(['|', ','], "_"));
    let tags: String = sample.labels.iter().map(tag).collect();
    let key = format!("{}{tags};service=live", sample.name).replace('/', "-");
    let key = key.split_whitespace().collect::<Vec<_>>().join("_");
    key.chars().filter(|c| c.is_ascii_alphanumeric() || "_-.;=".contains(*c)).collect()
}

/// Every counter of the page is what statsd added up, every gauge what it has, every histogram has its count.
fn assert_is_there(statsd: &Statsd, live: &Live) {
    let mut compared = [0; 3];
    for sample in samples(live.last()) {
        let key = statsd_key(&sample);
        match sample.kind.as_str() {
            "counter" => {
                assert!(
                    is_close(statsd.counter(&key), sample.value),
                    "{key}: {} {}",
                    statsd.counter(&key),
                    sample.value
                );
                compared[0] += usize::from(sample.value > 0.0);
            }
            "gauge" => {
                assert!(
                    statsd.gauge(&key).is_some_and(|value| is_close(value, sample.value)),
                    "{key}: {}",
                    sample.value
                );
                compared[1] += 1;
            }
            "histogram" if sample.name.ends_with("_count") => {
                let (_, count) = statsd.timer(&key.replacen("_count", "", 1));
                assert!(is_close(count, sample.value), "{key}: {count} {}", sample.value);
                compared[2] += usize::from(sample.value > 0.0);
            }
            _ => {}
        }
    }
    assert!(compared.iter().zip([10, 15, 5]).all(|(n, least)| *n >= least), "{compared:?}");
}

#[tokio::test]
async fn statsd_has_the_counts_of_the_device_after_several_publications() {
    let Some(statsd) = Statsd::start() else { return };
    let agent = DogStatsd::udp(&statsd.address()).unwrap().histograms(DogStatsdHistogram::Timing).events(false);
    let agent = agent.build().unwrap();
    let mut live = Live::start();
    let mut lines = 0;
    for messages in [200, 1, 333] {
        live.work(messages);
        lines += live.publish(&agent).await.unwrap().items;
    }
    wait_for("all lines", || (statsd.received() >= lines as f64).then_some(()));
    assert_eq!((statsd.received(), statsd.bad_lines()), (lines as f64, 0.0));
    assert_is_there(&statsd, &live);
    let kernel = live.last().kernel("w").unwrap();
    let (values, count) = statsd.timer("ringscope_kernel_message_duration_seconds;kernel=w;device=0;service=live");
    assert_eq!((count.round() as u64, kernel.messages_processed), (534, 534));
    let (min, max) = (kernel.histogram.min().unwrap() as f64 / 1e9, kernel.histogram.max().unwrap() as f64 / 1e9);
    assert!(values.iter().all(|value| (min..=max).contains(value)), "{min} to {max}: {values:?}");
    let sent = statsd.counter(
        "datadog.dogstatsd.client.packets_sent;client=ringscope;client_version=0.1.0;client_transport=udp;service=live",
    );
    assert!(sent > 4.0, "of the publications before the last: {sent}");
}

#[tokio::test]
async fn what_a_killed_receiver_missed_is_in_what_it_gets_next() {
    let Some(mut statsd) = Statsd::start() else { return };
    let agent = DogStatsd::udp(&statsd.address()).unwrap().histograms(DogStatsdHistogram::Timing).events(false);
    let agent = agent.build().unwrap();
    let mut live = Live::start();
    live.work(20);
    let mut lines = live.publish(&agent).await.unwrap().items as f64;
    wait_for("all lines", || (statsd.received() >= lines).then_some(()));
    statsd.process.kill();
    let packet = Payload::new(0, 1, SystemTime::now(), b"n:1|c".to_vec());
    agent.send(&packet).await.expect_err("a single packet is refused as well");
    live.work(30);
    let error = live.publish(&agent).await.expect_err("nobody listens");
    assert!(matches!(error, PublishError::Unreachable { .. }) && !error.is_permanent(), "{error}");
    live.work(40);
    assert!(live.publish(&agent).await.is_err(), "a new socket is refused as well");
    statsd.process.restart();
    lines += live.publish(&agent).await.unwrap().items as f64;
    wait_for("all lines", || (statsd.received() >= lines).then_some(()));
    assert_is_there(&statsd, &live);
    assert_eq!(live.last().kernel("w").unwrap().messages_processed, 90);
}

#[test]
fn an_outbox_keeps_what_a_killed_statsd_missed() {
    let Some(mut statsd) = Statsd::start() else { return };
    let agent = DogStatsd::udp(&statsd.address()).unwrap().histograms(DogStatsdHistogram::Timing).events(false);
    let outbox = Outbox::destination(agent.build().unwrap(), live::impatient()).unwrap();
    let mut live = Live::start();
    live.work(20);
    live.offer(&outbox);
    assert!(outbox.flush(receivers::PATIENCE));
    let all_is_there = |statsd: &Statsd, outbox: &Outbox| {
        let lines = outbox.status().published_items as f64;
        wait_for("all lines", || (statsd.received() >= lines).then_some(()));
    };
    all_is_there(&statsd, &outbox);
    statsd.process.kill();
    for messages in [30, 41] {
        live.work(messages);
        let failures = outbox.status().failures;
        live.offer(&outbox);
        wait_for("a failure", || (outbox.status().failures > failures).then_some(()));
    }
    statsd.process.restart();
    live.work(7);
    live.offer(&outbox);
    assert!(outbox.flush(receivers::PATIENCE));
    let status = outbox.status();
    assert_eq!((status.published_items, status.dropped_items.iter().sum()), (status.encoded_items, 0), "{status:?}");
    all_is_there(&statsd, &outbox);
    assert_eq!(statsd.received(), status.published_items as f64);
    assert_is_there(&statsd, &live);
    assert_eq!(live.last().kernel("w").unwrap().messages_processed, 98);
}

#[tokio::test]
async fn datadogs_parser_understands_every_line() {
    let Some(datadog) = Datadog::start() else { return };
    let agent = DogStatsd::udp(&datadog.address()).unwrap().tag("env", "tést").entity_id("uid-1").build().unwrap();
    let mut live = Live::start();
    let mut lines = 0;
    for messages in [200, 333] {
        live.work(messages);
        lines += live.publish(&agent).await.unwrap().items;
    }
    let events = 2;
    wait_for("all metrics", || (datadog.parsed() >= lines - events).then_some(()));
    assert_eq!((datadog.parsed(), datadog.errors()), (lines - events, Vec::new()));
    let distribution = "ringscope_kernel_message_duration_seconds";
    // A flush may come between the publications.
    wait_for("its flushes", || {
        let of_kernel = datadog.series().into_iter().filter(|of| of.metric == "ringscope_kernel_messages_processed");
        let counted = of_kernel.map(|of| of.value).sum::<f64>() >= 533.0;
        (counted && datadog.sketches().iter().any(|sketch| sketch.metric == distribution)).then_some(())
    });
    let common = ["dd.internal.entity_id:uid-1", "env:tést", "service:live"];
    let is_common = |tags: &[String]| common.iter().all(|tag| tags.iter().any(|known| known == tag));
    let mut counts = BTreeMap::new();
    for series in datadog.series() {
        assert!(is_common(&series.tags), "{series:?}");
        if series.kind == "Count" {
            *counts.entry(series.metric).or_insert(0.0) += series.value;
        }
    }
    let kernel = live.last().kernel("w").unwrap();
    assert_eq!(counts["ringscope_kernel_messages_processed"], 533.0);
    assert_eq!(counts["ringscope_kernel_received_bytes"], kernel.bytes_in as f64);
    assert_eq!(counts["uploads"], (200 / 3 + 333 / 3) as f64);
    // It leaves rates out of account: what it has is one value for each bucket of each publication.
    for sketch in datadog.sketches().iter().filter(|sketch| sketch.metric == distribution) {
        assert!(is_common(&sketch.tags) && sketch.tags.iter().any(|tag| tag == "kernel:w"), "{sketch:?}");
        let (min, max) = (kernel.histogram.min().unwrap() as f64 / 1e9, kernel.histogram.max().unwrap() as f64 / 1e9);
        assert!(sketch.min >= min && sketch.max <= max, "{min} to {max}: {sketch:?}");
    }
}

/// A socket of a test's own, and the lines that come.
struct Socket {
    path: PathBuf,
    socket: UnixDatagram,
}

impl Socket {
    fn bind(name: &str) -> Socket {
        let name = format!("ringscope-{name}-{}.socket", std::process::id());
        Socket::bind_at(std::env::temp_dir().join(name))
    }

    fn bind_at(path: PathBuf) -> Socket {
        let _ = std::fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        Socket { path, socket }
    }

    fn packets(&self) -> Vec<String> {
        let mut packet = vec![0; 1 << 16];
        let mut all = Vec::new();
        while let Ok(bytes) = self.socket.recv(&mut packet) {
            all.push(String::from_utf8(packet[..bytes].to_vec()).unwrap());
        }
        all
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn processed(packets: &[String]) -> u64 {
    let lines = packets.iter().flat_map(|packet| packet.lines());
    let counts = lines.filter_map(|line| line.strip_prefix("ringscope_kernel_messages_processed:")?.split('|').next());
    counts.map(|count| count.parse::<u64>().unwrap()).sum()
}

#[tokio::test]
async fn a_unix_socket_may_be_missing_and_come_again() {
    let mut socket = Socket::bind("again");
    let path = socket.path.clone();
    let agent = DogStatsd::unix(&path).build().unwrap();
    let mut live = Live::start();
    live.work(5);
    let published = live.publish(&agent).await.unwrap();
    let packets = socket.packets();
    assert_eq!(packets.iter().map(|packet| packet.lines().count() as u64).sum::<u64>(), published.items);
    assert!(packets.iter().all(|packet| packet.len() <= 8192) && packets.iter().any(|packet| packet.len() > 1432));
    assert!(packets.iter().any(|packet| packet.contains("_e{6,")), "the event deploy: {packets:?}");
    let mut sum = processed(&packets);
    // The agent goes, and comes again with another socket at the same path.
    drop(socket);
    live.work(7);
    for _ in 0..2 {
        let error = live.publish(&agent).await.expect_err("there is none");
        assert!(error.to_string().contains("again") && error.reason() == "unreachable", "{error}");
    }
    socket = Socket::bind_at(path);
    live.publish(&agent).await.unwrap();
    let packets = socket.packets();
    sum += processed(&packets);
    assert_eq!(sum, 12);
    assert!(packets.iter().any(|packet| packet.contains("client_transport:uds")), "{packets:?}");
}

#[tokio::test]
async fn a_full_socket_is_waited_for_and_then_nothing_is_lost() {
    let socket = Socket::bind("full");
    let agent = DogStatsd::unix(&socket.path).timeout(Duration::from_millis(100)).build().unwrap();
    let packet = |n: u64| Payload::new(0, 1, SystemTime::now(), format!("n:{n}|c").into_bytes());
    let mut sent = 0;
    // Nobody reads: sooner or later its queue is full.
    let error = loop {
        match agent.send(&packet(sent)).await {
            Ok(_) => sent += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, PublishError::TimedOut { .. }), "{error}");
    assert_eq!(socket.packets().len() as u64, sent);
    // One who reads, but slowly.
    let patient = DogStatsd::unix(&socket.path).timeout(Duration::from_secs(60)).build().unwrap();
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        while all.len() < 1000 {
            all.extend(socket.packets());
            std::thread::sleep(Duration::from_millis(1));
        }
        all
    });
    for n in 0..1000 {
        patient.send(&packet(n)).await.unwrap();
    }
    let expected: Vec<String> = (0..1000).map(|n| format!("n:{n}|c")).collect();
    assert_eq!(reader.join().unwrap(), expected);
}

#[tokio::test]
async fn a_packet_that_no_socket_takes_is_refused_for_good_and_counted() {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    let agent = DogStatsd::udp(&receiver.local_addr().unwrap().to_string()).unwrap().build().unwrap();
    let long = Payload::new(0, 1, SystemTime::now(), vec![b'x'; 70_000]);
    let error = agent.send(&long).await.expect_err("no datagram is so long");
    assert!(error.is_permanent() && error.to_string().contains("packet_bytes"), "{error}");
    let live = Live::start();
    let payloads = agent.encode(&live.publication()).unwrap();
    let lines: Vec<_> = payloads.iter().map(|payload| String::from_utf8(payload.bytes.to_vec()).unwrap()).collect();
    let of_client = |name: &str, n: u64| {
        let line = format!("datadog.dogstatsd.client.{name}:{n}|c|#client:ringscope");
        lines.iter().flat_map(|packet| packet.lines()).any(|known| known.starts_with(&line))
    };
    assert!(of_client("packets_dropped", 1) && of_client("bytes_dropped", 70_000), "{lines:?}");
    assert!(lines.iter().all(|packet| packet.len() <= 1432), "{lines:?}");
}

#[tokio::test]
async fn lines_that_no_packet_takes_are_rejected_and_the_others_are_sent() {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    let agent = DogStatsd::udp(&receiver.local_addr().unwrap().to_string()).unwrap().packet_bytes(256).build().unwrap();
    let mut live = Live::start();
    let collector = live.runtime.collector();
    let long = "/long".repeat(60);
    collector.gauge("long", "Long").unwrap().label("a", &long).label("b", &long).on_host().unwrap().set(1.0);
    let published = live.publish(&agent).await.unwrap();
    assert_eq!(published.rejected, 1);
    assert!(published.items > 20 && published.warning.unwrap().contains("256 bytes"));
}

#[tokio::test]
async fn its_packets_are_network_operations_like_others() {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = receiver.local_addr().unwrap().port();
    let agent = DogStatsd::udp(&format!("localhost:{port}")).unwrap().build().unwrap();
    let mut live = Live::start();
    agent.attach(live.runtime.collector());
    live.publish(&agent).await.unwrap();
    drop(receiver);
    live.publish(&agent).await.expect_err("nobody listens");
    let snapshot = live.runtime.snapshot_blocking().unwrap();
    let operations = snapshot.operations.as_ref().unwrap();
    let to_agent = operations.network.iter().find(|of| &*of.kind == "publish").unwrap();
    assert_eq!(&*to_agent.peer, &format!("localhost:{port}"));
    assert!(to_agent.counts.succeeded > 1 && to_agent.counts.failed == 1 && to_agent.bytes_sent > 1000, "{to_agent:?}");
}
