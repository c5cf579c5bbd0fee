//! What a detector of anomalies costs, host-only: nanoseconds for each value. `cargo bench --bench anomaly -- --quick` is shorter.
//!
//! Three series: one whose values stay near each other, so that few patterns are kept; one that goes on and on to where it has not
//! been, so that all are; and histograms of a thousand latencies.

use std::hint::black_box;
use std::time::{Duration, Instant, SystemTime};

use ringscope::alert::anomaly::{Detector, Distribution};
use ringscope::histogram::Histogram;

fn main() {
    let asked = |what: &str| std::env::args().any(|argument| argument == what);
    let rounds = if asked("--test") {
        1
    } else if asked("--quick") {
        20
    } else {
        200
    };
    let mut chance = Chance(1);
    let calm: Vec<f64> = (0..10_000).map(|_| 100.0 + chance.uniform()).collect();
    let mut at = 0.0;
    let mut step = || {
        at += 10.0 * (chance.uniform() - 0.5);
        at
    };
    let wild: Vec<f64> = (0..10_000).map(|_| step()).collect();
    for (name, values) in [("calm", &calm), ("wild", &wild)] {
        report(name, "value", rounds, values.len(), || {
            let mut detector = Detector::new("series");
            values.iter().map(|value| detector.push(SystemTime::UNIX_EPOCH, *value).score).sum::<f64>()
        });
    }
    let histograms: Vec<Histogram> = (0..200)
        .map(|_| {
            let mut histogram = Histogram::new(3);
            (0..1000).for_each(|_| histogram.record((1e6 * (1.0 + chance.uniform())) as u64));
            histogram
        })
        .collect();
    report("latencies", "histogram", rounds, histograms.len(), || {
        let mut detector = Distribution::new("latency");
        histograms.iter().map(|histogram| detector.push(SystemTime::UNIX_EPOCH, histogram).score).sum::<f64>()
    });
}

/// The median of some rounds, and the quartiles beside it.
fn report(name: &str, unit: &str, rounds: usize, values: usize, mut round: impl FnMut() -> f64) {
    let mut times: Vec<Duration> = (0..rounds)
        .map(|_| {
            let start = Instant::now();
            black_box(round());
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    let at = |part: usize| times[(times.len() - 1) * part / 4].as_secs_f64() * 1e9 / values as f64;
    println!("{name:10} {:7.1} ns a {unit} ({:.1} to {:.1})", at(2), at(1), at(3));
}

/// Splitmix64.
struct Chance(u64);

impl Chance {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}
