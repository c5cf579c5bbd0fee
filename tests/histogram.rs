//! One bucket function on both sides, and percentiles within the error that is documented.

use proptest::prelude::*;
use ringscope::abi::{MAX_SCALE, buckets};
use ringscope::histogram::{Histogram, relative_error, slot_bounds, slot_of, slot_values};

/// Whether `value > 2^(index / 2^scale)`, in integers: value^(2^scale) > 2^index.
fn above(value: u64, index: u64, scale: u32) -> bool {
    // Little-endian limbs; 32 · 64 bits at most.
    let mut power = vec![value];
    for _ in 0..scale {
        power = multiply(&power, &power);
    }
    let bits = |limbs: &[u64]| {
        let top = limbs.iter().rposition(|l| *l != 0).unwrap();
        top as u64 * 64 + u64::from(64 - limbs[top].leading_zeros())
    };
    let is_power_of_two = power.iter().map(|l| l.count_ones()).sum::<u32>() == 1;
    // The highest set bit is 2^(bits - 1).
    let exponent = bits(&power) - 1;
    exponent > index || (exponent == index && !is_power_of_two)
}

fn multiply(a: &[u64], b: &[u64]) -> Vec<u64> {
    let mut out = vec![0u64; a.len() + b.len()];
    for (i, x) in a.iter().enumerate() {
        let mut carry = 0u128;
        for (j, y) in b.iter().enumerate() {
            let sum = u128::from(*x) * u128::from(*y) + u128::from(out[i + j]) + carry;
            out[i + j] = sum as u64;
            carry = sum >> 64;
        }
        out[i + b.len()] = carry as u64;
    }
    out
}

/// The values at and around every edge of every bucket of the finest scale.
fn edge_values() -> Vec<u64> {
    let mut values: Vec<u64> = (0..4200).collect();
    for slot in 0..buckets(MAX_SCALE) {
        let edge = slot_bounds(slot, MAX_SCALE).1 as u64; // saturates at 2^64 - 1
        // The bounds are doubles, and 53 bits good: around large edges look further.
        let slack = (edge >> 52).max(1);
        for step in -4i128..=4 {
            values.push((i128::from(edge) + step * i128::from(slack)).clamp(0, u64::MAX.into()) as u64);
            values.push((i128::from(edge) + step).clamp(0, u64::MAX.into()) as u64);
        }
    }
    values
}

#[test]
fn every_edge_is_where_the_definition_puts_it() {
    for value in edge_values().into_iter().filter(|v| *v > 1) {
        for scale in 0..=MAX_SCALE {
            let index = slot_of(value, scale) as u64 - 2;
            assert!(above(value, index, scale), "{value} is not above bucket {index} of scale {scale}");
            assert!(!above(value, index + 1, scale), "{value} is above bucket {index} of scale {scale}");
        }
    }
}

#[test]
fn zeros_and_ones_have_slots_of_their_own() {
    for scale in 0..=MAX_SCALE {
        assert_eq!((slot_of(0, scale), slot_of(1, scale)), (0, 1));
        assert_eq!(slot_of(u64::MAX, scale), buckets(scale) - 1);
        // Two is the end of the first octave: bucket 2^scale - 1.
        assert_eq!(slot_of(2, scale), 2 + (1 << scale) - 1);
    }
}

#[test]
fn the_integers_of_a_slot_are_those_that_fall_into_it() {
    for scale in 0..=MAX_SCALE {
        let mut next = 0u64;
        for slot in 0..buckets(scale) {
            let values = slot_values(slot, scale);
            assert_eq!(*values.start(), next, "slot {slot} of scale {scale} starts where the one before ends");
            next = values.end().wrapping_add(1);
            if !values.is_empty() {
                assert_eq!((slot_of(*values.start(), scale), slot_of(*values.end(), scale)), (slot, slot));
            }
        }
        assert_eq!(next, 0, "the last slot ends with the last u64");
    }
}

#[cfg(feature = "host")]
#[test]
fn the_devices_function_is_the_hosts_at_every_edge() {
    for value in edge_values() {
        for scale in 0..=MAX_SCALE {
            let native = ringscope::device::host::native_bucket_slot(value, scale) as usize;
            assert_eq!(native, slot_of(value, scale), "{value} at scale {scale}");
        }
    }
}

fn of(values: &[u64], scale: u32) -> Histogram {
    let mut histogram = Histogram::new(scale);
    values.iter().for_each(|v| histogram.record(*v));
    histogram
}

