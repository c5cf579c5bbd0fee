//! How many blocks of a kernel find room beside others that stay, however those were placed.
//!
//! A multiprocessor has four sub-partitions, each with a quarter of the registers and of the places for warps; a warp
//! lives in one of them and takes registers in granules. The places for blocks and the shared memory are the whole
//! multiprocessor's. So what is free is free in pieces, and a block takes no two halves: 64 free registers of every four
//! sub-partitions are not room for a warp of 256. Where the hardware puts a block is not documented. So this counts with
//! the worst placement: what is said to fit does, and what fits by luck only is refused.
//!
//! # Why that is a bound
//!
//! Alone, a kernel has `most` blocks on each multiprocessor, as the driver says. Let *loss* be how many fewer places for it
//! a multiprocessor has because of the others' blocks there. For each resource by itself, the loss is a function of what
//! the others take of it, in units; its concave hull over all amounts that their blocks can add up to is made of lines,
//! and each line `m + s·units` is at least the loss, for any set of blocks there. A place is lost where any resource
//! lacks, and so the loss is at most the largest `m` of the resources' lines, plus for each block of the others the largest of
//! what the lines say for it. That is linear: the sum over all multiprocessors depends on how many blocks there are and
//! not on where they are. The least of it over all choices of lines is what can be lost at most.

/// Registers of a warp come in so many.
const REGISTER_GRANULE: u32 = 256;
/// Sub-partitions of a multiprocessor, from compute capability 7.0 on.
const SUB_PARTITIONS: u32 = 4;
const LANES: u32 = 32;
/// Rounding errors are smaller than that, and blocks are whole.
const ROUNDING: f64 = 1e-6;

/// What each multiprocessor of a GPU has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Multiprocessor {
    pub registers: u32,
    pub threads: u32,
    pub blocks: u32,
    /// Bytes of shared memory, at most.
    pub shared: u32,
    /// Bytes of it that each block takes beyond its own.
    pub reserved_shared: u32,
    /// Shared memory comes in so many bytes.
    pub shared_granule: u32,
    /// The most bytes of it that a block can have, where its kernel asks for that.
    pub shared_of_block: u32,
}

/// What a block of a kernel takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub warps: u32,
    /// Of each thread.
    pub registers: u32,
    /// Bytes of shared memory.
    pub shared: u32,
    /// How many of them a multiprocessor takes that has nothing else, as the driver says.
    pub most: u32,
    /// Whether the kernel leaves all of the shared memory shared; else a multiprocessor may have as little as its own
    /// blocks need, for as long as one of them stays.
    pub all_shared: bool,
}

/// Blocks of a kernel that find room on these multiprocessors beside others, wherever those are.
pub(super) fn free_blocks(multiprocessors: u32, each: &Multiprocessor, block: &Block, beside: &[(Block, u32)]) -> u32 {
    let mut kinds: Vec<(Block, u32)> = Vec::new();
    for (kind, count) in beside.iter().filter(|(_, count)| *count > 0) {
        match kinds.iter_mut().find(|(known, _)| known == kind) {
            Some((_, counted)) => *counted = counted.saturating_add(*count),
            None => kinds.push((*kind, *count)),
        }
    }
    let shared = kinds.iter().map(|(kind, _)| kind).chain([block]).map(|kind| each.shared_of(kind)).min();
    let resources = each.resources(block, &kinds, shared.unwrap_or(each.shared));
    // As little as another kernel leaves shared may be too little for as many as fit alone.
    let most = resources.iter().filter(|r| r.caps).map(|r| r.room(0)).fold(block.most, u32::min);
    let lines: Vec<Vec<Line>> = resources.iter().map(|resource| resource.lines(most)).collect();
    let counts: Vec<f64> = kinds.iter().map(|(_, count)| f64::from(*count)).collect();
    let lost = least_loss(&lines, &Line::none(kinds.len()), f64::from(multiprocessors), &counts);
    let all = f64::from(multiprocessors) * f64::from(most);
    // What is left is whole blocks, and at least that.
    (all - lost - ROUNDING).ceil().max(0.0) as u32
}

