//! What rules see of metrics, ringscope's own and those of the application.

use std::sync::Arc;

use super::look::{Look, Of};
use super::part::{Part, recorded_since};
use crate::alert::watch::{MetricValue, MetricWatch};
use crate::export::{LabelSet, Reading, samples_of};
use crate::snapshot::{Snapshot, ratio};

type Series = Vec<(Arc<str>, Arc<str>)>;

/// Those of the family that have the labels.
fn series(metric: &MetricWatch, snapshot: &Snapshot) -> Vec<(Series, Reading)> {
    let mut found = Vec::new();
    samples_of(snapshot, &metric.name, |labels: LabelSet<'_>, reading| {
        let mut own = Vec::new();
        labels.for_each(|name, value| own.push((Arc::from(name), Arc::from(value))));
        if has(metric, &own) {
            found.push((own, reading));
        }
    });
    found
}

fn has(metric: &MetricWatch, labels: &Series) -> bool {
    let value = |wanted: &str| labels.iter().find(|(name, _)| &**name == wanted).map_or("", |(_, value)| &**value);
    metric.labels.iter().all(|(name, pattern)| pattern.matches(value(name)))
}

pub(super) fn is_absent(metric: &MetricWatch, now: &Snapshot) -> bool {
    series(metric, now).is_empty()
}

/// The name and labels that were asked for.
pub(super) fn wanted(metric: &MetricWatch) -> Of<'static> {
    let labels = metric.labels.iter().map(|(name, pattern)| (Arc::clone(name), Arc::clone(pattern.text())));
    Of::Series([("metric".into(), Arc::clone(&metric.name))].into_iter().chain(labels).collect())
}

pub(super) fn values<'a>(metric: &MetricWatch, look: &Look<'a>, each: &mut dyn FnMut(Of<'a>, Part)) {
    let now = series(metric, look.now);
    if metric.of == MetricValue::Value {
        return now.into_iter().for_each(|(labels, reading)| each(Of::Series(labels), value(&reading)));
    }
    let Some(begin) = look.begin.filter(|_| !now.is_empty()) else { return };
    let before = series(metric, begin);
    for (place, (labels, reading)) in now.into_iter().enumerate() {
        // Most keep their places.
        let same = before.get(place).filter(|(known, _)| *known == labels);
        let then = same.or_else(|| before.iter().find(|(known, _)| *known == labels)).map(|(_, reading)| reading);
        if let Some(part) = added(metric.of, &reading, then, look) {
            each(Of::Series(labels), part);
        }
    }
}

fn value(reading: &Reading) -> Part {
    match reading {
        Reading::Number(value) => Part::Sum(*value),
        Reading::Buckets(values, _) => Part::count(values.count()),
        Reading::Sum(count, _) => Part::count(*count),
    }
}

/// What came since `then`; since the beginning, if there was none.
fn added(of: MetricValue, now: &Reading, then: Option<&Reading>, look: &Look<'_>) -> Option<Part> {
    match (of, now) {
        (MetricValue::Quantile(q), Reading::Buckets(values, factor)) => {
            let before = match then {
                Some(Reading::Buckets(before, _)) => Some(before),
                _ => None,
            };
            let values = recorded_since(values, before);
            (values.count() > 0).then(|| Part::Worst(values.quantile(q) * factor))
        }
        (MetricValue::Quantile(_), _) => None,
        (MetricValue::Mean, _) => {
            let ((count, sum), (count_then, sum_then)) = (moments(now)?, then.and_then(moments).unwrap_or_default());
            let began_anew = count < count_then;
            let (count_then, sum_then) = if began_anew { (0.0, 0.0) } else { (count_then, sum_then) };
            Some(Part::Ratio(sum - sum_then, count - count_then))
        }
        _ => {
            let (now, then) = (number(now), then.map_or(0.0, number));
            let increase = if now < then { now } else { now - then };
            let per = look.elapsed().as_secs_f64();
            Some(Part::Sum(if of == MetricValue::Rate { ratio(increase, per) } else { increase }))
        }
    }
}

fn number(reading: &Reading) -> f64 {
    match reading {
        Reading::Number(value) => *value,
        Reading::Buckets(values, _) => values.count() as f64,
        Reading::Sum(count, _) => *count as f64,
    }
}

/// Count and sum.
fn moments(reading: &Reading) -> Option<(f64, f64)> {
    match reading {
        Reading::Number(_) => None,
        Reading::Buckets(values, factor) => Some((values.count() as f64, values.sum() as f64 * factor)),
        Reading::Sum(count, sum) => Some((*count as f64, *sum)),
    }
}
