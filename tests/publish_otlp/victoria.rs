//! VictoriaMetrics, which stores exponential histograms by ranges of their own, and queries them.

use ringscope::histogram::{Histogram, relative_error, slot_bounds};
use ringscope::metrics::Distribution;
use ringscope::publish::{Otlp, OtlpSignal, Publisher};

use crate::live::Live;
use crate::receivers::{Victoria, wait_for};

/// Series that are new to it are found a moment after they came.
fn number(victoria: &Victoria, query: &str) -> f64 {
    wait_for(query, || victoria.value(query))
}

/// Bucket by bucket: each range has the bounds of one of the device's.
fn assert_buckets(victoria: &Victoria, name: &str, with: &str, counted: &Histogram) {
    assert_eq!(number(victoria, &format!("{name}_count{with}")), counted.count() as f64);
    assert_eq!(number(victoria, &format!("{name}_sum{with}")), counted.sum() as f64);
    let ranges = victoria.query(&format!("{name}_bucket{with}"));
    let mut found: Vec<(f64, f64, u64)> = Vec::new();
    for range in ranges.as_array().expect("a vector") {
        let (low, high) = range["metric"]["vmrange"].as_str().unwrap().split_once("...").unwrap();
        let count = range["value"][1].as_str().unwrap().parse().unwrap();
        found.push((low.parse().unwrap(), high.parse().unwrap(), count));
    }
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    let used: Vec<_> = counted.slots().filter(|(_, count)| *count > 0).collect();
    assert_eq!(found.len(), used.len(), "{found:?} are not {used:?}");
    for ((slot, count), (low, high, stored)) in used.into_iter().zip(found) {
        assert_eq!(count, stored, "in slot {slot}");
        let (from, to) = slot_bounds(slot, counted.scale());
        // It writes bounds with four digits; zeros have a range of their own.
        let near = |a: f64, b: f64| (a - b).abs() <= b.abs() * 1e-3 + 1e-8;
        assert!(near(low, from) && near(high, to), "{low}...{high} is not ({from}, {to}]");
    }
    for q in [0.5, 0.9, 0.99] {
        let quantile = number(victoria, &format!("histogram_quantile({q}, {name}_bucket{with})"));
        let ours = counted.quantile(q);
        // Both lie in the same bucket.
        assert!(
            (quantile - ours).abs() <= ours * 2.5 * relative_error(counted.scale()) + 1.0,
            "{q}: {quantile}, {ours}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exponential_histograms_are_queried_back() {
    let Some(victoria) = Victoria::start() else { return };
    let live = Live::start().await;
    let snapshot = live.snapshot().await;
    let otlp = Otlp::builder(format!("http://{}/opentelemetry", victoria.address()));
    let otlp = otlp.signals(&[OtlpSignal::Metrics]).gzip(true).build().unwrap();
    let published = otlp.publish(&live.publication(snapshot.clone())).await.unwrap();
    assert_eq!((published.rejected, published.warning), (0, None));
    let worker = snapshot.kernel("worker").unwrap();
    let of_worker = "{kernel=\"worker\"}";
    let received = number(&victoria, &format!("ringscope_kernel_messages_received{of_worker}"));
    assert_eq!(received, worker.messages_received as f64);
    assert_eq!(number(&victoria, "level"), -0.25);
    assert_buckets(&victoria, "ringscope_kernel_message_duration_nanoseconds", of_worker, &worker.histogram);
    let sizes = snapshot.metric("sizes_bytes").and_then(|m| m.value(&[])?.histogram()).unwrap();
    let Distribution::Exponential(sizes) = &sizes.distribution else { panic!("{sizes:?}") };
    assert_eq!(sizes.slots().next(), Some((0, 1)), "a zero is among them");
    assert_buckets(&victoria, "sizes_bytes", "", sizes);
    let waits = snapshot.metric("waits_seconds").and_then(|m| m.value(&[])?.histogram()).unwrap();
    let Distribution::Explicit(waits) = &waits.distribution else { panic!("{waits:?}") };
    let mut below = 0;
    for (bound, count) in waits.bounds().iter().zip(waits.counts()) {
        below += count;
        assert_eq!(number(&victoria, &format!("waits_seconds_bucket{{le=\"{bound}\"}}")), below as f64);
    }
    assert_eq!(number(&victoria, "waits_seconds_count"), waits.count() as f64);
}
