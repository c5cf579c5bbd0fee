//! Metrics, against what the snapshot says.

use ringscope::Snapshot;
use ringscope::histogram::Histogram;
use ringscope::metrics::Distribution;
use ringscope::publish::{Otlp, Publisher};
use serde_json::{Map, Value, json};

use crate::agent::{Agent, attribute, points, whole};
use crate::live::{Live, MESSAGES};

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
    let offset = point["positive"]["offset"].as_i64().unwrap_or(0);
    let counts = point["positive"]["bucketCounts"].as_array().cloned().unwrap_or_default();
    let mut understood = vec![(0, whole(&point["zeroCount"]))];
    understood.extend((offset + 2..).map(|slot| slot as usize).zip(counts.iter().map(whole)));
    understood.retain(|(_, count)| *count > 0);
    let slots: Vec<_> = counted.slots().filter(|(_, count)| *count > 0).collect();
    assert_eq!(understood, slots);
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

#[tokio::test(flavor = "multi_thread")]
async fn what_arrives_by_protobuf_is_what_was_counted() {
    let Some(agent) = Agent::start() else { return };
    let live = Live::start().await;
    let snapshot = live.snapshot().await;
    let otlp = Otlp::builder(format!("http://127.0.0.1:{}", agent.http)).build().unwrap();
    let published = otlp.publish(&live.publication(snapshot.clone())).await.unwrap();
    assert_same(&agent.metrics(), &snapshot);
    let points: usize = agent.metrics().values().map(|metric| points(metric).len()).sum();
    assert_eq!((published.items, published.rejected), (points as u64, 0));
}