impl Multiprocessor {
    /// Bytes of shared memory that there are where blocks of this kernel came first.
    fn shared_of(&self, kind: &Block) -> u32 {
        match kind.all_shared {
            true => self.shared,
            false => self.shared.min(kind.most.max(1).saturating_mul(self.shared_units(kind) * self.shared_granule)),
        }
    }

    fn shared_units(&self, kind: &Block) -> u32 {
        kind.shared.saturating_add(self.reserved_shared).div_ceil(self.shared_granule)
    }

    fn resources(&self, block: &Block, others: &[(Block, u32)], shared: u32) -> [Resource; 4] {
        let per_warp = |kind: &Block| (kind.registers.max(1) * LANES).div_ceil(REGISTER_GRANULE);
        // A single warp may be in any sub-partition. Several warps of a block spread evenly over all, and none is said to have
        // more room than the fullest.
        let spread = block.warps > 1;
        let of_warps = |unit: &dyn Fn(&Block) -> u32, capacity: u32| Resource {
            bins: if spread { 1 } else { SUB_PARTITIONS },
            capacity,
            need: unit(block),
            blocks: if spread { (SUB_PARTITIONS, block.warps) } else { (1, 1) },
            others: others
                .iter()
                .map(|(kind, _)| match spread {
                    true => (unit(kind) * kind.warps.div_ceil(SUB_PARTITIONS), 1),
                    false => (unit(kind), kind.warps.max(1)),
                })
                .collect(),
            rounded: spread,
            caps: false,
        };
        let of_blocks = |unit: &dyn Fn(&Block) -> u32, capacity: u32, caps: bool| Resource {
            bins: 1,
            capacity,
            need: unit(block),
            blocks: (1, 1),
            others: others.iter().map(|(kind, _)| (unit(kind), 1)).collect(),
            rounded: false,
            caps,
        };
        [
            of_warps(&per_warp, self.registers / SUB_PARTITIONS / REGISTER_GRANULE),
            of_warps(&|_| 1, self.threads / LANES / SUB_PARTITIONS),
            of_blocks(&|_| 1, self.blocks, false),
            of_blocks(&|kind| self.shared_units(kind), shared / self.shared_granule, shared < self.shared),
        ]
    }
}

/// One of the things that blocks take, in units, of each of `bins` equal parts of a multiprocessor.
struct Resource {
    bins: u32,
    /// Units of a part.
    capacity: u32,
    /// Units of a place: what a block, or one of its warps, needs.
    need: u32,
    /// So many blocks fit where so many places are free.
    blocks: (u32, u32),
    /// What one piece of each of the others takes, and how many pieces, of which each may be anywhere, a block is.
    others: Vec<(u32, u32)>,
    /// Whether a piece may take less than is said.
    rounded: bool,
    /// Whether it limits how many blocks fit alone, too.
    caps: bool,
}

/// The loss of a multiprocessor is at most `base`, and `each` for every block of the others on it.
#[derive(Clone)]
struct Line {
    base: f64,
    each: Vec<f64>,
}

impl Line {
    fn none(kinds: usize) -> Self {
        Line { base: 0.0, each: vec![0.0; kinds] }
    }

    /// What is lost where either is.
    fn or(&self, other: &Line) -> Line {
        let each = self.each.iter().zip(&other.each).map(|(a, b)| a.max(*b)).collect();
        Line { base: self.base.max(other.base), each }
    }
}

impl Resource {
    /// Blocks for which a part has room when so many of its units are taken.
    fn room(&self, taken: u32) -> u32 {
        self.of_places((self.capacity - taken) / self.need.max(1))
    }

    fn of_places(&self, places: u32) -> u32 {
        places * self.blocks.0 / self.blocks.1
    }

