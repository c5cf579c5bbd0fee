//! Which bytes of the bucket rows a reading copies.

use std::ops::Range;

use crate::device::{LatencyKind, RowRange, SlabLayout};

/// A histogram that is to be read: one kernel's rows, and the slots that its values are in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) rows: RowRange,
    pub(super) part: LatencyKind,
    pub(super) slots: Range<usize>,
}

/// The bytes to copy for these, where starting a copy takes as long as moving `copy_bytes` does. Ranges of one length that
/// are equally far apart are one copy (see [`Copier::copy`](crate::device::Copier::copy)): so where copies cost something,
/// all kernels' rows are copied between the same slots, and rows that nobody asked for come along where that is cheaper.
pub(super) fn ranges(layout: SlabLayout, wanted: &[Wanted], copy_bytes: usize) -> Vec<Range<usize>> {
    if copy_bytes == 0 {
        return wanted.iter().flat_map(|w| layout.slots(w.rows, w.part, w.slots.clone())).collect();
    }
    // Kernels may come in another order than their rows.
    let mut wanted: Vec<&Wanted> = wanted.iter().collect();
    wanted.sort_by_key(|w| w.rows.first);
    let parts = LatencyKind::ALL.map(|part| Window::of(layout, wanted.iter().copied().filter(|w| w.part == part)));
    let apart: Vec<Window> = parts.into_iter().flatten().collect();
    let together = Window::of(layout, wanted.iter().copied());
    let cost = |windows: &[Window]| windows.iter().map(|window| window.cost(layout, copy_bytes)).sum::<usize>();
    let chosen = match together {
        Some(together) if cost(std::slice::from_ref(&together)) <= cost(&apart) => vec![together],
        _ => apart,
    };
    chosen.iter().flat_map(|window| window.ranges(layout, copy_bytes)).collect()
}

/// The same bytes of some rows.
struct Window {
    /// Of each row.
    bytes: Range<usize>,
    /// Neighbours are one run.
    runs: Vec<RowRange>,
}

