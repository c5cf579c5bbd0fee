//! One family of a snapshot by its name, for those who compute with its values.

use super::kind::FamilyKind;
use super::sample::{LabelSet, MetricHeader, Sample, Sink, Values};
use super::walk::{catalog, visit_registered};
use crate::histogram::Histogram;
use crate::metrics;
use crate::snapshot::Snapshot;

/// A value to compute with, in the family's base unit.
#[derive(Clone, Debug)]
pub(crate) enum Reading {
    /// A counter's or gauge's value.
    Number(f64),
    /// Values in buckets; those of durations are nanoseconds, with the factor that makes seconds of them.
    Buckets(Histogram, f64),
    /// How many values there are, and their sum.
    Sum(u64, f64),
}

/// Calls `each` with labels and value of every sample of the family, ringscope's own or the user's; of a counter's name also
/// with `_total`. Returns its kind; `None`, if there is no such family or it has no sample.
pub(crate) fn samples_of(
    snapshot: &Snapshot,
    name: &str,
    each: impl FnMut(LabelSet<'_>, Reading),
) -> Option<FamilyKind> {
    let mut found = Found { kind: None, each };
    match catalog().find(|family| family.name == name || family.sample_name() == name) {
        Some(family) => family.visit(snapshot, &mut found),
        None => visit_registered(metrics::find(&snapshot.metrics, name)?, &mut found),
    }
    found.kind
}

struct Found<F> {
    kind: Option<FamilyKind>,
    each: F,
}

impl<F: FnMut(LabelSet<'_>, Reading)> Sink for Found<F> {
    const NATIVE: bool = true;

    fn family(&mut self, header: &MetricHeader<'_>) {
        self.kind = Some(header.kind);
    }

    fn sample(&mut self, labels: LabelSet<'_>, sample: &Sample<'_>) {
        let reading = match sample {
            Sample::Number(number) => Reading::Number(number.as_f64()),
            Sample::Histogram(Values::Seconds(h)) => Reading::Buckets((*h).clone(), 1e-9),
            Sample::Histogram(Values::Native(h) | Values::Exponential(h)) => Reading::Buckets((*h).clone(), 1.0),
            Sample::Histogram(Values::Explicit(h)) => Reading::Sum(h.count(), h.sum()),
            Sample::Summary(quantiles) => Reading::Sum(quantiles.count(), quantiles.sum().as_f64()),
        };
        (self.each)(labels, reading);
    }
}
