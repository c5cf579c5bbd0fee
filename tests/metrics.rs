//! What metrics count, against the simple definition: one suite for every implementation.

#[cfg(feature = "host")]
mod common;

use std::fmt::Debug;
use std::sync::{Barrier, Mutex, PoisonError};

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use ringscope::TelemetryCollector;
use ringscope::abi::{MAX_SCALE, buckets};
use ringscope::histogram::{Histogram, relative_error, slot_values};
use ringscope::metrics::{Distribution, ExplicitHistogram, HistogramValue};

/// Something that counts what several threads bring.
trait Implementation {
    /// Where the cases of a property run.
    fn setting<R>(cases: impl FnOnce() -> R) -> R {
        cases()
    }
    fn counter(threads: &[Vec<u64>]) -> u64;
    fn gauge(changes: &[Change]) -> f64;
    fn exponential(scale: u32, threads: &[Vec<u64>]) -> HistogramValue;
    fn explicit(bounds: &[f64], threads: &[Vec<f64>]) -> HistogramValue;
}

/// The host's twins.
struct Host;

impl Implementation for Host {
    fn counter(threads: &[Vec<u64>]) -> u64 {
        let telemetry = TelemetryCollector::new(true);
        let counter = telemetry.counter("c", "A counter").unwrap().on_host().unwrap();
        at_once(threads, |by| counter.inc_by(*by));
        let read = telemetry.metric("c").unwrap().value(&[]).unwrap().counter().unwrap();
        assert_eq!(read, counter.get(), "a snapshot is what the twin says");
        read
    }

    fn gauge(changes: &[Change]) -> f64 {
        let telemetry = TelemetryCollector::new(true);
        let gauge = telemetry.gauge("g", "A gauge").unwrap().on_host().unwrap();
        for change in changes {
            match *change {
                Change::Set(value) => gauge.set(value),
                Change::Add(value) => gauge.add(value),
                Change::Sub(value) => gauge.sub(value),
                Change::Max(value) => gauge.max(value),
                Change::Min(value) => gauge.min(value),
                Change::Inc => gauge.inc(),
                Change::Dec => gauge.dec(),
            }
        }
        let read = telemetry.metric("g").unwrap().value(&[]).unwrap().gauge().unwrap();
        assert_eq!(read.to_bits(), gauge.get().to_bits());
        read
    }

    fn exponential(scale: u32, threads: &[Vec<u64>]) -> HistogramValue {
        let telemetry = TelemetryCollector::new(true);
        let histogram = telemetry.histogram("h", "A histogram").unwrap().scale(scale).on_host().unwrap();
        at_once(threads, |value| histogram.observe(*value));
        telemetry.metric("h").unwrap().value(&[]).unwrap().histogram().unwrap().clone()
    }

    fn explicit(bounds: &[f64], threads: &[Vec<f64>]) -> HistogramValue {
        let telemetry = TelemetryCollector::new(true);
        let histogram = telemetry.histogram("h", "A histogram").unwrap().buckets(bounds).on_host().unwrap();
        at_once(threads, |value| histogram.observe(*value));
        telemetry.metric("h").unwrap().value(&[]).unwrap().histogram().unwrap().clone()
    }
}

/// The host's twins in a process where others hold all of the lanes.
struct Crowded;

impl Implementation for Crowded {
    fn setting<R>(cases: impl FnOnce() -> R) -> R {
        in_a_crowd(cases)
    }
    fn counter(threads: &[Vec<u64>]) -> u64 {
        Host::counter(threads)
    }
    fn gauge(changes: &[Change]) -> f64 {
        Host::gauge(changes)
    }
    fn exponential(scale: u32, threads: &[Vec<u64>]) -> HistogramValue {
        Host::exponential(scale, threads)
    }
    fn explicit(bounds: &[f64], threads: &[Vec<f64>]) -> HistogramValue {
        Host::explicit(bounds, threads)
    }
}

/// What kernels count in, in that way: on the host device, and on a GPU where there is one.
#[cfg(feature = "host")]
mod on_device {
    use ringscope::device::open;
    use ringscope::device::probe::{GaugeChange, Probe, RecordMode};
    use ringscope::metrics::HistogramValue;
    use ringscope::{TelemetryCollector, TelemetryConfig};

    use super::{Change, Implementation};
    use crate::common;

    pub struct Threads;
    pub struct Warps;
    pub struct Local;

