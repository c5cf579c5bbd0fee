//! Values that can be added up over several kernels before they are one number.

use crate::histogram::Histogram;

/// What one thing contributes.
#[derive(Clone, Debug)]
pub(super) enum Part {
    /// Values in buckets, and the factor that makes the base unit of them.
    Times(Histogram, f64),
    /// A part and the whole.
    Ratio(f64, f64),
    Sum(f64),
    /// Of several the largest counts.
    Worst(f64),
}

impl Part {
    pub(super) fn nanoseconds(times: Histogram) -> Part {
        Part::Times(times, 1e-9)
    }

    pub(super) fn truth(is: bool) -> Part {
        Part::Worst(if is { 1.0 } else { 0.0 })
    }

    pub(super) fn count(count: u64) -> Part {
        Part::Sum(count as f64)
    }

    /// Adds another of the same kind.
    pub(super) fn add(&mut self, other: Part) {
        match (self, other) {
            (Part::Times(all, _), Part::Times(more, _)) => all.merge(&more),
            (Part::Ratio(part, whole), Part::Ratio(more, of)) => (*part, *whole) = (*part + more, *whole + of),
            (Part::Sum(sum), Part::Sum(more)) => *sum += more,
            (Part::Worst(worst), Part::Worst(other)) => *worst = worst.max(other),
            // Those of one rule are of one kind.
            _ => {}
        }
    }

    /// As one number; `None` for a quantile or a ratio of nothing.
    pub(super) fn value(&self, quantile: Option<f64>) -> Option<f64> {
        match self {
            Part::Times(times, factor) => (times.count() > 0).then(|| times.quantile(quantile.unwrap_or(1.0)) * factor),
            Part::Ratio(part, whole) => (*whole > 0.0).then(|| part / whole),
            Part::Sum(value) | Part::Worst(value) => Some(*value),
        }
    }
}

/// What was counted since; all of it, where it was reset meanwhile.
pub(super) fn since(now: u64, before: u64) -> u64 {
    now.checked_sub(before).unwrap_or(now)
}

/// What was recorded since; all of it, where it was reset meanwhile.
pub(super) fn recorded_since(now: &Histogram, before: Option<&Histogram>) -> Histogram {
    match before {
        Some(before) if before.count() == now.count() => Histogram::new(now.scale()),
        Some(before) if before.count() < now.count() => now.since(before),
        _ => now.clone(),
    }
}
