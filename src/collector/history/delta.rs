//! A snapshot as what is new in it: a few bytes for each number that changed since the snapshot before.
//!
//! Every number of a snapshot is a 64-bit word, and a word is written as its difference from the same word of the
//! snapshot before, seven bits a byte. Counts and times move little from one to the next, and what did not move at
//! all costs a bit. Both directions run through the same functions, so that they cannot differ in the order.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::abi::buckets;
use crate::histogram::Histogram;
use crate::machine::SystemMetrics;
use crate::metrics::{Distribution, ExplicitHistogram, Value};
use crate::snapshot::{
    Dropped, KernelState, KernelTelemetry, Latency, Rates, SelfMetrics, TraceRecords, Waiting, WindowCounts,
};

/// Writes differences, or reads them.
pub(super) trait Coder {
    /// The word, which is `now` for a writer, and for a reader what was written.
    fn word(&mut self, before: u64, now: impl FnOnce() -> u64) -> u64;
    /// A text; as with words.
    fn text(&mut self, now: impl FnOnce() -> Arc<str>) -> Arc<str>;
}

pub(super) struct Writer(pub(super) Vec<u8>);

/// Reads what a [`Writer`] wrote; past the end there are zeros.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl Coder for Writer {
    fn word(&mut self, before: u64, now: impl FnOnce() -> u64) -> u64 {
        let now = now();
        let difference = now.wrapping_sub(before) as i64;
        // Small differences either way become small numbers.
        let mut rest = ((difference << 1) ^ (difference >> 63)) as u64;
        while rest >= 0x80 {
            self.0.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.0.push(rest as u8);
        now
    }

    fn text(&mut self, now: impl FnOnce() -> Arc<str>) -> Arc<str> {
        let now = now();
        self.word(0, || now.len() as u64);
        self.0.extend_from_slice(now.as_bytes());
        now
    }
}

impl Coder for Reader<'_> {
    fn word(&mut self, before: u64, _: impl FnOnce() -> u64) -> u64 {
        let (mut zigzag, mut shift) = (0u64, 0);
        while let Some((byte, rest)) = self.0.split_first() {
            self.0 = rest;
            zigzag |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 || shift >= 64 {
                break;
            }
        }
        before.wrapping_add((zigzag >> 1) ^ (zigzag & 1).wrapping_neg())
    }

    fn text(&mut self, _: impl FnOnce() -> Arc<str>) -> Arc<str> {
        let bytes = self.word(0, || 0) as usize;
        let (text, rest) = self.0.split_at(bytes.min(self.0.len()));
        self.0 = rest;
        String::from_utf8_lossy(text).into()
    }
}

/// Words of which few change: which ones, then those.
pub(super) fn words<const N: usize>(coder: &mut impl Coder, before: &[u64; N], now: Option<&[u64; N]>) -> [u64; N] {
    const { assert!(N <= 64) };
    let changed = coder.word(0, || {
        let now = now.unwrap_or(before);
        (0..N).filter(|i| before[*i] != now[*i]).fold(0, |bits, i| bits | 1 << i)
    });
    let mut words = *before;
    for (i, word) in words.iter_mut().enumerate().filter(|(i, _)| changed >> i & 1 == 1) {
        *word = coder.word(*word, || now.map_or(0, |now| now[i]));
    }
    words
}

// ---- kernels -----------------------------------------------------------------------------------------

const KERNEL_WORDS: usize = 29;

/// One kernel but for its stall, with what it did over each of so many windows.
pub(super) fn kernel(
    coder: &mut impl Coder,
    id: &Arc<str>,
    before: Option<&KernelTelemetry>,
    now: Option<&KernelTelemetry>,
    windows: usize,
    mut rates: impl FnMut(Vec<WindowCounts>) -> Rates,
) -> KernelTelemetry {
    let nothing = [0; KERNEL_WORDS];
    let then = before.map_or(nothing, kernel_words);
    let now_words = now.map(kernel_words);
    let words = words(coder, &then, now_words.as_ref());
    let empty = Arc::<Histogram>::default();
    let histogram_before = before.map_or(&empty, |k| &k.histogram);
    let histogram = self::histogram(coder, histogram_before, now.map(|k| &*k.histogram));
    let waited =
        |k: &'_ KernelTelemetry| k.waiting.as_ref().map_or_else(|| Arc::clone(&empty), |w| Arc::clone(&w.histogram));
    let waiting_before = before.map_or_else(|| Arc::clone(&empty), waited);
    let waiting = self::histogram(coder, &waiting_before, now.map(waited).as_deref());
    let last_error = text(coder, before.map(|k| &k.last_error), now.map(|k| &k.last_error));
    let counts = window_counts(coder, windows, before.map(|k| &k.rates), now.map(|k| &k.rates));
    let rates = if counts.is_empty() { Rates::default() } else { rates(counts) };
    kernel_of(&words, id, [histogram, waiting], last_error, rates)
}