    /// Lines that the loss is below, of blocks of which `most` fit alone.
    fn lines(&self, most: u32) -> Vec<Line> {
        let nothing = Line::none(self.others.len());
        if self.need == 0 || self.others.is_empty() {
            return vec![nothing];
        }
        let (all, bins, most) = (f64::from(self.room(0) * self.bins), f64::from(self.bins), f64::from(most));
        if all == 0.0 {
            // More than this model finds room for: nothing is known but that it may all be lost.
            return vec![Line { base: most, ..nothing }];
        }
        // Room for more than fit is lost first. Where the driver finds room for more blocks than there is here, what is
        // lost here counts for more.
        let (spare, factor) = ((all - most).max(0.0), (most / all).max(1.0));
        let points = self.sums().map(|taken| (f64::from(taken), f64::from(self.room(0) - self.room(taken))));
        // Of a multiprocessor: its parts add up.
        let whole =
            hull(points).into_iter().map(|(taken, lost)| (taken * bins, factor * (lost * bins - spare).max(0.0)));
        let hull = hull(whole);
        let line = |base: f64, each: &dyn Fn(u32) -> f64| Line {
            base,
            each: self.others.iter().map(|(units, pieces)| each(*units) * f64::from(*pieces)).collect(),
        };
        let mut lines: Vec<Line> = hull
            .windows(2)
            .map(|ends| {
                let slope = (ends[1].1 - ends[0].1) / (ends[1].0 - ends[0].0);
                line((ends[0].1 - slope * ends[0].0).max(0.0), &|units| slope * f64::from(units))
            })
            .collect();
        // All room is lost, or each piece takes whole places.
        lines.push(line(hull.last().map_or(0.0, |end| end.1), &|_| 0.0));
        let (blocks, places) = self.blocks;
        let whole_places = |units: u32| (units.div_ceil(self.need) * blocks).div_ceil(places);
        lines.push(line(0.0, &|units| factor * f64::from(whole_places(units))));
        lines
    }

    /// What pieces of the others can add up to in a part; all of it, where the last one is rounded up and takes less.
    fn sums(&self) -> impl Iterator<Item = u32> {
        let capacity = self.capacity as usize;
        let mut reached = vec![false; capacity + 1];
        reached[0] = true;
        for sum in 0..=capacity {
            if !reached[sum] {
                continue;
            }
            for (units, _) in &self.others {
                match sum + *units as usize {
                    next if next <= capacity => reached[next] = true,
                    _ if self.rounded => reached[capacity] = true,
                    _ => {}
                }
            }
        }
        (0..).zip(reached).filter_map(|(sum, reached)| reached.then_some(sum))
    }
}

/// The corners of the least concave line above some points, which come from the left to the right.
fn hull(points: impl Iterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
    let mut corners: Vec<(f64, f64)> = Vec::new();
    for point in points {
        while let [.., before, last] = corners[..] {
            let is_below = (last.1 - before.1) * (point.0 - before.0) <= (point.1 - before.1) * (last.0 - before.0);
            if !is_below {
                break;
            }
            corners.pop();
        }
        corners.push(point);
    }
    corners
}

