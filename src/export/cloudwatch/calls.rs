//! Calls of PutMetricData, within its limits.

use serde::{Deserialize, Serialize};

use super::datum::{Datum, Format, data};
use crate::snapshot::Snapshot;

/// Most data of a call.
const MOST_DATA: usize = 1000;
/// Most bytes of a call; CloudWatch's limit is 1 MB.
const MOST_BYTES: usize = 1_000_000;

/// What is in a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Call {
    pub(crate) namespace: String,
    pub(crate) metric_data: Vec<Datum>,
}

/// Writes what was added since `previous`, and how things are, as calls, and how many data CloudWatch does not take.
pub(crate) fn calls(format: &Format, snapshot: &Snapshot, previous: Option<&Snapshot>) -> (Vec<Call>, u64) {
    let mut calls = Vec::new();
    let mut bytes = MOST_BYTES;
    let rejected = data(format, snapshot, previous, &mut |datum| {
        let more = wire_bytes(&datum);
        let is_full = |call: &Call| call.metric_data.len() == MOST_DATA;
        if bytes + more > MOST_BYTES || calls.last().is_some_and(is_full) {
            bytes = 64 + format.namespace.len();
            calls.push(Call { namespace: format.namespace.clone(), metric_data: Vec::new() });
        }
        bytes += more;
        if let Some(call) = calls.last_mut() {
            call.metric_data.push(datum);
        }
    });
    (calls, rejected)
}

