//! The numbers of a kernel, by what they have to do with each other.

use std::time::Duration;

use super::level::Level;
use super::packed::Packed;
use super::range::Bits;
use crate::snapshot::coding::{KERNEL_WORDS, word};
use crate::snapshot::{KernelState, rate, ratio};

pub(super) type Words = [u64; KERNEL_WORDS];

/// The time of a snapshot, of the one before, and how exactly times are told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) before: u64,
    pub(super) now: u64,
    pub(super) level: Level,
}

impl Times {
    fn passed(self) -> u64 {
        if self.before == 0 { 0 } else { self.now.saturating_sub(self.before) }
    }

    fn step(self) -> u64 {
        if self.level == Level::Full { 1 } else { (self.passed() / 1000).max(1) }
    }
}

/// Words that are told by themselves.
const ALONE: [usize; 15] = [
    word::STATE,
    word::DEVICE,
    word::BLOCKS,
    word::LAST_ERROR_CODE,
    word::QUEUE_DEPTH,
    word::QUEUE_HIGH_WATER,
    word::QUEUE_FULL,
    word::RETRIES,
    word::DROPPED,
    word::TRACE_WRITTEN,
    word::TRACE_READ,
    word::TRACE_LOST,
    word::PROCESSED,
    word::ERRORS,
    word::GENERATION,
];
/// Words that are a time, or 0 for never.
const MOMENTS: [usize; 4] = [word::START_TIME, word::LAST_MESSAGE_TIME, word::LAST_SIGN_OF_LIFE, word::COUNTED_SINCE];
/// Beside the kernel's words: which moments there are, and how long before the reset it ran.
const WHICH: u8 = 100;
const RESET: u8 = 101;

/// As much more of `of` as there was for each of `by`.
fn as_before(of: u64, by: u64, more: u64) -> u64 {
    let expected = u128::from(of) * u128::from(more) / u128::from(by.max(1));
    of.wrapping_add(u64::try_from(expected).unwrap_or(0))
}

/// Writes a kernel's words, or reads them. What it did over windows is told elsewhere.
pub(super) fn scalars<B: Bits>(c: &mut Packed<B>, b: &Words, now: Option<&Words>, times: Times) -> Words {
    let mut w = *b;
    let of = |i: usize| now.map(|now| now[i]);
    for i in ALONE {
        w[i] = c.expected(i as u8, b[i], of(i));
    }
    let handled_before = b[word::PROCESSED].wrapping_add(b[word::ERRORS]);
    let handled = w[word::PROCESSED].wrapping_add(w[word::ERRORS]).wrapping_sub(handled_before);
    // Less than before is a reset.
    let handled = if handled > u64::MAX / 2 { 0 } else { handled };
    for i in [word::RECEIVED, word::SENT, word::RECORDED] {
        w[i] = c.guessed(i as u8, b[i], b[i].wrapping_add(handled), 1, of(i));
    }
    for (bytes, messages) in [(word::BYTES_IN, word::RECEIVED), (word::BYTES_OUT, word::SENT)] {
        let expected = as_before(b[bytes], b[messages], w[messages].saturating_sub(b[messages]));
        w[bytes] = c.guessed(bytes as u8, b[bytes], expected, 1, of(bytes));
    }
    let step = times.step();
    let has_ended = KernelState::from_u8(w[word::STATE] as u8).is_none_or(KernelState::has_ended);
    let passed = if has_ended { 0 } else { times.passed() };
    let busy = as_before(b[word::BUSY], handled_before, handled);
    w[word::BUSY] = c.guessed(word::BUSY as u8, b[word::BUSY], busy, step, of(word::BUSY));
    let idle = (w[word::BLOCKS] >> 32).saturating_mul(passed);
    let idle = idle.saturating_sub(w[word::BUSY].saturating_sub(b[word::BUSY]));
    let wait = b[word::WAIT].wrapping_add(idle);
    w[word::WAIT] = c.guessed(word::WAIT as u8, b[word::WAIT], wait, step, of(word::WAIT));
    let polls = as_before(b[word::POLLS], b[word::WAIT], w[word::WAIT].saturating_sub(b[word::WAIT]));
    // As many as there are in the time that the wait is told to.
    let polls_step = if step == 1 { 1 } else { polls_in(b, step) };
    w[word::POLLS] = c.guessed(word::POLLS as u8, b[word::POLLS], polls, polls_step, of(word::POLLS));
    moments(c, b, &mut w, now, times, handled > 0);
    derived(c, b, &mut w, now, times, passed);
    w
}

