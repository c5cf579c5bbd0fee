//! CloudWatch against ministack, which has its API: what is sent by the SDK is read back by the SDK and compared with the
//! device's numbers. Faults come from a server of the tests' own.
#![cfg(all(feature = "cloudwatch", feature = "host"))]

mod live;
mod receivers;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, Statistic};
use ringscope::histogram::relative_error;
use ringscope::publish::{self, CloudWatchBuilder, Destination, Environment, Outbox, PublishError, Target};

use live::{Live, Sampled, is_close, samples};
use receivers::{CloudWatch, wait_for};

const SECRET: &str = "hush-hush";

fn to(endpoint: impl Into<String>) -> CloudWatchBuilder {
    let builder = publish::CloudWatch::builder().region("us-east-1").credentials("AKID", SECRET, None);
    builder.endpoint(endpoint).namespace("Test/Live")
}

/// Reads back by the SDK.
struct Reader(Client);

/// `SampleCount`, `Sum`, `Minimum`, `Maximum`.
type Statistics = (f64, f64, f64, f64);

impl Reader {
    fn of(cloudwatch: &CloudWatch) -> Reader {
        let config = aws_sdk_cloudwatch::Config::builder().behavior_version(BehaviorVersion::latest());
        let config = config.region(Region::new("us-east-1")).endpoint_url(cloudwatch.endpoint());
        let config = config.credentials_provider(Credentials::new("AKID", SECRET, None, None, "test"));
        Reader(Client::from_conf(config.build()))
    }

    /// Over all of the metric's time; `None` if it is not there.
    async fn statistics(&self, name: &str, labels: &[(String, String)]) -> Option<Statistics> {
        let dimension = |(name, value): &(String, String)| Dimension::builder().name(name).value(value).build();
        let all = labels.iter().cloned().chain([("service".to_owned(), "live".to_owned())]);
        let dimensions = all.filter(|(_, value)| !value.is_empty()).map(|label| dimension(&label)).collect();
        let request = self.0.get_metric_statistics().namespace("Test/Live").metric_name(name).period(86_400);
        let request = request.set_dimensions(Some(dimensions));
        let request = request.start_time(DateTime::from_secs(0)).end_time(DateTime::from_secs(4_000_000_000));
        let statistics = [Statistic::SampleCount, Statistic::Sum, Statistic::Minimum, Statistic::Maximum];
        let answer = request.set_statistics(Some(statistics.to_vec())).send().await.expect("an answer");
        answer.datapoints().iter().fold(None, |all, point| {
            let of = (point.sample_count()?, point.sum()?, point.minimum()?, point.maximum()?);
            let add = |(n, sum, min, max): Statistics| (n + of.0, sum + of.1, f64::min(min, of.2), f64::max(max, of.3));
            Some(all.map_or(of, add))
        })
    }
}

type Key = (String, Vec<(String, String)>);

/// What the pages of several publications say of each gauge together.
fn gauges(pages: &[Vec<Sampled>]) -> BTreeMap<Key, Statistics> {
    let mut all = BTreeMap::new();
    for sample in pages.iter().flatten().filter(|sample| sample.kind == "gauge") {
        let of = all.entry((sample.name.clone(), sample.labels.clone()));
        let of = of.or_insert((0.0, 0.0, f64::INFINITY, f64::NEG_INFINITY));
        let v = sample.value;
        *of = (of.0 + 1.0, of.1 + v, of.2.min(v), of.3.max(v));
    }
    all
}

/// The dimensions of the kernel, which runs on the first device.
fn of_kernel() -> [(String, String); 2] {
    [("kernel", "w"), ("device", "0")].map(|(name, value)| (name.to_owned(), value.to_owned()))
}