    pub trait Counts {
        const WAY: RecordMode;
    }
    impl Counts for Threads {
        const WAY: RecordMode = RecordMode::One;
    }
    impl Counts for Warps {
        const WAY: RecordMode = RecordMode::Warp;
    }
    impl Counts for Local {
        const WAY: RecordMode = RecordMode::Local;
    }

    /// The same on every device.
    fn on_each<T: PartialEq + std::fmt::Debug>(test: impl Fn(&TelemetryCollector, &mut Probe) -> T) -> T {
        let results = common::devices().into_iter().map(|spec| {
            let device = open(spec).expect("it opens").device;
            let mut probe = Probe::new(&device, 1).expect("a probe");
            let telemetry = TelemetryCollector::on_device(device, TelemetryConfig::default()).expect("a collector");
            test(&telemetry, &mut probe)
        });
        results.reduce(|a, b| if a == b { b } else { panic!("{a:?} and {b:?}") }).expect("a device")
    }

    /// Seven metrics, as `Probe::count` wants them.
    fn register(telemetry: &TelemetryCollector, scale: u32, bounds: &[f64]) -> u32 {
        let first = telemetry.counter("c", "A counter").unwrap().on_device().unwrap().index();
        for name in ["g", "most", "least"] {
            telemetry.gauge(name, "A gauge").unwrap().on_device().unwrap();
        }
        telemetry.histogram("h", "A histogram").unwrap().scale(scale).on_device().unwrap();
        telemetry.histogram("e", "Another").unwrap().buckets(bounds).on_device().unwrap();
        telemetry.counter("f", "A family").unwrap().family(&["n"], &[&["0"]]).on_device().unwrap();
        first
    }

    /// Counts pairs, a block for each thread, and reads what `name` says of them.
    fn count(
        way: RecordMode,
        name: &str,
        scale: u32,
        bounds: &[f64],
        threads: &[Vec<(u64, f64)>],
    ) -> ringscope::metrics::Value {
        on_each(|telemetry, probe| {
            let first = register(telemetry, scale, bounds);
            let table = telemetry.metric_table().expect("a device");
            probe.count(&table, first, &threads.concat(), way, threads.len().max(1) as u32).expect("it counts");
            telemetry.metric(name).unwrap().value(&[]).unwrap().clone()
        })
    }

    impl<C: Counts> Implementation for C {
        fn counter(threads: &[Vec<u64>]) -> u64 {
            let pairs: Vec<Vec<(u64, f64)>> = threads.iter().map(|t| t.iter().map(|n| (*n, 0.0)).collect()).collect();
            count(C::WAY, "c", 3, &[0.0], &pairs).counter().unwrap()
        }

        fn gauge(changes: &[Change]) -> f64 {
            let changes: Vec<(GaugeChange, f64)> = changes
                .iter()
                .map(|change| match *change {
                    Change::Set(to) => (GaugeChange::Set, to),
                    Change::Add(by) => (GaugeChange::Add, by),
                    Change::Sub(by) => (GaugeChange::Sub, by),
                    Change::Max(to) => (GaugeChange::Max, to),
                    Change::Min(to) => (GaugeChange::Min, to),
                    Change::Inc => (GaugeChange::Add, 1.0),
                    Change::Dec => (GaugeChange::Sub, 1.0),
                })
                .collect();
            on_each(|telemetry, probe| {
                let gauge = telemetry.gauge("g", "A gauge").unwrap().on_device().unwrap();
                let table = telemetry.metric_table().expect("a device");
                probe.change_gauge(&table, gauge.index(), &changes).expect("it changes");
                telemetry.metric("g").unwrap().value(&[]).unwrap().gauge().unwrap()
            })
        }

        fn exponential(scale: u32, threads: &[Vec<u64>]) -> HistogramValue {
            let pairs: Vec<Vec<(u64, f64)>> = threads.iter().map(|t| t.iter().map(|n| (*n, 0.0)).collect()).collect();
            count(C::WAY, "h", scale, &[0.0], &pairs).histogram().unwrap().clone()
        }

        fn explicit(bounds: &[f64], threads: &[Vec<f64>]) -> HistogramValue {
            let pairs: Vec<Vec<(u64, f64)>> = threads.iter().map(|t| t.iter().map(|x| (0, *x)).collect()).collect();
            count(C::WAY, "e", 3, bounds, &pairs).histogram().unwrap().clone()
        }
    }
}
#[cfg(feature = "host")]
use on_device::{Local, Threads, Warps};

