//! Times of a device's clock, long past, on the host's.

use std::sync::Arc;

use super::clock_line::Line;

/// Marks that are kept. When there are more, every second one goes.
const MARKS: usize = 256;
/// How far they lie apart at first, in nanoseconds.
const APART: i64 = 1_000_000_000;

/// Both clocks at one moment, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    host: i64,
    device: i64,
}

/// Where the fit went so far: a few hundred marks at most, whatever the time.
#[derive(Debug)]
pub(super) struct Marks {
    marks: Arc<[Mark]>,
    apart: i64,
}

impl Marks {
    pub(super) fn new(line: &Line) -> Self {
        Marks { marks: [Mark { host: line.host, device: line.device }].into(), apart: APART }
    }

    /// Takes note of the fit, if the last mark lies far enough back.
    pub(super) fn note(&mut self, line: &Line) {
        let next = Mark { host: line.host, device: line.device };
        match self.marks.last() {
            Some(last) if next.host - last.host < self.apart || next.device <= last.device => return,
            _ => {}
        }
        self.marks = self.marks.iter().copied().chain([next]).collect();
        if self.marks.len() > MARKS {
            self.marks = self.marks.iter().copied().step_by(2).collect();
            self.apart *= 2;
        }
    }

    pub(super) fn timeline(&self, line: Line) -> Timeline {
        Timeline { marks: Arc::clone(&self.marks), line }
    }
}

/// Tells when, on the host's steady clock, a device's clock read what.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Timeline {
    marks: Arc<[Mark]>,
    line: Line,
}

impl Timeline {
    /// Returns how many nanoseconds of the host went by between two times of the device's clock.
    pub fn host_ns_between(&self, from: u64, to: u64) -> i64 {
        self.host_at(to as i64) - self.host_at(from as i64)
    }

    pub(super) fn host_at(&self, device: i64) -> i64 {
        if device >= self.line.device {
            return self.line.host_at(device);
        }
        let after = self.marks.partition_point(|mark| mark.device <= device);
        let newest = Mark { host: self.line.host, device: self.line.device };
        match (after.checked_sub(1).map(|before| self.marks[before]), self.marks.get(after)) {
            (Some(before), after) => between(before, *after.unwrap_or(&newest), device),
            (None, Some(first)) => first.host - (self.line.host_at(first.device) - self.line.host_at(device)),
            (None, None) => self.line.host_at(device),
        }
    }
}

fn between(before: Mark, after: Mark, device: i64) -> i64 {
    let (whole, part) = (after.device - before.device, device - before.device);
    if whole <= 0 {
        return before.host;
    }
    before.host + (i128::from(after.host - before.host) * i128::from(part) / i128::from(whole)) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_hours_ago_are_found_between_the_marks() {
        const SECOND: i64 = 1_000_000_000;
        // The drift changes from hour to hour.
        let drift = |hour: i64| [40e-6, -30e-6, 90e-6, 0.0, -100e-6][hour as usize];
        let device_at = |host: i64| {
            let hours = (0..5).map(|hour| ((host - hour * 3600 * SECOND).clamp(0, 3600 * SECOND) as f64) * drift(hour));
            7_000 * SECOND + host + hours.sum::<f64>() as i64
        };
        let line = |host: i64, hour: i64| Line { drift: drift(hour), ..Line::parallel(host, device_at(host)) };
        let mut marks = Marks::new(&line(0, 0));
        (0..18_000).for_each(|second| marks.note(&line(second * SECOND, second / 3600)));
        assert!(marks.marks.len() <= MARKS, "{}", marks.marks.len());
        let timeline = marks.timeline(line(17_999 * SECOND, 4));
        for second in (-50..18_100).step_by(7) {
            let host = second * SECOND + 123_456_789;
            let known = if second < 0 { line(0, 4).device_at(host) } else { device_at(host.min(17_999 * SECOND)) };
            let found =
                timeline.host_at(if host > 17_999 * SECOND { line(17_999 * SECOND, 4).device_at(host) } else { known });
            // Where the drift changes between two marks, the middle is off by a quarter of a mark's distance of it.
            let limit =
                if [3600, 7200, 10_800, 14_400].iter().any(|at| (at - second).abs() < 130) { 7_000_000 } else { 2_000 };
            assert!((found - host).abs() < limit, "{second} s: {} ns", found - host);
        }
        assert_eq!(timeline.host_ns_between(7_000 * SECOND as u64, 7_000 * SECOND as u64), 0);
    }
}
