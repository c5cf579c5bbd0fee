//! A device's clock on the host's: an offset and a drift, fitted to bounds. Pure arithmetic, with no clock of its own.
//!
//! A bound says that the device's clock read `d` no later than a moment of the host (a reply was there by then, a word had
//! been copied by then), or no earlier than one (the message had not been sent before). Each is a half-plane for the line
//! that takes the host's time to the device's. The lines that keep all of them, and drift no more than a clock does, make
//! a band, whose two edges are lines again wherever everything known lies in the past: the steepest and the flattest of
//! them. The middle of the band is the fit, half of its width the uncertainty, which holds as long as the bounds do.
//!
//! Of each stretch of time only the tightest bound on either side is kept, so memory and the cost of a bound are constant.
//! Old bounds are loosened by what a clock wanders meanwhile.

use super::clock_line::Line;

/// Clocks of a host and a device do not drift apart faster, as a part of the time.
const MOST_DRIFT: f64 = 500e-6;
/// How much the drift changes, with temperature and with what steers the host's clock.
const WANDER: f64 = 0.1e-6;
/// Stretches of time of which bounds are kept, on either side.
const STRETCHES: usize = 32;
/// What a stretch is at first, and at most, in nanoseconds of the host.
const SHORTEST: i64 = 10_000_000;
const LONGEST: i64 = 2_000_000_000;
/// Where the fit jumps farther than its bounds explain, the device's clock was set; less may be the host's that is steered.
const STEP: f64 = 1e6;

/// What became of bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Taken,
    /// It contradicts what is known, and is alone in that.
    Ignored,
    /// It contradicted older bounds, which were forgotten. `stepped`: the device's clock was set.
    StartedAnew {
        stepped: bool,
    },
}

/// At a moment of the host, what the clock is ahead of a drift of 0, in nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Point {
    host: i64,
    ahead: i64,
}

/// The bounds on one side: the tightest of each stretch of time, the oldest first.
#[derive(Clone, Debug)]
struct Side {
    points: Vec<Point>,
    /// 1 for lower bounds, -1 for upper ones: which of two is the tighter.
    sign: f64,
    stretch: i64,
}

impl Side {
    fn new(sign: f64) -> Self {
        Side { points: Vec::with_capacity(STRETCHES + 1), sign, stretch: SHORTEST }
    }

    fn clear(&mut self) {
        self.points.clear();
        self.stretch = SHORTEST;
    }

    /// The tighter of two bounds for a clock of that drift.
    fn tighter(&self, a: Point, b: Point, drift: f64) -> Point {
        let by = (b.ahead - a.ahead) as f64 - drift * (b.host - a.host) as f64;
        if by * self.sign > 0.0 { b } else { a }
    }

    fn add(&mut self, point: Point, drift: f64) {
        let of = |point: &Point, stretch: i64| point.host.div_euclid(stretch);
        let at = self.points.partition_point(|old| of(old, self.stretch) < of(&point, self.stretch));
        match self.points.get(at) {
            Some(old) if of(old, self.stretch) == of(&point, self.stretch) => {
                self.points[at] = self.tighter(*old, point, drift);
            }
            _ => self.points.insert(at, point),
        }
        while self.points.len() > STRETCHES {
            if self.stretch >= LONGEST {
                self.points.remove(0);
                continue;
            }
            self.stretch *= 2;
            let mut kept: usize = 0;
            for i in 0..self.points.len() {
                let next = self.points[i];
                match kept.checked_sub(1) {
                    Some(last) if of(&self.points[last], self.stretch) == of(&next, self.stretch) => {
                        self.points[last] = self.tighter(self.points[last], next, drift);
                    }
                    _ => {
                        self.points[kept] = next;
                        kept += 1;
                    }
                }
            }
            self.points.truncate(kept);
        }
    }
}