/// Runs `then` while as many threads as there are lanes have counted, and live.
fn in_a_crowd<R>(then: impl FnOnce() -> R) -> R {
    let counter = TelemetryCollector::new(true).counter("crowd", "Threads").unwrap().on_host().unwrap();
    let (arrived, leave) = (Barrier::new(129), Barrier::new(129));
    std::thread::scope(|scope| {
        for _ in 0..128 {
            scope.spawn(|| {
                counter.inc();
                arrived.wait();
                leave.wait();
            });
        }
        arrived.wait();
        // A failed assertion must let them go too, or the scope waits for ever.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(then));
        leave.wait();
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Each thread does its part, all beginning together.
fn at_once<T: Sync>(threads: &[Vec<T>], one: impl Fn(&T) + Sync) {
    let barrier = Barrier::new(threads.len());
    std::thread::scope(|scope| {
        for part in threads {
            scope.spawn(|| {
                barrier.wait();
                part.iter().for_each(&one);
            });
        }
    });
}

#[derive(Clone, Copy, Debug)]
enum Change {
    Set(f64),
    Add(f64),
    Sub(f64),
    Max(f64),
    Min(f64),
    Inc,
    Dec,
}

/// Numbers of whose sums doubles lose nothing.
fn exact() -> impl Strategy<Value = f64> {
    (-1_000_000i32..1_000_000).prop_map(|n| f64::from(n) / 8.0)
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        exact().prop_map(Change::Set),
        exact().prop_map(Change::Add),
        exact().prop_map(Change::Sub),
        exact().prop_map(Change::Max),
        exact().prop_map(Change::Min),
        Just(Change::Inc),
        Just(Change::Dec),
    ]
}

/// All octaves alike, and small numbers often.
fn whole() -> impl Strategy<Value = u64> {
    prop_oneof![0u64..40, any::<u64>().prop_flat_map(|v| (0u32..64).prop_map(move |shift| v >> shift))]
}

fn threads<T: Debug>(of: impl Strategy<Value = T>) -> impl Strategy<Value = Vec<Vec<T>>> {
    prop::collection::vec(prop::collection::vec(of, 0..60), 1..5)
}

fn bounds() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::btree_set(-8_000_000i32..8_000_000, 1..20)
        .prop_map(|set| set.into_iter().map(|n| f64::from(n) / 64.0).collect())
}

#[cfg(feature = "host")]
fn most_cases() -> u32 {
    common::fewer(96)
}

#[cfg(not(feature = "host"))]
fn most_cases() -> u32 {
    96
}

/// Properties wait for one another: those that are not of a crowd are to have their lanes.
fn cases<I: Implementation, S: Strategy>(strategy: S, test: impl Fn(S::Value)) {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut runner =
        TestRunner::new(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(most_cases()) });
    let run = |value| {
        test(value);
        Ok(())
    };
    I::setting(|| runner.run(&strategy, run)).unwrap_or_else(|error| panic!("{error}"));
}

fn counts_add_up<I: Implementation>() {
    cases::<I, _>(threads(any::<u64>()), |threads| {
        let sum = threads.iter().flatten().fold(0u64, |sum, by| sum.wrapping_add(*by));
        assert_eq!(I::counter(&threads), sum);
    });
}

fn a_gauge_does_what_it_is_told<I: Implementation>() {
    cases::<I, _>(prop::collection::vec(change(), 0..40), |changes| {
        let value = changes.iter().fold(0.0, |value: f64, change| match *change {
            Change::Set(to) => to,
            Change::Add(by) => value + by,
            Change::Sub(by) => value - by,
            Change::Max(to) => value.max(to),
            Change::Min(to) => value.min(to),
            Change::Inc => value + 1.0,
            Change::Dec => value - 1.0,
        });
        assert_eq!(I::gauge(&changes), value);
    });
}

fn exponential_buckets_hold_their_values<I: Implementation>() {
    cases::<I, _>((0..=MAX_SCALE, threads(whole())), |(scale, threads)| {
        let mut values: Vec<u64> = threads.concat();
        values.sort_unstable();
        let read = I::exponential(scale, &threads);
        let Distribution::Exponential(histogram) = &read.distribution else { panic!("{read:?}") };
        assert_eq!((histogram.scale(), read.dropped, read.count()), (scale, 0, values.len() as u64));
        assert_eq!(histogram.sum(), values.iter().fold(0u64, |sum, v| sum.wrapping_add(*v)));
        assert_eq!((histogram.min(), histogram.max()), (values.first().copied(), values.last().copied()));
        let counted = |slot: usize| histogram.slots().find(|(s, _)| *s == slot).map_or(0, |(_, count)| count);
        for slot in 0..buckets(scale) {
            let range = slot_values(slot, scale);
            let inside = values.partition_point(|v| v <= range.end()) - values.partition_point(|v| v < range.start());
            assert_eq!(counted(slot), inside as u64, "slot {slot} of scale {scale}: {range:?}");
        }
        for q in [0.0, 0.5, 0.99, 1.0] {
            let rank = ((q * values.len() as f64).ceil() as usize).max(1);
            let exact = values.get(rank - 1).map_or(0.0, |v| *v as f64);
            assert!((read.quantile(q) - exact).abs() <= exact * relative_error(scale) * (1.0 + 1e-12));
        }
    });
}

