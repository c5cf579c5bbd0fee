//! Tasks that need each other: random ones, how they lie in memory, and what must come of them.

use std::ops::Range;

/// Words of a tile, 8 × 8.
pub const TILE: usize = 64;
const SIDE: usize = 8;
/// Tiles that no task writes.
const INPUTS: u32 = 6;

/// What a task does: `TaskKind` in `tasks.cuh`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    Axpy,
    Matmul,
    Sum,
}

impl Kind {
    pub const ALL: [Kind; 3] = [Kind::Axpy, Kind::Matmul, Kind::Sum];

    pub fn name(self) -> &'static str {
        ["axpy", "matmul", "sum"][self as usize]
    }
}

/// `Task` in `tasks.cuh`.
#[derive(Clone, Copy, Debug)]
pub struct Task {
    pub kind: Kind,
    length: u32,
    factor: u32,
    /// Numbers of tiles.
    a: u32,
    b: u32,
    out: u32,
    pub needs: u32,
    first_successor: u32,
    pub successors: u32,
    id: u32,
}

impl Task {
    const WORDS: usize = 10;

    fn words(&self) -> [u32; Self::WORDS] {
        let Task { kind, length, factor, a, b, out, needs, first_successor, successors, id } = *self;
        [kind as u32, length, factor, a, b, out, needs, first_successor, successors, id]
    }

    /// Bytes that it reads.
    pub fn bytes_in(&self) -> u64 {
        4 * u64::from(self.length) * if self.kind == Kind::Sum { 1 } else { 2 }
    }

    /// Bytes that it writes.
    pub fn bytes_out(&self) -> u64 {
        4 * if self.kind == Kind::Sum { 1 } else { u64::from(self.length) }
    }

    fn run(&self, tiles: &mut [u32]) {
        let of = |tile: u32| tile as usize * TILE..tile as usize * TILE + TILE;
        let (a, b) = (tiles[of(self.a)].to_vec(), tiles[of(self.b)].to_vec());
        let out = &mut tiles[of(self.out)];
        let length = self.length as usize;
        match self.kind {
            Kind::Sum => out[0] = a[..length].iter().fold(0, |sum: u32, word| sum.wrapping_add(*word)),
            Kind::Axpy => (0..length).for_each(|i| out[i] = self.factor.wrapping_mul(a[i]).wrapping_add(b[i])),
            Kind::Matmul => {
                for (i, word) in out.iter_mut().enumerate() {
                    let (row, column) = (i / SIDE * SIDE, i % SIDE);
                    let products = (0..SIDE).map(|k| a[row + k].wrapping_mul(b[k * SIDE + column]));
                    *word = products.fold(0, u32::wrapping_add);
                }
            }
        }
    }
}

/// SplitMix64: the same numbers from the same seed, everywhere.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, n: u32) -> u32 {
        (self.next() % u64::from(n)) as u32
    }
}

/// Tasks in an order in which each finds before it what it needs, and the tiles that they begin with.
pub struct Graph {
    pub tasks: Vec<Task>,
    /// Who waits for task 0, for task 1, and so on.
    successors: Vec<u32>,
    tiles: Vec<u32>,
}

impl Graph {
    /// Makes so many tasks of random kinds and sizes, each of which writes a tile of its own and reads others'.
    pub fn random(seed: u64, count: u32) -> Self {
        let mut draw = Draw(seed);
        let tiles = (0..(INPUTS + count) as usize * TILE).map(|_| draw.next() as u32).collect();
        let mut waiting = vec![Vec::new(); count as usize];
        let mut tasks: Vec<Task> = Vec::new();
        for id in 0..count {
            let kind = Kind::ALL[draw.below(3) as usize];
            // Mostly of what was just made, so that there is something to wait for.
            let mut tile = || match draw.below(4) {
                0 => draw.below(INPUTS + id),
                _ => INPUTS + id - draw.below(INPUTS.min(INPUTS + id)) - 1,
            };
            let (a, b) = (tile(), tile());
            let mut makers: Vec<u32> = [Some(a), (kind != Kind::Sum).then_some(b)]
                .into_iter()
                .filter_map(|read| read?.checked_sub(INPUTS))
                .collect();
            makers.dedup();
            makers.iter().for_each(|maker| waiting[*maker as usize].push(id));
            let length = if kind == Kind::Matmul { TILE as u32 } else { 1 + draw.below(TILE as u32) };
            let (factor, needs) = (draw.next() as u32, makers.len() as u32);
            let (first_successor, successors) = (0, 0);
            tasks.push(Task { kind, length, factor, a, b, out: INPUTS + id, needs, first_successor, successors, id });
        }
        let mut first = 0;
        for (task, waiting) in tasks.iter_mut().zip(&waiting) {
            (task.first_successor, task.successors) = (first, waiting.len() as u32);
            first += task.successors;
        }
        Graph { tasks, successors: waiting.concat(), tiles }
    }

    /// Returns all tiles as they must be in the end: each task done after the other.
    pub fn expected(&self) -> Vec<u32> {
        let mut tiles = self.tiles.clone();
        self.tasks.iter().for_each(|task| task.run(&mut tiles));
        tiles
    }

    /// Returns how many tasks are of that kind.
    pub fn count(&self, kind: Kind) -> u64 {
        self.tasks.iter().filter(|task| task.kind == kind).count() as u64
    }
}

/// All that the kernel works on, as one piece of memory.
pub struct Arena {
    pub words: Vec<u32>,
    done: usize,
    tasks: usize,
    successors: usize,
    tiles: usize,
    count: u32,
}

/// `Work` in `tasks.cuh`.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct Work {
    tasks: u64,
    successors: u64,
    done: u64,
    tiles: u64,
    next: u64,
    held: u64,
    count: u32,
    unused: u32,
}

impl Arena {
    pub fn new(graph: &Graph) -> Self {
        let count = graph.tasks.len();
        // The next task, and for each what of its needs is done; all of it 0.
        let mut words = vec![0; 1 + count];
        let mut add = |some: &[u32]| {
            words.resize(words.len().next_multiple_of(TILE), 0);
            words.extend(some);
            words.len() - some.len()
        };
        let tasks = add(&graph.tasks.iter().flat_map(Task::words).collect::<Vec<_>>());
        let successors = add(&graph.successors);
        let tiles = add(&graph.tiles);
        Arena { words, done: 1, tasks, successors, tiles, count: count as u32 }
    }

    /// Returns what the kernel is given, for memory at that address and a word elsewhere.
    pub fn work(&self, base: u64, held: u64) -> Work {
        let [tasks, successors, done, tiles] =
            [self.tasks, self.successors, self.done, self.tiles].map(|at| base + 4 * at as u64);
        Work { tasks, successors, done, tiles, next: base, held, count: self.count, unused: 0 }
    }

    /// Where the tiles are among the words.
    pub fn tiles(&self) -> Range<usize> {
        self.tiles..self.words.len()
    }
}