#[tokio::test]
async fn what_cloudwatch_has_is_what_the_device_counted() {
    let Some(cloudwatch) = CloudWatch::start() else { return };
    let environment = [("AWS_ACCESS_KEY_ID", "AKID"), ("AWS_SECRET_ACCESS_KEY", SECRET)];
    let target = Target::parse("cloudwatch://us-east-1?namespace=Test/Live").unwrap();
    let target = target.option("endpoint", cloudwatch.endpoint());
    let destination = publish::CloudWatch::from_target(target, &Environment::of(environment)).unwrap();
    let mut live = Live::start();
    let mut pages = Vec::new();
    for messages in [200, 1, 333] {
        live.work(messages);
        let published = live.publish(&destination).await.unwrap();
        assert!(published.items > 50 && published.rejected == 0, "{published:?}");
        pages.push(samples(live.last()));
    }
    let reader = Reader::of(&cloudwatch);
    let (mut counters, mut histograms) = (0, 0);
    for sample in pages.last().unwrap() {
        let Sampled { kind, name, labels, value } = sample;
        match kind.as_str() {
            "counter" if *value > 0.0 => {
                let (_, sum, ..) = reader.statistics(name, labels).await.unwrap_or_else(|| panic!("{sample:?}"));
                assert!(is_close(sum, *value), "{sample:?}: {sum}");
                counters += 1;
            }
            "counter" => assert_eq!(reader.statistics(name, labels).await, None, "{sample:?}"),
            "histogram" if name.ends_with("_count") && *value > 0.0 => {
                let (n, ..) = reader.statistics(name.strip_suffix("_count").unwrap(), labels).await.unwrap();
                assert_eq!(n, *value, "{sample:?}");
                histograms += 1;
            }
            _ => {}
        }
    }
    assert!(counters >= 10 && histograms >= 5, "{counters} {histograms}");
    for ((name, labels), (n, sum, min, max)) in gauges(&pages) {
        let there = reader.statistics(&name, &labels).await.unwrap_or_else(|| panic!("{name} {labels:?}"));
        let same = there.0 == n && is_close(there.1, sum) && is_close(there.2, min) && is_close(there.3, max);
        assert!(same, "{name} {labels:?}: {there:?}, {:?}", (n, sum, min, max));
    }
    let kernel = live.last().kernel("w").unwrap();
    let of_kernel = of_kernel();
    let (n, sum, min, max) =
        reader.statistics("ringscope_kernel_message_duration_seconds", &of_kernel).await.expect("it is there");
    let error = relative_error(kernel.histogram.scale()) * (1.0 + 1e-9);
    let near = |there: f64, ns: u64| (there - ns as f64 / 1e9).abs() <= error * ns as f64 / 1e9;
    assert_eq!(n, 534.0);
    assert!(near(sum, kernel.histogram.sum()), "{sum} {}", kernel.histogram.sum());
    assert!(near(min, kernel.histogram.min().unwrap()), "{min} {:?}", kernel.histogram.min());
    assert!(near(max, kernel.histogram.max().unwrap()), "{max} {:?}", kernel.histogram.max());
}

#[tokio::test]
async fn what_a_killed_cloudwatch_missed_is_in_what_it_gets_next() {
    let Some(mut cloudwatch) = CloudWatch::start() else { return };
    let destination = to(cloudwatch.endpoint()).build().unwrap();
    let mut live = Live::start();
    cloudwatch.process.kill();
    live.work(30);
    let error = live.publish(&destination).await.expect_err("nobody listens");
    assert!(matches!(error, PublishError::Unreachable { .. }) && !error.is_permanent(), "{error}");
    assert!(error.to_string().contains(&cloudwatch.address()), "{error}");
    live.work(40);
    cloudwatch.process.restart();
    live.publish(&destination).await.unwrap();
    let labels = of_kernel();
    let there = Reader::of(&cloudwatch).statistics("ringscope_kernel_messages_processed", &labels).await;
    assert_eq!(there, Some((1.0, 70.0, 70.0, 70.0)));
}

#[test]
fn an_outbox_keeps_what_a_killed_cloudwatch_missed() {
    let Some(mut cloudwatch) = CloudWatch::start() else { return };
    let outbox = Outbox::destination(to(cloudwatch.endpoint()).build().unwrap(), live::impatient()).unwrap();
    let mut live = Live::start();
    cloudwatch.process.kill();
    for messages in [30, 41] {
        live.work(messages);
        let failures = outbox.status().failures;
        live.offer(&outbox);
        wait_for("a failure", || (outbox.status().failures > failures).then_some(()));
    }
    cloudwatch.process.restart();
    live.work(7);
    live.offer(&outbox);
    assert!(outbox.flush(receivers::PATIENCE));
    let status = outbox.status();
    assert_eq!((status.published_items, status.dropped_items.iter().sum()), (status.encoded_items, 0), "{status:?}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let labels = of_kernel();
    let reader = Reader::of(&cloudwatch);
    let there = runtime.block_on(reader.statistics("ringscope_kernel_messages_processed", &labels)).unwrap();
    assert!(there.1 == 78.0 && there.0 <= 3.0, "three publications, each once: {there:?}");
}

/// A server that answers each request with the same bytes; empty ones close the connection.
fn server(answer: Vec<u8>) -> (String, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicU32::new(0));
    let counted = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            if whole_request(&mut stream.as_ref().unwrap()) {
                counted.fetch_add(1, Ordering::SeqCst);
                let _ = stream.unwrap().write_all(&answer);
            }
        }
    });
    (address, asked)
}

fn whole_request(stream: &mut &TcpStream) -> bool {
    let (mut read, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&read).to_ascii_lowercase();
        if let Some(end) = read.windows(4).position(|w| w == b"\r\n\r\n") {
            let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
            if read.len() >= end + 4 + length.and_then(|n| n.parse::<usize>().ok()).unwrap_or(0) {
                return true;
            }
        }
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return false,
            Ok(n) => read.extend_from_slice(&chunk[..n]),
        }
    }
}

/// An error as the service writes it: a map in CBOR with its type and a message.
fn service_error(status: &str, kind: &str) -> Vec<u8> {
    let text = |text: &str| [&[0x60 | text.len().min(23) as u8], text.as_bytes()].concat();
    let long = |text: &str| [&[0x78, text.len() as u8], text.as_bytes()].concat();
    let body = [vec![0xa2], text("__type"), long(kind), text("message"), text("Rate exceeded")].concat();
    let head = "content-type: application/cbor\r\nsmithy-protocol: rpc-v2-cbor\r\nconnection: close\r\n";
    [format!("HTTP/1.1 {status}\r\n{head}content-length: {}\r\n\r\n", body.len()).into_bytes(), body].concat()
}