/// How many polls there were in such a time of waiting.
fn polls_in(b: &Words, time: u64) -> u64 {
    let polls = u128::from(b[word::POLLS]) * u128::from(time) / u128::from(b[word::WAIT].max(1));
    u64::try_from(polls).unwrap_or(1).clamp(1, 1 << 32)
}

fn moments<B: Bits>(c: &mut Packed<B>, b: &Words, w: &mut Words, now: Option<&Words>, times: Times, has_handled: bool) {
    let there = |w: &Words| MOMENTS.iter().enumerate().fold(0, |bits, (n, i)| bits | u64::from(w[*i] != 0) << n);
    let which = c.expected(WHICH, there(b), now.map(there));
    let state = KernelState::from_u8(w[word::STATE] as u8);
    let lives = state.is_some_and(|state| !state.has_ended() && state != KernelState::Stalled);
    let half = times.step() / 2;
    for (n, i) in MOMENTS.into_iter().enumerate() {
        let goes_on = match i {
            word::LAST_MESSAGE_TIME => has_handled,
            word::LAST_SIGN_OF_LIFE => lives,
            _ => false,
        };
        let expected = match b[i] {
            // Another life counts since its start.
            _ if i == word::COUNTED_SINCE && w[word::START_TIME] != b[word::START_TIME] => w[word::START_TIME],
            0 => times.now,
            time if goes_on => time.wrapping_add(times.passed()),
            time => time,
        };
        let is_there = which >> n & 1 == 1;
        w[i] = match is_there {
            true => c.guessed(i as u8, 0, expected, times.step(), now.map(|now| now[i].wrapping_add(half))).max(1),
            false => c.skip(0),
        };
    }
}

/// What follows from the rest: only where it does not, it is told.
fn derived<B: Bits>(c: &mut Packed<B>, b: &Words, w: &mut Words, now: Option<&Words>, times: Times, passed: u64) {
    let uptime = match (b[word::UPTIME], w[word::START_TIME]) {
        (0, 0) => 0,
        (0, start) => times.now.saturating_sub(start),
        (before, _) => before.wrapping_add(passed),
    };
    let half = times.step() / 2;
    let told = now.map(|now| now[word::UPTIME].wrapping_add(half));
    w[word::UPTIME] = c.guessed(word::UPTIME as u8, b[word::UPTIME], uptime, times.step(), told);
    let reset_ms = c.expected(RESET, reset_ms(b), now.map(reset_ms));
    let counted = w[word::UPTIME].saturating_sub(reset_ms.saturating_mul(1_000_000));
    let seconds = Duration::from_nanos(counted).as_secs_f64();
    let (processed, errors) = (w[word::PROCESSED], w[word::ERRORS]);
    let busy = Duration::from_nanos(w[word::BUSY]).as_secs_f64();
    let blocks = f64::from((w[word::BLOCKS] as u32).max(1));
    let follows = [
        (word::THROUGHPUT, rate(processed, Duration::from_nanos(counted))),
        (word::ERROR_RATE, ratio(errors as f64, processed.saturating_add(errors) as f64)),
        (word::BUSY_RATIO, ratio(busy, seconds * blocks).min(1.0)),
    ];
    for (i, value) in follows {
        w[i] = value.to_bits();
        if times.level == Level::Full {
            w[i] = c.follows(i as u8, w[i], now.map(|now| now[i]));
        }
    }
}

/// How long before the last reset a kernel ran, as far as its throughput tells it.
fn reset_ms(w: &Words) -> u64 {
    let counted = w[word::PROCESSED] as f64 / f64::from_bits(w[word::THROUGHPUT]);
    let before = w[word::UPTIME] as f64 / 1e6 - counted * 1e3;
    if before.is_finite() { before.round().max(0.0) as u64 } else { 0 }
}