/// At least as many bytes as it has in a request in CBOR: names of fields and the like, texts with their lengths, and 9 bytes a
/// number.
fn wire_bytes(datum: &Datum) -> usize {
    let dimensions = datum.dimensions.iter().map(|dimension| 24 + dimension.name.len() + dimension.value.len());
    160 + datum.metric_name.len() + dimensions.sum::<usize>() + 9 * (datum.values.len() + datum.counts.len())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::datum::{Dimension, MOST_DIMENSIONS, in_range};
    use super::*;
    use crate::TelemetryCollector;

    fn format() -> Format {
        Format::new("test".to_owned(), Dimension::new("service", "shop").into_iter().collect(), None)
    }

    fn values_of(datum: &Datum) -> Vec<(f64, f64)> {
        match datum.value {
            Some(value) => vec![(value, 1.0)],
            None => datum.values.iter().copied().zip(datum.counts.iter().copied()).collect(),
        }
    }

    /// What PutMetricData's documentation asks for.
    fn assert_allowed(calls: &[Call]) {
        for call in calls {
            assert!(!call.metric_data.is_empty() && call.metric_data.len() <= 1000);
            assert!(call.metric_data.iter().map(wire_bytes).sum::<usize>() <= 1_000_000);
            for datum in &call.metric_data {
                assert!(datum.value.is_some() == datum.values.is_empty() && datum.values.len() == datum.counts.len());
                assert!(datum.values.len() <= 150 && datum.dimensions.len() <= 30, "{datum:?}");
                let most = 360f64.exp2();
                let is_fine = |x: f64| x == 0.0 || (1.0 / most..=most).contains(&x.abs());
                assert!(values_of(datum).iter().all(|(value, count)| is_fine(*value) && *count >= 1.0), "{datum:?}");
                assert!(datum.values.is_sorted_by(|a, b| a < b), "each once: {datum:?}");
                let is_text = |text: &str| text.bytes().all(|b| (b' '..0x7f).contains(&b)) && !text.trim().is_empty();
                for Dimension { name, value } in &datum.dimensions {
                    assert!(is_text(name) && is_text(value) && value.len() <= 1024 && !name.starts_with(':'));
                }
            }
        }
    }

    fn sums(calls: &[Call], name: &str) -> (f64, f64) {
        let data = calls.iter().flat_map(|call| &call.metric_data).filter(|datum| datum.metric_name == name);
        let values = data.flat_map(values_of);
        values.fold((0.0, 0.0), |(count, sum), (value, n)| (count + n, sum + value * n))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn calls_keep_to_the_limits_and_to_the_counts(
            sizes in prop::collection::vec(any::<u64>(), 0..2000),
            shift in 0u32..50,
            waits in prop::collection::vec(prop::num::f64::ANY, 0..50),
            gauge in prop::num::f64::ANY,
            label in "\\PC{0,40}|[\u{0}-\u{20}]{0,5}",
            labels in 0usize..33,
        ) {
            let collector = TelemetryCollector::new(true);
            let histogram = collector.histogram("sizes", "Sizes").expect("a name").on_host().expect("a histogram");
            let of_user = collector.histogram("waits", "Waits").expect("a name").buckets(&[-1e300, 0.5, 1e300]);
            let of_user = of_user.on_host().expect("a histogram");
            let mut labelled = collector.gauge("labelled", "Labelled").expect("a name");
            for n in 0..labels.min(32) {
                labelled = labelled.label(&format!("l{n}"), &label);
            }
            labelled.on_host().expect("a gauge").set(gauge);
            sizes.iter().for_each(|value| histogram.observe(value >> shift));
            waits.iter().for_each(|value| of_user.observe(*value));
            let snapshot = collector.snapshot().expect("a snapshot");
            let (calls, rejected) = calls(&format(), &snapshot, None);
            assert_allowed(&calls);
            prop_assert_eq!(sums(&calls, "sizes").0, sizes.len() as f64);
            let dimensions = if Dimension::new("l", &label).is_some() { labels.min(32) + 1 } else { 1 };
            let there = dimensions <= MOST_DIMENSIONS && in_range(gauge).is_some();
            prop_assert_eq!(sums(&calls, "labelled").0, f64::from(u8::from(there)));
            prop_assert!(rejected <= 2);
            for call in &calls {
                let text = serde_json::to_string(call).expect("JSON");
                let again: Call = serde_json::from_str(&text).expect("the same");
                prop_assert_eq!(again.metric_data.len(), call.metric_data.len());
            }
        }
    }

    #[test]
    fn a_thousand_data_and_a_megabyte_are_a_call() {
        let collector = TelemetryCollector::new(true);
        for n in 0..1500 {
            let series = collector.histogram("sizes", "Sizes").expect("a name").scale(5).label("n", &n.to_string());
            let series = series.on_host().expect("a histogram");
            (0..200u64).for_each(|i| series.observe((1 << (i % 64)) | (i * i)));
        }
        for n in 0..2500 {
            let gauge = collector.gauge("small", "Small").expect("a name").label("n", &n.to_string());
            gauge.on_host().expect("a gauge").set(f64::from(n));
        }
        let snapshot = collector.snapshot().expect("a snapshot");
        let (calls, rejected) = calls(&format(), &snapshot, None);
        assert_eq!((rejected, sums(&calls, "small").0), (0, 2500.0));
        assert_allowed(&calls);
        assert_eq!(sums(&calls, "sizes").0, 1500.0 * 200.0);
        let mut data = BTreeMap::new();
        for datum in calls.iter().flat_map(|call| &call.metric_data).filter(|datum| datum.metric_name == "sizes") {
            *data.entry(datum.dimensions[0].value.clone()).or_insert(0) += 1;
        }
        assert!(data.len() == 1500 && data.values().all(|n| *n >= 1));
        let lengths: Vec<usize> = calls.iter().map(|call| call.metric_data.len()).collect();
        let full_by_bytes = lengths[..lengths.len() - 1].iter().any(|n| *n < 1000);
        assert!(lengths.contains(&1000) && full_by_bytes, "{lengths:?}");
    }

    #[test]
    fn what_is_added_is_counted_once_and_the_interval_decides_the_resolution() {
        let collector = TelemetryCollector::new(true);
        collector.record_receive("w").expect("on");
        let first = collector.snapshot().expect("a snapshot");
        let (all, _) = calls(&format(), &first, None);
        assert_eq!(sums(&all, "ringscope_kernel_messages_received"), (1.0, 1.0));
        assert!(all[0].metric_data.iter().all(|datum| datum.storage_resolution == 60));
        (0..3).for_each(|_| collector.record_receive("w").expect("on"));
        let second = collector.snapshot().expect("a snapshot");
        let (since, _) = calls(&format(), &second, Some(&first));
        assert_eq!(sums(&since, "ringscope_kernel_messages_received"), (1.0, 3.0));
        assert_eq!(sums(&since, "ringscope_kernel_errors").0, 0.0, "nothing was added");
        assert!(since[0].metric_data.iter().all(|datum| datum.storage_resolution == 1));
        let received =
            since[0].metric_data.iter().find(|datum| datum.metric_name == "ringscope_kernel_messages_received");
        let received = received.expect("it was added to");
        let dimensions: Vec<_> = received.dimensions.iter().map(|d| (&*d.name, &*d.value)).collect();
        assert_eq!((&*received.unit, &dimensions[..]), ("Count", &[("kernel", "w"), ("service", "shop")][..]));
    }
}
