//! The newest entries of a kind, bounded by count and age.
//!
//! One atomic addition gives an entry its number, and with it its place; a place is behind a lock of its own, which is
//! held while an entry moves in or is copied out. Writers meet only where one laps another. All entries ever added are
//! `retained + evicted`, at every moment.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::snapshot::ListCounts;

pub(super) struct Ring<T> {
    places: Box<[Mutex<Option<Entry<T>>>]>,
    /// Entries so far, which is the number of the next.
    added: AtomicU64,
    evicted: AtomicU64,
    /// The oldest number that may still be too young; entries before it are gone.
    oldest: Mutex<u64>,
}

struct Entry<T> {
    number: u64,
    at_ns: u64,
    item: T,
}

/// Nobody panics while holding one of these: what they guard is whole at every moment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How far somebody has read a ring.
#[derive(Debug, Default)]
pub(super) struct Position {
    /// The number of the next entry; `None` before the first look, which begins with the oldest that is there.
    next: Option<u64>,
    /// Numbers that were given out, whose entries were not in their places yet.
    late: Vec<u64>,
}

impl<T: Clone> Ring<T> {
    /// Makes one of so many places, at least one.
    pub(super) fn new(places: usize) -> Self {
        let places = (0..places.max(1)).map(|_| Mutex::new(None)).collect();
        Ring { places, added: AtomicU64::new(0), evicted: AtomicU64::new(0), oldest: Mutex::new(0) }
    }