/// The bounds that are known, and the line that they make.
#[derive(Clone, Debug)]
pub(crate) struct ClockFit {
    /// What the device's clock moves by at once: it reads up to so much less than the time.
    tick: i64,
    /// Where [`Point::ahead`] is 0.
    host_zero: i64,
    device_zero: i64,
    lower: Side,
    upper: Side,
    line: Line,
}

impl ClockFit {
    /// The clock read `device` at some moment of the host from `from` to `to`, and ticks every `tick` nanoseconds.
    pub(super) fn new(from: i64, to: i64, device: i64, tick: i64) -> Self {
        let mut fit = ClockFit {
            tick: tick.max(1),
            host_zero: from,
            device_zero: device,
            lower: Side::new(1.0),
            upper: Side::new(-1.0),
            line: Line::parallel(from, device),
        };
        fit.between(from, to, device);
        fit
    }

    pub(super) fn line(&self) -> Line {
        self.line
    }

    /// Whether it is news that the clock had reached `device` at `host`.
    pub(super) fn tightens_lower(line: &Line, tick: i64, host: i64, device: i64) -> bool {
        device > line.device_at(host) - line.error_at(host) + tick
    }

    /// Whether it is news that the clock had not passed `device` at `host`.
    pub(super) fn tightens_upper(line: &Line, tick: i64, host: i64, device: i64) -> bool {
        device + tick < line.device_at(host) + line.error_at(host)
    }

    /// The clock read `device` at some moment from `from` to `to`. Where that cannot be, given older bounds, those are wrong.
    pub(super) fn between(&mut self, from: i64, to: i64, device: i64) -> Outcome {
        let before = self.line;
        let (low, high) = (self.point(to, device), self.point(from, device + self.tick));
        self.lower.add(low, before.drift);
        self.upper.add(high, before.drift);
        if self.solve(to) {
            return Outcome::Taken;
        }
        // No telling which of them still hold, nor what the drift is now.
        self.lower.clear();
        self.upper.clear();
        (self.host_zero, self.device_zero) = (from, device);
        self.lower.add(self.point(to, device), 0.0);
        self.upper.add(self.point(from, device + self.tick), 0.0);
        self.solve(to);
        let jump = (self.line.device_at(to) - before.device_at(to)).unsigned_abs() as f64;
        let stepped = jump > (before.error_at(to) + self.line.error_at(to)) as f64 + STEP;
        Outcome::StartedAnew { stepped }
    }

    /// The clock had reached `device` by `host`. That is somebody else's word: a contradiction is not followed.
    pub(super) fn reached(&mut self, host: i64, device: i64) -> Outcome {
        if device > self.line.device_at(host) + self.line.error_at(host) {
            return Outcome::Ignored;
        }
        let point = self.point(host, device);
        self.lower.add(point, self.line.drift);
        if self.solve(host) {
            return Outcome::Taken;
        }
        self.lower.points.retain(|kept| (kept.host, kept.ahead) != (point.host, point.ahead));
        Outcome::Ignored
    }

    fn point(&self, host: i64, device: i64) -> Point {
        Point { host, ahead: (device - self.device_zero) - (host - self.host_zero) }
    }

