//! One kernel of a snapshot.

use std::sync::Arc;
use std::time::Duration;

use super::coder::{Coder, text, time_of, time_word};
use super::histogram::histogram;
use crate::histogram::Histogram;
use crate::snapshot::{KernelState, KernelTelemetry, Latency, Rates, TraceRecords, Waiting, WindowCounts};

/// How many words a kernel has.
pub(crate) const KERNEL_WORDS: usize = 32;

/// Where each of them is.
#[cfg(feature = "recording")]
pub(crate) mod word {
    pub(crate) const STATE: usize = 0;
    pub(crate) const RECEIVED: usize = 1;
    pub(crate) const SENT: usize = 2;
    pub(crate) const PROCESSED: usize = 3;
    pub(crate) const ERRORS: usize = 4;
    pub(crate) const START_TIME: usize = 5;
    pub(crate) const LAST_MESSAGE_TIME: usize = 6;
    pub(crate) const LAST_SIGN_OF_LIFE: usize = 7;
    pub(crate) const THROUGHPUT: usize = 8;
    pub(crate) const UPTIME: usize = 10;
    pub(crate) const ERROR_RATE: usize = 11;
    pub(crate) const LAST_ERROR_CODE: usize = 12;
    pub(crate) const QUEUE_DEPTH: usize = 13;
    pub(crate) const QUEUE_HIGH_WATER: usize = 14;
    pub(crate) const BYTES_IN: usize = 15;
    pub(crate) const BYTES_OUT: usize = 16;
    pub(crate) const BUSY_RATIO: usize = 17;
    pub(crate) const RETRIES: usize = 18;
    pub(crate) const DROPPED: usize = 19;
    pub(crate) const POLLS: usize = 20;
    pub(crate) const BUSY: usize = 21;
    pub(crate) const WAIT: usize = 22;
    pub(crate) const BLOCKS: usize = 23;
    pub(crate) const RECORDED: usize = 24;
    pub(crate) const QUEUE_FULL: usize = 25;
    pub(crate) const TRACE_WRITTEN: usize = 26;
    pub(crate) const TRACE_READ: usize = 27;
    pub(crate) const TRACE_LOST: usize = 28;
    pub(crate) const DEVICE: usize = 29;
    pub(crate) const GENERATION: usize = 30;
    pub(crate) const COUNTED_SINCE: usize = 31;
}

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
    let words = coder.words(&then, now_words.as_ref());
    let empty = Arc::<Histogram>::default();
    let histogram_before = before.map_or(&empty, |k| &k.histogram);
    let buckets = histogram(coder, histogram_before, now.map(|k| &*k.histogram));
    let waited =
        |k: &'_ KernelTelemetry| k.waiting.as_ref().map_or_else(|| Arc::clone(&empty), |w| Arc::clone(&w.histogram));
    let waiting_before = before.map_or_else(|| Arc::clone(&empty), waited);
    let waiting = histogram(coder, &waiting_before, now.map(waited).as_deref());
    let last_error = text(coder, before.map(|k| &k.last_error), now.map(|k| &k.last_error));
    let counts = window_counts(coder, windows, before.map(|k| &k.rates), now.map(|k| &k.rates));
    let rates = if counts.is_empty() { Rates::default() } else { rates(counts) };
    kernel_of(&words, id, [buckets, waiting], last_error, rates)
}

pub(crate) fn kernel_words(k: &KernelTelemetry) -> [u64; KERNEL_WORDS] {
    // All of the fields, by name: a new one must find its place here.
    let KernelTelemetry {
        kernel_id: _,
        device,
        generation,
        state,
        messages_received,
        messages_sent,
        messages_processed,
        errors,
        start_time,
        counted_since,
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
        earlier: _,
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
        device.map_or(0, |device| u64::from(device) + 1),
        *generation,
        counted_since.map_or(0, time_word),
    ]
}

pub(crate) fn kernel_of(
    w: &[u64; KERNEL_WORDS],
    id: &Arc<str>,
    [histogram, waiting]: [Arc<Histogram>; 2],
    last_error: Option<Arc<str>>,
    rates: Rates,
) -> KernelTelemetry {
    KernelTelemetry {
        kernel_id: Arc::clone(id),
        device: w[29].checked_sub(1).map(|device| device as u32),
        generation: w[30],
        state: KernelState::from_u8(w[0] as u8).unwrap_or(KernelState::Failed),
        messages_received: w[1],
        messages_sent: w[2],
        messages_processed: w[3],
        errors: w[4],
        start_time: time_of(w[5]),
        counted_since: time_of(w[31]),
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
        earlier: None,
    }
}

pub(crate) fn window_counts(
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
        let [processed, errors, bytes_in, bytes_out] = coder.words(&array(before, i), Some(&array(now, i)));
        WindowCounts { processed, errors, bytes_in, bytes_out }
    };
    (0..windows).map(&mut one).collect()
}
