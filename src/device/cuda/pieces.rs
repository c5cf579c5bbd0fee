//! Ranges of bytes as the driver copies them: equally long ones that are equally far apart by one call.

use std::ops::Range;

/// The largest pitch of CUDA's devices.
const MAX_PITCH: usize = i32::MAX as usize;

/// What one call copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) start: usize,
    /// Of each row.
    pub(super) bytes: usize,
    /// From the start of a row to that of the next.
    pub(super) pitch: usize,
    pub(super) rows: usize,
}

/// The pieces of these ranges, in their order; what is empty is nothing.
pub(super) fn pieces(ranges: &[Range<usize>]) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for range in ranges.iter().filter(|range| !range.is_empty()) {
        let alone = Piece { start: range.start, bytes: range.len(), pitch: range.len(), rows: 1 };
        match pieces.last_mut() {
            Some(last) => match last.with(range) {
                Some(longer) => *last = longer,
                None => pieces.push(alone),
            },
            None => pieces.push(alone),
        }
    }
    pieces
}

impl Piece {
    /// With that range as its next row, if it is; the second row says how far apart they are.
    fn with(self, range: &Range<usize>) -> Option<Piece> {
        let apart = range.start.checked_sub(self.start)?;
        let pitch = if self.rows == 1 { apart } else { self.pitch };
        let fits = range.len() == self.bytes && (self.bytes..=MAX_PITCH).contains(&pitch);
        (fits && apart == self.rows * pitch).then_some(Piece { pitch, rows: self.rows + 1, ..self })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn piece(start: usize, bytes: usize, pitch: usize, rows: usize) -> Piece {
        Piece { start, bytes, pitch, rows }
    }

    #[test]
    fn equally_long_and_equally_far_apart_is_one_piece() {
        assert_eq!(pieces(&[8..24, 108..124, 208..224]), [piece(8, 16, 100, 3)]);
        assert_eq!(pieces(&[8..24, 108..132]), [piece(8, 16, 16, 1), piece(108, 24, 24, 1)]);
        assert_eq!(pieces(&[8..24, 108..124, 200..216]), [piece(8, 16, 100, 2), piece(200, 16, 16, 1)]);
        assert_eq!(pieces(&[100..116, 0..16]), [piece(100, 16, 16, 1), piece(0, 16, 16, 1)]);
        assert_eq!(pieces(&[0..16, 8..24]), [piece(0, 16, 16, 1), piece(8, 16, 16, 1)], "rows do not overlap");
        assert_eq!(pieces(&[0..8, 8..16, 8..8]), [piece(0, 8, 8, 2)]);
        assert_eq!(pieces(&[0..8, 1 << 40..(1 << 40) + 8]).len(), 2, "no device has such a pitch");
    }

    proptest! {
        #[test]
        fn pieces_are_the_ranges(ranges in prop::collection::vec((0usize..40, 0usize..4), 0..40)) {
            let ranges: Vec<Range<usize>> = ranges.into_iter().map(|(at, words)| at * 8..(at + words) * 8).collect();
            let rows = |p: Piece| (0..p.rows).map(move |i| p.start + i * p.pitch..p.start + i * p.pitch + p.bytes);
            let again: Vec<Range<usize>> = pieces(&ranges).into_iter().flat_map(rows).collect();
            let whole: Vec<Range<usize>> = ranges.into_iter().filter(|r| !r.is_empty()).collect();
            prop_assert_eq!(again, whole);
        }
    }
}
