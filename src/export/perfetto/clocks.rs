//! Times as the file has them: the host's in Unix time; a device's on the device's own clock, of which snapshots say what it
//! is in Unix time.
//!
//! Readers add to a device's time the difference of the newest snapshot before it. Where the device's clock is the faster
//! one, each snapshot takes a little back, and a time just after it would come to lie before a time just before it: slices
//! would end before they begin. Such a time is moved forward, by no more than what was taken back, so that order is kept.

use crate::device::ClockSample;
use crate::trace::Time;

/// Which clock a time is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum On {
    Unix,
    Device,
}

/// A time as it is written, and as readers understand it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    pub clock: On,
    pub written: u64,
    /// In Unix time.
    pub read: u64,
}

/// Readers have signed times.
const LATEST: u64 = i64::MAX as u64;

impl Moment {
    /// A moment of the host.
    pub(super) fn unix(ns: u64) -> Self {
        Moment { clock: On::Unix, written: ns.min(LATEST), read: ns.min(LATEST) }
    }
}

/// What a device's times are in Unix time, as readers of the file see it.
#[derive(Debug, Default)]
pub(super) struct ClockMap {
    segments: Vec<Segment>,
}

#[derive(Clone, Copy, Debug)]
struct Segment {
    /// Its first moment, device clock.
    from: u64,
    /// Unix time less the device's.
    offset: i128,
    /// The latest that any time before it is read as.
    floor: i128,
}

impl ClockMap {
    /// Takes the snapshots that can be told in order; of two at one moment the first.
    pub(super) fn new(samples: &[ClockSample]) -> Self {
        let mut samples: Vec<_> = samples.iter().filter(|s| s.device_ns <= LATEST && s.unix_ns <= LATEST).collect();
        samples.sort_by_key(|sample| sample.device_ns);
        let mut map = ClockMap::default();
        samples.into_iter().for_each(|sample| map.add(sample));
        map
    }

    fn add(&mut self, sample: &ClockSample) {
        let (from, offset) = (sample.device_ns, i128::from(sample.unix_ns) - i128::from(sample.device_ns));
        let Some(last) = self.segments.last() else {
            return self.segments.push(Segment { from, offset, floor: i128::MIN });
        };
        let reached = i128::from(from) + last.offset;
        let before = i128::from(last.from) + last.offset;
        // One that takes back all or more since the snapshot before is no clock's.
        if from > last.from && reached > last.floor && i128::from(sample.unix_ns) >= before {
            self.segments.push(Segment { from, offset, floor: reached.max(last.floor) });
        }
    }

    /// The snapshots to write, as pairs of the device's time and Unix time.
    pub(super) fn snapshots(&self) -> impl Iterator<Item = (u64, u64)> {
        let unix = |segment: &Segment| (i128::from(segment.from) + segment.offset) as u64;
        self.segments.iter().map(move |segment| (segment.from, unix(segment)))
    }

    /// A time on the device's clock if the device took it and its clock is known, else in Unix time.
    pub(super) fn moment(&self, time: &Time) -> Moment {
        let on_device = time.device_ns.and_then(|device_ns| self.device(device_ns));
        on_device.unwrap_or(Moment::unix(time.unix_ns))
    }

    fn device(&self, device_ns: u64) -> Option<Moment> {
        let place = self.segments.partition_point(|segment| segment.from <= device_ns);
        let segment = self.segments.get(place.saturating_sub(1))?;
        let read = (i128::from(device_ns) + segment.offset).max(segment.floor);
        let written = u64::try_from(read - segment.offset).ok().filter(|written| *written <= LATEST)?;
        let read = u64::try_from(read).ok().filter(|read| *read <= LATEST)?;
        Some(Moment { clock: On::Device, written, read })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What readers make of a time: the newest snapshot before it, else the first.
    fn read(map: &ClockMap, written: u64) -> i128 {
        let snapshots: Vec<_> = map.snapshots().collect();
        let of = snapshots.iter().rev().find(|(device, _)| *device <= written).unwrap_or(&snapshots[0]);
        i128::from(written) + i128::from(of.1) - i128::from(of.0)
    }

    proptest! {
        #[test]
        fn order_is_kept_and_readers_agree(
            steps in prop::collection::vec((1u64..1000, -300i64..300), 1..20),
            mut times in prop::collection::vec(0u64..25_000, 2..60),
        ) {
            let (mut device_ns, mut unix_ns) = (1000, 1_000_000_i64);
            let mut samples = Vec::new();
            for (step, drift) in steps {
                samples.push(ClockSample { device_ns, unix_ns: unix_ns as u64, uncertainty_ns: 0, ..ClockSample::default() });
                device_ns += step;
                unix_ns += step as i64 + drift;
            }
            let map = ClockMap::new(&samples);
            times.sort_unstable();
            let moments: Vec<_> = times.iter().map(|ns| map.moment(&Time::device(*ns, 0, 0))).collect();
            prop_assert!(moments.is_sorted_by_key(|moment| moment.read), "{moments:?} by {map:?}");
            for (time, moment) in times.iter().zip(&moments) {
                prop_assert_eq!(i128::from(moment.read), read(&map, moment.written));
                prop_assert!(moment.written >= *time && moment.clock == On::Device);
            }
            prop_assert!(map.snapshots().collect::<Vec<_>>().is_sorted_by_key(|(_, unix)| *unix));
        }

        #[test]
        fn anything_is_a_time(device in any::<u64>(), unix in any::<u64>(), sample in any::<(u64, u64)>()) {
            let map = ClockMap::new(&[ClockSample { device_ns: sample.0, unix_ns: sample.1, uncertainty_ns: 0, ..ClockSample::default() }]);
            for map in [map, ClockMap::default()] {
                let moment = map.moment(&Time::device(device, unix, 0));
                prop_assert!(moment.read <= LATEST && moment.written <= LATEST);
            }
        }
    }

    #[test]
    fn a_steady_clock_is_told_to_the_nanosecond() {
        let sample =
            |device_ns, unix_ns| ClockSample { device_ns, unix_ns, uncertainty_ns: 5, ..ClockSample::default() };
        let map = ClockMap::new(&[sample(100, 1100), sample(200, 1201), sample(300, 1299)]);
        let read = |ns| map.moment(&Time::device(ns, 7, 0)).read;
        assert_eq!([50, 100, 199, 200, 299].map(read), [1050, 1100, 1199, 1201, 1300]);
        // Two nanoseconds were taken back.
        assert_eq!([300, 301, 302, 303].map(read), [1301, 1301, 1301, 1302]);
        assert_eq!(map.moment(&Time::host(7)), Moment::unix(7));
        assert_eq!(ClockMap::default().moment(&Time::device(300, 7, 0)), Moment::unix(7));
    }
}
