//! Numbers that nobody expects, and what must not matter.

use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use ringscope::alert::anomaly::{Detector, Distribution, Finding, FindingKind, Scored};
use ringscope::histogram::Histogram;

use super::generator::Chance;

fn push_all(values: impl IntoIterator<Item = f64>) -> Vec<Scored> {
    let mut detector = Detector::new("series");
    let mut time = SystemTime::UNIX_EPOCH;
    let push = |value| {
        time += Duration::from_secs(1);
        detector.push(time, value)
    };
    values.into_iter().map(push).collect()
}

fn findings(scored: &[Scored]) -> Vec<&Finding> {
    scored.iter().filter_map(|scored| scored.finding.as_ref()).collect()
}

fn noise(count: usize) -> Vec<f64> {
    let mut chance = Chance::new(7);
    std::iter::repeat_with(|| chance.normal()).take(count).collect()
}

fn kinds(values: impl IntoIterator<Item = f64>) -> Vec<FindingKind> {
    findings(&push_all(values)).iter().map(|finding| finding.kind).collect()
}

#[test]
fn each_kind_is_told_from_the_others() {
    let usual = |i: usize, noise: &f64| 100.0 + noise + 0.0 * i as f64;
    let series = |change: &dyn Fn(usize) -> f64| -> Vec<f64> {
        noise(1500).iter().enumerate().map(|(i, noise)| usual(i, noise) + change(i)).collect()
    };
    assert_eq!(kinds(series(&|_| 0.0)), []);
    assert_eq!(kinds(series(&|i| if i == 1000 { 30.0 } else { 0.0 })), [FindingKind::Spike]);
    assert_eq!(kinds(series(&|i| if i >= 1000 { 30.0 } else { 0.0 })), [FindingKind::LevelShift]);
    let drift = kinds(series(&|i| 0.02 * i.saturating_sub(700) as f64));
    assert!(drift.contains(&FindingKind::Drift), "{drift:?}");
}

#[test]
fn a_finding_says_what_was_expected_and_what_was_seen() {
    let values =
        noise(700).iter().enumerate().map(|(i, noise)| noise + if i < 600 { 100.0 } else { 40.0 }).collect::<Vec<_>>();
    let scored = push_all(values);
    let found = findings(&scored);
    let [finding] = found[..] else { panic!("{found:?}") };
    assert!((finding.expected - 100.0).abs() < 2.0 && (finding.seen - 40.0).abs() < 2.0, "{finding:?}");
    assert_eq!(finding.time, SystemTime::UNIX_EPOCH + Duration::from_secs(601));
    let text = finding.to_string();
    assert!(text.starts_with("series: a shift to a lower level: ") && text.ends_with("% sure"), "{text}");
}

#[test]
fn what_was_seen_before_is_usual_and_what_comes_instead_is_not() {
    let cycle = |i: usize| 50.0 + 30.0 * (i as f64 / 100.0 * std::f64::consts::TAU).sin();
    let values = |other: usize| {
        let noise = noise(2000).into_iter().enumerate();
        noise.map(move |(i, noise)| noise + if i / 100 == other { 20.0 } else { cycle(i) }).collect::<Vec<_>>()
    };
    let late = |scored: &[Scored]| scored[600..].iter().map(|scored| scored.score).fold(0.0, f64::max);
    assert!(late(&push_all(values(usize::MAX))) < 1e-3, "{}", late(&push_all(values(usize::MAX))));
    let scored = push_all(values(15));
    let highest = (600..2000).max_by(|a, b| scored[*a].score.total_cmp(&scored[*b].score)).unwrap();
    assert!((1500..1650).contains(&highest) && scored[highest].score > 0.01, "{highest}: {}", scored[highest].score);
}

/// Of noise, even with a long tail, there are not many more false findings than the scores say: one in ten thousand values.
#[test]
fn the_scores_mean_what_they_say() {
    let mut chance = Chance::new(5);
    type Noise = fn(&mut Chance) -> f64;
    let noises: [(&str, Noise); 3] = [
        ("normal", |chance| chance.normal()),
        ("uniform", |chance| chance.uniform()),
        ("exponential", |chance| -(1.0 - chance.uniform()).ln()),
    ];
    for (name, noise) in noises {
        let series = std::iter::repeat_with(|| push_all(std::iter::repeat_with(|| noise(&mut chance)).take(3000)));
        let found: usize = series.take(20).map(|scored| findings(&scored).len()).sum();
        assert!(found <= 12, "{name}: {found} in 60,000 values");
    }
}

#[test]
fn a_constant_is_expected_and_its_change_is_not() {
    for constant in [0.0, 1e-300, -5.0, 1e300, f64::MAX] {
        let scored = push_all(std::iter::repeat_n(constant, 300));
        assert!(scored.iter().all(|scored| scored.score < 0.01 && scored.finding.is_none()), "{constant}");
    }
    let scored = push_all((0..300).map(|i| f64::from(i == 200)));
    assert!(scored[200].score > 0.9, "{}", scored[200].score);
}

