//! Remote write to real receivers: what Prometheus and VictoriaMetrics then say is what the device counted.
#![cfg(all(feature = "remote-write", feature = "host", unix))]

mod live_run;
mod receivers;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ringscope::Snapshot;
use ringscope::publish::{Delivery, Environment, Periodic, Publication, Publisher, RemoteWrite, Target};
use serde_json::Value;

use live_run::asked::{Asked, buckets_of};
use live_run::fake::{Got, receiver};
use live_run::{Live, MESSAGES};
use receivers::{Prometheus, Victoria, wait_for};

fn to(address: &str, options: &str) -> RemoteWrite {
    let target = Target::parse(&format!("remote-write+http://{address}{options}")).unwrap();
    RemoteWrite::from_target(target, &Environment::of([])).unwrap()
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

fn everything_is_there(asked: &Asked, snapshot: &Snapshot) {
    let all = "job=\"live run\",instance=\"one\"";
    for kernel in &snapshot.kernels {
        let of = format!("{{kernel={:?},{all}}}", kernel.kernel_id);
        for (name, count) in [
            ("messages_received_total", kernel.messages_received),
            ("messages_sent_total", kernel.messages_sent),
            ("messages_processed_total", kernel.messages_processed),
            ("errors_total", kernel.errors),
            ("received_bytes_total", kernel.bytes_in),
            ("sent_bytes_total", kernel.bytes_out),
            ("message_duration_seconds_count", kernel.histogram.count()),
        ] {
            assert_eq!(asked.value(&format!("ringscope_kernel_{name}{of}")), count as f64, "{name}{of}");
        }
        let sum = asked.value(&format!("ringscope_kernel_message_duration_seconds_sum{of}"));
        assert!((sum * 1e9 - kernel.histogram.sum() as f64).abs() < 1.0, "{sum}");
        let at_most = |bound: f64| {
            buckets_of(&kernel.histogram).iter().filter(|(high, _)| *high <= bound).map(|(_, n)| n).sum::<f64>()
        };
        for (le, ns) in [("2.56e-07", 256.0), ("1.6384e-05", 16384.0), ("+Inf", f64::INFINITY)] {
            let of = of.replace('}', &format!(",le={le:?}}}"));
            assert_eq!(asked.value(&format!("ringscope_kernel_message_duration_seconds_bucket{of}")), at_most(ns));
        }
        asked.native_is(&format!("ringscope_kernel_message_duration_nanoseconds{of}"), &kernel.histogram);
        asked.native_is(
            &format!("ringscope_kernel_message_wait_nanoseconds{of}"),
            &kernel.waiting.as_ref().expect("messages waited").histogram,
        );
    }
    assert_eq!(asked.value("sum(ringscope_kernel_messages_sent_total)"), f64::from(MESSAGES + MESSAGES / 3));
    assert_eq!(asked.value("cache_hits_total{Table=\"a\\\\b\\\"c\\nd\"}"), 7.0);
    assert_eq!(asked.value("third"), 1.0 / 3.0);
    assert_eq!(asked.value("drift_bucket{le=\"0.0\"}"), 1.0);
    assert_eq!((asked.value("drift_bucket{le=\"+Inf\"}"), asked.value("drift_sum")), (3.0, 3.0));
    assert_eq!(asked.value("event_total{name=\"resize\",status=\"succeeded\"}"), 5.0);
    assert_eq!(asked.value("network_sent_bytes_total"), 1234.0);
    for name in ["batch_tokens", "empty_tokens"] {
        let family = snapshot.metric(name).unwrap();
        let histogram = family.series[0].value.histogram().unwrap();
        let ringscope::metrics::Distribution::Exponential(histogram) = &histogram.distribution else { panic!() };
        if histogram.count() > 0 {
            asked.native_is(name, histogram);
        } else {
            assert_eq!(asked.value(&format!("histogram_count({name})")), 0.0);
        }
        assert_eq!(asked.value(&format!("{name}_count")), histogram.count() as f64);
    }
    assert_eq!(asked.value("batch_tokens_bucket{le=\"1.0\"}"), 3.0);
    assert_eq!(asked.value("batch_tokens_bucket{le=\"1024.0\"}"), 9.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_stores_what_the_device_counted() {
    let live = Live::start().await;
    for options in ["?version=2&max_samples=100", "?version=1&max_samples=100", ""] {
        let Some(prometheus) = Prometheus::start() else { return };
        let publication = live.publication();
        let published = to(&prometheus.address(), options).publish(&publication).await.unwrap();
        assert_eq!((published.rejected, &published.warning), (0, &None), "{options}");
        assert!(published.items > 300, "{published:?}");
        let at = publication.snapshot.time.duration_since(UNIX_EPOCH).unwrap().as_secs_f64() + 0.01;
        everything_is_there(&Asked { prometheus: &prometheus, at }, &publication.snapshot);
    }
}

/// VictoriaMetrics answers 204 to what it does not read.
#[tokio::test(flavor = "multi_thread")]
async fn victoria_gets_version_1_and_has_every_count() {
    let Some(victoria) = Victoria::start() else { return };
    let live = Live::start().await;
    let publication = live.publication();
    let remote_write = to(&victoria.address(), "");
    let published = remote_write.publish(&publication).await.unwrap();
    assert_eq!((published.rejected, &published.warning), (0, &None));
    // It shows what it took a second later.
    wait_for("the last series", || victoria.export("telemetry_dropped_total").len().checked_sub(10));
    // It knows no native histograms: what the others have, it has.
    let one = |matching: &str| {
        let series = victoria.export(matching);
        assert_eq!(series.len(), 1, "{matching}: {series:?}");
        assert_eq!(series[0]["values"].as_array().unwrap().len(), 1, "{matching}: {series:?}");
        series[0]["values"][0].as_f64().unwrap()
    };
    for kernel in &publication.snapshot.kernels {
        let of = format!("{{kernel={:?},job=\"live run\",instance=\"one\"}}", kernel.kernel_id);
        assert_eq!(one(&format!("ringscope_kernel_messages_sent_total{of}")), kernel.messages_sent as f64);
        assert_eq!(one(&format!("ringscope_kernel_received_bytes_total{of}")), kernel.bytes_in as f64);
        let count = one(&format!("ringscope_kernel_message_duration_seconds_count{of}"));
        assert_eq!(count, kernel.histogram.count() as f64);
        let at_most: f64 =
            buckets_of(&kernel.histogram).iter().filter(|(high, _)| *high <= 16384.0).map(|(_, n)| n).sum();
        let of = of.replace('}', ",le=\"1.6384e-05\"}");
        assert_eq!(one(&format!("ringscope_kernel_message_duration_seconds_bucket{of}")), at_most);
    }
    assert_eq!(one("batch_tokens_bucket{le=\"1024.0\"}"), 9.0);
    let told = &victoria.export("third")[0];
    let taken = publication.snapshot.time.duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    assert_eq!(told["timestamps"][0], taken);
    // From now on it is sent version 1 at once, and with it what a kernel did meanwhile.
    live.messages("worker", 10).await;
    remote_write.publish(&live.publication()).await.unwrap();
    let sent = wait_for("the second sample", || {
        let sent = victoria.export("ringscope_kernel_messages_sent_total{kernel=\"worker\"}");
        sent[0]["values"].as_array().filter(|values| values.len() == 2).cloned()
    });
    assert_eq!(sent, [f64::from(MESSAGES), f64::from(MESSAGES + 10)]);
}

fn version(got: &Got) -> (&str, &str) {
    (got.header("x-prometheus-remote-write-version"), got.header("content-type"))
}

const V1: (&str, &str) = ("0.1.0", "application/x-protobuf");
const V2: (&str, &str) = ("2.0.0", "application/x-protobuf;proto=io.prometheus.write.v2.Request");

#[tokio::test]
async fn a_receiver_that_does_not_know_version_2_gets_version_1() {
    let live = Live::start().await;
    for first in ["415 Unsupported Media Type", "406 Not Acceptable", "204 No Content", "200 OK"] {
        let (address, got) = receiver(&[first, "204 No Content"]);
        let remote_write = to(&address, "");
        for (versions, n) in [(&[V2, V1][..], 2), (&[V1][..], 1)] {
            let published = remote_write.publish(&live.publication()).await.unwrap();
            assert_eq!((published.rejected, published.items > 300), (0, true), "{first}");
            let got: Vec<Got> = (0..n).map(|_| got.recv_timeout(Duration::from_secs(60)).unwrap()).collect();
            assert_eq!(got.iter().map(version).collect::<Vec<_>>(), versions, "{first}");
            assert!(got.iter().all(|got| got.path == "/api/v1/write" && got.header("content-encoding") == "snappy"));
        }
    }
}

#[tokio::test]
async fn what_was_chosen_is_not_negotiated() {
    let live = Live::start().await;
    let (address, got) = receiver(&["204 No Content"]);
    let error = to(&address, "?version=2").publish(&live.publication()).await.unwrap_err();
    assert!(error.is_permanent() && error.to_string().contains("use version 1"), "{error}");
    to(&address, "?version=1").publish(&live.publication()).await.unwrap();
    assert_eq!([got.recv().unwrap(), got.recv().unwrap()].each_ref().map(version), [V2, V1]);
    let (address, _got) = receiver(&["415 Unsupported Media Type"]);
    assert!(to(&address, "?version=2").publish(&live.publication()).await.unwrap_err().is_permanent());
}

#[tokio::test]
async fn what_was_not_stored_is_counted_and_said() {
    let live = Live::start().await;
    let publication = live.publication();
    let all = to("127.0.0.1:1", "").encode_all(&publication);
    for status in ["200 OK", "400 Bad Request"] {
        let answer = format!(
            "{status}\nX-Prometheus-Remote-Write-Samples-Written: 30\nX-Prometheus-Remote-Write-Histograms-Written: 4\n\nout of order"
        );
        let (address, _got) = receiver(&[&answer]);
        let published = to(&address, "").publish(&publication).await.unwrap();
        assert_eq!((published.items, published.rejected), (34, all - 34));
        assert!(published.warning.unwrap().contains("out of order"));
    }
    // Without them it is all refused, and with 500 it may be tried again.
    let (address, _got) = receiver(&["400 Bad Request\n\nout of order sample"]);
    let error = to(&address, "").publish(&publication).await.unwrap_err();
    assert!(error.is_permanent() && error.to_string().contains("out of order sample"), "{error}");
    let (address, _got) = receiver(&["503 Service Unavailable\nX-Prometheus-Remote-Write-Samples-Written: 30"]);
    assert!(!to(&address, "").publish(&publication).await.unwrap_err().is_permanent());
}

trait EncodeAll {
    fn encode_all(&self, publication: &Publication) -> u64;
}

impl EncodeAll for RemoteWrite {
    fn encode_all(&self, publication: &Publication) -> u64 {
        use ringscope::publish::Destination;
        self.encode(publication).unwrap().iter().map(|payload| payload.items).sum()
    }
}

/// What Prometheus does not take for its time is gone for good, and it says why.
#[tokio::test(flavor = "multi_thread")]
async fn what_prometheus_refuses_is_said() {
    let Some(prometheus) = Prometheus::start() else { return };
    let live = Live::start().await;
    let earlier = live.publication();
    let taken = |publication: &Publication| publication.snapshot.time.duration_since(UNIX_EPOCH).unwrap().as_millis();
    live.messages("worker", 1).await;
    let later = wait_for("another millisecond", || Some(live.publication()).filter(|p| taken(p) > taken(&earlier)));
    let mut other = (*later.snapshot).clone();
    other.kernels.iter_mut().for_each(|kernel| kernel.messages_sent += 1);
    let other = live.publication_of(Arc::new(other));
    for options in ["?version=1&instance=v1", "?version=2&instance=v2"] {
        let remote_write = to(&prometheus.address(), options);
        remote_write.publish(&later).await.unwrap();
        // The same again is no harm.
        assert_eq!(remote_write.publish(&later).await.unwrap().rejected, 0);
        for (refused, why) in [(&earlier, "out of order"), (&other, "duplicate sample")] {
            let said = match remote_write.publish(refused).await {
                Ok(published) => {
                    assert_eq!(published.items + published.rejected, remote_write.encode_all(refused));
                    assert!(published.rejected > 0, "{published:?}");
                    published.warning.unwrap()
                }
                Err(error) => {
                    assert!(error.is_permanent());
                    error.to_string()
                }
            };
            assert!(said.contains(why), "{options}: {said}");
        }
    }
}

/// Who asks after the end finds nothing, and nothing that is gone.
#[tokio::test(flavor = "multi_thread")]
async fn series_end_when_they_are_gone_and_at_the_end() {
    let Some(prometheus) = Prometheus::start() else { return };
    let live = Live::start().await;
    for options in ["?version=1&instance=v1", "?version=2&instance=v2"] {
        let remote_write = to(&prometheus.address(), options);
        let instance = &options[options.len() - 2..];
        let first = live.publication();
        remote_write.publish(&first).await.unwrap();
        let count = |name: &str, at: &Publication| {
            let at = at.snapshot.time.duration_since(UNIX_EPOCH).unwrap().as_secs_f64() + 0.01;
            prometheus.query_at(&format!("count({name}{{instance={instance:?}}})"), at)[0]["value"][1].clone()
        };
        std::thread::sleep(Duration::from_millis(50));
        // One kernel less than before.
        let mut snapshot = (*live.collector().snapshot().unwrap()).clone();
        let gone = snapshot.kernels.pop().unwrap();
        let mut second = live.publication_of(Arc::new(snapshot));
        second.previous = Some(Arc::clone(&first.snapshot));
        remote_write.publish(&second).await.unwrap();
        for name in ["ringscope_kernel_messages_sent_total", "ringscope_kernel_message_duration_nanoseconds"] {
            assert_eq!([count(name, &first), count(name, &second)], ["2", "1"], "{name} of {}", gone.kernel_id);
        }
        std::thread::sleep(Duration::from_millis(50));
        let mut last = live.publication();
        (last.previous, last.running) = (Some(Arc::clone(&second.snapshot)), false);
        remote_write.publish(&last).await.unwrap();
        for name in ["ringscope_kernel_messages_sent_total", "ringscope_kernel_message_duration_nanoseconds", "third"] {
            assert_eq!(count(name, &last), Value::Null, "{name} has ended");
        }
        let at = last.snapshot.time.duration_since(UNIX_EPOCH).unwrap().as_secs_f64() + 1.0;
        let sum = prometheus.query_at(
            &format!("sum(last_over_time(ringscope_kernel_messages_sent_total{{instance={instance:?}}}[1m]))"),
            at,
        );
        assert_eq!(sum[0]["value"][1], (MESSAGES + MESSAGES / 3).to_string());
    }
}

/// Prometheus is killed and comes back: every publication is there, and it says that it is over.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_while_prometheus_is_away_arrives() {
    for options in ["?version=1", "?version=2"] {
        let Some(mut prometheus) = Prometheus::start() else { return };
        let live = Live::start().await;
        let mut delivery = Delivery::default();
        (delivery.retry_min, delivery.retry_max) = (Duration::from_millis(10), Duration::from_millis(50));
        delivery.circuit_failures = u32::MAX;
        let periodic = Periodic::builder(live.collector())
            .interval(Duration::from_millis(300))
            .destination_with(to(&prometheus.address(), options), delivery)
            .start()
            .unwrap();
        let status = || periodic.status().remove(0);
        wait_for("some publications", || (status().published_items > 1000).then_some(()));
        prometheus.process.kill();
        wait_for("failures", || (status().failures > 3).then_some(()));
        live.messages("worker", 9).await;
        prometheus.process.restart();
        wait_for("what waited", || (status().queued_items == 0 && status().publications > 10).then_some(()));
        tokio::task::block_in_place(|| periodic.stop());
        let status = status();
        assert_eq!(status.dropped_items.iter().sum::<u64>(), 0, "{status:?}");
        assert_eq!(status.published_items, status.encoded_items, "{status:?}");
        assert!(status.failures > 3 && status.skipped == 0, "{status:?}");
        // One sample of each publication, and in the end the marker, which is no sample.
        let at = now() + 1.0;
        let last = |promql: &str| {
            let result = prometheus.query_at(promql, at);
            result[0]["value"][1].as_str().unwrap_or_else(|| panic!("{promql}: {result}")).parse::<f64>().unwrap()
        };
        assert_eq!(last("count_over_time(ringscope_kernels[1h])"), status.publications as f64);
        assert_eq!(last("resets(ringscope_snapshots_total[1h])"), 0.0);
        let sent = last("last_over_time(ringscope_kernel_messages_sent_total{kernel=\"worker\"}[1h])");
        assert_eq!(sent, f64::from(MESSAGES + 9));
        assert_eq!(prometheus.query_at("ringscope_kernels", at), serde_json::json!([]), "it is over");
    }
}

/// A Prometheus with other flags than those of all the tests.
fn prometheus_with(flags: &'static [&'static str]) -> Option<Prometheus> {
    let program = receivers::found("RINGSCOPE_PROMETHEUS3")?;
    let command = move |folder: &std::path::Path, ports: &[u16]| {
        std::fs::write(folder.join("prometheus.yml"), "").unwrap();
        let mut command = std::process::Command::new(&program);
        command.args([
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            "--web.enable-remote-write-receiver",
        ]);
        command.arg(format!("--web.listen-address=127.0.0.1:{}", ports[0])).args(flags);
        command
    };
    let ready = |p: &receivers::Process| {
        receivers::http::request(&p.address(0), "GET", "/-/ready", &[], &[]).is_ok_and(|answer| answer.status == 200)
    };
    Some(Prometheus { process: receivers::Process::start("prometheus", 1, command, ready) })
}

/// A Prometheus that was not told to take native histograms says so, and has the rest.
#[tokio::test(flavor = "multi_thread")]
async fn without_native_histograms_there() {
    let Some(prometheus) = prometheus_with(&[]) else { return };
    let live = Live::start().await;
    let samples = |publication: &Publication| to("127.0.0.1:1", "?histograms=classic").encode_all(publication);
    for options in ["?version=1&instance=1", "?version=2&instance=2"] {
        let remote_write = to(&prometheus.address(), options);
        let first = live.publication();
        let published = remote_write.publish(&first).await.unwrap();
        assert_eq!(published.items, samples(&first), "{published:?}");
        assert_eq!(published.items + published.rejected, to("127.0.0.1:1", "").encode_all(&first), "{published:?}");
        assert!(published.rejected > 0 && published.warning.unwrap().contains("--enable-feature=native-histograms"));
        let second = live.publication();
        let published = remote_write.publish(&second).await.unwrap();
        assert_eq!((published.items, published.rejected, published.warning), (samples(&second), 0, None));
    }
    assert_eq!(prometheus.value("sum(batch_tokens_bucket{le=\"1024.0\"})"), Some(18.0));
}

/// From a count's first value on, `increase` knows what it was before: nothing.
#[tokio::test(flavor = "multi_thread")]
async fn version_2_says_since_when_counts_are_counted() {
    let flags = &["--enable-feature=native-histograms,created-timestamp-zero-ingestion"];
    let Some(prometheus) = prometheus_with(flags) else { return };
    let live = Live::start().await;
    let publication = live.publication();
    to(&prometheus.address(), "?version=2").publish(&publication).await.unwrap();
    let since = publication.snapshot.kernels.iter().filter_map(|kernel| kernel.counted_since).max();
    let started = since.unwrap().duration_since(UNIX_EPOCH).unwrap().as_secs_f64() + 0.001;
    let sent = "sum(ringscope_kernel_messages_sent_total)";
    assert_eq!(prometheus.query_at(sent, started)[0]["value"][1], "0");
    let native = "sum(histogram_count(ringscope_kernel_message_duration_nanoseconds))";
    assert_eq!(prometheus.query_at(native, started)[0]["value"][1], "0");
    assert_eq!(prometheus.query_at("third", started), serde_json::json!([]), "a gauge has no begin");
    let taken = publication.snapshot.time.duration_since(UNIX_EPOCH).unwrap().as_secs_f64() + 0.001;
    assert_eq!(prometheus.query_at(sent, taken)[0]["value"][1], (MESSAGES + MESSAGES / 3).to_string());
}

#[tokio::test]
async fn who_asks_is_said_to_the_receiver_alone() {
    let live = Live::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "sesame-2\n").unwrap();
    let password = [("PROMETHEUS_REMOTE_WRITE_USERNAME", "me"), ("PROMETHEUS_REMOTE_WRITE_PASSWORD", "sesame-1")];
    let token = [
        ("PROMETHEUS_REMOTE_WRITE_BEARER_TOKEN_FILE", file.to_str().unwrap()),
        ("PROMETHEUS_REMOTE_WRITE_HEADERS", "X-Scope-OrgID=sesame%2C7"),
    ];
    // "me:sesame-1".
    for (environment, expected, tenant) in [
        (Environment::of(password), "Basic bWU6c2VzYW1lLTE=", ""),
        (Environment::of(token), "Bearer sesame-2", "sesame,7"),
        (Environment::of([]), "", ""),
    ] {
        let (address, got) = receiver(&["401 Unauthorized\n\nwho are you?"]);
        let target = Target::parse(&format!("remote-write+http://{address}/push?name=mine")).unwrap();
        let remote_write = RemoteWrite::from_target(target, &environment).unwrap();
        assert_eq!(Publisher::name(&remote_write), "mine");
        let error = remote_write.publish(&live.publication()).await.unwrap_err();
        assert!(error.is_permanent() && error.to_string().contains("who are you?"), "{error}");
        let got = got.recv().unwrap();
        assert_eq!((&*got.path, got.header("authorization")), ("/push", expected));
        assert_eq!(got.header("x-scope-orgid"), tenant);
        assert!(!format!("{remote_write:?} {error:?} {error}").contains("sesame"));
    }
    for (url, why) in [
        ("remote-write+http://", "host:port"),
        ("remote-write+http://x?version=3", "auto, 1, 2"),
        ("remote-write+http://x?max_samples=0", "at least 1"),
        ("remote-write+http://x?labels=__a=1", "no __"),
        ("remote-write+http://x?colour=red", "colour"),
        ("remote-write+http://x?ca=/no/such/file", "/no/such/file"),
    ] {
        let said = RemoteWrite::from_target(Target::parse(url).unwrap(), &Environment::of([])).unwrap_err().to_string();
        assert!(said.contains(why), "{url}: {said}");
    }
    let alone = Environment::of([("PROMETHEUS_REMOTE_WRITE_PASSWORD", "sesame")]);
    let said = RemoteWrite::from_target(Target::parse("remote-write+http://x").unwrap(), &alone).unwrap_err();
    assert!(said.to_string().contains("PROMETHEUS_REMOTE_WRITE_USERNAME"), "{said}");
}