async fn failure(answer: Vec<u8>) -> PublishError {
    let (address, asked) = server(answer);
    let destination = to(address).build().unwrap();
    let live = Live::start();
    let payloads = destination.encode(&live.publication()).unwrap();
    let error = destination.send(&payloads[0]).await.expect_err("it always fails");
    assert_eq!(asked.load(Ordering::SeqCst), 1, "it is asked once: who publishes asks again");
    assert!(!error.to_string().contains(SECRET) && !format!("{destination:?}").contains(SECRET));
    error
}

#[tokio::test]
async fn errors_say_whether_to_try_again() {
    let throttled = failure(service_error("400 Bad Request", "com.amazonaws.cloudwatch#ThrottlingException")).await;
    assert!(matches!(&throttled, PublishError::Unavailable { said, .. } if said == "Rate exceeded"), "{throttled:?}");
    let expired = failure(service_error("403 Forbidden", "ExpiredTokenException")).await;
    assert_eq!((expired.reason(), expired.is_permanent()), ("unavailable", false), "{expired}");
    let wrong = failure(service_error("400 Bad Request", "InvalidParameterValueException")).await;
    assert_eq!((wrong.reason(), wrong.is_permanent()), ("refused", true), "{wrong}");
    let nobody = failure(service_error("403 Forbidden", "InvalidClientTokenId")).await;
    assert_eq!((nobody.reason(), nobody.is_permanent()), ("refused", true), "{nobody}");
    let plain = |status: &str, headers: &str| {
        format!("HTTP/1.1 {status}\r\n{headers}connection: close\r\ncontent-length: 5\r\n\r\nSorry").into_bytes()
    };
    let busy = failure(plain("429 Too Many Requests", "retry-after: 7\r\n")).await;
    assert_eq!((busy.reason(), busy.retry_after()), ("unavailable", Some(Duration::from_secs(7))), "{busy}");
    let broken = failure(plain("503 Service Unavailable", "")).await;
    assert_eq!((broken.reason(), broken.is_permanent()), ("unavailable", false), "{broken}");
    let reset = failure(Vec::new()).await;
    assert_eq!((reset.reason(), reset.is_permanent()), ("unreachable", false), "{reset}");
}

#[tokio::test]
async fn who_does_not_answer_has_a_limit_and_who_does_not_exist_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}", listener.local_addr().unwrap());
    let live = Live::start();
    let destination = to(silent).timeout(Duration::from_millis(300)).build().unwrap();
    let payloads = destination.encode(&live.publication()).unwrap();
    let error = destination.send(&payloads[0]).await.expect_err("nobody answers");
    assert!(matches!(error, PublishError::TimedOut { .. }), "{error}");
    drop(listener);
    let nowhere = to("http://nowhere.invalid:1").build().unwrap();
    let error = nowhere.send(&payloads[0]).await.expect_err("there is no such name");
    assert!(matches!(&error, PublishError::Unreachable { peer, .. } if peer == "nowhere.invalid:1"), "{error}");
    let garbage = ringscope::publish::Payload::new(0, 1, std::time::SystemTime::now(), b"{".to_vec());
    assert!(nowhere.send(&garbage).await.expect_err("that is no call").is_permanent());
}

#[tokio::test]
async fn calls_are_network_operations_like_others() {
    let (address, _) = server(service_error("400 Bad Request", "ThrottlingException"));
    let destination = to(&address).build().unwrap();
    let mut live = Live::start();
    destination.attach(live.runtime.collector());
    live.publish(&destination).await.expect_err("it is throttled");
    let snapshot = live.runtime.snapshot_blocking().unwrap();
    let network = &snapshot.operations.as_ref().unwrap().network;
    let calls = network.iter().find(|of| &*of.kind == "publish").expect("it is measured");
    assert_eq!((format!("http://{}", calls.peer), calls.counts.failed), (address, 1));
}

#[tokio::test]
async fn the_embedded_metric_format_is_lines_of_json_with_the_devices_counts() {
    let destination = publish::CloudWatch::builder().namespace("Test/Live").emf(Vec::new()).unwrap();
    let mut live = Live::start();
    for messages in [20, 33] {
        live.work(messages);
        live.publish(&destination).await.unwrap();
    }
    let lines = String::from_utf8(destination.into_inner()).unwrap();
    let (mut processed, mut durations) = (0.0, 0.0);
    for line in lines.lines() {
        let document: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(document["_aws"]["CloudWatchMetrics"][0]["Namespace"], "Test/Live");
        assert_eq!(document["service"], "live");
        processed += document["ringscope_kernel_messages_processed"].as_f64().unwrap_or(0.0);
        durations += document["ringscope_kernel_message_duration_seconds"]["Count"].as_f64().unwrap_or(0.0);
    }
    assert_eq!((processed, durations), (53.0, 53.0));
}