/// The least that all multiprocessors together can be said to lose, over all choices of a line for each resource.
fn least_loss(resources: &[Vec<Line>], so_far: &Line, multiprocessors: f64, counts: &[f64]) -> f64 {
    let Some((first, rest)) = resources.split_first() else {
        let of_blocks: f64 = so_far.each.iter().zip(counts).map(|(each, count)| each * count).sum();
        return multiprocessors * so_far.base + of_blocks;
    };
    let losses = first.iter().map(|line| least_loss(rest, &so_far.or(line), multiprocessors, counts));
    losses.fold(f64::INFINITY, f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An H100's or H200's.
    const HOPPER: Multiprocessor = Multiprocessor {
        registers: 65_536,
        threads: 2048,
        blocks: 32,
        shared: 233_472,
        reserved_shared: 1024,
        shared_granule: 128,
        shared_of_block: 232_448,
    };

    /// As many alone as NVIDIA's own calculator says.
    fn block(warps: u32, registers: u32, shared: u32) -> Block {
        let of_registers = 16_384 / (registers * 32).next_multiple_of(256) * 4 / warps;
        let of_shared = HOPPER.shared / (shared + 1024).next_multiple_of(128);
        let most = of_registers.min(64 / warps).min(32).min(of_shared);
        Block { warps, registers, shared, most, all_shared: true }
    }

    #[test]
    fn doctors_mix_leaves_blocks_outside_though_the_shares_add_up() {
        let [crc32c, vector_add, echo] = [64, 72, 70].map(|registers| block(1, registers, 0));
        let free = |of: &Block, beside: &[(Block, u32)]| free_blocks(132, &HOPPER, of, beside);
        let fill = [crc32c, vector_add, echo].map(|b| free(&b, &[]));
        assert_eq!(fill, [4224, 3696, 3696]);
        // A third of each: by shares, they fit exactly.
        let [crc, echoes, adds] = [(crc32c, 4224 / 3), (echo, 3696 / 3), (vector_add, 3696 / 3)];
        assert_eq!(free(&echo, &[crc]), 3696 - 1408);
        // 176 of the last ones stay outside.
        assert_eq!(free(&vector_add, &[crc, echoes]), adds.1 - 176);
        // The other way about there is room for all: the small ones find it in what is left of each sub-partition.
        assert!(free(&crc32c, &[echoes, adds]) >= 1000);
    }

    #[test]
    fn large_blocks_find_room_in_whole_multiprocessors() {
        // matmul_f32's: 8 warps of 64 registers and 8 KiB; and the largest there are.
        let (matmul, largest) = (block(8, 64, 8192), block(32, 32, 0));
        let free = |of: &Block, beside: &[(Block, u32)]| free_blocks(132, &HOPPER, of, beside);
        assert_eq!([free(&matmul, &[]), free(&largest, &[])], [132 * 4, 132 * 2]);
        // One on each leaves room for one more, and not for two; one on half of them may be where it hurts most.
        assert_eq!(free(&largest, &[(largest, 132)]), 132);
        assert_eq!(free(&largest, &[(matmul, 66)]), 132 * 2 - 66);
        // A warp on each keeps a block of 32 warps out, of two that a multiprocessor takes.
        assert_eq!(free(&largest, &[(block(1, 32, 0), 132)]), 132);
        // Shared memory by the launch: two of 100,000 bytes, and not four.
        assert_eq!(free(&block(8, 64, 108_192), &[]), 132 * 2);
    }

    #[test]
    fn blocks_of_one_kind_fit_to_the_last() {
        for kind in [block(1, 32, 0), block(1, 72, 100), block(4, 128, 0), block(8, 64, 20_000), block(1, 255, 0)] {
            let all = 132 * kind.most;
            for taken in [0, 1, 131, all - 1, all, all + 7] {
                let free = free_blocks(132, &HOPPER, &kind, &[(kind, taken / 2), (kind, taken - taken / 2)]);
                assert_eq!(free, all.saturating_sub(taken), "{kind:?} {taken}");
            }
        }
    }

    #[test]
    fn what_the_driver_finds_room_for_alone_is_believed() {
        // A GPU of a kind that this model does not know.
        let odd = Block { most: 77, ..block(2, 200, 0) };
        assert_eq!(free_blocks(3, &HOPPER, &odd, &[]), 231);
        assert_eq!(free_blocks(3, &HOPPER, &odd, &[(block(1, 255, 0), 3 * 8 * 4)]), 0);
        let nothing = Multiprocessor { registers: 0, threads: 0, blocks: 0, shared: 0, ..HOPPER };
        assert_eq!(free_blocks(3, &nothing, &odd, &[]), 231);
        assert_eq!(free_blocks(3, &nothing, &odd, &[(odd, 1)]), 0);
    }

    #[test]
    fn a_kernel_that_leaves_little_shared_memory_keeps_others_out() {
        let wants_much = block(4, 32, 100_000);
        let resident = block(1, 32, 0);
        // 16 of them in one sub-partition leave no room there for a quarter of a block, and so none for two blocks.
        assert_eq!(free_blocks(132, &HOPPER, &wants_much, &[(resident, 132)]), 132 * 2 - 132 / 16 * 2);
        let with_cache = Block { all_shared: false, ..resident };
        assert_eq!(free_blocks(132, &HOPPER, &wants_much, &[(with_cache, 1)]), 0);
        // It keeps nobody out who wants none, and itself not either.
        assert_eq!(free_blocks(132, &HOPPER, &with_cache, &[]), 132 * 32);
        assert_eq!(free_blocks(132, &HOPPER, &resident, &[(with_cache, 132)]), 132 * 31);
    }

    /// Register granules and warps, of each sub-partition; blocks; granules of shared memory.
    type Taken = ([(u32, u32); 4], u32, u32);

    /// What is taken of each multiprocessor.
    struct Gpu {
        taken: Vec<Taken>,
    }

    impl Gpu {
        fn room(&self, at: usize, first: usize, block: &Block) -> Option<Taken> {
            let (mut parts, blocks, shared) = self.taken[at];
            for warp in 0..block.warps {
                // The first anywhere, the others evenly over the emptiest.
                let emptiest = (0..4).min_by_key(|part| parts[*part]).unwrap_or(first);
                let part = &mut parts[if warp == 0 && block.warps == 1 { first } else { emptiest }];
                *part = (part.0 + (block.registers * 32).div_ceil(256), part.1 + 1);
            }
            let shared = shared + (block.shared + 1024).div_ceil(128);
            let fits = parts.iter().all(|part| part.0 <= 64 && part.1 <= 16) && blocks < 32 && shared <= 233_472 / 128;
            fits.then_some((parts, blocks + 1, shared))
        }

        /// Places a block: of all places where it fits, at the one that `choose` takes.
        fn place(&mut self, block: &Block, choose: usize, crowd: bool) -> bool {
            let all = (0..self.taken.len()).flat_map(|at| (0..4).map(move |first| (at, first)));
            let mut fits: Vec<_> = all.filter_map(|(at, first)| Some((at, self.room(at, first, block)?))).collect();
            if crowd {
                // Where most is taken already.
                fits.sort_by_key(|(at, _)| std::cmp::Reverse(self.taken[*at].1));
                fits.truncate(4);
            }
            if fits.is_empty() {
                return false;
            }
            let (at, then) = fits.swap_remove(choose % fits.len());
            self.taken[at] = then;
            true
        }
    }

    fn kinds() -> impl Strategy<Value = Block> {
        let warps = prop_oneof![4 => Just(1u32), 1 => Just(2u32), 1 => Just(4u32), 1 => Just(6u32)];
        (warps, 8u32..160, prop_oneof![Just(0u32), 0u32..60_000]).prop_map(|(w, r, s)| block(w, r, s))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_said_to_fit_fits_wherever_the_blocks_are_placed(
            kinds in prop::collection::vec((kinds(), 1u32..60), 1..5),
            crowd in any::<bool>(),
            seed in any::<u64>(),
        ) {
            const SMS: u32 = 3;
            let mut gpu = Gpu { taken: vec![Default::default(); SMS as usize] };
            let (mut resident, mut random) = (Vec::new(), seed | 1);
            for (kind, wanted) in kinds {
                let count = free_blocks(SMS, &HOPPER, &kind, &resident).min(wanted);
                prop_assert!(!resident.is_empty() || count == wanted.min(SMS * kind.most));
                for n in 0..count {
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    prop_assert!(gpu.place(&kind, random as usize, crowd), "block {n} of {count}: {kind:?} beside {resident:?}");
                }
                resident.push((kind, count));
            }
        }

        #[test]
        fn others_never_make_room(kind in kinds(), others in prop::collection::vec((kinds(), 0u32..200), 0..4), more in (kinds(), 1u32..50)) {
            let free = free_blocks(4, &HOPPER, &kind, &others);
            let then: Vec<_> = others.into_iter().chain([more]).collect();
            prop_assert!(free_blocks(4, &HOPPER, &kind, &then) <= free);
            prop_assert!(free <= 4 * kind.most);
        }
    }
}
