//! A snapshot in sections: what is alike lies together.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use super::kernels::{Times, Words, scalars};
use super::level::Level;
use super::packed::Packed;
use super::range::Bits;
use super::windows::Counted;
use crate::histogram::Histogram;
use crate::metrics::{Family, Series, Value};
use crate::snapshot::coding::{self, Coder, WholeShape, time_of, time_word};
use crate::snapshot::{DeviceClock, KernelTelemetry, Places, Rates, RatesBuilder, SelfMetrics, Snapshot};

/// What is alike.
enum Section {
    Head = 1,
    Scalars,
    Stalls,
    Latencies,
    Waits,
    Windows,
    Metrics,
    Own,
    Operations,
    Publishers,
    Machine,
    Blocks,
}

/// A kernel before and now.
type Both = (Option<KernelTelemetry>, Option<KernelTelemetry>);

/// Writes `now`, or reads it, as it differs from `before`.
pub(super) fn snapshot<B: Bits>(
    c: &mut Packed<B>,
    shape: &WholeShape,
    counted: &mut Counted,
    before: Option<&Snapshot>,
    (level, now): (Level, Option<&Snapshot>),
) -> Snapshot {
    c.section(Section::Head as u8);
    let head = c.words(&before.map_or([0; 7], head_words), now.map(head_words).as_ref());
    let times = Times { before: before.map_or(0, |s| time_word(s.time)), now: head[1], level };
    let device_clock =
        DeviceClock { uncertainty: Duration::from_nanos(head[4]), drift_ppb: head[5] as i64, restarts_total: head[6] };
    let (copied_bytes, copy_duration) = (head[3] as usize, Duration::from_nanos(head[2]));
    let read = (device_clock, copied_bytes, copy_duration);
    let devices = coding::devices(c, before.map_or(&[], |s| &s.devices), now.map(|s| &*s.devices), read);
    let kernels = kernels(c, shape, counted, (before, now), times);
    c.section(Section::Metrics as u8);
    let metrics = shape.numbers.metrics.iter().enumerate().map(|(i, like)| {
        let of = |s: Option<&'_ Snapshot>| s.and_then(|s| s.metrics.get(i)).cloned();
        family(c, like, (of(before), of(now)), level)
    });
    let metrics = metrics.collect();
    c.section(Section::Own as u8);
    let nothing = SelfMetrics::default();
    let own = before.map_or(&nothing, |s| &s.self_metrics);
    let self_metrics = coding::self_metrics(c, own, now.map(|s| &s.self_metrics));
    c.section(Section::Operations as u8);
    let of = |s: Option<&'_ Snapshot>| s.and_then(|s| s.operations.clone());
    let operations = coding::operations(c, of(before).as_ref(), of(now).as_ref());
    c.section(Section::Publishers as u8);
    let publishers = coding::publishers(c, before.map_or(&[], |s| &s.publishers), now.map(|s| &*s.publishers));
    c.section(Section::Machine as u8);
    let system = coding::system(c, before.and_then(|s| s.system.as_ref()), now.and_then(|s| s.system.as_ref()));
    let gpus = coding::gpus(c, before.and_then(|s| s.gpus.as_deref()), now.and_then(|s| s.gpus.as_deref()));
    c.section(Section::Blocks as u8);
    let places = places(c, shape, (before, now), &kernels, times);
    Snapshot {
        sequence: head[0],
        time: time_of(head[1]).unwrap_or(UNIX_EPOCH),
        copy_duration,
        copied_bytes,
        device_clock,
        devices,
        kernels,
        metrics,
        operations,
        publishers,
        self_metrics,
        system,
        gpus,
        forgotten: None,
        places,
    }
}

fn head_words(s: &Snapshot) -> [u64; 7] {
    [
        s.sequence,
        time_word(s.time),
        s.copy_duration.as_nanos() as u64,
        s.copied_bytes as u64,
        s.device_clock.uncertainty.as_nanos() as u64,
        s.device_clock.drift_ppb as u64,
        s.device_clock.restarts_total,
    ]
}

