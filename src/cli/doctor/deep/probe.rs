//! Checks by probe kernels: buckets, metrics of one's own, words, clocks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ringscope::device::ClockSample;
use ringscope::device::probe::{Probe, RecordMode};
use ringscope::histogram::slot_of;
use ringscope::{TelemetryCollector, TelemetryConfig};

use super::check::{Finding, Target, judged};
use crate::cli::term::units;

/// The first value of every slot, and its neighbours.
fn edges(scale: u32) -> Vec<u64> {
    let slots = slot_of(u64::MAX, scale) + 1;
    let first_of = |slot| {
        let (mut below, mut at) = (0u64, u64::MAX);
        while below < at {
            let middle = below + (at - below) / 2;
            if slot_of(middle, scale) >= slot { at = middle } else { below = middle + 1 }
        }
        at
    };
    let mut edges: Vec<u64> =
        (0..slots).map(first_of).flat_map(|v| [v.saturating_sub(1), v, v.saturating_add(1)]).collect();
    edges.push(u64::MAX);
    edges.sort_unstable();
    edges.dedup();
    edges
}

pub fn buckets(target: &Target) -> Finding {
    let mut probe = Probe::new(&target.device, 1)?;
    let (mut values, mut wrong) = (0, None);
    for scale in 0..=5 {
        let edges = edges(scale);
        let slots = probe.slots(&edges, scale)?;
        values += edges.len() as u64;
        let differs = edges.iter().zip(&slots).find(|(value, slot)| slot_of(**value, scale) as u64 != **slot);
        wrong = wrong.or(differs.map(|(value, slot)| (*value, scale, *slot)));
    }
    match wrong {
        None => judged(true, format!("{} values at every edge of 6 scales, as on the host", units::exact(values))),
        Some((value, scale, slot)) => {
            let host = slot_of(value, scale);
            judged(false, format!("{value} at scale {scale} is in slot {slot} there, and in {host} on the host"))
        }
    }
}

/// The same values counted by the device and by the host.
pub fn metrics(target: &Target) -> Finding {
    let values: Vec<(u64, f64)> = (0..100_000u64).map(|n| (n * n % 99_991, n as f64 / 16.0)).collect();
    let mut probe = Probe::new(&target.device, 1)?;
    let blocks = target.device.info().multiprocessors.max(2);
    for &way in RecordMode::ALL {
        let device = TelemetryCollector::on_device(Arc::clone(&target.device), TelemetryConfig::default())?;
        let host = TelemetryCollector::new(true);
        let first = metrics_of_device(&device)?;
        let table = device.metric_table().ok_or("the collector has no device")?;
        probe.count(&table, first, &values, way, blocks)?;
        count_on_host(&host, &values)?;
        let (device, host) = (device.snapshot()?, host.snapshot()?);
        let differs = device.metrics.iter().zip(&host.metrics).find(|(device, host)| device.series != host.series);
        if let Some((metric, _)) = differs {
            return judged(
                false,
                format!("{} counted by {way:?} is not what the host counts", metric.description.name),
            );
        }
    }
    let figure = format!(
        "{} values in {} blocks, by threads, warps and in shared memory: equal to the host's",
        units::exact(values.len() as u64),
        units::exact(blocks.into())
    );
    judged(true, figure)
}

const REAL_BOUNDS: [f64; 4] = [1.0, 10.0, 100.0, 1000.0];
const RESTS: [&[&str]; 4] = [&["0"], &["1"], &["2"], &["3"]];

/// As [`Probe::count`] wants them; the index of the first.
fn metrics_of_device(telemetry: &TelemetryCollector) -> Result<u32, Box<dyn std::error::Error>> {
    let first = telemetry.counter("sum", "Sum")?.on_device()?.index();
    for name in ["total", "most", "least"] {
        telemetry.gauge(name, "A gauge")?.on_device()?;
    }
    telemetry.histogram("whole", "Whole numbers")?.scale(3).on_device()?;
    telemetry.histogram("real", "Real numbers")?.buckets(&REAL_BOUNDS).on_device()?;
    telemetry.counter("by_rest", "By rest")?.family(&["rest"], &RESTS).on_device()?;
    Ok(first)
}

