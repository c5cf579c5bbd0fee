//! Words in few bits: each as it differs from what was to be expected of it, with chances that learn.
//!
//! What is expected of a word is what it was, or that it goes on as it did, or its mean: whichever was right more often for this
//! very word. How far it is from that is written as a number of bits and those bits, with chances of their own for how far it
//! mostly is. Both directions run through the same functions.

use std::sync::Arc;

use super::range::{Bits, Chance, EVEN};
use crate::abi::buckets;
use crate::histogram::Histogram;
use crate::snapshot::coding::Coder;

/// Most things of a list, whatever is said: kernels, blocks, series, entries.
const MOST: usize = 1 << 20;
/// Longest text, in bytes.
const MOST_TEXT: usize = 1 << 20;
/// Most that a bucket counts: sums of them stay numbers.
const MOST_COUNTED: u64 = 1 << 48;
/// How many numbers of bits there are.
const OFF_BITS: usize = 65;
/// Bits of what is a fraction in a mean.
const FRACTION: u32 = 4;
/// Bits of the length of a number's history.
const SLOW: u32 = 4;

/// What was learned since the key frame.
#[derive(Default)]
pub(super) struct Learned {
    /// Of the words of each section, one after the other.
    words: Vec<Vec<Past>>,
    /// Of each section, of each kind of word, for each number of bits that they mostly are off by.
    chances: Vec<Vec<Option<Box<Chances>>>>,
    /// Of each byte of a text, after the byte before it.
    texts: Vec<Chance>,
}

/// The one at that place, and room for it.
fn at<T: Default>(all: &mut Vec<T>, place: usize) -> &mut T {
    if all.len() <= place {
        all.resize_with(place + 1, T::default);
    }
    &mut all[place]
}

impl Learned {
    fn chances(&mut self, section: u8, field: u8, off: u8) -> &mut Chances {
        let place = usize::from(field) * OFF_BITS + usize::from(off);
        at(at(&mut self.chances, section.into()), place).get_or_insert_default()
    }
}

/// Chances of one number's bits.
struct Chances {
    is_zero: Chance,
    is_negative: Chance,
    /// Of the number of bits: a tree of six levels.
    bits: [Chance; 64],
    /// Of the two bits below the highest, for each number of bits.
    below: [[Chance; 4]; 64],
}

impl Default for Chances {
    fn default() -> Self {
        Chances { is_zero: EVEN, is_negative: EVEN, bits: [EVEN; 64], below: [[EVEN; 4]; 64] }
    }
}

/// What a word did so far.
#[derive(Clone, Copy, Default)]
struct Past {
    trend: i64,
    level: i64,
    /// How far each guess was off, on average.
    off: [u64; 3],
}

/// A number of a size that leaves room to calculate with it.
fn small(number: i64) -> i64 {
    number.clamp(-(1 << 56), 1 << 56)
}

impl Past {
    /// The best guess, as a difference from what it was, and how many bits that is off by.
    fn guess(&self, before: u64) -> (i64, u8) {
        let guesses = [0, self.trend >> FRACTION, (self.level >> FRACTION).wrapping_sub(small(before as i64))];
        let best = (0..3).min_by_key(|i| self.off[*i]).unwrap_or(0);
        (guesses[best], bits_of(self.off[best] >> FRACTION))
    }

    fn learn(&mut self, before: u64, now: u64) {
        let change = small(now.wrapping_sub(before) as i64);
        let value = small(now as i64);
        let guesses = [0, self.trend >> FRACTION, (self.level >> FRACTION) - small(before as i64)];
        for (off, guess) in self.off.iter_mut().zip(guesses) {
            let wrong = change.wrapping_sub(guess).unsigned_abs().min(1 << 57);
            *off = *off - (*off >> SLOW) + ((wrong << FRACTION) >> SLOW);
        }
        self.trend += ((change << FRACTION) - self.trend) >> SLOW;
        self.level += ((value << FRACTION) - self.level) >> SLOW;
    }
}