fn kernel_words(k: &KernelTelemetry) -> [u64; KERNEL_WORDS] {
    // All of the fields, by name: a new one must find its place here.
    let KernelTelemetry {
        kernel_id: _,
        state,
        messages_received,
        messages_sent,
        messages_processed,
        errors,
        start_time,
        last_message_time,
        last_sign_of_life,
        stall: _,
        throughput,
        windowed_throughput,
        rates: _,
        uptime,
        error_rate,
        last_error_code,
        last_error: _,
        latency: _,
        waiting: _,
        queue_depth,
        queue_high_water,
        queue_full,
        bytes_in,
        bytes_out,
        busy_ratio,
        retries,
        dropped,
        polls,
        busy_time,
        wait_time,
        blocks,
        blocks_started,
        trace,
        histogram: _,
        recorded_since_launch,
    } = k;
    [
        *state as u64,
        *messages_received,
        *messages_sent,
        *messages_processed,
        *errors,
        start_time.map_or(0, time_word),
        last_message_time.map_or(0, time_word),
        last_sign_of_life.map_or(0, time_word),
        throughput.to_bits(),
        windowed_throughput.to_bits(),
        uptime.as_nanos() as u64,
        error_rate.to_bits(),
        last_error_code.map_or(0, |code| u64::from(code) + 1),
        *queue_depth,
        *queue_high_water,
        *bytes_in,
        *bytes_out,
        busy_ratio.to_bits(),
        *retries,
        *dropped,
        *polls,
        busy_time.as_nanos() as u64,
        wait_time.as_nanos() as u64,
        u64::from(*blocks) | u64::from(*blocks_started) << 32,
        *recorded_since_launch,
        *queue_full,
        trace.map_or(0, |trace| trace.written + 1),
        trace.map_or(0, |trace| trace.read),
        trace.map_or(0, |trace| trace.lost),
    ]
}

fn kernel_of(
    w: &[u64; KERNEL_WORDS],
    id: &Arc<str>,
    [histogram, waiting]: [Arc<Histogram>; 2],
    last_error: Option<Arc<str>>,
    rates: Rates,
) -> KernelTelemetry {
    KernelTelemetry {
        kernel_id: Arc::clone(id),
        state: KernelState::from_u8(w[0] as u8).unwrap_or(KernelState::Failed),
        messages_received: w[1],
        messages_sent: w[2],
        messages_processed: w[3],
        errors: w[4],
        start_time: time_of(w[5]),
        last_message_time: time_of(w[6]),
        last_sign_of_life: time_of(w[7]),
        stall: None,
        throughput: f64::from_bits(w[8]),
        windowed_throughput: f64::from_bits(w[9]),
        rates,
        uptime: Duration::from_nanos(w[10]),
        error_rate: f64::from_bits(w[11]),
        last_error_code: w[12].checked_sub(1).map(|code| code as u32),
        last_error,
        latency: Latency::from_histogram(&histogram),
        waiting: Latency::from_histogram(&waiting).map(|latency| Arc::new(Waiting { latency, histogram: waiting })),
        queue_depth: w[13],
        queue_high_water: w[14],
        queue_full: w[25],
        bytes_in: w[15],
        bytes_out: w[16],
        busy_ratio: f64::from_bits(w[17]),
        retries: w[18],
        dropped: w[19],
        polls: w[20],
        busy_time: Duration::from_nanos(w[21]),
        wait_time: Duration::from_nanos(w[22]),
        blocks: w[23] as u32,
        blocks_started: (w[23] >> 32) as u32,
        trace: w[26].checked_sub(1).map(|written| TraceRecords::new(written, w[27], w[28])),
        histogram,
        recorded_since_launch: w[24],
    }
}

/// 0 is never: 1970 is before any kernel.
pub(super) fn time_word(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64
}

pub(super) fn time_of(word: u64) -> Option<SystemTime> {
    (word != 0).then(|| UNIX_EPOCH + Duration::from_nanos(word))
}