/// Neither an offset nor a unit matters, as long as the numbers are exact enough.
#[test]
fn the_unit_does_not_matter() {
    let values: Vec<f64> =
        noise(900).iter().enumerate().map(|(i, n)| n + if i % 300 == 250 { 30.0 } else { 0.0 }).collect();
    let scores = |scale: f64, offset: f64| {
        let scored = push_all(values.iter().map(|value| value * scale + offset));
        scored.iter().map(|scored| scored.score).collect::<Vec<_>>()
    };
    let plain = scores(1.0, 0.0);
    assert!(plain.iter().any(|score| *score > 0.5));
    // Powers of two change no digit.
    assert_eq!(plain, scores(2f64.powi(40), 0.0));
    assert_eq!(plain, scores(2f64.powi(-40), 0.0));
    assert_eq!(plain, scores(-1.0, 0.0));
    let near = |other: Vec<f64>| plain.iter().zip(&other).all(|(a, b)| (a - b).abs() < 0.01);
    assert!(near(scores(1e-9, 0.0)) && near(scores(1e12, 0.0)) && near(scores(1.0, 1000.0)));
}

#[test]
fn one_value_and_none() {
    assert_eq!(push_all([3.0]).iter().map(|scored| scored.score).collect::<Vec<_>>(), [0.0]);
    let values = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    assert!(push_all(values).iter().all(|scored| *scored == push_all([0.0])[0]));
}

#[test]
fn what_is_no_number_is_not_learned_from() {
    let values = noise(500);
    let with_gaps: Vec<f64> = values.iter().flat_map(|value| [*value, f64::NAN, f64::INFINITY]).collect();
    let scores = |scored: Vec<Scored>| scored.into_iter().map(|scored| scored.score).collect::<Vec<_>>();
    let with_gaps: Vec<f64> = scores(push_all(with_gaps)).into_iter().step_by(3).collect();
    assert_eq!(with_gaps, scores(push_all(values)));
}

fn any_number() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => -1e3..1e3f64,
        1 => any::<f64>(),
        1 => Just(0.0),
        1 => Just(f64::MAX),
        1 => Just(f64::MIN_POSITIVE),
        1 => prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY)],
    ]
}

proptest! {
    #[test]
    fn any_numbers_have_scores(
        mut values in proptest::collection::vec(any_number(), 0..600),
        calm in 0usize..80,
    ) {
        values.splice(0..0, std::iter::repeat_n(1.0, calm));
        for (scored, value) in push_all(values.iter().copied()).iter().zip(&values) {
            prop_assert!((0.0..=1.0).contains(&scored.score), "{scored:?} of {value}");
            if let Some(finding) = &scored.finding {
                prop_assert!(finding.expected.is_finite() && finding.seen.is_finite(), "{finding:?}");
                prop_assert!((0.5..=1.0).contains(&finding.score) && !finding.to_string().is_empty(), "{finding:?}");
            }
        }
    }

    #[test]
    fn any_histograms_have_scores(
        batches in proptest::collection::vec((0u32..=5, proptest::collection::vec(any::<u64>(), 0..4), 0usize..400), 0..60),
    ) {
        let mut detector = Distribution::new("latency");
        for (scale, values, usual) in batches {
            let mut histogram = Histogram::new(scale);
            (0..usual).for_each(|i| histogram.record(1000 + (i % 10) as u64));
            values.iter().for_each(|value| histogram.record(*value));
            let scored = detector.push(SystemTime::UNIX_EPOCH, &histogram);
            prop_assert!((0.0..=1.0).contains(&scored.score), "{scored:?}");
            if let Some(finding) = &scored.finding {
                prop_assert!(finding.moved.is_some_and(|moved| moved.seen_share > moved.expected_share), "{finding:?}");
            }
        }
    }
}

/// A distribution that moved by a bucket in a hundred samples is chance; by as much in all of them it is none.
#[test]
fn few_values_prove_nothing() {
    let mut chance = Chance::new(3);
    let mut sample = |count: usize, middle: f64| {
        let mut histogram = Histogram::new(3);
        (0..count).for_each(|_| histogram.record((middle * (0.3 * chance.normal()).exp()) as u64));
        histogram
    };
    let mut detector = Distribution::new("latency");
    let mut scores = Vec::new();
    for second in 0..200 {
        let middle = if second < 150 { 1e6 } else { 1.3e6 };
        scores.push(detector.push(SystemTime::UNIX_EPOCH, &sample(300, middle)).score);
    }
    assert!(scores[..150].iter().all(|score| *score < 0.5), "{:?}", &scores[..150]);
    assert!(scores[150] > 0.9, "{}", scores[150]);
}