impl Window {
    /// Around what is wanted, which is in the order of its rows; `None` if nothing is.
    fn of<'a>(layout: SlabLayout, wanted: impl Iterator<Item = &'a Wanted>) -> Option<Window> {
        let mut window: Option<Window> = None;
        for Wanted { rows, part, slots } in wanted {
            let bytes = layout.within_row(*part, slots.clone());
            match &mut window {
                None => window = Some(Window { bytes, runs: vec![*rows] }),
                Some(window) => {
                    window.bytes = window.bytes.start.min(bytes.start)..window.bytes.end.max(bytes.end);
                    match window.runs.last_mut() {
                        Some(last) if rows.first <= last.end() => last.count = last.end().max(rows.end()) - last.first,
                        _ => window.runs.push(*rows),
                    }
                }
            }
        }
        window
    }

    /// Runs as they are copied: with what lies between them, where that is less than another copy costs.
    fn joined(&self, copy_bytes: usize) -> Vec<RowRange> {
        let mut joined: Vec<RowRange> = Vec::new();
        for run in &self.runs {
            match joined.last_mut() {
                Some(last) if (run.first - last.end()) as usize * self.bytes.len() <= copy_bytes => {
                    last.count = run.end() - last.first;
                }
                _ => joined.push(*run),
            }
        }
        joined
    }

    /// Whether so little is left out of each row that they come as one piece.
    fn is_most_of(&self, layout: SlabLayout) -> bool {
        self.bytes.len() * 4 >= layout.row_bytes() * 3
    }

    fn ranges(&self, layout: SlabLayout, copy_bytes: usize) -> Vec<Range<usize>> {
        let of_row = |row: u32| {
            let start = layout.rows(RowRange { first: row, count: 1 }).start;
            start + self.bytes.start..start + self.bytes.end
        };
        let whole = self.is_most_of(layout);
        let of_run = |run: RowRange| -> Vec<Range<usize>> {
            match whole {
                true => std::iter::once(of_row(run.first).start..of_row(run.end() - 1).end).collect(),
                false => (run.first..run.end()).map(of_row).collect(),
            }
        };
        self.joined(copy_bytes).into_iter().flat_map(of_run).collect()
    }

    fn cost(&self, layout: SlabLayout, copy_bytes: usize) -> usize {
        let bytes: usize = self.ranges(layout, copy_bytes).iter().map(Range::len).sum();
        bytes + self.joined(copy_bytes).len() * copy_bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const COPY: usize = 64 * 1024;

    fn wanted(first: u32, count: u32, part: LatencyKind, slots: Range<usize>) -> Wanted {
        Wanted { rows: RowRange { first, count }, part, slots }
    }

    fn bytes(ranges: &[Range<usize>]) -> usize {
        ranges.iter().map(Range::len).sum()
    }

    #[test]
    fn neighbours_are_copied_between_the_same_slots() {
        let layout = SlabLayout::new(64, 8, 3);
        let of = |n: u32| wanted(8 * n, 8, LatencyKind::Handling, 80 + n as usize..100);
        let found = ranges(layout, &[of(0), of(1), of(2)], COPY);
        assert_eq!((found.len(), bytes(&found)), (24, 24 * 20 * 8));
        let row = layout.row_bytes();
        assert!(found.windows(2).all(|pair| pair[1].start - pair[0].start == row), "{found:?}");
    }

    #[test]
    fn what_is_far_away_is_not_copied_along() {
        let layout = SlabLayout::new(8000, 1000, 3);
        let of = |first| wanted(first, 8, LatencyKind::Handling, 0..500);
        let found = ranges(layout, &[of(0), of(8), of(1000)], COPY);
        assert_eq!(bytes(&found), 24 * 500 * 8);
    }

    #[test]
    fn whole_rows_are_one_piece() {
        let layout = SlabLayout::new(64, 8, 3);
        let all = 0..layout.buckets();
        let both = LatencyKind::ALL.map(|part| wanted(8, 8, part, all.clone()));
        let found = ranges(layout, &both, COPY);
        assert_eq!(found.len(), 1);
        assert!(bytes(&found) <= 8 * layout.row_bytes(), "{found:?}");
    }

    #[test]
    fn where_copies_cost_nothing_nothing_is_copied_along() {
        let layout = SlabLayout::new(64, 8, 3);
        let some = [wanted(0, 2, LatencyKind::Handling, 3..5), wanted(8, 1, LatencyKind::Waiting, 7..8)];
        assert_eq!(bytes(&ranges(layout, &some, 0)), (2 * 2 + 1) * 8);
    }

    proptest! {
        #[test]
        fn all_that_is_wanted_is_copied_once(
            kernels in prop::collection::vec((0u32..4, 1usize..500, 1usize..500, 0u8..4), 0..40),
            copy_bytes in prop_oneof![Just(0), 1usize..200_000],
            turned in any::<prop::sample::Index>(),
        ) {
            let layout = SlabLayout::new(2000, 200, 3);
            let mut all = Vec::new();
            let mut first = 0;
            for (log, a, b, which) in kernels {
                let count = 1 << log;
                for (bit, part) in LatencyKind::ALL.into_iter().enumerate() {
                    if which >> bit & 1 != 0 {
                        all.push(wanted(first, count, part, a.min(b)..a.max(b) + 1));
                    }
                }
                first += count;
            }
            let at = turned.index(all.len().max(1));
            let by = at.min(all.len());
            all.rotate_left(by);
            let found = ranges(layout, &all, copy_bytes);
            prop_assert!(found.iter().all(|r| r.start % 8 == 0 && r.end % 8 == 0 && r.end <= layout.bytes()));
            let mut sorted = found.clone();
            sorted.sort_by_key(|r| r.start);
            prop_assert!(sorted.windows(2).all(|pair| pair[0].end <= pair[1].start), "twice: {:?}", found);
            for slots in all.iter().flat_map(|w| layout.slots(w.rows, w.part, w.slots.clone())) {
                prop_assert!(found.iter().any(|r| r.start <= slots.start && slots.end <= r.end), "{:?} of {:?}", slots, found);
            }
        }
    }
}