fn kernels<B: Bits>(
    c: &mut Packed<B>,
    shape: &WholeShape,
    counted: &mut Counted,
    (before, now): (Option<&Snapshot>, Option<&Snapshot>),
    times: Times,
) -> Vec<KernelTelemetry> {
    let ids = &shape.numbers.ids;
    let of = |s: Option<&'_ Snapshot>, i: usize| s.and_then(|s| s.kernels.get(i)).cloned();
    let both: Vec<Both> = (0..ids.len()).map(|i| (of(before, i), of(now, i))).collect();
    c.section(Section::Scalars as u8);
    let words = |k: &Option<KernelTelemetry>| k.as_ref().map(coding::kernel_words);
    let nothing: Words = [0; coding::KERNEL_WORDS];
    let one = |(b, n): &Both| scalars(c, &words(b).unwrap_or(nothing), words(n).as_ref(), times);
    let words: Vec<Words> = both.iter().map(one).collect();
    c.section(Section::Stalls as u8);
    let stall = |k: &Option<KernelTelemetry>| k.as_ref().and_then(|k| k.stall.clone());
    let one = |(b, n): &Both| {
        let text = coding::text(c, b.as_ref().map(|k| &k.last_error), n.as_ref().map(|k| &k.last_error));
        (text, coding::stall(c, stall(b).as_ref(), stall(n).as_ref()))
    };
    let said: Vec<_> = both.iter().map(one).collect();
    c.section(Section::Latencies as u8);
    let latencies = histograms(c, times.level, &both, |k| Arc::clone(&k.histogram));
    c.section(Section::Waits as u8);
    let waited = |k: &KernelTelemetry| k.waiting.as_ref().map(|w| Arc::clone(&w.histogram)).unwrap_or_default();
    let waits = histograms(c, times.level, &both, waited);
    let parts = ids.iter().zip(&words).zip(said).zip(latencies.into_iter().zip(waits));
    let kernel = |(((id, words), (text, stall)), (latency, wait))| {
        let kernel = coding::kernel_of(words, id, [latency, wait], text, Rates::default());
        KernelTelemetry { stall, ..kernel }
    };
    let mut kernels: Vec<KernelTelemetry> = parts.map(kernel).collect();
    c.section(Section::Windows as u8);
    windows(c, counted, &mut kernels, &both, times, now);
    kernels
}

/// The same ones again where buckets are not told.
fn histograms<B: Bits>(
    c: &mut Packed<B>,
    level: Level,
    both: &[Both],
    of: impl Fn(&KernelTelemetry) -> Arc<Histogram>,
) -> Vec<Arc<Histogram>> {
    let of = |k: &Option<KernelTelemetry>| k.as_ref().map(&of);
    let one = |(b, n): &Both| {
        let before = of(b).unwrap_or_default();
        match level {
            Level::Lean => before,
            _ => coding::histogram(c, &before, of(n).as_deref()),
        }
    };
    both.iter().map(one).collect()
}

/// In full, or as they follow from the counts.
fn windows<B: Bits>(
    c: &mut Packed<B>,
    counted: &mut Counted,
    kernels: &mut [KernelTelemetry],
    both: &[Both],
    times: Times,
    now: Option<&Snapshot>,
) {
    if times.level < Level::Full {
        counted.derive(times.now, kernels);
        return counted.note(times.now, kernels);
    }
    let windows = coding::windows(c, now);
    if !windows.is_empty() {
        counted.windows = windows.iter().map(|window| window.0).collect();
    }
    let count = windows.len();
    let mut rates = RatesBuilder::new(windows, Box::default(), 0);
    for (kernel, (b, n)) in kernels.iter_mut().zip(both) {
        let counts = coding::window_counts(c, count, b.as_ref().map(|k| &k.rates), n.as_ref().map(|k| &k.rates));
        kernel.rates = if counts.is_empty() { Rates::default() } else { rates.add(counts) };
        let windowed = |k: &KernelTelemetry| k.windowed_throughput.to_bits();
        let told = c.expected(0, b.as_ref().map_or(0, windowed), n.as_ref().map(windowed));
        kernel.windowed_throughput = f64::from_bits(told);
    }
    rates.finish();
    counted.note(times.now, kernels);
}

fn family<B: Bits>(
    c: &mut Packed<B>,
    like: &Family,
    (before, now): (Option<Family>, Option<Family>),
    level: Level,
) -> Family {
    let of = |family: &Option<Family>, i: usize| family.as_ref().and_then(|f| f.series.get(i)).map(|s| s.value.clone());
    let series = like.series.iter().enumerate().map(|(i, series)| {
        let (before, now) = (of(&before, i), of(&now, i));
        let value = match before {
            Some(before @ Value::Histogram(_)) if level == Level::Lean => before,
            before => coding::value(c, before.as_ref(), &series.value, now.as_ref()),
        };
        Series { labels: series.labels.clone(), value }
    });
    Family { series: series.collect(), description: Arc::clone(&like.description) }
}

/// Blocks that are not told are where they were; the clock goes on.
fn places<B: Bits>(
    c: &mut Packed<B>,
    shape: &WholeShape,
    (before, now): (Option<&Snapshot>, Option<&Snapshot>),
    kernels: &[KernelTelemetry],
    times: Times,
) -> Places {
    let (before, now) = (before.map(|s| &s.places), now.map(|s| &s.places));
    match times.level {
        Level::Full => coding::blocks(c, before, now, &shape.places, kernels),
        _ => coding::blocks_again(before.cloned().unwrap_or_default(), &shape.places, kernels, times.now),
    }
}
