//! Remote write to real receivers: what Prometheus and VictoriaMetrics then say is what the device counted.
#![cfg(all(feature = "remote-write", feature = "host", unix))]

mod live_run;
mod receivers;

use std::collections::BTreeMap;

use ringscope::Snapshot;
use ringscope::histogram::{Histogram, slot_bounds};
use ringscope::publish::{Environment, Publisher, RemoteWrite, RemoteWriteVersion, Target};
use serde_json::Value;

use live_run::{Live, MESSAGES};
use receivers::Prometheus;

fn to(address: &str, options: &str) -> RemoteWrite {
    let target = Target::parse(&format!("remote-write+http://{address}{options}")).unwrap();
    RemoteWrite::from_target(target, &Environment::of([])).unwrap()
}

/// Upper bounds and counts of the buckets that are not empty.
fn buckets_of(histogram: &Histogram) -> Vec<(f64, f64)> {
    let used = histogram.slots().filter(|(_, count)| *count > 0);
    // Slot 0 is zero itself, at most the threshold there.
    let high = |slot| if slot == 0 { 2f64.powi(-128) } else { slot_bounds(slot, histogram.scale()).1 };
    used.map(|(slot, count)| (high(slot), count as f64)).collect()
}

fn number(value: &Value) -> f64 {
    value.as_str().expect("a number in a string").parse().expect("a number")
}

struct Asked<'a> {
    prometheus: &'a Prometheus,
    at: f64,
}

impl Asked<'_> {
    fn results(&self, promql: &str) -> Vec<Value> {
        self.prometheus.query_at(promql, self.at).as_array().expect("a vector").clone()
    }

    fn value(&self, promql: &str) -> f64 {
        let results = self.results(promql);
        assert_eq!(results.len(), 1, "{promql}: {results:?}");
        number(&results[0]["value"][1])
    }

    /// Native histograms: count, sum, every bucket, quantiles.
    fn native_is(&self, selector: &str, histogram: &Histogram) {
        let results = self.results(selector);
        assert_eq!(results.len(), 1, "{selector}: {results:?}");
        let theirs = &results[0]["histogram"][1];
        assert_eq!(number(&theirs["count"]), histogram.count() as f64, "{selector}");
        assert_eq!(number(&theirs["sum"]), histogram.sum() as f64, "{selector}");
        let buckets = theirs["buckets"].as_array().cloned().unwrap_or_default();
        let buckets: Vec<(f64, f64)> = buckets.iter().map(|b| (number(&b[2]), number(&b[3]))).collect();
        let ours = buckets_of(histogram);
        assert_eq!(buckets.len(), ours.len(), "{selector}: {buckets:?} there, {ours:?} here");
        for ((bound, count), (their_bound, their_count)) in ours.iter().zip(&buckets) {
            assert!((bound - their_bound).abs() <= 1e-9 * bound && count == their_count, "{selector}: {bound}");
        }
        assert_eq!(self.value(&format!("histogram_count({selector})")), histogram.count() as f64);
        assert_eq!(self.value(&format!("histogram_sum({selector})")), histogram.sum() as f64);
        for q in [0.5, 0.95, 0.99] {
            let theirs = self.value(&format!("histogram_quantile({q}, {selector})"));
            let ours = histogram.quantile(q);
            let error = relative_error(histogram.scale());
            assert!(
                (theirs - ours).abs() <= error * theirs.max(ours),
                "{q} of {selector}: {theirs} there, {ours} here"
            );
        }
    }
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
    assert_eq!(asked.value("event_total{name=\"resize\",status=\"success\"}"), 5.0);
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
        let at = publication.snapshot.time.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64() + 0.01;
        everything_is_there(&Asked { prometheus: &prometheus, at }, &publication.snapshot);
    }
}