fn value() -> impl Strategy<Value = u64> {
    // All octaves alike, and small numbers often.
    prop_oneof![0u64..40, any::<u64>().prop_flat_map(|v| (0u32..64).prop_map(move |shift| v >> shift))]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[cfg(feature = "host")]
    #[test]
    fn the_devices_function_is_the_hosts(v in any::<u64>(), shift in 0u32..64, scale in 0..=MAX_SCALE) {
        let v = v >> shift;
        prop_assert_eq!(ringscope::device::host::native_bucket_slot(v, scale) as usize, slot_of(v, scale));
    }

    #[test]
    fn quantiles_are_within_the_documented_error(
        mut values in prop::collection::vec(value(), 1..300), scale in 0..=MAX_SCALE, q in 0.0f64..=1.0,
    ) {
        let histogram = of(&values, scale);
        values.sort_unstable();
        prop_assert_eq!(histogram.count(), values.len() as u64);
        prop_assert_eq!(histogram.sum(), values.iter().fold(0u64, |sum, v| sum.wrapping_add(*v)));
        prop_assert_eq!((histogram.min(), histogram.max()), (values.first().copied(), values.last().copied()));
        let rank = ((q * values.len() as f64).ceil() as usize).clamp(1, values.len());
        let exact = values[rank - 1] as f64;
        let error = (histogram.quantile(q) - exact).abs();
        prop_assert!(error <= exact * relative_error(scale) * (1.0 + 1e-12), "{} for {exact}", histogram.quantile(q));
    }

    #[test]
    fn merging_is_recording_it_all(a in prop::collection::vec(value(), 0..80), b in prop::collection::vec(value(), 0..80),
        c in prop::collection::vec(value(), 0..80), scale in 0..=MAX_SCALE, coarser in 0..=MAX_SCALE) {
        let all = of(&[&a[..], &b, &c].concat(), scale.min(coarser));
        let (ha, hb, hc) = (of(&a, scale), of(&b, coarser), of(&c, scale));
        let mut left = ha.clone();
        left.merge(&hb);
        left.merge(&hc);
        let mut right = hb.clone();
        right.merge(&hc);
        let mut outer = ha.clone();
        outer.merge(&right);
        prop_assert!(same(&left, &outer) && same(&left, &all), "{left:?} {outer:?} {all:?}");
    }

    #[test]
    fn downscaling_is_recording_at_the_coarser_scale(values in prop::collection::vec(value(), 0..200), from in 0..=MAX_SCALE, to in 0..=MAX_SCALE) {
        prop_assert!(same(&of(&values, from).downscaled(to), &of(&values, from.min(to))));
    }

    #[test]
    fn what_came_since_is_what_came_since(before in prop::collection::vec(value(), 0..80), after in prop::collection::vec(value(), 0..80), scale in 0..=MAX_SCALE) {
        let earlier = of(&before, scale);
        let since = of(&[&before[..], &after].concat(), scale).since(&earlier);
        let exact = of(&after, scale);
        prop_assert_eq!((since.count(), since.sum()), (exact.count(), exact.sum()));
        prop_assert_eq!(used(&since), used(&exact));
        // Extremes: no narrower than the exact ones, and in their buckets.
        if let (Some(min), Some(max)) = (exact.min(), exact.max()) {
            prop_assert!(since.min().unwrap() <= min && since.max().unwrap() >= max);
            prop_assert_eq!(slot_of(since.min().unwrap(), scale), slot_of(min, scale));
            prop_assert_eq!(slot_of(since.max().unwrap(), scale), slot_of(max, scale));
        }
    }
}

fn used(h: &Histogram) -> Vec<(usize, u64)> {
    h.slots().filter(|(_, count)| *count > 0).collect()
}

fn same(a: &Histogram, b: &Histogram) -> bool {
    (a.scale(), a.count(), a.sum(), a.min(), a.max(), used(a))
        == (b.scale(), b.count(), b.sum(), b.min(), b.max(), used(b))
}

#[test]
fn nothing_recorded_is_zero_not_nan() {
    let empty = Histogram::new(3);
    assert_eq!((empty.quantile(0.5), empty.mean(), empty.min(), empty.max()), (0.0, 0.0, None, None));
    assert_eq!(of(&[5], 3).quantile(f64::NAN), 5.0);
}

#[test]
fn percentiles_are_quantiles_of_a_hundred() {
    let collector = ringscope::TelemetryCollector::new(true);
    let shared = collector.histogram("sizes", "Sizes").unwrap().on_host().unwrap();
    let mut exponential = Histogram::new(3);
    let mut explicit = ringscope::metrics::ExplicitHistogram::new(&[10.0, 100.0, 1000.0]).unwrap();
    for value in 1..=1000u64 {
        exponential.record(value);
        explicit.record(value as f64);
        shared.observe(value);
    }
    let value = shared.value();
    for (p, q) in [(-1.0, 0.0), (0.0, 0.0), (50.0, 0.5), (99.0, 0.99), (100.0, 1.0), (250.0, 1.0), (f64::NAN, 0.0)] {
        assert_eq!(exponential.percentile(p), exponential.quantile(q), "{p}");
        assert_eq!(explicit.percentile(p), explicit.quantile(q), "{p}");
        assert_eq!((shared.percentile(p), value.percentile(p)), (value.quantile(q), value.quantile(q)), "{p}");
    }
    // The median, not the half-th percentile: the two must not be taken for each other.
    assert!(exponential.percentile(50.0) > 400.0 && exponential.percentile(0.5) < 10.0);
}
