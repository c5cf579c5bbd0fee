//! The life of alerts against a naive reference, over random values at random times.

use std::time::Duration;

use proptest::prelude::*;
use ringscope::alert::{AlertState, Rule};

use crate::world::World;

/// What should be said of one value after the other, straight from the words of the documentation.
fn reference(
    values: &[(u64, Option<u64>)],
    limit: u64,
    clear: u64,
    hold: u64,
    resolve: u64,
) -> Vec<Option<AlertState>> {
    let (mut wrong_since, mut well_since, mut fires, mut now) = (None, None, false, 0);
    let mut said = Vec::new();
    for (later, value) in values {
        now += later;
        if fires {
            if value.is_some_and(|value| value > clear) {
                well_since = None;
                said.push(Some(AlertState::Firing));
                continue;
            }
            let since = *well_since.get_or_insert(now);
            if now - since >= resolve {
                (fires, wrong_since, well_since) = (false, None, None);
                said.push(Some(AlertState::Resolved));
            } else {
                said.push(Some(AlertState::Firing));
            }
            continue;
        }
        if !value.is_some_and(|value| value > limit) {
            wrong_since = None;
            said.push(None);
            continue;
        }
        let since = *wrong_since.get_or_insert(now);
        fires = now - since >= hold;
        said.push(Some(if fires { AlertState::Firing } else { AlertState::Pending }));
    }
    said
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]
    #[test]
    fn the_engine_says_what_the_reference_says(
        values in prop::collection::vec((0u64..5, prop::option::weighted(0.9, 0u64..10)), 1..60),
        limit in 2u64..9, below in 0u64..9, hold in 0u64..8, resolve in 0u64..8,
    ) {
        let clear = limit.saturating_sub(below);
        let rule = Rule::queue_depth_above("w", limit)
            .clear_at(clear as f64)
            .hold(Duration::from_secs(hold))
            .resolve_after(Duration::from_secs(resolve));
        let mut world = World::new([rule]);
        world.telemetry.record_receive("w").unwrap();
        let found: Vec<_> = values.iter().map(|(later, value)| {
            let alerts = world.look_at(*later, |snapshot| match value {
                Some(depth) => snapshot.kernels[0].queue_depth = *depth,
                None => snapshot.kernels.clear(),
            });
            assert!(alerts.len() <= 1);
            alerts.first().map(|alert| alert.state)
        }).collect();
        prop_assert_eq!(found, reference(&values, limit, clear, hold, resolve));
    }
}
