//! Runs of a kernel, made by a queue's arithmetic: messages arrive, blocks handle them, what is too much waits. What goes wrong,
//! and when, is known. The same seed makes the same runs.

use std::ops::Range;

use ringscope::histogram::Histogram;

/// Seconds of a run; there is one point for each.
pub const SECONDS: usize = 1800;
/// From here on something may go wrong.
const FROM: usize = 700;
const BLOCKS: f64 = 8.0;
/// The median time that a block takes for a message, in nanoseconds, and how much that varies, as the standard deviation of its
/// logarithm.
const HANDLING_NS: f64 = 2e6;
const VARIES: f64 = 0.2;
const NEVER: f64 = 0.001;

/// What a run is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Story {
    /// All blocks hang, while messages keep arriving.
    Hang,
    /// Two blocks of eight become four times as slow.
    SlowBlocks,
    /// A third of the messages take less than before and a third take more; the mean and the median stay.
    Bimodal,
    /// Each message takes a little longer than the one before.
    Leak,
    /// For two seconds, everything takes thirty times as long.
    Pause,
    /// One message of thirty fails, instead of one of a thousand.
    Errors,
    /// Nothing happens.
    Steady,
    /// The load rises and falls, again and again.
    Cycle,
    /// The load doubles within some minutes, and stays.
    Ramp,
    /// The load doubles at once, and stays.
    Step,
    /// Every now and then, for half a minute, twice the load.
    Bursts,
    /// Two kinds of messages come in turn, of which one takes twice as long.
    Turns,
}

impl Story {
    pub const ALL: &'static [Story] = &[
        Story::Hang,
        Story::SlowBlocks,
        Story::Bimodal,
        Story::Leak,
        Story::Pause,
        Story::Errors,
        Story::Steady,
        Story::Cycle,
        Story::Ramp,
        Story::Step,
        Story::Bursts,
        Story::Turns,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Story::Hang => "hang",
            Story::SlowBlocks => "slow_blocks",
            Story::Bimodal => "bimodal",
            Story::Leak => "leak",
            Story::Pause => "pause",
            Story::Errors => "errors",
            Story::Steady => "steady",
            Story::Cycle => "cycle",
            Story::Ramp => "ramp",
            Story::Step => "step",
            Story::Bursts => "bursts",
            Story::Turns => "turns",
        }
    }

    pub fn is_anomaly(self) -> bool {
        self < Story::Steady
    }

    /// How many seconds it lasts.
    fn lasts(self) -> usize {
        match self {
            Story::Pause => 2,
            Story::Leak => 800,
            _ => 300,
        }
    }
}

/// What happened within one second.
pub struct Second {
    pub processed: u64,
    pub errors: u64,
    /// Messages that wait at its end.
    pub queue: u64,
    /// Latencies of handling, in nanoseconds.
    pub latency: Histogram,
}

pub struct Run {
    pub story: Story,
    pub seed: u64,
    /// When something is wrong.
    pub wrong: Option<Range<usize>>,
    pub seconds: Vec<Second>,
}

/// Makes a run.
pub fn run(story: Story, seed: u64) -> Run {
    let mut chance = Chance::new(seed.wrapping_mul(97).wrapping_add(story as u64));
    let start = FROM + chance.below(200);
    let wrong = story.is_anomaly().then(|| start..(start + story.lasts()).min(SECONDS));
    let load = 500.0 + 500.0 * chance.uniform();
    let mut waiting = 0.0;
    let seconds = (0..SECONDS).map(|second| {
        let since = wrong.as_ref().filter(|wrong| wrong.contains(&second)).map(|wrong| second - wrong.start);
        let arrived = chance.poisson(load * load_at(story, second, start));
        waiting += arrived;
        let slowness = slowness(story, second, since);
        let room = (BLOCKS * 1e9 / (HANDLING_NS * slowness)).round();
        let handled: f64 = if story == Story::Hang && since.is_some() { 0.0 } else { f64::min(waiting, room) };
        waiting -= handled;
        let mut latency = Histogram::new(3);
        for _ in 0..handled as u64 {
            latency.record(latency_of(story, since, slowness, &mut chance) as u64);
        }
        let wrong_share = if story == Story::Errors && since.is_some() { 1.0 / 30.0 } else { NEVER };
        let errors = chance.poisson(handled * wrong_share).min(handled);
        Second { processed: (handled - errors) as u64, errors: errors as u64, queue: waiting as u64, latency }
    });
    let seconds = seconds.collect();
    Run { story, seed, wrong, seconds }
}

fn load_at(story: Story, second: usize, start: usize) -> f64 {
    let at = second as f64;
    match story {
        Story::Cycle => 1.0 + 0.6 * (at / 300.0 * std::f64::consts::TAU).sin(),
        Story::Ramp => 1.0 + ((at - start as f64) / 240.0).clamp(0.0, 1.0),
        Story::Step if second >= start => 2.0,
        Story::Bursts if second % 170 < 30 => 2.0,
        _ => 1.0,
    }
}

/// How much longer than usual a message takes, on average.
fn slowness(story: Story, second: usize, since: Option<usize>) -> f64 {
    match (story, since) {
        (Story::Pause, Some(_)) => 30.0,
        (Story::Leak, Some(since)) => 1.0 + since as f64 / 800.0,
        (Story::Turns, _) if second % 200 >= 100 => 2.0,
        _ => 1.0,
    }
}

fn latency_of(story: Story, since: Option<usize>, slowness: f64, chance: &mut Chance) -> f64 {
    let usual = HANDLING_NS * slowness * (VARIES * chance.normal()).exp();
    match (story, since) {
        (Story::SlowBlocks, Some(_)) if chance.uniform() < 0.25 => 4.0 * usual,
        (Story::Bimodal, Some(_)) => {
            let (middle, varies) = match chance.uniform() {
                part if part < 0.3 => (0.6, 0.08),
                part if part < 0.6 => (1.467, 0.08),
                _ => (1.0, 0.05),
            };
            HANDLING_NS * middle * (varies * chance.normal()).exp()
        }
        _ => usual,
    }
}

/// Splitmix64, and what is made of it.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Chance(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to 1.
    pub fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn below(&mut self, end: usize) -> usize {
        (self.uniform() * end as f64) as usize
    }

    /// With the mean 0 and the standard deviation 1.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Of a mean of some hundreds the normal distribution is near enough; of a small one it is not.
    fn poisson(&mut self, mean: f64) -> f64 {
        if mean > 30.0 {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0);
        }
        let (mut product, mut count) = (self.uniform(), 0.0);
        while product > (-mean).exp() {
            product *= self.uniform();
            count += 1.0;
        }
        count
    }
}