/// As before, none, or another.
pub(super) fn text(
    coder: &mut impl Coder,
    before: Option<&Option<Arc<str>>>,
    now: Option<&Option<Arc<str>>>,
) -> Option<Arc<str>> {
    let before = before.and_then(Option::as_ref);
    let now = now.and_then(Option::as_ref);
    let what = coder.word(0, || match now {
        now if now == before => 0,
        None => 1,
        Some(_) => 2,
    });
    match what {
        0 => before.cloned(),
        1 => None,
        _ => Some(coder.text(|| now.cloned().unwrap_or_default())),
    }
}

fn window_counts(
    coder: &mut impl Coder,
    windows: usize,
    before: Option<&Rates>,
    now: Option<&Rates>,
) -> Vec<WindowCounts> {
    if coder.word(0, || u64::from(now.is_some_and(|now| !now.is_idle()))) == 0 {
        return Vec::new();
    }
    let array = |rates: Option<&Rates>, i: usize| {
        let c = rates.map(|rates| rates.count(i)).unwrap_or_default();
        [c.processed, c.errors, c.bytes_in, c.bytes_out]
    };
    let mut one = |i: usize| {
        let [processed, errors, bytes_in, bytes_out] = words(coder, &array(before, i), Some(&array(now, i)));
        WindowCounts { processed, errors, bytes_in, bytes_out }
    };
    (0..windows).map(&mut one).collect()
}

// ---- histograms --------------------------------------------------------------------------------------

/// The same one again where nothing was counted.
pub(super) fn histogram(coder: &mut impl Coder, before: &Arc<Histogram>, now: Option<&Histogram>) -> Arc<Histogram> {
    if coder.word(0, || u64::from(now.is_some_and(|now| *now != **before))) == 0 {
        return Arc::clone(before);
    }
    let scale = coder.word(u64::from(before.scale()), || now.map_or(0, |h| h.scale().into())) as u32;
    let empty = Histogram::new(scale);
    let same_scale = before.scale() == scale;
    let before = if same_scale { &**before } else { &empty };
    let counts = slots(coder, before, now);
    let extremes = |h: &Histogram| [h.sum(), h.min().unwrap_or(u64::MAX), h.max().unwrap_or(0)];
    let [sum, min, max] = words(coder, &extremes(before), now.map(extremes).as_ref());
    Arc::new(Histogram::from_slots(scale, 0, &counts, sum, min, max))
}

/// The counts of all slots. Of those that changed: the distance from the one before, and the difference.
fn slots(coder: &mut impl Coder, before: &Histogram, now: Option<&Histogram>) -> Vec<u64> {
    let mut counts: Vec<u64> = (0..buckets(before.scale())).map(|slot| before.count_in(slot)).collect();
    let count_now = |slot: usize| now.map_or(counts[slot], |now| now.count_in(slot));
    let changed: Vec<usize> = (0..counts.len()).filter(|slot| count_now(*slot) != counts[*slot]).collect();
    let mut changed = changed.into_iter();
    let mut last = 0;
    for _ in 0..coder.word(0, || changed.len() as u64) {
        last = coder.word(last, || changed.next().unwrap_or_default() as u64);
        let slot = last as usize;
        if let Some(count) = counts.get_mut(slot) {
            *count = coder.word(*count, || now.map_or(0, |now| now.count_in(slot)));
        }
    }
    counts
}

fn explicit(coder: &mut impl Coder, before: &ExplicitHistogram, now: Option<&ExplicitHistogram>) -> ExplicitHistogram {
    let mut counts = before.counts().to_vec();
    for (i, count) in counts.iter_mut().enumerate() {
        *count = coder.word(*count, || now.map_or(0, |now| now.counts()[i]));
    }
    let bits = |h: &ExplicitHistogram| {
        let none = f64::NAN;
        [h.sum().to_bits(), h.min().unwrap_or(none).to_bits(), h.max().unwrap_or(none).to_bits()]
    };
    let [sum, min, max] = words(coder, &bits(before), now.map(bits).as_ref()).map(f64::from_bits);
    let extremes = (!min.is_nan()).then_some((min, max));
    ExplicitHistogram::from_counts(before.shared_bounds(), counts, sum, extremes)
}

