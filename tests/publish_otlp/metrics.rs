//! Metrics, against what the snapshot says.

use ringscope::Snapshot;
use ringscope::histogram::{Histogram, slot_bounds};
use ringscope::metrics::Distribution;
use ringscope::publish::{Destination, Otlp, OtlpBuilder, OtlpProtocol, Publisher, Temporality};
use ringscope::snapshot::OperationStatus;
use serde_json::{Map, Value, json};

use crate::agent::{attribute, endpoint, metrics, points, whole};
use crate::live::{Live, MESSAGES};
use crate::receivers::OtlpAgent;

/// The point of a metric with that attribute.
fn point<'a>(metrics: &'a Map<String, Value>, name: &str, with: Option<(&str, &str)>) -> &'a Value {
    let metric = metrics.get(name).unwrap_or_else(|| panic!("no {name} among {:?}", metrics.keys()));
    let is_it = |point: &&Value| {
        with.is_none_or(|(key, value)| attribute(point, key) == Some(&json!({ "stringValue": value })))
    };
    points(metric).iter().find(is_it).unwrap_or_else(|| panic!("no {with:?} in {metric}"))
}

fn assert_buckets(point: &Value, counted: &Histogram) {
    assert_eq!(whole(&point["count"]), counted.count());
    assert_eq!(point["scale"].as_i64().unwrap_or(0), i64::from(counted.scale()));
    assert_eq!(point["sum"].as_f64(), Some(counted.sum() as f64));
    assert_eq!(point["min"].as_f64(), counted.min().map(|v| v as f64));
    assert_eq!(point["max"].as_f64(), counted.max().map(|v| v as f64));
    assert_eq!(understood(point), counted.slots().filter(|(_, count)| *count > 0).collect::<Vec<_>>());
}

/// The buckets that have something in them, by ringscope's slots.
fn understood(point: &Value) -> Vec<(usize, u64)> {
    let offset = point["positive"]["offset"].as_i64().unwrap_or(0);
    let counts = point["positive"]["bucketCounts"].as_array().cloned().unwrap_or_default();
    let mut understood = vec![(0, whole(&point["zeroCount"]))];
    understood.extend((offset + 2..).map(|slot| slot as usize).zip(counts.iter().map(whole)));
    understood.retain(|(_, count)| *count > 0);
    understood
}

/// Every number that the agent has is the snapshot's.
pub fn assert_same(metrics: &Map<String, Value>, snapshot: &Snapshot) {
    let worker = snapshot.kernel("worker").expect("the kernel");
    let of_worker = Some(("kernel", "worker"));
    let received = point(metrics, "ringscope_kernel_messages_received", of_worker);
    assert_eq!(whole(&received["asInt"]), worker.messages_received);
    let sum = &metrics["ringscope_kernel_messages_received"]["sum"];
    assert_eq!(sum["isMonotonic"], true);
    let busy = point(metrics, "ringscope_kernel_busy_seconds", of_worker);
    assert_eq!(busy["asDouble"].as_f64(), Some(worker.busy_time.as_nanos() as f64 / 1e9));
    assert_eq!(metrics["ringscope_kernel_busy_seconds"]["unit"], "s");
    let handled = point(metrics, "ringscope_kernel_message_duration_nanoseconds", of_worker);
    assert_buckets(handled, &worker.histogram);
    assert_eq!(metrics["ringscope_kernel_message_duration_nanoseconds"]["unit"], "ns");
    assert!(!metrics.contains_key("ringscope_kernel_message_duration_seconds"), "nothing is sent twice");
    let sizes = snapshot.metric("sizes_bytes").and_then(|m| m.value(&[])?.histogram()).expect("sizes");
    let Distribution::Exponential(sizes) = &sizes.distribution else { panic!("{sizes:?}") };
    assert_buckets(point(metrics, "sizes_bytes", None), sizes);
    assert_eq!(metrics["sizes_bytes"]["unit"], "By");
    let waits = snapshot.metric("waits_seconds").and_then(|m| m.value(&[])?.histogram()).expect("waits");
    let Distribution::Explicit(waits) = &waits.distribution else { panic!("{waits:?}") };
    let understood = point(metrics, "waits_seconds", None);
    assert_eq!(understood["explicitBounds"], json!(&waits.bounds()[..]));
    let counts: Vec<u64> = understood["bucketCounts"].as_array().unwrap().iter().map(whole).collect();
    assert_eq!((counts.as_slice(), understood["sum"].as_f64()), (waits.counts(), Some(waits.sum())));
    assert_eq!(whole(&point(metrics, "cache_hits", Some(("table", "users")))["asInt"]), MESSAGES);
    assert_eq!(point(metrics, "level", None)["asDouble"], json!(-0.25));
    let tasks = point(metrics, "ringscope_task_latency_seconds", None);
    assert_eq!(whole(&tasks["count"]), snapshot.merged_latencies().count());
    assert_eq!(tasks["quantileValues"].as_array().map(Vec::len), Some(3));
}

