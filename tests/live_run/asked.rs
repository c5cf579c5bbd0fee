//! What a Prometheus says at a time, compared with histograms of the device.

use ringscope::histogram::{Histogram, slot_bounds};
use serde_json::Value;

use crate::receivers::Prometheus;

/// Upper bounds and counts of the buckets that are not empty.
pub fn buckets_of(histogram: &Histogram) -> Vec<(f64, f64)> {
    let used = histogram.slots().filter(|(_, count)| *count > 0);
    // Slot 0 is zero itself, at most the threshold there.
    let high = |slot| if slot == 0 { 2f64.powi(-128) } else { slot_bounds(slot, histogram.scale()).1 };
    used.map(|(slot, count)| (high(slot), count as f64)).collect()
}

/// The bounds of the bucket with the quantile; where it is between two values, from the one's to the other's.
fn around(histogram: &Histogram, q: f64) -> (f64, f64) {
    let rank = q * histogram.count() as f64;
    let slot_of_rank = |rank: f64| {
        let mut left = rank.clamp(1.0, histogram.count() as f64);
        let slots = histogram.slots().find(|(_, count)| {
            left -= *count as f64;
            left <= 0.0
        });
        slot_bounds(slots.expect("a rank that it has").0, histogram.scale())
    };
    (slot_of_rank((rank - 1e-6).ceil()).0, slot_of_rank((rank + 1e-6).floor() + 1.0).1 * (1.0 + 1e-9))
}

fn number(value: &Value) -> f64 {
    value.as_str().expect("a number in a string").parse().expect("a number")
}

/// A Prometheus at a time.
pub struct Asked<'a> {
    pub prometheus: &'a Prometheus,
    /// Unix time in seconds.
    pub at: f64,
}

impl Asked<'_> {
    pub fn results(&self, promql: &str) -> Vec<Value> {
        self.prometheus.query_at(promql, self.at).as_array().expect("a vector").clone()
    }

    pub fn value(&self, promql: &str) -> f64 {
        let results = self.results(promql);
        assert_eq!(results.len(), 1, "{promql}: {results:?}");
        number(&results[0]["value"][1])
    }

    /// Native histograms: count, sum, every bucket, quantiles.
    pub fn native_is(&self, selector: &str, histogram: &Histogram) {
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
            let (low, high) = around(histogram, q);
            assert!(low <= theirs && theirs <= high, "{q} of {selector}: {theirs} is not in {low} to {high}");
            assert!(low <= histogram.quantile(q) && histogram.quantile(q) <= high);
        }
    }
}