/// A metric's value. `like` has its kind and buckets.
pub(super) fn value(coder: &mut impl Coder, before: Option<&Value>, like: &Value, now: Option<&Value>) -> Value {
    match like {
        Value::Counter(_) => {
            let of = |v: Option<&Value>| v.and_then(Value::counter).unwrap_or(0);
            Value::Counter(coder.word(of(before), || of(now)))
        }
        Value::Gauge(_) => {
            let of = |v: Option<&Value>| v.and_then(Value::gauge).unwrap_or(0.0).to_bits();
            Value::Gauge(f64::from_bits(coder.word(of(before), || of(now))))
        }
        Value::Histogram(like) => {
            let before = before.and_then(Value::histogram).unwrap_or(like);
            let now = now.and_then(Value::histogram);
            let dropped = coder.word(before.dropped, || now.map_or(0, |h| h.dropped));
            let distribution = match &before.distribution {
                Distribution::Exponential(before) => {
                    let now = now
                        .and_then(|h| if let Distribution::Exponential(h) = &h.distribution { Some(h) } else { None });
                    Distribution::Exponential(Arc::unwrap_or_clone(histogram(coder, &Arc::new(before.clone()), now)))
                }
                Distribution::Explicit(before) => {
                    let now =
                        now.and_then(|h| if let Distribution::Explicit(h) = &h.distribution { Some(h) } else { None });
                    Distribution::Explicit(explicit(coder, before, now))
                }
            };
            Value::Histogram(crate::metrics::HistogramValue { distribution, dropped })
        }
    }
}

// ---- the rest ----------------------------------------------------------------------------------------

const SELF_WORDS: usize = 23;

pub(super) fn self_metrics(coder: &mut impl Coder, before: &SelfMetrics, now: Option<&SelfMetrics>) -> SelfMetrics {
    let w = words(coder, &self_words(before), now.map(self_words).as_ref());
    SelfMetrics {
        collection_duration: histogram(coder, &before.collection_duration, now.map(|m| &*m.collection_duration)),
        copy_duration: histogram(coder, &before.copy_duration, now.map(|m| &*m.copy_duration)),
        collection_runs_total: w[0],
        collection_failures_total: w[1],
        metrics_count: w[2] as usize,
        events_total: w[3],
        skew: Duration::from_nanos(w[4]),
        history_snapshots: w[5] as usize,
        history_bytes: w[6] as usize,
        dropped: Dropped {
            history: w[7],
            hooks: w[8],
            subscribers: w[9],
            series: w[10],
            operations: w[17],
            network_operations: w[18],
            device_messages: w[19],
            application_events: w[20],
            event_subscribers: w[21],
            trace_streams: w[22],
        },
        hook_calls_total: w[11],
        hook_panics_total: w[12],
        hook_slow_total: w[13],
        hooks_disabled: w[14],
        lookup_misses_total: w[15],
        metric_series: w[16] as usize,
    }
}

fn self_words(m: &SelfMetrics) -> [u64; SELF_WORDS] {
    // All of the fields, by name: a new one must find its place here.
    let Dropped {
        history,
        hooks,
        subscribers,
        series,
        operations,
        network_operations,
        device_messages,
        application_events,
        event_subscribers,
        trace_streams,
    } = m.dropped;
    [
        m.collection_runs_total,
        m.collection_failures_total,
        m.metrics_count as u64,
        m.events_total,
        m.skew.as_nanos() as u64,
        m.history_snapshots as u64,
        m.history_bytes as u64,
        history,
        hooks,
        subscribers,
        series,
        m.hook_calls_total,
        m.hook_panics_total,
        m.hook_slow_total,
        m.hooks_disabled,
        m.lookup_misses_total,
        m.metric_series as u64,
        operations,
        network_operations,
        device_messages,
        application_events,
        event_subscribers,
        trace_streams,
    ]
}

pub(super) fn system(
    coder: &mut impl Coder,
    before: Option<&SystemMetrics>,
    now: Option<&SystemMetrics>,
) -> Option<SystemMetrics> {
    let bits = |m: Option<&SystemMetrics>| {
        m.map_or([0; 3], |m| [1, m.cpu_utilization_percent.to_bits(), m.memory_used_mb.to_bits()])
    };
    let [there, cpu, memory] = words(coder, &bits(before), Some(&bits(now)));
    let metrics =
        SystemMetrics { cpu_utilization_percent: f64::from_bits(cpu), memory_used_mb: f64::from_bits(memory) };
    (there == 1).then_some(metrics)
}
