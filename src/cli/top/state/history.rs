//! The moments that were seen, as far back as there is room for, and each kernel's points.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::SystemTime;

use ringscope::Snapshot;
use ringscope::feed::{Moment, points_between};

use crate::cli::top::state::point::{Point, TotalPoint};

/// Most points of one kernel: half an hour at one a second.
const MOST_POINTS: usize = 1800;
/// Points of all kernels together: some 100 bytes each.
const ALL_POINTS: usize = 360_000;
/// Kernels of all kept snapshots together: some 2 kB each.
const ALL_KERNELS: usize = 24_000;
/// Fewest of each that are kept.
const FEWEST: usize = 16;

/// The points of one kernel, one for each moment since it is known.
#[derive(Clone, Debug, Default)]
pub struct Series {
    /// Number of the moment of the first of them.
    first: u64,
    points: VecDeque<Option<Point>>,
}

impl Series {
    /// Returns the point of the moment of that number.
    pub fn at(&self, number: u64) -> Option<&Point> {
        self.points.get(usize::try_from(number.checked_sub(self.first)?).ok()?)?.as_ref()
    }
}

/// What was seen. Moments have numbers, from 0.
#[derive(Clone, Debug, Default)]
pub struct History {
    moments: VecDeque<Arc<Moment>>,
    /// Number of the next moment.
    next: u64,
    times: VecDeque<SystemTime>,
    totals: VecDeque<TotalPoint>,
    series: HashMap<Arc<str>, Series>,
}

impl History {
    /// Adds a moment. One that lies before the last one begins anew, as after a jump back in a replay, or where a program was
    /// started again.
    pub fn push(&mut self, moment: Arc<Moment>) {
        let newest = self.moments.back().map(|newest| newest.snapshot.time);
        if newest.is_some_and(|newest| moment.snapshot.time < newest) {
            *self = History { next: self.next, ..History::default() };
        }
        let before = self.moments.back().map(|moment| Arc::clone(&moment.snapshot));
        self.add_points(before.as_deref(), &moment.snapshot);
        self.moments.push_back(moment);
        self.next += 1;
        self.forget();
    }

    fn add_points(&mut self, before: Option<&Snapshot>, now: &Snapshot) {
        let cpu = now.system.map(|system| system.cpu_utilization_percent);
        let memory = now.system.map(|system| system.memory_used_mb * 1e6);
        let mut total = TotalPoint { cpu, memory, ..TotalPoint::default() };
        let points = before.into_iter().flat_map(|before| points_between(before, now));
        for (kernel, point) in now.kernels.iter().zip(points).filter_map(|(kernel, point)| Some((kernel, point?))) {
            total.messages += point.messages_per_second;
            total.errors += point.errors_per_second;
            total.queue = total.queue.saturating_add(point.queue_depth);
            let number = self.next;
            // Looked up by the name alone: it is there, nearly always.
            let series = match self.series.get_mut(&*kernel.kernel_id) {
                Some(series) => series,
                None => self
                    .series
                    .entry(Arc::clone(&kernel.kernel_id))
                    .or_insert(Series { first: number, ..Series::default() }),
            };
            let gap = number.saturating_sub(series.first + series.points.len() as u64);
            series.points.extend((0..gap.min(MOST_POINTS as u64)).map(|_| None));
            series.points.push_back(Some(Point::from(&point)));
        }
        self.times.push_back(now.time);
        self.totals.push_back(total);
    }

    fn forget(&mut self) {
        let kernels = self.moments.back().map_or(1, |moment| moment.snapshot.kernels.len().max(1));
        let moments = (ALL_KERNELS / kernels).clamp(FEWEST, MOST_POINTS);
        self.moments.drain(..self.moments.len().saturating_sub(moments));
        let points = (ALL_POINTS / kernels).clamp(FEWEST, MOST_POINTS);
        self.times.drain(..self.times.len().saturating_sub(points));
        self.totals.drain(..self.totals.len().saturating_sub(points));
        let oldest = self.next.saturating_sub(points as u64);
        self.series.retain(|_, series| {
            let old = oldest.saturating_sub(series.first).min(series.points.len() as u64);
            series.points.drain(..old as usize);
            series.first += old;
            !series.points.is_empty()
        });
    }

    /// Returns the number of the newest moment; `None` before the first.
    pub fn newest(&self) -> Option<u64> {
        if self.moments.is_empty() { None } else { self.next.checked_sub(1) }
    }

    /// Returns the number of the oldest moment that is kept whole.
    pub fn oldest(&self) -> Option<u64> {
        self.newest().map(|newest| newest + 1 - self.moments.len() as u64)
    }

    /// Returns the moment of that number, while it is kept.
    pub fn moment(&self, number: u64) -> Option<&Arc<Moment>> {
        self.moments.get(usize::try_from(number.checked_sub(self.oldest()?)?).ok()?)
    }

    /// Returns the time of the moment of that number; it is known for longer than the moment is.
    pub fn time(&self, number: u64) -> Option<SystemTime> {
        at(&self.times, self.next, number).copied()
    }

    /// Returns all kernels together at the moment of that number.
    pub fn total(&self, number: u64) -> Option<&TotalPoint> {
        at(&self.totals, self.next, number)
    }

    /// Returns the points of the kernel of that name.
    pub fn series(&self, kernel: &str) -> Option<&Series> {
        self.series.get(kernel)
    }
}

fn at<T>(of: &VecDeque<T>, next: u64, number: u64) -> Option<&T> {
    let first = next - of.len() as u64;
    of.get(usize::try_from(number.checked_sub(first)?).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::top::state::sample::Sample;

    #[test]
    fn points_stay_with_their_moments() {
        let mut history = History::default();
        let mut sample = Sample::new(2);
        for n in 0..5 {
            sample.work(0, n);
            history.push(sample.moment());
        }
        assert_eq!((history.newest(), history.oldest(), history.times.len()), (Some(4), Some(0), 5));
        let series = history.series("worker_0").unwrap();
        let rates: Vec<Option<f32>> = (0..6).map(|n| series.at(n).map(|point| point.messages)).collect();
        assert_eq!(rates, [None, Some(1.0), Some(2.0), Some(3.0), Some(4.0), None]);
        assert!(series.at(1).unwrap().heat.iter().map(|(_, count)| count).sum::<u32>() == 1);
    }

    #[test]
    fn what_is_kept_is_bounded_and_a_jump_back_begins_anew() {
        let mut history = History::default();
        let mut sample = Sample::new(1);
        let first = sample.moment();
        history.push(Arc::clone(&first));
        for _ in 0..2 * MOST_POINTS {
            history.push(sample.moment());
        }
        assert_eq!((history.times.len(), history.moments.len()), (MOST_POINTS, MOST_POINTS));
        let newest = history.newest().unwrap();
        assert!(history.moment(newest - MOST_POINTS as u64).is_none() && history.time(0).is_none());
        history.push(first);
        assert_eq!((history.times.len(), history.newest(), history.oldest()), (1, Some(newest + 1), Some(newest + 1)));
        assert!(history.time(newest).is_none() && history.moment(newest).is_none());
    }
}