fn otlp(agent: &OtlpAgent, protocol: OtlpProtocol) -> OtlpBuilder {
    Otlp::builder(endpoint(agent, protocol == OtlpProtocol::Grpc)).protocol(protocol)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_arrives_is_what_was_counted_whichever_way_it_goes() {
    let Some(agent) = OtlpAgent::start() else { return };
    let live = Live::start().await;
    let publication = live.publication(live.snapshot().await);
    for protocol in [OtlpProtocol::HttpProtobuf, OtlpProtocol::HttpJson, OtlpProtocol::Grpc] {
        for gzip in [false, true] {
            agent.clear();
            let otlp = otlp(&agent, protocol).gzip(gzip).build().unwrap();
            otlp.attach(live.runtime.collector());
            let published = otlp.publish(&publication).await.unwrap();
            let metrics = metrics(&agent);
            assert_same(&metrics, &publication.snapshot);
            let points: usize = metrics.values().map(|metric| points(metric).len()).sum();
            assert_eq!((published.items, published.rejected), (points as u64, 0), "{protocol:?}, {gzip}");
        }
    }
    let own = live.runtime.collector().network_operations();
    let own: Vec<_> = own.iter().filter(|of| &*of.kind == "publish").collect();
    assert_eq!(own.len(), 6, "{own:?}");
    assert!(own.iter().all(|of| of.bytes_sent > 1000 && of.status == OperationStatus::Succeeded), "{own:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_cut_where_it_gets_too_large_and_nothing_of_it_is_lost() {
    let Some(agent) = OtlpAgent::start() else { return };
    let live = Live::start().await;
    let telemetry = live.runtime.collector();
    for number in 0..500 {
        let one = telemetry.counter("many", "Many").unwrap().label("n", &number.to_string());
        one.on_host().unwrap().inc_by(number);
    }
    let publication = live.publication(live.snapshot().await);
    for protocol in [OtlpProtocol::HttpProtobuf, OtlpProtocol::HttpJson] {
        agent.clear();
        let otlp = otlp(&agent, protocol).request_bytes(4096).build().unwrap();
        let payloads = otlp.encode(&publication).unwrap();
        assert!(payloads.len() > 5, "{}", payloads.len());
        let sizes: Vec<_> = payloads.iter().map(|payload| (payload.bytes.len(), payload.items)).collect();
        assert!(sizes.iter().all(|(bytes, items)| *bytes <= 4096 && *items > 0), "{sizes:?}");
        for payload in &payloads {
            assert_eq!(otlp.send(payload).await.unwrap().items, payload.items);
        }
        let metrics = metrics(&agent);
        assert_same(&metrics, &publication.snapshot);
        for number in 0..500u64 {
            let one = point(&metrics, "many", Some(("n", &number.to_string())));
            assert_eq!(whole(&one["asInt"]), number);
        }
        assert_eq!(points(&metrics["many"]).len(), 500);
    }
}

/// Differences of counts that go on while they are sent add up to the whole.
#[tokio::test(flavor = "multi_thread")]
async fn deltas_add_up_to_the_whole() {
    let Some(agent) = OtlpAgent::start() else { return };
    let live = Live::start().await;
    let otlp = otlp(&agent, OtlpProtocol::HttpProtobuf).temporality(Temporality::Delta).build().unwrap();
    assert_eq!(otlp.temporality(), Temporality::Delta);
    let mut previous = None;
    for round in 0..4 {
        live.more(round * 10).await;
        let mut publication = live.publication(live.snapshot().await);
        publication.previous = previous;
        otlp.publish(&publication).await.unwrap();
        previous = Some(publication.snapshot);
    }
    let (metrics, last) = (metrics(&agent), previous.expect("the last"));
    let worker = last.kernel("worker").unwrap();
    let sum = |name: &str, of: &dyn Fn(&Value) -> u64| points(&metrics[name]).iter().map(of).sum::<u64>();
    assert_eq!(sum("ringscope_kernel_messages_received", &|p| whole(&p["asInt"])), worker.messages_received);
    assert_eq!(sum("cache_hits", &|p| whole(&p["asInt"])), MESSAGES + 60);
    assert_eq!(metrics["cache_hits"]["sum"]["aggregationTemporality"], "AGGREGATION_TEMPORALITY_DELTA");
    let mut buckets = std::collections::BTreeMap::new();
    for one in points(&metrics["sizes_bytes"]) {
        for (slot, count) in understood(one) {
            *buckets.entry(slot).or_insert(0) += count;
        }
    }
    let sizes = last.metric("sizes_bytes").and_then(|m| m.value(&[])?.histogram()).unwrap();
    let Distribution::Exponential(sizes) = &sizes.distribution else { panic!("{sizes:?}") };
    assert_eq!(buckets.into_iter().collect::<Vec<_>>(), sizes.slots().filter(|(_, n)| *n > 0).collect::<Vec<_>>());
    let waits = last.metric("waits_seconds").and_then(|m| m.value(&[])?.histogram()).unwrap().count();
    assert_eq!(sum("waits_seconds", &|p| whole(&p["count"])), waits);
    // Each begins where the one before ended.
    let times = |key: &str| {
        // The agent has the newest first.
        let mut times: Vec<_> = points(&metrics["cache_hits"]).iter().map(|p| whole(&p[key])).collect();
        times.sort_unstable();
        times
    };
    assert_eq!(times("startTimeUnixNano")[1..], times("timeUnixNano")[..3]);
    assert!(times("startTimeUnixNano")[0] < times("timeUnixNano")[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_without_exponential_histograms_gets_exact_explicit_ones() {
    let Some(agent) = OtlpAgent::start() else { return };
    let live = Live::start().await;
    let publication = live.publication(live.snapshot().await);
    let otlp = otlp(&agent, OtlpProtocol::HttpProtobuf).exponential_histograms(false).build().unwrap();
    otlp.publish(&publication).await.unwrap();
    let metrics = metrics(&agent);
    assert!(metrics.values().all(|metric| metric.get("exponentialHistogram").is_none()));
    assert!(!metrics.contains_key("ringscope_kernel_message_duration_nanoseconds"));
    let handled = point(&metrics, "ringscope_kernel_message_duration_seconds", Some(("kernel", "worker")));
    let counted = &publication.snapshot.kernel("worker").unwrap().histogram;
    let counts: Vec<u64> = handled["bucketCounts"].as_array().unwrap().iter().map(whole).collect();
    let bounds: Vec<f64> = handled["explicitBounds"].as_array().unwrap().iter().map(|b| b.as_f64().unwrap()).collect();
    assert_eq!((counts.len(), counts.iter().sum::<u64>()), (bounds.len() + 1, counted.count()));
    for (i, bound) in bounds.iter().enumerate() {
        let ns = (bound * 1e9).round();
        let within = counted.slots().filter(|(slot, _)| slot_bounds(*slot, counted.scale()).1.round() <= ns);
        assert_eq!(counts[..=i].iter().sum::<u64>(), within.map(|(_, count)| count).sum::<u64>(), "up to {bound} s");
    }
    assert_eq!(handled["max"].as_f64(), counted.max().map(|ns| ns as f64 / 1e9));
}