fn count_on_host(telemetry: &TelemetryCollector, values: &[(u64, f64)]) -> Result<(), Box<dyn std::error::Error>> {
    let sum = telemetry.counter("sum", "Sum")?.on_host()?;
    let [total, most, least] = ["total", "most", "least"].map(|name| telemetry.gauge(name, "A gauge"));
    let (total, most, least) = (total?.on_host()?, most?.on_host()?, least?.on_host()?);
    let whole = telemetry.histogram("whole", "Whole numbers")?.scale(3).on_host()?;
    let real = telemetry.histogram("real", "Real numbers")?.buckets(&REAL_BOUNDS).on_host()?;
    let family = telemetry.counter("by_rest", "By rest")?.family(&["rest"], &RESTS).on_host()?;
    for (n, x) in values {
        sum.inc_by(*n);
        total.add(*x);
        most.max(*x);
        least.min(*x);
        whole.observe(*n);
        real.observe(*x);
        family.with((n % 7) as usize).inc();
    }
    Ok(())
}

pub fn whole_words(target: &Target) -> Finding {
    const COPIES: usize = 20_000;
    const TIME: Duration = Duration::from_secs(3);
    let mut probe = Probe::new(&target.device, 1)?;
    let blocks = probe.max_resident_blocks();
    let mut halves = probe.halves(blocks)?;
    let (mut words, mut torn, mut copies) = (0u64, 0u64, 0);
    let start = Instant::now();
    while copies < COPIES && start.elapsed() < TIME {
        let (copied, broken) = halves.copy()?;
        words += copied as u64;
        torn += broken as u64;
        copies += 1;
    }
    let (additions, running) = (halves.additions(), halves.is_running()?);
    let figure = format!(
        "{torn} torn of {} words in {} copies, while {} blocks added {} times",
        units::exact(words),
        units::exact(copies as u64),
        units::exact(blocks.into()),
        units::exact(additions)
    );
    judged(torn == 0 && additions > 0 && running, figure)
}

pub fn tick(target: &Target) -> Finding {
    let tick = Probe::new(&target.device, 1)?.tick(1 << 20)?;
    judged(tick.steps > 0, format!("it ticks every {} ns ({} steps seen)", tick.smallest_ns, units::exact(tick.steps)))
}

/// What the device's clock is said to read, beside a block that reads it.
pub fn clock_fit(target: &Target) -> Finding {
    const SAMPLES: u32 = 60;
    const APART: Duration = Duration::from_millis(50);
    // Both are compared by way of Unix time, which is read beside either.
    const READING_NS: i64 = 1_000;
    let offset = |sample: &ClockSample| sample.device_ns as i64 - sample.unix_ns as i64;
    let mut probe = Probe::new(&target.device, 1)?;
    let mut server = probe.clock()?;
    let start = Instant::now();
    let (mut residual, mut over) = (0, 0);
    let mut last = target.device.clock()?;
    for _ in 0..SAMPLES {
        let truth = server.sample(16)?;
        last = target.device.clock()?;
        // What the look itself leaves open, the system having taken this thread away for one, is not held against the fit.
        let apart = (offset(&last) - offset(&truth)).abs();
        let off = (apart - truth.uncertainty_ns as i64 - READING_NS).max(0);
        residual = residual.max(off);
        over += u32::from(off > last.uncertainty_ns as i64);
        std::thread::sleep(APART);
    }
    let figure = format!(
        "offset {:+.6} s, drift {:+.3} ppm; in {SAMPLES} looks over {} up to {} off for certain, {over} times more than the uncertainty, now {}; tick {} ns",
        offset(&last) as f64 / 1e9,
        last.drift_ppb as f64 / 1e3,
        units::elapsed(start.elapsed()),
        units::latency(residual as f64),
        units::latency(last.uncertainty_ns as f64),
        last.tick_ns,
    );
    judged(over == 0, figure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_edge_is_there() {
        for scale in 0..=5 {
            let edges = edges(scale);
            let slots: std::collections::BTreeSet<usize> = edges.iter().map(|v| slot_of(*v, scale)).collect();
            assert_eq!(slots.len(), slot_of(u64::MAX, scale) + 1 - unreachable_slots(scale), "scale {scale}");
            assert_eq!((edges[0], edges[edges.len() - 1]), (0, u64::MAX));
        }
    }

    /// Near 2 the buckets are narrower than 1, and some hold no whole number.
    fn unreachable_slots(scale: u32) -> usize {
        let reached: std::collections::BTreeSet<usize> = (0..1u64 << 20).map(|v| slot_of(v, scale)).collect();
        slot_of((1 << 20) - 1, scale) + 1 - reached.len()
    }
}
