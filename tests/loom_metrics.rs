//! Every interleaving of the lanes: the module that hands them on and writes them, compiled over loom's atomics.
//!
//! The source is the crate's own file, so no second build of the crate and of all that it needs is made.

use loom::sync::Arc;
use loom::thread;

#[allow(dead_code)] // a model needs less than the crate
#[path = "../src/metrics/host/shard.rs"]
mod shard;

/// What the file's primitives are here.
mod sync {
    pub(super) use loom::sync::atomic::{AtomicU64, Ordering};

    /// As std's: who sees it set sees what was written before. In a box: loom's stacks are short.
    pub(super) struct OnceLock<T>(Box<Inner<T>>);

    struct Inner<T> {
        value: std::sync::OnceLock<T>,
        is_set: AtomicU64,
        setting: loom::sync::Mutex<()>,
    }

    impl<T> OnceLock<T> {
        pub(super) fn new() -> Self {
            let (value, is_set) = (std::sync::OnceLock::new(), AtomicU64::new(0));
            OnceLock(Box::new(Inner { value, is_set, setting: loom::sync::Mutex::new(()) }))
        }

        pub(super) fn get(&self) -> Option<&T> {
            if self.0.is_set.load(Ordering::Acquire) == 1 { self.0.value.get() } else { None }
        }

        pub(super) fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
            let _setting = self.0.setting.lock().expect("nobody panics while setting");
            let value = self.0.value.get_or_init(make);
            self.0.is_set.store(1, Ordering::Release);
            value
        }
    }
}

use shard::{Cells, Change, FIRST, Lanes, Writer};
use sync::AtomicU64;

struct Add(u64);

impl Change for Add {
    fn apply<W: Writer>(self, page: &[AtomicU64]) {
        W::add(&page[FIRST], self.0);
        W::raise(&page[FIRST + 1], self.0);
        W::add_f64(&page[FIRST + 2], 0.5);
    }
}

/// Lanes of which all but the first `free` have owners.
fn lanes(free: u32) -> Lanes {
    Lanes::new([AtomicU64::new(u64::MAX << free), AtomicU64::new(u64::MAX)])
}

/// What a thread does that lives for one addition.
fn live(lanes: &Lanes, cells: &Cells, by: u64) -> Option<usize> {
    let lane = lanes.claim();
    match lane {
        Some(lane) => {
            cells.write(lane, Add(by));
            lanes.give_back(lane);
        }
        None => cells.write_shared(Add(by)),
    }
    lane
}

fn halves(cells: &Cells) -> f64 {
    cells.pages().map(|page| f64::from_bits(page.load(FIRST + 2))).sum()
}

fn highest(cells: &Cells) -> Option<u64> {
    cells.pages().map(|page| page.load(FIRST + 1)).max()
}

#[test]
fn a_lane_that_is_handed_on_loses_nothing() {
    loom::model(|| {
        let shared = Arc::new((lanes(1), Cells::new(3)));
        let threads = [1, 2].map(|by| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || live(&shared.0, &shared.1, by))
        });
        for lane in threads.map(|t| t.join().expect("a thread")) {
            assert!(lane.is_none_or(|lane| lane == 0));
        }
        let cells = &shared.1;
        assert_eq!((cells.sum(FIRST), highest(cells), halves(cells)), (3, Some(2), 1.0));
    });
}

#[test]
fn a_lane_has_one_owner() {
    loom::model(|| {
        let shared = Arc::new(lanes(1));
        let other = Arc::clone(&shared);
        let theirs = thread::spawn(move || other.claim());
        let mine = shared.claim();
        let theirs = theirs.join().expect("a thread");
        assert!(mine.is_some() != theirs.is_some(), "{mine:?} {theirs:?}");
    });
}

#[test]
fn two_lanes_go_to_two_threads() {
    loom::model(|| {
        let shared = Arc::new(lanes(2));
        let other = Arc::clone(&shared);
        let theirs = thread::spawn(move || other.claim());
        let mine = shared.claim();
        let theirs = theirs.join().expect("a thread");
        assert!(mine.is_some() && theirs.is_some() && mine != theirs, "{mine:?} {theirs:?}");
    });
}

#[test]
fn the_shared_page_takes_additions_of_all() {
    loom::model(|| {
        let cells = Arc::new(Cells::new(3));
        let other = Arc::clone(&cells);
        let theirs = thread::spawn(move || other.write_shared(Add(2)));
        cells.write_shared(Add(1));
        theirs.join().expect("a thread");
        assert_eq!((cells.sum(FIRST), highest(&cells), halves(&cells)), (3, Some(2), 1.0));
    });
}

#[test]
fn a_sum_never_falls_and_is_never_too_much() {
    loom::model(|| {
        let shared = Arc::new((lanes(1), Cells::new(3)));
        let writer = Arc::clone(&shared);
        let writer = thread::spawn(move || {
            live(&writer.0, &writer.1, 1);
            live(&writer.0, &writer.1, 2);
        });
        let (first, second) = (shared.1.sum(FIRST), shared.1.sum(FIRST));
        assert!(first <= second && [0, 1, 3].contains(&first) && [0, 1, 3].contains(&second), "{first} {second}");
        writer.join().expect("a thread");
        assert_eq!(shared.1.sum(FIRST), 3);
    });
}
