//! What of a slab is free.

use super::free_list::FreeList;
use crate::device::{RowRange, ShardRange, SlabLayout, SlabRange};

/// Gives out the slab's shards and rows.
#[derive(Clone, Debug)]
pub(super) struct Room {
    shards: FreeList,
    free_shards: u32,
    rows: FreeList,
    free_rows: u32,
}

impl Room {
    /// All of a slab.
    pub(super) fn new(of: SlabLayout) -> Self {
        let (free_shards, free_rows) = (of.shards(), of.row_count());
        Room { shards: FreeList::new(free_shards), free_shards, rows: FreeList::new(free_rows), free_rows }
    }

    /// The most shards that are free behind one another.
    pub(super) fn longest(&self) -> u32 {
        self.shards.longest()
    }

    /// Takes that many shards, where at most so many kernels come after this one. Of rows it takes as many as such a kernel
    /// wants, or fewer: each of those to come must find one. `None` where there are not so many shards behind one another, or
    /// no row.
    pub(super) fn take(&mut self, shards: u32, to_come: usize) -> Option<SlabRange> {
        let first = self.shards.take(shards)?;
        let shards = ShardRange { first, count: shards };
        let Some(rows) = self.take_rows(shards.count, to_come) else {
            self.shards.give_back(first..first + shards.count);
            return None;
        };
        self.free_shards -= shards.count;
        self.free_rows -= rows.count;
        Some(SlabRange { shards, rows })
    }

    fn take_rows(&mut self, shards: u32, to_come: usize) -> Option<RowRange> {
        let to_come = u32::try_from(to_come).unwrap_or(u32::MAX).min(self.free_shards - shards);
        let room = self.free_rows.saturating_sub(to_come).max(1);
        let most = SlabLayout::wanted_rows(shards).min(1 << room.ilog2());
        // Powers of two, the largest that has its place.
        let tries = (0..=most.ilog2()).rev().map(|log| 1 << log);
        tries.into_iter().find_map(|count| Some(RowRange { first: self.rows.take(count)?, count }))
    }

    /// Takes back what was given out.
    pub(super) fn give_back(&mut self, taken: SlabRange) {
        let SlabRange { shards, rows } = taken;
        self.shards.give_back(shards.first..shards.first + shards.count);
        self.rows.give_back(rows.first..rows.end());
        self.free_shards += shards.count;
        self.free_rows += rows.count;
    }
}

/// What of a device's slab is nobody's.
pub(super) struct Slab {
    /// What is zero.
    pub(super) room: Room,
    /// What is not known to be.
    pub(super) dirty: Vec<SlabRange>,
}

impl Slab {
    pub(super) fn new(of: SlabLayout) -> Self {
        Slab { room: Room::new(of), dirty: Vec::new() }
    }

    /// As if all of it were zero.
    pub(super) fn with_dirty(&self) -> Room {
        let mut room = self.room.clone();
        self.dirty.iter().for_each(|range| room.give_back(*range));
        room
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows(kernels: usize, layout: SlabLayout, blocks: &[u32]) -> Vec<u32> {
        let mut room = Room::new(layout);
        let take = |(i, blocks): (usize, &u32)| room.take(*blocks, kernels - i - 1).map_or(0, |taken| taken.rows.count);
        blocks.iter().enumerate().map(take).collect()
    }

    #[test]
    fn a_kernel_has_a_row_for_each_block_and_at_most_eight() {
        let layout = SlabLayout::new(200, 16, 3);
        assert_eq!(rows(16, layout, &[1, 2, 3, 4, 5, 8, 9, 132]), [1, 2, 4, 4, 8, 8, 8, 8]);
    }

    #[test]
    fn where_few_rows_are_left_kernels_get_fewer() {
        let layout = SlabLayout::new(1024, 1024, 3);
        let four = rows(1024, layout, &[4; 256]);
        assert!(four[..8].iter().all(|rows| *rows == 4) && four.iter().all(|rows| *rows >= 1), "{four:?}");
        let one = rows(1024, layout, &[1; 1024]);
        assert!(one.iter().all(|rows| *rows == 1));
    }

    #[test]
    fn without_a_row_no_shards_are_taken() {
        let mut room = Room::new(SlabLayout::new(100, 2, 3));
        let taken: Vec<SlabRange> = std::iter::from_fn(|| room.take(1, 0)).take(100).collect();
        assert_eq!((taken.len(), room.longest()), (16, 84), "two kernels have 8 rows each at most");
        room.give_back(taken[5]);
        assert_eq!(room.take(84, 0).map(|taken| taken.rows.count), Some(1));
    }

    proptest! {
        #[test]
        fn whoever_finds_shards_finds_rows(
            shards in 1u32..2000, kernels in 1usize..200, scale in 0u32..6, asked in prop::collection::vec(1u32..300, 1..200)
        ) {
            let layout = SlabLayout::new(shards, kernels, scale);
            let (mut room, mut taken) = (Room::new(layout), Vec::<SlabRange>::new());
            for blocks in asked.into_iter().take(kernels) {
                if blocks > room.longest() {
                    continue;
                }
                let one = room.take(blocks, kernels - taken.len() - 1).expect("a row");
                // It panics unless the range is in the slab.
                let to = layout.kernel_ref(0, one);
                prop_assert!(to.row_mask < 8 && to.shard_count == blocks);
                let ends = taken.last().map_or((0, 0), |last| (last.shards.first + last.shards.count, last.rows.end()));
                prop_assert_eq!((one.shards.first, one.rows.first), ends, "nobody else's");
                taken.push(one);
            }
            let row = layout.row_bytes();
            prop_assert!(layout.bytes() <= shards as usize * (384 + row) + 64 * row, "one for each shard, and the spare ones");
            // And all that is given back is there again.
            taken.into_iter().for_each(|one| room.give_back(one));
            prop_assert_eq!(room.take(shards, 0).map(|all| all.shards.count), Some(shards));
        }
    }
}
