//! Whatever threads do to operations, in whatever order: nothing is lost uncounted.

use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;
use ringscope::TelemetryCollector;
use ringscope::collector::{Operation, OperationsConfig};

use super::{monitored_with, section, start};

#[derive(Clone, Copy, Debug)]
enum Step {
    Start(u8),
    Retry,
    Succeed,
    Fail,
    Abandon,
    HandOver,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0..6u8).prop_map(Step::Start),
        1 => Just(Step::Retry),
        1 => Just(Step::Succeed),
        1 => Just(Step::Fail),
        1 => Just(Step::Abandon),
        1 => Just(Step::HandOver),
    ];
    prop::collection::vec(step, 1..60)
}

/// What one thread did: started, retried, and ended by status.
type Did = (u64, u64, [u64; 3]);

fn run(
    telemetry: &TelemetryCollector,
    steps: &[Step],
    over: &std::sync::Mutex<Vec<Operation>>,
    left: &mut Vec<Operation>,
) -> Did {
    let (mut started, mut retried, mut ended) = (0, 0, [0; 3]);
    for step in steps {
        match step {
            Step::Start(name) => {
                left.push(start(telemetry, &format!("name {name}")));
                started += 1;
            }
            // What one thread hands over another ends, or nobody.
            Step::HandOver => {
                let mut over = over.lock().unwrap();
                over.extend(left.pop());
                if over.len() > 1 {
                    left.push(over.remove(0));
                }
            }
            Step::Retry => {
                retried += u64::from(!left.is_empty());
                left.iter_mut().take(1).for_each(|operation| operation.retry("again"));
            }
            Step::Succeed | Step::Fail | Step::Abandon => {
                let Some(operation) = left.pop() else { continue };
                match step {
                    Step::Succeed => operation.succeed(),
                    Step::Fail => operation.fail("broken"),
                    _ => drop(operation),
                }
                ended[match step {
                    Step::Succeed => 0,
                    Step::Fail => 1,
                    _ => 2,
                }] += 1;
            }
        }
    }
    (started, retried, ended)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn nothing_is_lost_uncounted(threads in prop::collection::vec(steps(), 1..5), kept in 1..20usize, max_names in 1..8usize) {
        let telemetry = monitored_with(&OperationsConfig { kept, max_names, ..OperationsConfig::default() });
        let over = std::sync::Mutex::new(Vec::new());
        let done = AtomicBool::new(false);
        let (did, left): (Vec<Did>, Vec<Vec<Operation>>) = std::thread::scope(|scope| {
            // One looks on all the time: nothing falls, and nothing ended that did not start.
            let looker = scope.spawn(|| {
                let mut before = (0, 0, 0);
                while !done.load(Ordering::Relaxed) {
                    let all = section(&telemetry);
                    let totals = all.totals();
                    assert_eq!(totals.started, totals.ended() + totals.running);
                    assert!(totals.ended() >= before.0 && totals.started >= totals.ended(), "{totals:?}");
                    assert!(all.operations_kept.added() >= before.1 && all.operations_kept.evicted >= before.2);
                    before = (totals.ended(), all.operations_kept.added(), all.operations_kept.evicted);
                }
            });
            let (telemetry, over) = (&telemetry, &over);
            let workers: Vec<_> = threads.iter().map(|steps| scope.spawn(move || {
                let mut left = Vec::new();
                (run(telemetry, steps, over, &mut left), left)
            })).collect();
            let all = workers.into_iter().map(|worker| worker.join().unwrap()).unzip();
            done.store(true, Ordering::Relaxed);
            looker.join().unwrap();
            all
        });
        let sum = |of: fn(&Did) -> u64| did.iter().map(of).sum::<u64>();
        let running = left.iter().map(Vec::len).sum::<usize>() + over.lock().unwrap().len();
        let all = section(&telemetry);
        let totals = all.totals();
        prop_assert_eq!(totals.started, sum(|d| d.0));
        prop_assert_eq!((totals.succeeded, totals.failed, totals.abandoned), (sum(|d| d.2[0]), sum(|d| d.2[1]), sum(|d| d.2[2])));
        prop_assert_eq!(totals.running, running as u64);
        prop_assert_eq!(all.retries(), sum(|d| d.1));
        prop_assert_eq!(all.operations_kept.added(), totals.ended());
        prop_assert_eq!(all.operations_kept.retained, telemetry.operations().len() as u64);
        prop_assert!(all.operations_kept.retained <= 3 * kept as u64);
        prop_assert!(all.by_name.len() <= max_names + 1);
        let durations: u64 = all.by_name.iter().map(|of| of.duration.count()).sum();
        prop_assert_eq!(durations, totals.ended());
        drop((left, over));
        let totals = section(&telemetry).totals();
        prop_assert_eq!((totals.running, totals.abandoned), (0, sum(|d| d.2[2]) + running as u64));
    }
}