fn bits_of(number: u64) -> u8 {
    (u64::BITS - number.leading_zeros()) as u8
}

pub(super) struct Packed<B> {
    bits: B,
    learned: Learned,
    section: u8,
    /// The place of the next word among those of its section.
    at: usize,
}

impl<B: Bits> Packed<B> {
    pub(super) fn new(bits: B, learned: Learned) -> Self {
        Packed { bits, learned, section: 0, at: 0 }
    }

    pub(super) fn finish(self) -> (B, Learned) {
        (self.bits, self.learned)
    }

    pub(super) fn is_spent(&self) -> bool {
        self.bits.is_spent()
    }

    /// From here on come the words of this section, from its begin.
    pub(super) fn section(&mut self, section: u8) {
        (self.section, self.at) = (section, 0);
    }

    /// A word of which `expected` is expected, and is told in whole `step`s from there, never going back for less than one.
    pub(super) fn guessed(&mut self, field: u8, before: u64, expected: u64, step: u64, now: Option<u64>) -> u64 {
        let step = step.max(1);
        let past = self.past();
        let bias = past.trend >> FRACTION;
        let off = bits_of((past.off[0].min(past.off[1])) >> FRACTION);
        let bias = if past.off[1] < past.off[0] { bias } else { 0 };
        let base = expected.wrapping_add((bias as u64).wrapping_mul(step));
        let steps = now.map_or(0, |now| (now.wrapping_sub(base) as i64).div_euclid(step as i64));
        let steps = self.number(field, off, steps);
        let told = base.wrapping_add((steps as u64).wrapping_mul(step));
        let told = if told < before && before - told < step { before } else { told };
        let from_expected = (told.wrapping_sub(expected) as i64).div_euclid(step as i64);
        self.learn(0, from_expected as u64);
        told
    }

    /// A word that follows from others; where it does not, it is told.
    pub(super) fn follows(&mut self, field: u8, expected: u64, now: Option<u64>) -> u64 {
        let difference = self.number(field, 0, now.map_or(0, |now| now.wrapping_sub(expected) as i64));
        expected.wrapping_add(difference as u64)
    }

    /// Tells nothing of the next word, which is `value`.
    pub(super) fn skip(&mut self, value: u64) -> u64 {
        self.past();
        self.at += 1;
        value
    }

    fn past(&mut self) -> Past {
        *at(at(&mut self.learned.words, self.section.into()), self.at)
    }

    fn learn(&mut self, before: u64, now: u64) {
        at(at(&mut self.learned.words, self.section.into()), self.at).learn(before, now);
        self.at += 1;
    }

    /// A word that was `before`.
    pub(super) fn expected(&mut self, field: u8, before: u64, now: Option<u64>) -> u64 {
        let (guess, off) = self.past().guess(before);
        let base = before.wrapping_add(guess as u64);
        let difference = self.number(field, off, now.map_or(0, |now| now.wrapping_sub(base) as i64));
        let told = base.wrapping_add(difference as u64);
        self.learn(before, told);
        told
    }

    /// A number that mostly has so many bits.
    fn number(&mut self, field: u8, off: u8, now: i64) -> i64 {
        if self.bits.is_spent() {
            return 0;
        }
        let chances = self.learned.chances(self.section, field, off);
        if !self.bits.bit(&mut chances.is_zero, now != 0) {
            return 0;
        }
        let is_negative = self.bits.bit(&mut chances.is_negative, now < 0);
        let size = now.unsigned_abs();
        let length = u32::from(bits_of(size)).max(1) - 1;
        let mut node = 1usize;
        for i in (0..6).rev() {
            let bit = self.bits.bit(&mut chances.bits[node], length >> i & 1 == 1);
            node = node << 1 | usize::from(bit);
        }
        let length = (node & 63) as u32;
        let modelled = length.min(2);
        let mut top = 1usize;
        for i in 0..modelled {
            let bit = self.bits.bit(&mut chances.below[length as usize][top], size >> (length - 1 - i) & 1 == 1);
            top = top << 1 | usize::from(bit);
        }
        let rest = length - modelled;
        let low = self.bits.raw(rest, size & ((1 << rest) - 1));
        let size = ((top as u64) << rest) | low;
        let number = size as i64;
        if is_negative { number.wrapping_neg() } else { number }
    }

