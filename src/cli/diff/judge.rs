//! Whether conditions hold.

use super::compare::{Comparison, Verdict};
use super::condition::{Condition, Limit};

/// A kernel that both runs have, with each metric compared.
#[derive(Debug)]
pub struct Compared {
    pub kernel: String,
    pub metrics: Vec<Comparison>,
}

/// What became of a condition.
#[derive(Debug)]
pub struct Judged<'a> {
    pub condition: &'a Condition,
    /// Kernels of which it holds.
    pub holds: Vec<(&'a str, Comparison)>,
    /// Kernels of which it would hold, if the change were more than noise.
    pub noise: Vec<(&'a str, Comparison)>,
    /// Kernels that it is about and that have no value.
    pub no_value: Vec<&'a str>,
    /// Kernels of which it could be said whether it holds.
    pub judged: usize,
}

/// Judges a condition on each kernel that it is about.
pub fn judge<'a>(condition: &'a Condition, all: &'a [Compared], even_noise: bool) -> Judged<'a> {
    let mut judged = Judged { condition, holds: Vec::new(), noise: Vec::new(), no_value: Vec::new(), judged: 0 };
    for compared in all.iter().filter(|compared| condition.is_about(&compared.kernel)) {
        let kernel = compared.kernel.as_str();
        let Some(comparison) = compared.metrics.iter().find(|one| one.metric == condition.metric) else { continue };
        let (value, limit) = match condition.limit {
            Limit::Relative(limit) => (comparison.relative(), limit),
            Limit::Change(limit) => (comparison.change(), limit),
            Limit::Value(limit) => (comparison.b, limit),
        };
        let Some(value) = value else {
            judged.no_value.push(kernel);
            continue;
        };
        judged.judged += 1;
        // A value is what it is, however much it varies.
        let is_noise = !matches!(condition.limit, Limit::Value(_)) && comparison.verdict() == Verdict::Noise;
        if condition.comparator.holds(value, limit) {
            let of = if is_noise && !even_noise { &mut judged.noise } else { &mut judged.holds };
            of.push((kernel, *comparison));
        }
    }
    judged
}
