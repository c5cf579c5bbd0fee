//! Each trouble is found, each in its own way; load that changes is none.

use std::sync::Arc;

use ringscope::alert::anomaly::{FindingKind, Measure, Watch};

use super::generator::{Story, run};
use super::watching::{Judged, judge, snapshots};

fn judged(story: Story) -> Judged {
    judge(&run(story, 1))
}

fn says(judged: &Judged) -> Vec<String> {
    judged.rightly.iter().chain(&judged.wrongly).map(ToString::to_string).collect()
}

/// What is found of a story, which must be more than nothing, and no more than it.
fn found(story: Story, measure: Measure, kind: FindingKind) {
    let judged = judged(story);
    let is = judged.rightly.iter().any(|finding| (finding.measure(), finding.kind) == (Some(measure), kind));
    assert!(is && judged.wrongly.is_empty(), "{story:?}: {:#?}", says(&judged));
    for finding in &judged.rightly {
        assert!((0.5..=1.0).contains(&finding.score) && finding.kernel() == Some("kernel"), "{finding:?}");
        assert!(finding.to_string().contains("% sure"), "{finding}");
    }
}

#[test]
fn a_hang() {
    found(Story::Hang, Measure::Throughput, FindingKind::LevelShift);
    found(Story::Hang, Measure::QueueDepth, FindingKind::Drift);
}

#[test]
fn slow_blocks() {
    found(Story::SlowBlocks, Measure::P99, FindingKind::LevelShift);
}

#[test]
fn a_leak() {
    found(Story::Leak, Measure::P50, FindingKind::Drift);
}

#[test]
fn a_pause() {
    found(Story::Pause, Measure::P99, FindingKind::Spike);
}

#[test]
fn errors() {
    found(Story::Errors, Measure::ErrorRate, FindingKind::LevelShift);
}

/// Where the mean and the median stay what they were, the buckets still tell.
#[test]
fn another_distribution_with_the_same_mean_and_median() {
    let story = run(Story::Bimodal, 1);
    let wrong = story.wrong.clone().expect("something is wrong");
    let over = |seconds: std::ops::Range<usize>| {
        let mut all = ringscope::histogram::Histogram::new(3);
        story.seconds[seconds].iter().for_each(|second| all.merge(&second.latency));
        (all.mean(), all.quantile(0.5))
    };
    let ((mean, median), (other_mean, other_median)) = (over(0..wrong.start), over(wrong));
    assert!((other_mean / mean - 1.0).abs() < 0.01, "{mean} {other_mean}");
    assert_eq!(median, other_median);

    let judged = judge(&story);
    let kinds: Vec<_> = judged.rightly.iter().map(|finding| (finding.measure(), finding.kind)).collect();
    assert_eq!(kinds, [(Some(Measure::Latency), FindingKind::Distribution)], "{:#?}", says(&judged));
    assert!(judged.wrongly.is_empty(), "{:#?}", says(&judged));
    assert!(judged.delay.is_some_and(|seconds| seconds < 3), "{:?}", judged.delay);
    let moved = judged.rightly[0].moved.expect("where they went");
    assert!(moved.from < 1.3e6 && moved.to < 1.8e6 || moved.from > 2.2e6 && moved.to > 2.8e6, "{moved:?}");
    assert!(moved.seen_share > 0.2 && moved.seen_share > moved.expected_share + 0.1, "{moved:?}");
}

#[test]
fn load_that_changes_is_none() {
    for story in [Story::Steady, Story::Cycle, Story::Ramp, Story::Step, Story::Bursts, Story::Turns] {
        let judged = judged(story);
        assert!(judged.rightly.is_empty() && judged.wrongly.is_empty(), "{story:?}: {:#?}", says(&judged));
    }
}

#[test]
fn a_reset_and_a_kernel_that_comes_and_goes_are_none() {
    let run = run(Story::Steady, 1);
    let mut watch = Watch::new();
    let mut base = None;
    for (second, mut snapshot) in snapshots(&run).enumerate() {
        let kernel = snapshot.kernels[0].clone();
        match second {
            ..900 => {}
            900 => base = Some(kernel),
            1200..1210 => snapshot.kernels.clear(),
            _ => {}
        }
        if let (Some(base), Some(kernel)) = (&base, snapshot.kernels.first_mut()) {
            kernel.messages_processed -= base.messages_processed;
            kernel.errors -= base.errors;
            kernel.histogram = Arc::new(kernel.histogram.since(&base.histogram));
        }
        let found = watch.push(&snapshot);
        assert!(found.is_empty(), "{second}: {found:?}");
        // Twice the same snapshot is no time.
        assert!(watch.push(&snapshot).is_empty());
    }
}

#[test]
fn the_same_seed_makes_the_same_run() {
    let numbers = |seed| run(Story::Errors, seed).seconds.iter().map(|s| (s.processed, s.errors)).collect::<Vec<_>>();
    assert!(numbers(1) == numbers(1) && numbers(1) != numbers(2));
}
