//! What a series has looked like so far: a bounded number of patterns, and how far a new one is from the nearest.

/// Patterns that are compared at once.
const LANES: usize = 8;

/// Patterns of `DIMS` numbers each. One that is nearer than `radius` to a new one stands for it as well; of more than `most`,
/// one that has not been met for long makes room.
#[derive(Clone, Debug)]
pub(super) struct Memory<const DIMS: usize> {
    chunks: Vec<[[f32; LANES]; DIMS]>,
    /// How many new patterns each stands for, and whether it was met since the hand last passed.
    met: Vec<(f32, bool)>,
    most: usize,
    hand: usize,
}

/// The pattern that is nearest to a new one.
pub(super) struct Nearest<const DIMS: usize> {
    pub(super) index: usize,
    /// The square of the distance.
    pub(super) square: f32,
    pub(super) pattern: [f32; DIMS],
}

/// The weight of a new pattern in the mean that a remembered one is, at least.
const LEAST_WEIGHT: f32 = 0.02;

/// Squares of five of these, added up, are finite.
const LARGEST: f32 = 1e15;

impl<const DIMS: usize> Memory<DIMS> {
    /// Makes an empty one of at most so many patterns.
    pub(super) fn new(most: usize) -> Self {
        Memory { chunks: Vec::new(), met: Vec::new(), most, hand: 0 }
    }

    /// Makes a pattern of these numbers, which are in units of what is usual for the series.
    pub(super) fn pattern(numbers: [f64; DIMS]) -> [f32; DIMS] {
        numbers.map(|number| (number as f32).clamp(-LARGEST, LARGEST))
    }

    /// Finds the nearest; `None` while there is no pattern.
    pub(super) fn nearest(&self, to: &[f32; DIMS]) -> Option<Nearest<DIMS>> {
        let (mut least, mut chunk) = ([f32::MAX; LANES], [0u32; LANES]);
        for (number, patterns) in self.chunks.iter().enumerate() {
            let mut squares = [0f32; LANES];
            for (values, at) in patterns.iter().zip(to) {
                for lane in 0..LANES {
                    let off = values[lane] - at;
                    squares[lane] += off * off;
                }
            }
            for lane in 0..LANES {
                let is_less = squares[lane] < least[lane];
                least[lane] = if is_less { squares[lane] } else { least[lane] };
                chunk[lane] = if is_less { number as u32 } else { chunk[lane] };
            }
        }
        let lane = (1..LANES).fold(0, |best, lane| if least[lane] < least[best] { lane } else { best });
        let index = chunk[lane] as usize * LANES + lane;
        let patterns = self.chunks.get(index / LANES)?;
        (index < self.met.len()).then(|| Nearest {
            index,
            square: least[lane],
            pattern: std::array::from_fn(|dim| patterns[dim][lane]),
        })
    }

    /// Lets the pattern at `index` stand for this one too.
    pub(super) fn merge(&mut self, index: usize, new: &[f32; DIMS]) {
        let (times, was_met) = &mut self.met[index];
        *times += 1.0;
        *was_met = true;
        let weight = (1.0 / *times).max(LEAST_WEIGHT);
        for (values, new) in self.chunks[index / LANES].iter_mut().zip(new) {
            let value = &mut values[index % LANES];
            *value += weight * (new - *value);
        }
    }

    /// Remembers this one.
    pub(super) fn insert(&mut self, new: &[f32; DIMS]) {
        let index = if self.met.len() < self.most { self.met.len() } else { self.place() };
        if index == self.met.len() {
            self.met.push((1.0, true));
            if index.is_multiple_of(LANES) {
                // The lanes that are not used yet are nearest to nothing.
                self.chunks.push([[2.0 * LARGEST; LANES]; DIMS]);
            }
        }
        self.met[index] = (1.0, true);
        for (values, new) in self.chunks[index / LANES].iter_mut().zip(new) {
            values[index % LANES] = *new;
        }
    }

    /// The place of one that was not met since the hand passed the last time.
    fn place(&mut self) -> usize {
        loop {
            self.hand = (self.hand + 1) % self.met.len();
            let was_met = &mut self.met[self.hand].1;
            if !*was_met {
                return self.hand;
            }
            *was_met = false;
        }
    }
}
