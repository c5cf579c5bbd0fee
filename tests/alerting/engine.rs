//! The engine as a whole: several things at once, bounds, silences.

use std::time::Duration;

use ringscope::alert::{AlertState, Matcher, Rule, Rules, Severity, Silence};

use crate::world::{World, told};

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

#[test]
fn an_alert_is_pending_then_fires_then_is_resolved_once() {
    let mut world =
        World::new([Rule::queue_depth_above("*", 10).hold(minutes(2)).resolve_after(minutes(1)).named("Deep")]);
    world.telemetry.record_receive("w").unwrap();
    let mut look = |seconds, depth| told(&world.look_at(seconds, |s| s.kernels[0].queue_depth = depth));
    assert!(look(1, 10).is_empty(), "10 is not above 10");
    assert_eq!(look(1, 11), ["pending Deep kernel=w"]);
    assert!(look(60, 3).is_empty(), "it was well meanwhile");
    assert_eq!(look(1, 11), ["pending Deep kernel=w"]);
    assert_eq!(look(119, 11), ["pending Deep kernel=w"]);
    assert_eq!(look(1, 11), ["firing Deep kernel=w"]);
    assert_eq!(look(1, 3), ["firing Deep kernel=w"], "not for a minute yet");
    assert_eq!(look(59, 11), ["firing Deep kernel=w"]);
    assert_eq!(look(10, 3), ["firing Deep kernel=w"]);
    assert_eq!(look(60, 3), ["resolved Deep kernel=w"]);
    assert!(look(1, 3).is_empty());
    let counts = world.engine.counts().read();
    assert_eq!((counts.fired_total, counts.resolved_total, counts.firing, counts.pending), (1, 1, 0, 0));
}

#[test]
fn between_the_limit_and_where_it_clears_nothing_changes() {
    let mut world = World::new([Rule::queue_depth_above("*", 10).clear_at(5.0)]);
    world.telemetry.record_receive("w").unwrap();
    let mut state = |depth| world.look_at(1, |s| s.kernels[0].queue_depth = depth).first().map(|alert| alert.state);
    assert_eq!(state(8), None);
    assert_eq!(state(11), Some(AlertState::Firing));
    assert_eq!(
        (state(8), state(6), state(9)),
        (Some(AlertState::Firing), Some(AlertState::Firing), Some(AlertState::Firing))
    );
    assert_eq!((state(5), state(8)), (Some(AlertState::Resolved), None));
}

#[test]
fn each_kernel_has_an_alert_of_its_own_and_what_is_too_much_is_counted() {
    let rules = Rules::new().rule(Rule::queue_depth_above("w*", 0)).alerts_per_rule(3);
    let mut world = World::of(rules);
    for kernel in ["w1", "w2", "x", "w3", "w4", "w5"] {
        world.telemetry.record_receive(kernel).unwrap();
    }
    let deep = |snapshot: &mut ringscope::Snapshot| snapshot.kernels.iter_mut().for_each(|k| k.queue_depth = 7);
    let first = world.look_at(1, deep);
    assert_eq!(told(&first), ["w1", "w2", "w3"].map(|w| format!("firing queue_depth kernel={w}")));
    assert_eq!(world.engine.counts().read().dropped_total, 2);
    assert_eq!(told(&world.look_at(1, deep)).len(), 3, "the same again is the same");
    let gone = world.look_at(1, |snapshot| snapshot.kernels.clear());
    assert!(gone.iter().all(|alert| alert.state == AlertState::Resolved && alert.value == 7.0), "{gone:?}");
}

#[test]
fn a_kernel_that_is_gone_or_reset_is_no_trouble() {
    let rule = Rule::failure_rate_above("*", 0.5).over(Duration::from_secs(10)).named("Failing");
    let mut world = World::new([rule]);
    world.telemetry.record_processed("w", None).unwrap();
    assert!(world.look(1).is_empty());
    for _ in 0..9 {
        world.telemetry.record_error("w", "no").unwrap();
    }
    assert_eq!(told(&world.look(1)), ["firing Failing kernel=w"]);
    world.telemetry.reset(None).unwrap();
    world.telemetry.record_processed("w", None).unwrap();
    assert_eq!(told(&world.look(1)), ["resolved Failing kernel=w"], "since the reset nothing failed");
    assert!(world.look(100).is_empty());
}

#[test]
fn silences_keep_alerts_that_match_from_being_told_while_they_last() {
    let mut world = World::new([]);
    let (from, until) = (world.now + Duration::from_secs(10), world.now + Duration::from_secs(20));
    let silence = Silence::new("maintenance").matching(Matcher::new("kernel", "w?")).from(from).until(until);
    let rule = Rule::queue_depth_above("*", 0).label("team", "gpu").severity(Severity::Critical);
    world = World::of(Rules::new().rule(rule).silence(silence));
    world.telemetry.record_receive("w1").unwrap();
    world.telemetry.record_receive("x").unwrap();
    let mut silenced = |seconds| {
        let alerts = world.look_at(seconds, |s| s.kernels.iter_mut().for_each(|kernel| kernel.queue_depth = 1));
        assert!(alerts.iter().all(|a| a.label("team") == Some("gpu") && a.severity == Severity::Critical));
        alerts.iter().map(|alert| alert.silenced).collect::<Vec<_>>()
    };
    assert_eq!(silenced(9), [false, false]);
    assert_eq!(silenced(1), [true, false]);
    assert_eq!(silenced(9), [true, false]);
    assert_eq!(silenced(1), [false, false]);
}

#[test]
fn summaries_say_what_is_what() {
    let long = Rule::p99_above("*", Duration::from_millis(100))
        .summary("{kernel} of {team}: {value} > {threshold} ({rule}, {severity}) {nobody} {")
        .label("team", "gpu")
        .named("Slow");
    let mut world = World::new([long, Rule::throughput_below("w", 5.0).over(Duration::from_secs(10))]);
    world.telemetry.record_processed("w", Some(Duration::from_millis(1))).unwrap();
    assert!(world.look(1).is_empty());
    world.telemetry.record_processed("w", Some(Duration::from_millis(200))).unwrap();
    let alerts = world.look(10);
    let shown = alerts[0].summary.to_string();
    assert!(shown.starts_with("w of gpu: ") && shown.contains(" ms > 100 ms (Slow, warning) {nobody} {"), "{shown}");
    assert_eq!(&*alerts[1].summary, "the throughput of kernel w is 0.100/s, below 5/s");
}
