//! Words as differences, seven bits a byte.

use std::sync::Arc;

use super::coder::Coder;

pub(crate) struct Writer(pub(crate) Vec<u8>);

/// Reads what a [`Writer`] wrote; past the end there are zeros.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

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

    fn count(&mut self, before: usize, now: impl FnOnce() -> usize) -> usize {
        self.word(before as u64, || now() as u64) as usize
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

    fn count(&mut self, before: usize, _: impl FnOnce() -> usize) -> usize {
        let count = self.word(before as u64, || 0);
        usize::try_from(count).unwrap_or(usize::MAX).min(self.0.len())
    }
}