fn explicit_buckets_hold_their_values<I: Implementation>() {
    cases::<I, _>((bounds(), threads(exact())), |(bounds, mut threads)| {
        // Values that are bounds belong to the bucket below.
        threads[0].extend(&bounds);
        let values: Vec<f64> = threads.concat();
        let read = I::explicit(&bounds, &threads);
        let Distribution::Explicit(histogram) = &read.distribution else { panic!("{read:?}") };
        let mut counts = vec![0; bounds.len() + 1];
        for value in &values {
            counts[bounds.iter().position(|bound| value <= bound).unwrap_or(bounds.len())] += 1;
        }
        assert_eq!((histogram.counts(), &histogram.bounds()[..]), (&counts[..], &bounds[..]));
        assert_eq!((read.sum(), read.count()), (values.iter().sum(), values.len() as u64));
        let fold = |of: fn(f64, f64) -> f64| values.iter().copied().reduce(of);
        assert_eq!((read.min(), read.max()), (fold(f64::min), fold(f64::max)));
        // The value type alone says the same.
        let mut alone = ExplicitHistogram::new(&bounds).unwrap();
        values.iter().for_each(|value| assert!(alone.record(*value)));
        assert_eq!(histogram, &alone);
    });
}

fn parts_merge_into_the_whole<I: Implementation>() {
    cases::<I, _>((0..=MAX_SCALE, 0..=MAX_SCALE, bounds(), threads(whole())), |(scale, coarser, bounds, threads)| {
        let read = |scale, part: &[Vec<u64>]| match I::exponential(scale, part).distribution {
            Distribution::Exponential(histogram) => histogram,
            other => panic!("{other:?}"),
        };
        let mut merged = Histogram::new(MAX_SCALE);
        for (i, thread) in threads.iter().enumerate() {
            merged.merge(&read(if i == 0 { coarser } else { scale }, std::slice::from_ref(thread)));
        }
        let coarsest = if threads.len() == 1 { coarser } else { scale.min(coarser) };
        let whole = read(coarsest, &threads);
        assert_eq!(merged, whole);
        assert_eq!(read(MAX_SCALE, &threads).downscaled(coarsest), whole, "downscaling is counting coarser");

        let doubles = |v: &Vec<u64>| v.iter().map(|v| (v % 1_000_000) as f64).collect::<Vec<f64>>();
        let doubles: Vec<Vec<f64>> = threads.iter().map(doubles).collect();
        let read = |part: &[Vec<f64>]| match I::explicit(&bounds, part).distribution {
            Distribution::Explicit(histogram) => histogram,
            other => panic!("{other:?}"),
        };
        // From the right, where the above merged from the left.
        let mut merged = ExplicitHistogram::new(&bounds).unwrap();
        for thread in doubles.iter().rev() {
            merged.merge(&read(std::slice::from_ref(thread))).unwrap();
        }
        assert_eq!(merged, read(&doubles));
    });
}

macro_rules! suite {
    ($($name:ident)*; $($module:ident $implementation:ident)*) => {
        suite!(@ $($module $implementation)*; [$($name)*]);
    };
    (@ $($module:ident $implementation:ident)*; $names:tt) => {$(suite!(# $module $implementation $names);)*};
    (# $module:ident $implementation:ident [$($name:ident)*]) => {
        mod $module {
            $(#[test]
            fn $name() {
                super::$name::<super::$implementation>();
            })*
        }
    };
}
suite! {
    counts_add_up
    a_gauge_does_what_it_is_told
    exponential_buckets_hold_their_values
    explicit_buckets_hold_their_values
    parts_merge_into_the_whole;
    host Host
    crowded Crowded
}
#[cfg(feature = "host")]
suite! {
    counts_add_up
    a_gauge_does_what_it_is_told
    exponential_buckets_hold_their_values
    explicit_buckets_hold_their_values
    parts_merge_into_the_whole;
    device_threads Threads
    device_warps Warps
    device_local Local
}
