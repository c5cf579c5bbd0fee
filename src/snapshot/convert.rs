//! Rates and ratios that are never NaN, and how durations, times and buckets are serialized.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::device::Timeline;

/// Returns a count per second; 0.0 over no time, never NaN.
pub(crate) fn rate(count: u64, over: Duration) -> f64 {
    if over.is_zero() { 0.0 } else { count as f64 / over.as_secs_f64() }
}

/// Returns a part as a fraction of the whole; 0.0 where the whole is 0, never NaN.
pub(crate) fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// Returns the Unix time of a word of a device's clock, which was at `now_ns` when Unix time was `unix_ns`; 0 is never. Where the
/// clock is not the host's, `timeline` has the host's times of it.
pub(crate) fn unix_time(ns: u64, now_ns: u64, unix_ns: u64, timeline: Option<&Timeline>) -> Option<SystemTime> {
    let ago = ns_between(ns, now_ns, timeline);
    let unix = u64::try_from(i128::from(unix_ns) - ago).unwrap_or(0);
    (ns != 0).then(|| UNIX_EPOCH + Duration::from_nanos(unix))
}

/// Returns the nanoseconds of the host between two times of a device's clock.
pub(crate) fn ns_between(from: u64, to: u64, timeline: Option<&Timeline>) -> i128 {
    match timeline {
        Some(timeline) => i128::from(timeline.host_ns_between(from, to)),
        None => i128::from(to) - i128::from(from),
    }
}

#[cfg(feature = "serde")]
pub(crate) use serialize::{buckets, histogram_in_seconds, optional_unix_seconds, seconds, unix_seconds};

#[cfg(feature = "serde")]
mod serialize {
    use std::time::{Duration, SystemTime};

    use serde::Serializer;
    use serde::ser::{SerializeMap, SerializeStruct};

    use crate::histogram::{Histogram, slot_values};

    pub(crate) fn seconds<S: Serializer>(duration: &Duration, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_f64(duration.as_secs_f64())
    }

    pub(crate) fn unix_seconds<S: Serializer>(time: &SystemTime, s: S) -> Result<S::Ok, S::Error> {
        seconds(&time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default(), s)
    }

    pub(crate) fn optional_unix_seconds<S: Serializer>(time: &Option<SystemTime>, s: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => unix_seconds(time, s),
            None => s.serialize_none(),
        }
    }

    /// Scale, count, sum, and the used buckets as pairs of their largest value and their count.
    pub(crate) fn buckets<S: Serializer>(histogram: &Histogram, s: S) -> Result<S::Ok, S::Error> {
        let scale = histogram.scale();
        let used = histogram.slots().filter(|(_, count)| *count > 0);
        let buckets: Vec<(u64, u64)> = used.map(|(slot, count)| (*slot_values(slot, scale).end(), count)).collect();
        let mut s = s.serialize_struct("Histogram", 4)?;
        s.serialize_field("scale", &scale)?;
        s.serialize_field("count", &histogram.count())?;
        s.serialize_field("sum", &histogram.sum())?;
        s.serialize_field("buckets", &buckets)?;
        s.end()
    }

    /// Count, sum, extremes and percentiles of a histogram of nanoseconds.
    pub(crate) fn histogram_in_seconds<S: Serializer>(h: &Histogram, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(None)?;
        map.serialize_entry("count", &h.count())?;
        map.serialize_entry("sum", &(h.sum() as f64 / 1e9))?;
        for (key, value) in [("min", h.min()), ("max", h.max())] {
            map.serialize_entry(key, &value.map(|ns| ns as f64 / 1e9))?;
        }
        for (key, q) in [("p50", 0.50), ("p95", 0.95), ("p99", 0.99)] {
            map.serialize_entry(key, &(h.quantile(q) / 1e9))?;
        }
        map.end()
    }
}
