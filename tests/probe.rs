//! The probe's answers, against what the host knows. Runs on a GPU too where there is one.
#![cfg(feature = "host")]

mod common;

use ringscope::Level;
use ringscope::device::probe::{Probe, RecordStrategy};
use ringscope::device::{SharedDevice, open};
use ringscope::histogram::slot_of;

fn on_each_device(test: impl Fn(SharedDevice)) {
    common::devices().into_iter().for_each(|spec| test(open(spec).expect("it opens").device));
}

#[test]
fn its_buckets_are_the_hosts() {
    on_each_device(|device| {
        let values: Vec<u64> = (0..64).flat_map(|bit| [(1u64 << bit) - 1, 1 << bit, (1 << bit) + 1]).collect();
        let mut probe = Probe::new(&device, 1).expect("a probe");
        for scale in 0..=5 {
            let expected: Vec<u64> = values.iter().map(|v| slot_of(*v, scale) as u64).collect();
            assert_eq!(probe.slots(&values, scale), Ok(expected), "scale {scale}");
        }
    });
}

#[test]
fn its_clock_moves_with_the_hosts() {
    on_each_device(|device| {
        let mut probe = Probe::new(&device, 1).expect("a probe");
        let tick = probe.tick(100_000).expect("it ticks");
        assert!(tick.smallest_ns > 0 && tick.steps > 0, "{tick:?}");
        let mut server = probe.clock().expect("a block");
        let first = server.sample(8).expect("the time");
        std::thread::sleep(std::time::Duration::from_millis(50));
        let second = server.sample(8).expect("the time");
        let (device, unix) = (second.device_ns - first.device_ns, second.unix_ns - first.unix_ns);
        // Unix time may be stepped, and threads be late; clocks of another unit would be far off.
        let unknown = 20_000_000 + first.uncertainty_ns + second.uncertainty_ns;
        assert!(device.abs_diff(unix) < unknown, "{device} ns and {unix} ns, ± {unknown} ns");
    });
}

#[test]
fn words_that_are_added_to_are_copied_whole() {
    on_each_device(|device| {
        let mut probe = Probe::new(&device, 1).expect("a probe");
        let blocks = probe.max_resident_blocks();
        let mut halves = probe.halves(blocks).expect("blocks");
        let mut before = 0;
        for _ in 0..50 {
            let (words, torn) = halves.copy().expect("a copy");
            assert!(words > 1000 && torn == 0, "{torn} of {words}");
            assert!(halves.additions() >= before);
            before = halves.additions();
        }
        while before == 0 {
            halves.copy().expect("a copy");
            before = halves.additions();
        }
        assert_eq!(halves.is_running(), Ok(true));
    });
}

#[test]
fn every_design_costs_something_and_ends() {
    on_each_device(|device| {
        let mut probe = Probe::new(&device, 2).expect("a probe");
        for &design in RecordStrategy::ALL {
            for &level in Level::ALL {
                let costs = probe.cost(design, level, 2, 2000).expect("a cost");
                assert_eq!(costs.len(), 2);
                assert!(costs.iter().all(|c| c.ns >= 0.0 && c.ns.is_finite()), "{design:?}: {costs:?}");
            }
        }
        let of = |probe: &mut Probe, design| probe.cost(design, Level::Histograms, 1, 200_000).expect("a cost")[0].ns;
        let mut costs = || (of(&mut probe, RecordStrategy::Nothing), of(&mut probe, RecordStrategy::Fenced));
        // A thread that waited for its core may have taken longer with nothing.
        assert!((0..20).map(|_| costs()).any(|(nothing, fenced)| fenced > nothing), "a record and a fence take time");
    });
}
