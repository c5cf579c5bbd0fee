//! Values as data points, over what was in them before: their memory is used again.

use super::messages::{AnyValue, KeyValue, OneValue};
use super::metric_messages::{
    ExponentialHistogramDataPoint, HistogramDataPoint, NumberDataPoint, SummaryDataPoint, ValueAtQuantile,
};
use crate::export::catalog::{LabelSet, Number, Quantiles, Values};
use crate::export::prometheus::buckets;
use crate::histogram::Histogram;
use crate::metrics::ExplicitHistogram;

/// Begin and end of what a point is of, in Unix nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span {
    pub(super) start: u64,
    pub(super) time: u64,
}

/// Labels as attributes.
fn set_attributes(attributes: &mut Vec<KeyValue>, labels: LabelSet<'_>) {
    let mut used = 0;
    labels.for_each(|name, value| {
        if used == attributes.len() {
            let empty = AnyValue { value: Some(OneValue::String(String::new())) };
            attributes.push(KeyValue { key: String::new(), value: Some(empty) });
        }
        let KeyValue { key, value: old } = &mut attributes[used];
        key.clear();
        key.push_str(name);
        if let Some(AnyValue { value: Some(OneValue::String(text)) }) = old {
            text.clear();
            text.push_str(value);
        }
        used += 1;
    });
    attributes.truncate(used);
}

impl NumberDataPoint {
    /// A count is a whole number; one beyond 2^63 − 1, for which there is no type, the nearest double.
    pub(super) fn set(&mut self, labels: LabelSet<'_>, span: Span, number: Number) {
        set_attributes(&mut self.attributes, labels);
        (self.start_time_unix_nano, self.time_unix_nano) = (span.start, span.time);
        self.as_int = match number {
            Number::Count(count) => i64::try_from(count).ok(),
            Number::Real(_) | Number::Nanos(_) => None,
        };
        self.as_double = self.as_int.is_none().then(|| number.as_f64());
    }
}

impl ExponentialHistogramDataPoint {
    /// The buckets that were counted: slot 0 is the zeros, slot `n` is bucket `n - 2`.
    pub(super) fn set(&mut self, labels: LabelSet<'_>, span: Span, histogram: &Histogram) {
        set_attributes(&mut self.attributes, labels);
        (self.start_time_unix_nano, self.time_unix_nano) = (span.start, span.time);
        (self.count, self.sum) = (histogram.count(), Some(histogram.sum() as f64));
        self.scale = histogram.scale() as i32;
        self.zero_count = histogram.count_in(0);
        (self.min, self.max) = (histogram.min().map(|v| v as f64), histogram.max().map(|v| v as f64));
        let mut used = histogram.slots().skip_while(|(slot, count)| *slot == 0 || *count == 0).peekable();
        let positive = self.positive.get_or_insert_default();
        positive.offset = used.peek().map_or(0, |(slot, _)| *slot as i32 - 2);
        positive.bucket_counts.clear();
        positive.bucket_counts.extend(used.map(|(_, count)| count));
    }
}

impl HistogramDataPoint {
    /// Buckets over bounds: a user's own, or powers of two, which are bounds of exponential buckets at every scale.
    pub(super) fn set(&mut self, labels: LabelSet<'_>, span: Span, values: &Values<'_>) {
        set_attributes(&mut self.attributes, labels);
        (self.start_time_unix_nano, self.time_unix_nano) = (span.start, span.time);
        self.count = values.count();
        self.explicit_bounds.clear();
        self.explicit_bounds.extend(buckets::bounds(values));
        buckets::cumulative(values, &mut self.bucket_counts);
        self.bucket_counts.push(self.count);
        for i in (1..self.bucket_counts.len()).rev() {
            self.bucket_counts[i] -= self.bucket_counts[i - 1];
        }
        let in_unit = |divisor: f64, v: Option<u64>| v.map(|v| v as f64 / divisor);
        (self.sum, self.min, self.max) = match values {
            Values::Explicit(h) => (sum_of(h), h.min(), h.max()),
            Values::Seconds(h) => (Some(h.sum() as f64 / 1e9), in_unit(1e9, h.min()), in_unit(1e9, h.max())),
            Values::Native(h) | Values::Exponential(h) => {
                (Some(h.sum() as f64), in_unit(1.0, h.min()), in_unit(1.0, h.max()))
            }
        };
    }
}

/// OpenTelemetry has no sum of values of which some are negative, since those who receive it take it for a counter.
fn sum_of(histogram: &ExplicitHistogram) -> Option<f64> {
    let has_negative = histogram.min().is_some_and(|min| min < 0.0) || histogram.sum() < 0.0;
    (histogram.sum().is_finite() && !has_negative).then(|| histogram.sum())
}

impl SummaryDataPoint {
    /// Before the first value there are no quantiles.
    pub(super) fn set(&mut self, labels: LabelSet<'_>, span: Span, quantiles: &Quantiles<'_>) {
        set_attributes(&mut self.attributes, labels);
        (self.start_time_unix_nano, self.time_unix_nano) = (span.start, span.time);
        (self.count, self.sum) = (quantiles.count(), quantiles.sum().as_f64());
        self.quantile_values.clear();
        let known = quantiles.iter().filter(|(_, value)| !value.is_nan());
        self.quantile_values.extend(known.map(|(quantile, value)| ValueAtQuantile { quantile, value }));
    }
}