    /// A byte after another.
    fn byte(&mut self, before: u8, now: u8) -> u8 {
        if self.learned.texts.is_empty() {
            self.learned.texts = vec![EVEN; 1 << 16];
        }
        let mut node = 1usize;
        for i in (0..8).rev() {
            let chance = &mut self.learned.texts[usize::from(before) << 8 | node];
            let bit = self.bits.bit(chance, now >> i & 1 == 1);
            node = node << 1 | usize::from(bit);
        }
        node as u8
    }
}

impl<B: Bits> Coder for Packed<B> {
    fn word(&mut self, before: u64, now: impl FnOnce() -> u64) -> u64 {
        let difference = self.number(255, 0, now().wrapping_sub(before) as i64);
        before.wrapping_add(difference as u64)
    }

    fn text(&mut self, now: impl FnOnce() -> Arc<str>) -> Arc<str> {
        let now = now();
        let length = self.count(0, || now.len()).min(MOST_TEXT);
        let (mut bytes, mut before) = (Vec::new(), 0);
        for i in 0..length {
            before = self.byte(before, now.as_bytes().get(i).copied().unwrap_or(0));
            bytes.push(before);
            if self.bits.is_spent() {
                break;
            }
        }
        String::from_utf8_lossy(&bytes).into()
    }

    fn count(&mut self, before: usize, now: impl FnOnce() -> usize) -> usize {
        let count = self.number(254, 0, (now() as i64).wrapping_sub(before as i64));
        let count = usize::try_from((before as i64).wrapping_add(count)).unwrap_or(0).min(MOST);
        if self.bits.is_spent() { 0 } else { count }
    }

    fn words<const N: usize>(&mut self, before: &[u64; N], now: Option<&[u64; N]>) -> [u64; N] {
        let mut words = *before;
        for (i, word) in words.iter_mut().enumerate() {
            *word = self.expected(i as u8, *word, now.map(|now| now[i]));
        }
        words
    }

    /// Each slot from the first that is used to the last. As many of what was counted since are expected in a slot as of what was
    /// counted before.
    fn slots(&mut self, before: &Histogram, now: Option<&Histogram>) -> Vec<u64> {
        let slots = buckets(before.scale());
        let mut counts: Vec<u64> = (0..slots).map(|slot| before.count_in(slot)).collect();
        let used = |h: &Histogram| {
            let mut used = h.slots().filter(|(_, count)| *count > 0).map(|(slot, _)| slot as u64);
            let first = used.next().unwrap_or(0);
            [first, used.last().unwrap_or(first), h.count()]
        };
        let was = used(before);
        let is = now.map(|now| {
            let is = used(now);
            [is[0].min(was[0]), is[1].max(was[1]), is[2]]
        });
        let [first, last, total] = self.words(&was, is.as_ref());
        let more = u128::from(total.saturating_sub(was[2]));
        let all = u128::from(was[2].max(1));
        let first = (first as usize).min(slots);
        let range = first..(last as usize).saturating_add(1).clamp(first, slots);
        for (slot, count) in counts[range.clone()].iter_mut().enumerate().map(|(i, count)| (range.start + i, count)) {
            let expected = (u128::from(*count) * more / all) as u64;
            let difference = now.map_or(0, |now| now.count_in(slot).wrapping_sub(*count).wrapping_sub(expected));
            let difference = self.number(253, bits_of(expected), difference as i64);
            let now = count.wrapping_add(expected).wrapping_add(difference as u64);
            *count = now.min(MOST_COUNTED);
        }
        counts
    }
}
