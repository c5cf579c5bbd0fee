//! Which of some numbered places are free: first fit, and neighbours that are given back become one again.

use std::ops::Range;

/// The free places, in their order.
#[derive(Clone, Debug)]
pub(super) struct FreeList {
    /// Ascending, not empty, no two of them neighbours.
    free: Vec<Range<u32>>,
}

impl FreeList {
    pub(super) fn new(all: u32) -> Self {
        FreeList { free: (all > 0).then_some(0..all).into_iter().collect() }
    }

    /// How many are free.
    #[cfg(test)]
    fn free(&self) -> u32 {
        self.free.iter().map(|range| range.end - range.start).sum()
    }

    /// The most that are free behind one another.
    pub(super) fn longest(&self) -> u32 {
        self.free.iter().map(|range| range.end - range.start).max().unwrap_or(0)
    }

    /// Takes the first `count` that lie behind one another, at least one; returns the first of them.
    pub(super) fn take(&mut self, count: u32) -> Option<u32> {
        let at = self.free.iter().position(|range| range.end - range.start >= count)?;
        let range = &mut self.free[at];
        let first = range.start;
        range.start += count;
        if range.start == range.end {
            self.free.remove(at);
        }
        Some(first)
    }

    /// Takes back what was given out.
    pub(super) fn give_back(&mut self, mut range: Range<u32>) {
        let mut at = self.free.partition_point(|free| free.start < range.start);
        if at > 0 && self.free[at - 1].end == range.start {
            at -= 1;
            range.start = self.free.remove(at).start;
        }
        if self.free.get(at).is_some_and(|behind| behind.start == range.end) {
            range.end = self.free.remove(at).end;
        }
        self.free.insert(at, range);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A mark for each place.
    struct Naive(Vec<bool>);

    impl Naive {
        fn take(&mut self, count: usize) -> Option<u32> {
            let fits = |first: &usize| self.0[*first..*first + count].iter().all(|taken| !taken);
            let first = (0..(self.0.len() + 1).saturating_sub(count)).find(fits)?;
            self.0[first..first + count].fill(true);
            Some(first as u32)
        }
    }

    proptest! {
        /// Against the definition: the first place where so many are free behind one another.
        #[test]
        fn takes_what_a_row_of_marks_would(
            all in 0u32..70, asked in prop::collection::vec((1u32..20, any::<prop::sample::Index>(), any::<bool>()), 0..120)
        ) {
            let (mut list, mut naive) = (FreeList::new(all), Naive(vec![false; all as usize]));
            let mut taken: Vec<Range<u32>> = Vec::new();
            for (count, which, gives_back) in asked {
                if gives_back && !taken.is_empty() {
                    let range = taken.swap_remove(which.index(taken.len()));
                    naive.0[range.start as usize..range.end as usize].fill(false);
                    list.give_back(range);
                } else {
                    let first = list.take(count);
                    prop_assert_eq!(first, naive.take(count as usize));
                    taken.extend(first.map(|first| first..first + count));
                }
                prop_assert_eq!(list.free() as usize, naive.0.iter().filter(|taken| !**taken).count());
                let longest = naive.0.split(|taken| *taken).map(<[bool]>::len).max().unwrap_or(0);
                prop_assert_eq!(list.longest() as usize, longest);
                prop_assert!(list.free.windows(2).all(|w| w[0].end < w[1].start), "{:?}", list.free);
            }
            taken.into_iter().for_each(|range| list.give_back(range));
            prop_assert_eq!((list.free(), list.free.len()), (all, usize::from(all > 0)));
        }
    }
}
