//! Words that many threads add to without contending for a line.
//!
//! A process has [`LANES`] lanes, and a thread owns at most one of them at a time. [`Cells`] has a page of words for
//! each lane that ever wrote to it; the lane's owner is the page's only writer, so that an addition is a relaxed load
//! and a relaxed store, with no locked instruction. Threads beyond the last lane share one more page, with atomic
//! read-modify-writes. Reading adds the pages up.
//!
//! Why nothing is lost: a lane has one owner at a time, because it is claimed by the compare-exchange that sets its bit
//! and given back by clearing it; and an owner sees all that the owners before it wrote, because giving back is a
//! release that claiming acquires (changes of a bitmap word are all read-modify-writes, so one by another lane in
//! between keeps the release sequence whole). A page outlives its writers: the next owner adds to what it finds.
//!
//! Why a sum never falls: a word only rises, and a reader's later load of a word never returns an earlier value.
//!
//! This file imports nothing but its primitives: `tests/loom_metrics.rs` compiles it over loom's and looks at every
//! interleaving.

use super::sync::{AtomicU64, OnceLock, Ordering};

const BITMAP_WORDS: usize = 2;
/// Threads that can write without contention at the same time.
pub(super) const LANES: usize = BITMAP_WORDS * 64;

/// Which lanes have an owner: a bit for each.
pub(super) struct Lanes {
    taken: [AtomicU64; BITMAP_WORDS],
}

impl Lanes {
    pub(super) const fn new(taken: [AtomicU64; BITMAP_WORDS]) -> Self {
        Lanes { taken }
    }

    /// The lowest lane without an owner, for the caller alone until it gives it back.
    pub(super) fn claim(&self) -> Option<usize> {
        self.taken.iter().enumerate().find_map(|(i, word)| Some(i * 64 + claim_bit(word)?))
    }

    /// Gives a claimed lane back, after its owner's last write to any page of it.
    pub(super) fn give_back(&self, lane: usize) {
        self.taken[lane / 64].fetch_and(!(1 << (lane % 64)), Ordering::Release);
    }
}

fn claim_bit(word: &AtomicU64) -> Option<usize> {
    let mut taken = word.load(Ordering::Relaxed);
    while taken != u64::MAX {
        let bit = taken.trailing_ones();
        match word.compare_exchange_weak(taken, taken | 1 << bit, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => return Some(bit as usize),
            Err(now) => taken = now,
        }
    }
    None
}

/// 128 bytes: processors fetch lines in pairs.
const LINE_WORDS: usize = 16;

/// The first word of a page that is used: what is before is one of the lines that nobody touches.
pub(super) const FIRST: usize = LINE_WORDS;

/// The words of one writer, all zero at first, with a line at both ends that nobody touches: so no word shares a line
/// with another allocation, and none needs an aligned one. The line at the begin is part of every index ([`FIRST`]), so
/// that a change checks the length of a page once.
pub(super) struct Page(Box<[AtomicU64]>);

impl Page {
    fn new(words: usize) -> Self {
        Page((0..FIRST + words + LINE_WORDS).map(|_| AtomicU64::new(0)).collect())
    }

    pub(super) fn load(&self, index: usize) -> u64 {
        self.0[index].load(Ordering::Relaxed)
    }
}

/// How words are written.
pub(super) trait Writer {
    fn add(word: &AtomicU64, by: u64);
    /// Adds to the bits of a double.
    fn add_f64(word: &AtomicU64, by: f64);
    /// Raises a word to at least `to`.
    fn raise(word: &AtomicU64, to: u64);
}

/// By their only writer: a load and a store, each atomic for the reader.
pub(super) struct Alone;

impl Writer for Alone {
    #[inline(always)]
    fn add(word: &AtomicU64, by: u64) {
        word.store(word.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
    }
    #[inline(always)]
    fn add_f64(word: &AtomicU64, by: f64) {
        word.store((f64::from_bits(word.load(Ordering::Relaxed)) + by).to_bits(), Ordering::Relaxed);
    }
    #[inline(always)]
    fn raise(word: &AtomicU64, to: u64) {
        if word.load(Ordering::Relaxed) < to {
            word.store(to, Ordering::Relaxed);
        }
    }
}

/// By many at a time.
pub(super) struct Many;

impl Writer for Many {
    fn add(word: &AtomicU64, by: u64) {
        word.fetch_add(by, Ordering::Relaxed);
    }
    fn add_f64(word: &AtomicU64, by: f64) {
        let sum = |bits| Some((f64::from_bits(bits) + by).to_bits());
        // The closure always answers, so this always succeeds.
        let _ = word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, sum);
    }
    fn raise(word: &AtomicU64, to: u64) {
        // Mostly there is nothing to do, and a load does not take the line from anybody.
        if word.load(Ordering::Relaxed) < to {
            word.fetch_max(to, Ordering::Relaxed);
        }
    }
}

/// Something to do to the words of a page, by either writer. A trait, because no closure is generic.
pub(super) trait Change {
    /// Changes words of `page`, the first of which is at [`FIRST`].
    fn apply<W: Writer>(self, page: &[AtomicU64]);
}

/// Words with a page for each lane that writes them.
pub(super) struct Cells {
    /// 0 if nothing is counted: then there is never a page, and every write ends where it looks for one.
    words: usize,
    /// One more than the highest lane with a page: readers need not look further.
    used: AtomicU64,
    lanes: [OnceLock<Page>; LANES],
    shared: OnceLock<Page>,
}

impl Cells {
    /// Makes pages of `words` words from [`FIRST`] on.
    pub(super) fn new(words: usize) -> Self {
        let lanes = std::array::from_fn(|_| OnceLock::new());
        Cells { words, used: AtomicU64::new(0), lanes, shared: OnceLock::new() }
    }

    /// Changes the words of `lane`, which the calling thread owns.
    #[inline(always)]
    pub(super) fn write(&self, lane: usize, change: impl Change) {
        match self.lanes[lane].get() {
            Some(page) => change.apply::<Alone>(&page.0),
            None => self.write_first(lane, change),
        }
    }

    #[cold]
    fn write_first(&self, lane: usize, change: impl Change) {
        if self.words == 0 {
            return;
        }
        let page = self.lanes[lane].get_or_init(|| Page::new(self.words));
        // Before the first write: a thread that knows of a write finds its page.
        self.used.fetch_max(lane as u64 + 1, Ordering::Relaxed);
        change.apply::<Alone>(&page.0);
    }

    /// Changes the words that threads without a lane share.
    pub(super) fn write_shared(&self, change: impl Change) {
        if self.words == 0 {
            return;
        }
        change.apply::<Many>(&self.shared.get_or_init(|| Page::new(self.words)).0);
    }

    /// All pages that were ever written.
    pub(super) fn pages(&self) -> impl Iterator<Item = &Page> {
        let used = self.used.load(Ordering::Relaxed) as usize;
        self.lanes[..used].iter().chain([&self.shared]).filter_map(OnceLock::get)
    }

    /// A word's sum over all pages.
    pub(super) fn sum(&self, index: usize) -> u64 {
        self.pages().fold(0, |sum, page| sum.wrapping_add(page.load(index)))
    }
}