    /// Draws the line, for a host's time no earlier than `now` and than any bound; not if the bounds contradict each other.
    fn solve(&mut self, now: i64) -> bool {
        let newest = |side: &Side| side.points.last().map_or(now, |point| point.host);
        let now = now.max(newest(&self.lower)).max(newest(&self.upper));
        // Where each bound is at the age of `now`, loosened by as much as the clock may have wandered since.
        let aged = |side: &Side, point: &Point| {
            let age = (now - point.host) as f64;
            (age, point.ahead as f64 - side.sign * WANDER * age)
        };
        let (mut flattest, mut steepest) = (-MOST_DRIFT, MOST_DRIFT);
        for low in &self.lower.points {
            let (low_age, low) = aged(&self.lower, low);
            for high in &self.upper.points {
                let (high_age, high) = aged(&self.upper, high);
                let (over, room) = (low_age - high_age, high - low);
                if over > 0.0 {
                    steepest = f64::min(steepest, room / over);
                } else if over < 0.0 {
                    flattest = f64::max(flattest, room / over);
                } else if room < 0.0 {
                    return false;
                }
            }
        }
        if flattest > steepest || self.lower.points.is_empty() || self.upper.points.is_empty() {
            return false;
        }
        let on = |side: &Side, point: &Point, drift: f64| {
            let (age, ahead) = aged(side, point);
            ahead + drift * age
        };
        let highs = self.upper.points.iter().map(|point| on(&self.upper, point, steepest));
        let lows = self.lower.points.iter().map(|point| on(&self.lower, point, flattest));
        let (high, low) = (highs.fold(f64::INFINITY, f64::min), lows.fold(f64::NEG_INFINITY, f64::max));
        // What it reads is up to a tick less than the time.
        let (low, tick) = (low - self.tick as f64, self.tick as f64);
        self.line = Line {
            host: now,
            device: self.device_zero + (now - self.host_zero) + f64::midpoint(low, high).round() as i64,
            drift: f64::midpoint(flattest, steepest),
            error: ((high - low) / 2.0).max(tick / 2.0) + 1.0,
            error_growth: (steepest - flattest) / 2.0 + WANDER,
        };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::timeline::Marks;
    use proptest::prelude::*;

    const SECOND: i64 = 1_000_000_000;

    /// A device's clock, and the ways to it and back, as they might be.
    #[derive(Clone, Debug)]
    struct World {
        offset: i64,
        drift: f64,
        /// By so much the drift swings, in a quarter of an hour.
        swing: f64,
        tick: i64,
        seed: u64,
    }

    impl World {
        fn reads(&self, host: i64) -> i64 {
            let turn = host as f64 / (900.0 * SECOND as f64) * std::f64::consts::TAU;
            let swung = self.swing * (900.0 * SECOND as f64) / std::f64::consts::TAU * (1.0 - turn.cos());
            (self.offset + host + (self.drift * host as f64 + swung) as i64).div_euclid(self.tick) * self.tick
        }

        fn random(&mut self, below: i64) -> i64 {
            self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((self.seed >> 33) as i64) % below
        }

        /// How long a way takes: the shortest, the wait of one that polls, and once in a while the system's.
        fn way(&mut self, shortest: i64) -> i64 {
            let pause = if self.random(50) == 0 { self.random(10_000_000) } else { 0 };
            shortest + self.random(1_500) + pause
        }
    }

    fn worlds(swing: f64) -> impl Strategy<Value = World> {
        let offset = prop_oneof![Just(0), -SECOND..SECOND, Just(1_790_000_000 * SECOND)];
        let tick = prop_oneof![Just(1), Just(32), Just(1024)];
        (offset, -100e-6..100e-6, tick, any::<u64>()).prop_map(move |(offset, drift, tick, seed)| World {
            offset,
            drift,
            swing,
            tick,
            seed,
        })
    }

    /// The fit, with what its owner does around it.
    struct Known {
        fit: ClockFit,
        marks: Marks,
        restarts: u32,
        seen: Vec<(i64, i64)>,
    }

    impl Known {
        /// As a device is opened: 16 looks with the launch of a kernel in each.
        fn open(world: &mut World, now: &mut i64) -> Self {
            let mut fit = None;
            for _ in 0..16 {
                let (from, read) = (*now, *now + world.way(5_000));
                *now = read + world.way(1_000);
                let device = world.reads(read);
                match &mut fit {
                    None => fit = Some(ClockFit::new(from, *now, device, world.tick)),
                    Some(fit) => assert_eq!(fit.between(from, *now, device), Outcome::Taken),
                }
            }
            let fit = fit.expect("a fit");
            Known { marks: Marks::new(&fit.line()), fit, restarts: 0, seen: Vec::new() }
        }

        fn between(&mut self, from: i64, to: i64, device: i64) -> Outcome {
            let outcome = self.fit.between(from, to, device);
            self.restarts += u32::from(outcome != Outcome::Taken);
            if outcome == (Outcome::StartedAnew { stepped: true }) {
                self.marks = Marks::new(&self.fit.line());
            }
            self.marks.note(&self.fit.line());
            outcome
        }

        /// A block that polls is asked.
        fn exchange(&mut self, world: &mut World, now: &mut i64) {
            let (from, read) = (*now, *now + world.way(900));
            *now = read + world.way(700);
            self.between(from, *now, world.reads(read));
        }

        /// A message goes, through a queue maybe, and a reply comes.
        fn message(&mut self, world: &mut World, now: &mut i64) {
            let queued = if world.random(3) == 0 { world.random(5_000_000) } else { 0 };
            let (from, read) = (*now, *now + world.way(2_500) + queued);
            *now = read + world.way(1_200);
            let (line, device) = (self.fit.line(), world.reads(read));
            let news = ClockFit::tightens_lower(&line, world.tick, *now, device)
                || ClockFit::tightens_upper(&line, world.tick, from, device);
            if news {
                self.between(from, *now, device);
            }
        }

        /// A block's words are copied, of some time before.
        fn copy(&mut self, world: &mut World, now: &mut i64) {
            let before = world.random(200_000);
            let device = world.reads(*now - before);
            *now += world.way(10_000);
            if ClockFit::tightens_lower(&self.fit.line(), world.tick, *now, device) {
                assert_eq!(self.fit.reached(*now, device), Outcome::Taken);
            }
        }

        /// How far the fit is off, which is no more than it says.
        fn error(&mut self, world: &World, host: i64) -> i64 {
            let line = self.fit.line();
            let (read, off) = (world.reads(host), line.device_at(host) - world.reads(host));
            assert!(off.abs() <= line.error_at(host), "{off} ns at {host}: {line:?} {world:?}");
            assert!((line.host_at(line.device_at(host)) - host).abs() <= 2);
            self.seen.push((host, read));
            off.abs()
        }

        fn sides(&self) -> usize {
            self.fit.lower.points.len().max(self.fit.upper.points.len())
        }
    }

    /// Lets time pass until then; returns the largest error at some moments of it.
    fn wait(known: &mut Known, world: &mut World, now: &mut i64, until: i64) -> i64 {
        let mut largest = 0;
        for part in 1..=2 {
            let at = *now + (until - *now).max(0) / 2 * part;
            largest = largest.max(known.error(world, at));
        }
        *now = until.max(*now);
        largest
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

        /// What a kernel waits for its messages, and when things happened, over an hour, with a drift that changes.
        #[test]
        fn an_hour_of_questions_and_messages(mut world in worlds(0.02e-6), idle in any::<bool>()) {
            let mut now = 0;
            let mut known = Known::open(&mut world, &mut now);
            let (mut waiting, mut late) = (0, 0);
            while now < 3600 * SECOND {
                known.exchange(&mut world, &mut now);
                let rest = (now / 8).clamp(SECOND / 100, SECOND);
                let until = now + rest;
                if !idle {
                    for part in 1..=4 {
                        let error = wait(&mut known, &mut world, &mut now, until - rest / 4 * (4 - part));
                        if now > SECOND { waiting = waiting.max(error) }
                        known.message(&mut world, &mut now);
                        known.copy(&mut world, &mut now);
                    }
                }
                let error = wait(&mut known, &mut world, &mut now, until);
                // The first second only knows that no clock drifts by more than 500 ppm.
                if now > SECOND { waiting = waiting.max(error) } else { late = late.max(error) }
            }
            prop_assert!(waiting < 5_000, "{} ns", waiting);
            prop_assert!(late < 50_000, "{} ns", late);
            prop_assert_eq!(known.restarts, 0);
            prop_assert!(known.sides() <= STRETCHES);
            let timeline = known.marks.timeline(known.fit.line());
            for (host, read) in known.seen {
                let off = timeline.host_at(read) - host;
                prop_assert!(off.abs() < 50_000, "{} ns at {}", off, host);
            }
        }

        /// Nobody asks: messages alone, in bursts with pauses between them.
        #[test]
        fn messages_alone(mut world in worlds(0.0), pause in 1..20i64) {
            let mut now = 0;
            let mut known = Known::open(&mut world, &mut now);
            let mut waiting = 0;
            while now < 600 * SECOND {
                for _ in 0..10 {
                    known.message(&mut world, &mut now);
                    let until = now + 20_000_000;
                    let error = wait(&mut known, &mut world, &mut now, until);
                    if now > 120 * SECOND { waiting = waiting.max(error) }
                }
                let until = now + pause * SECOND;
                wait(&mut known, &mut world, &mut now, until);
            }
            prop_assert!(waiting < 10_000, "{} ns", waiting);
            prop_assert_eq!(known.restarts, 0);
        }

        /// A GPU full of kernels that answer nothing: only what was copied is known, and a look with a kernel once in a while.
        #[test]
        fn copies_alone(mut world in worlds(0.0), looks in any::<bool>()) {
            let mut now = 0;
            let mut known = Known::open(&mut world, &mut now);
            let mut timestamps = 0;
            for second in 1..600 {
                known.copy(&mut world, &mut now);
                if looks && second % 10 == 0 {
                    let (from, read) = (now, now + world.way(6_000));
                    now = read + world.way(2_000);
                    known.between(from, now, world.reads(read));
                }
                let error = wait(&mut known, &mut world, &mut now, second * SECOND);
                if second > 60 { timestamps = timestamps.max(error) }
            }
            prop_assert!(!looks || timestamps < 50_000, "{} ns", timestamps);
            prop_assert_eq!(known.restarts, 0);
        }

        /// Either clock is set, by a little or a lot, ahead or back; a fit that is right again says so by its uncertainty.
        #[test]
        fn a_clock_that_is_set(mut world in worlds(0.0), by in prop_oneof![Just(20_000), Just(SECOND), Just(100_000 * SECOND)], back in any::<bool>()) {
            let mut now = 0;
            let mut known = Known::open(&mut world, &mut now);
            let ask = |known: &mut Known, world: &mut World, now: &mut i64, until: i64| {
                while *now < until {
                    known.exchange(world, now);
                    let until = *now + SECOND / 10;
                    wait(known, world, now, until);
                }
            };
            ask(&mut known, &mut world, &mut now, 30 * SECOND);
            world.offset += if back { -by } else { by };
            // What merely has been copied does not decide.
            let ahead = world.reads(now - 1);
            if !back { prop_assert_eq!(known.fit.reached(now, ahead), Outcome::Ignored) }
            let from = now;
            now += 3_000;
            let outcome = known.between(from, now, world.reads(now - 1_000));
            prop_assert_eq!(outcome, Outcome::StartedAnew { stepped: by > 1_000_000 });
            ask(&mut known, &mut world, &mut now, 60 * SECOND);
            let at = now + SECOND / 10;
            prop_assert!(known.error(&world, at) < 5_000);
            prop_assert_eq!(known.restarts, 1);
        }

        /// Whatever it is told, it keeps its size, and says something.
        #[test]
        fn nonsense_is_survived(told in prop::collection::vec((0i64..1 << 50, 0i64..1 << 40, 0i64..1 << 61, any::<bool>()), 1..200)) {
            let mut fit = ClockFit::new(0, 1000, 5, 32);
            for (from, took, device, both) in told {
                if both { fit.between(from, from + took, device); } else { fit.reached(from + took, device); }
                let line = fit.line();
                prop_assert!(line.drift.abs() <= MOST_DRIFT && line.error.is_finite() && line.error_growth >= 0.0);
                prop_assert!(fit.lower.points.len() <= STRETCHES && fit.upper.points.len() <= STRETCHES);
                prop_assert!(line.error_at(line.host) > 0);
            }
        }
    }
}
