//! Histograms, and the values of metrics.

use std::sync::Arc;

use super::coder::Coder;
use crate::histogram::Histogram;
use crate::metrics::{Distribution, ExplicitHistogram, Value};

/// The same one again where nothing was counted.
pub(crate) fn histogram(coder: &mut impl Coder, before: &Arc<Histogram>, now: Option<&Histogram>) -> Arc<Histogram> {
    if coder.word(0, || u64::from(now.is_some_and(|now| *now != **before))) == 0 {
        return Arc::clone(before);
    }
    let scale = coder.word(u64::from(before.scale()), || now.map_or(0, |h| h.scale().into())) as u32;
    let empty = Histogram::new(scale);
    let same_scale = before.scale() == scale;
    let before = if same_scale { &**before } else { &empty };
    let counts = coder.slots(before, now);
    let extremes = |h: &Histogram| [h.sum(), h.min().unwrap_or(u64::MAX), h.max().unwrap_or(0)];
    let [sum, min, max] = coder.words(&extremes(before), now.map(extremes).as_ref());
    Arc::new(Histogram::from_slots(scale, 0, &counts, sum, min, max))
}

fn explicit(coder: &mut impl Coder, before: &ExplicitHistogram, now: Option<&ExplicitHistogram>) -> ExplicitHistogram {
    let mut counts = before.counts().to_vec();
    for (i, count) in counts.iter_mut().enumerate() {
        *count = coder.word(*count, || now.map_or(0, |now| now.counts()[i]));
    }
    let bits = |h: &ExplicitHistogram| {
        let none = f64::NAN;
        [h.sum().to_bits(), h.min().unwrap_or(none).to_bits(), h.max().unwrap_or(none).to_bits()]
    };
    let [sum, min, max] = coder.words(&bits(before), now.map(bits).as_ref()).map(f64::from_bits);
    let extremes = (!min.is_nan()).then_some((min, max));
    ExplicitHistogram::from_counts(before.shared_bounds(), counts, sum, extremes)
}

/// A metric's value. `like` has its kind and buckets.
pub(crate) fn value(coder: &mut impl Coder, before: Option<&Value>, like: &Value, now: Option<&Value>) -> Value {
    match like {
        Value::Counter(_) => {
            let of = |v: Option<&Value>| v.and_then(Value::counter).unwrap_or(0);
            Value::Counter(coder.word(of(before), || of(now)))
        }
        Value::Gauge(_) => {
            let of = |v: Option<&Value>| v.and_then(Value::gauge).unwrap_or(0.0).to_bits();
            Value::Gauge(f64::from_bits(coder.word(of(before), || of(now))))
        }
        Value::Histogram(like) => {
            let before = before.and_then(Value::histogram).unwrap_or(like);
            let now = now.and_then(Value::histogram);
            let dropped = coder.word(before.dropped, || now.map_or(0, |h| h.dropped));
            let distribution = match &before.distribution {
                Distribution::Exponential(before) => {
                    let now = now
                        .and_then(|h| if let Distribution::Exponential(h) = &h.distribution { Some(h) } else { None });
                    Distribution::Exponential(Arc::unwrap_or_clone(histogram(coder, &Arc::new(before.clone()), now)))
                }
                Distribution::Explicit(before) => {
                    let now =
                        now.and_then(|h| if let Distribution::Explicit(h) = &h.distribution { Some(h) } else { None });
                    Distribution::Explicit(explicit(coder, before, now))
                }
            };
            Value::Histogram(crate::metrics::HistogramValue { distribution, dropped })
        }
    }
}
