//! A binary range coder: a bit that is likely takes a small part of a bit. As in LZMA, with probabilities of 15 bits.

/// How likely a bit is 0, in parts of 2^15; it learns.
pub(super) type Chance = u16;

pub(super) const EVEN: Chance = 1 << (BITS - 1);
const BITS: u32 = 15;
/// How fast a chance learns: a fifth bit of what it was wrong by.
const RATE: u32 = 5;
/// Below this the range is too narrow for the next bit.
const NARROW: u32 = 1 << 24;
/// Decisions for each byte at most: a chance learns to be 31 parts from certain, and then a decision costs 1/733 of a bit.
const DECISIONS_A_BYTE: u64 = 8 * 740;
/// What a reader may look at beyond the end.
const BEYOND: usize = 8;

/// Writes bits, or reads them.
pub(super) trait Bits {
    /// The bit, which is `now` for a writer.
    fn bit(&mut self, chance: &mut Chance, now: bool) -> bool;
    /// So many bits of which nothing is known, the lowest of `now` for a writer. At most 64.
    fn raw(&mut self, count: u32, now: u64) -> u64;
    /// Whether a reader was asked for more than was written: all it says from then on is zeros.
    fn is_spent(&self) -> bool;
}

pub(super) struct Writer {
    low: u64,
    range: u32,
    cache: u8,
    /// How many bytes wait for a carry, the first of them `cache`.
    waiting: usize,
    bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn new() -> Self {
        Writer { low: 0, range: u32::MAX, cache: 0, waiting: 1, bytes: Vec::new() }
    }

    fn shift(&mut self) {
        if self.low < 0xff00_0000 || self.low > 0xffff_ffff {
            let carry = (self.low >> 32) as u8;
            let mut byte = self.cache;
            for _ in 0..self.waiting {
                self.bytes.push(byte.wrapping_add(carry));
                byte = 0xff;
            }
            self.waiting = 0;
            self.cache = (self.low >> 24) as u8;
        }
        self.waiting += 1;
        self.low = (self.low & 0x00ff_ffff) << 8;
    }

    fn settle(&mut self) {
        while self.range < NARROW {
            self.range <<= 8;
            self.shift();
        }
    }

    /// Returns what was written.
    pub(super) fn finish(mut self) -> Vec<u8> {
        for _ in 0..5 {
            self.shift();
        }
        // A reader takes what is not there for zeros, of which it looks at no more than these. The first byte is always one.
        for _ in 0..5 {
            self.bytes.pop_if(|byte| *byte == 0);
        }
        if !self.bytes.is_empty() {
            self.bytes.remove(0);
        }
        self.bytes
    }
}

fn learn(chance: &mut Chance, bit: bool) {
    match bit {
        false => *chance += ((1 << BITS) - *chance) >> RATE,
        true => *chance -= *chance >> RATE,
    }
}

impl Bits for Writer {
    fn bit(&mut self, chance: &mut Chance, now: bool) -> bool {
        let bound = (self.range >> BITS) * u32::from(*chance);
        match now {
            false => self.range = bound,
            true => {
                self.low += u64::from(bound);
                self.range -= bound;
            }
        }
        learn(chance, now);
        self.settle();
        now
    }

    fn raw(&mut self, count: u32, now: u64) -> u64 {
        for i in (0..count).rev() {
            self.range >>= 1;
            self.low += u64::from(self.range) * (now >> i & 1);
            self.settle();
        }
        now
    }

    fn is_spent(&self) -> bool {
        false
    }
}

pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    range: u32,
    code: u32,
    left: u64,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let left = (bytes.len() + BEYOND) as u64 * DECISIONS_A_BYTE;
        let mut reader = Reader { bytes, at: 0, range: u32::MAX, code: 0, left };
        (0..4).for_each(|_| reader.next());
        reader
    }

    fn next(&mut self) {
        let byte = self.bytes.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        self.code = self.code << 8 | u32::from(byte);
        if self.at > self.bytes.len() + BEYOND {
            self.left = 0;
        }
    }

    fn settle(&mut self) {
        while self.range < NARROW {
            self.range <<= 8;
            self.next();
        }
    }

    fn decide(&mut self) -> bool {
        self.left = self.left.saturating_sub(1);
        self.left > 0
    }
}

impl Bits for Reader<'_> {
    fn bit(&mut self, chance: &mut Chance, _: bool) -> bool {
        if !self.decide() {
            return false;
        }
        let bound = (self.range >> BITS) * u32::from(*chance);
        let bit = self.code >= bound;
        match bit {
            false => self.range = bound,
            true => {
                self.code -= bound;
                self.range -= bound;
            }
        }
        learn(chance, bit);
        self.settle();
        bit
    }

    fn raw(&mut self, count: u32, _: u64) -> u64 {
        let mut value = 0;
        for _ in 0..count {
            if !self.decide() {
                return 0;
            }
            self.range >>= 1;
            let bit = self.code >= self.range;
            if bit {
                self.code -= self.range;
            }
            value = value << 1 | u64::from(bit);
            self.settle();
        }
        value
    }

    fn is_spent(&self) -> bool {
        self.left == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bits_come_out_as_they_went_in(
            bits in prop::collection::vec((0usize..3, prop::bool::weighted(0.03), 0u32..65, any::<u64>()), 0..600)
        ) {
            #[allow(clippy::type_complexity)] // one of the two directions
            let code = |coder: &mut dyn FnMut(usize, &mut Chance, bool, u32, u64) -> (bool, u64)| {
                let mut chances = [EVEN; 3];
                bits.iter().map(|(i, bit, count, raw)| coder(*i, &mut chances[*i], *bit, *count, *raw)).collect::<Vec<_>>()
            };
            let mut writer = Writer::new();
            let masked = |count: u32, raw: u64| if count == 0 { 0 } else { raw >> (64 - count) };
            let written = code(&mut |_, chance, bit, count, raw| {
                (writer.bit(chance, bit), writer.raw(count, masked(count, raw)))
            });
            let bytes = writer.finish();
            let mut reader = Reader::new(&bytes);
            let read = code(&mut |_, chance, _, count, _| (reader.bit(chance, false), reader.raw(count, 0)));
            prop_assert_eq!(written, read);
            prop_assert!(!reader.is_spent());
        }

        #[test]
        fn a_reader_of_anything_comes_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut reader = Reader::new(&bytes);
            let mut chance = EVEN;
            let mut decisions = 0u64;
            while !reader.is_spent() {
                reader.bit(&mut chance, false);
                decisions += 1;
            }
            prop_assert!(decisions <= 48 * DECISIONS_A_BYTE);
        }
    }
}