    fn place(&self, number: u64) -> MutexGuard<'_, Option<Entry<T>>> {
        lock(&self.places[(number % self.places.len() as u64) as usize])
    }

    /// Adds what ended at `at_ns`, in the place of the oldest.
    pub(super) fn push(&self, at_ns: u64, item: T) {
        let number = self.added.fetch_add(1, Ordering::Relaxed);
        let mut entry = Some(Entry { number, at_ns, item });
        {
            let mut place = self.place(number);
            // A writer that was held up may find that others have come around meanwhile: then its own is the older one.
            if place.as_ref().is_none_or(|other| other.number < number) {
                std::mem::swap(&mut *place, &mut entry);
            }
        }
        if entry.is_some() {
            self.evicted.fetch_add(1, Ordering::Release);
        }
    }

    /// Lets go of what ended before `since_ns`.
    pub(super) fn sweep(&self, since_ns: u64) {
        let mut oldest = lock(&self.oldest);
        let added = self.added.load(Ordering::Relaxed);
        let mut number = (*oldest).max(added.saturating_sub(self.places.len() as u64));
        while number < added {
            let mut place = self.place(number);
            let gone = match &*place {
                Some(entry) if entry.number > number => None,
                Some(entry) if entry.number == number && entry.at_ns < since_ns => place.take(),
                // Young, or being written just now.
                _ => break,
            };
            drop(place);
            if gone.is_some() {
                self.evicted.fetch_add(1, Ordering::Release);
            }
            number += 1;
        }
        *oldest = number;
    }

    /// Copies what is there, and did not end before `since_ns`; in no order.
    pub(super) fn copy_into(&self, since_ns: u64, copies: &mut Vec<T>) {
        for place in &self.places {
            let place = lock(place);
            copies.extend(place.as_ref().filter(|entry| entry.at_ns >= since_ns).map(|entry| entry.item.clone()));
        }
    }

    /// Copies what was added since then, in no order; returns how many of it were gone already.
    pub(super) fn since(&self, position: &mut Position, copies: &mut Vec<T>) -> u64 {
        // Swept first: what is not in its place and not swept is still to come.
        let swept = *lock(&self.oldest);
        let added = self.added.load(Ordering::Relaxed);
        let oldest = swept.max(added.saturating_sub(self.places.len() as u64));
        let next = position.next.replace(added).unwrap_or(oldest);
        let late = std::mem::take(&mut position.late);
        let mut missed = oldest.saturating_sub(next);
        for number in late.into_iter().chain(next.max(oldest)..added) {
            match &*self.place(number) {
                Some(entry) if entry.number == number => copies.push(entry.item.clone()),
                Some(entry) if entry.number > number => missed += 1,
                _ if number < swept => missed += 1,
                _ => position.late.push(number),
            }
        }
        missed
    }

    pub(super) fn counts(&self) -> ListCounts {
        // In this order: nothing is evicted that was not added.
        let evicted = self.evicted.load(Ordering::Acquire);
        ListCounts::new(self.added.load(Ordering::Relaxed).saturating_sub(evicted), evicted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(ring: &Ring<u64>, since_ns: u64) -> Vec<u64> {
        let mut copies = Vec::new();
        ring.copy_into(since_ns, &mut copies);
        copies.sort_unstable();
        copies
    }

    #[test]
    fn the_newest_stay_and_the_old_go() {
        let ring = Ring::new(4);
        (0..10).for_each(|n| ring.push(100 + n, n));
        assert_eq!((items(&ring, 0), ring.counts()), (vec![6, 7, 8, 9], ListCounts::new(4, 6)));
        ring.sweep(108);
        assert_eq!((items(&ring, 0), ring.counts()), (vec![8, 9], ListCounts::new(2, 8)));
        (10..13).for_each(|n| ring.push(100 + n, n));
        assert_eq!((items(&ring, 0), ring.counts()), (vec![9, 10, 11, 12], ListCounts::new(4, 9)));
        ring.sweep(u64::MAX);
        assert_eq!((items(&ring, 0), ring.counts()), (vec![], ListCounts::new(0, 13)));
    }

    /// A writer with number 1 is held up until the ring of two came around: the newer entry stays.
    #[test]
    fn a_writer_that_was_lapped_evicts_its_own() {
        let ring = Ring::new(2);
        ring.push(1, 0);
        ring.added.fetch_add(1, Ordering::Relaxed); // number 1 was given out
        ring.push(3, 2);
        ring.push(4, 3);
        assert_eq!(ring.places[1].lock().unwrap().as_ref().map(|e| e.number), Some(3));
        let late = Ring { added: AtomicU64::new(1), ..ring };
        late.push(2, 1);
        assert_eq!(items(&late, 0), [2, 3]);
    }

    #[test]
    fn a_reader_gets_each_once_and_counts_what_it_missed() {
        let ring = Ring::new(4);
        (0..6).for_each(|n| ring.push(100, n));
        let (mut position, mut copies) = (Position::default(), Vec::new());
        assert_eq!((ring.since(&mut position, &mut copies), &copies[..]), (0, &[2, 3, 4, 5][..]));
        (6..13).for_each(|n| ring.push(110 + n, n));
        copies.clear();
        assert_eq!((ring.since(&mut position, &mut copies), &copies[..]), (3, &[9, 10, 11, 12][..]));
        (13..16).for_each(|n| ring.push(110 + n, n));
        ring.sweep(110 + 15);
        copies.clear();
        assert_eq!((ring.since(&mut position, &mut copies), &copies[..]), (2, &[15][..]));
        // Number 16 was given out and is held up; 17 is there.
        ring.added.fetch_add(1, Ordering::Relaxed);
        ring.push(200, 17);
        copies.clear();
        assert_eq!((ring.since(&mut position, &mut copies), &copies[..]), (0, &[17][..]));
        *ring.place(16) = Some(Entry { number: 16, at_ns: 200, item: 16 });
        copies.clear();
        assert_eq!((ring.since(&mut position, &mut copies), &copies[..]), (0, &[16][..]));
        assert_eq!(ring.since(&mut position, &mut copies), 0);
    }

    /// Whoever reads while others write gets each entry once, or counts it.
    #[test]
    fn readers_beside_writers_get_each_once() {
        let ring = Ring::new(64);
        let (mut position, mut copies) = (Position::default(), Vec::new());
        let mut missed = ring.since(&mut position, &mut copies);
        std::thread::scope(|scope| {
            let writers: Vec<_> = (0..3_u64)
                .map(|thread| {
                    let ring = &ring;
                    scope.spawn(move || (0..20_000).for_each(|n| ring.push(n, thread * 100_000 + n)))
                })
                .collect();
            while writers.iter().any(|writer| !writer.is_finished()) {
                missed += ring.since(&mut position, &mut copies);
            }
        });
        missed += ring.since(&mut position, &mut copies);
        let all = copies.len();
        copies.sort_unstable();
        copies.dedup();
        assert_eq!((all, all as u64 + missed), (copies.len(), 60_000));
    }

    #[test]
    fn many_writers_lose_nothing_uncounted() {
        let ring = Ring::new(16);
        std::thread::scope(|scope| {
            for thread in 0..4u64 {
                let ring = &ring;
                scope.spawn(move || {
                    for n in 0..5_000 {
                        ring.push(n, thread * 10_000 + n);
                        if n % 64 == 0 {
                            ring.sweep(n / 2);
                            let counts = ring.counts();
                            assert!(counts.retained <= 16 + 4, "{counts:?}");
                        }
                    }
                });
            }
        });
        let counts = ring.counts();
        assert_eq!((counts.added(), counts.retained), (20_000, items(&ring, 0).len() as u64));
    }
}
