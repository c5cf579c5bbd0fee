//! A comparison as a document.

use serde::Serialize;

use super::compare::{Comparison, LEVEL};
use super::judge::{Compared, Judged};
use super::metric::Unit;
use crate::cli::past::Past;

/// The document.
#[derive(Serialize)]
pub struct Document<'a> {
    a: Run,
    b: Run,
    only_in_a: Vec<&'a str>,
    only_in_b: Vec<&'a str>,
    /// The part of the deals below which a difference is more than noise.
    level: f64,
    kernels: Vec<Kernel<'a>>,
    conditions: Vec<Condition<'a>>,
    failed: bool,
}

#[derive(Serialize)]
struct Run {
    path: String,
    seconds: f64,
    readings: u64,
}

#[derive(Serialize)]
struct Kernel<'a> {
    kernel: &'a str,
    metrics: Vec<Metric>,
}

#[derive(Serialize)]
struct Metric {
    metric: &'static str,
    unit: &'static str,
    a: Option<f64>,
    b: Option<f64>,
    /// `null` as well where a is 0.
    change_percent: Option<f64>,
    p: Option<f64>,
    verdict: &'static str,
}

#[derive(Serialize)]
struct Condition<'a> {
    condition: &'a str,
    holds: bool,
    kernels: Vec<&'a str>,
    noise: Vec<&'a str>,
    unknown: &'a [&'a str],
}

/// Makes the document.
pub fn document<'a>(
    runs: &[(String, &'a Past); 2],
    compared: &'a [Compared],
    judged: &'a [Judged<'a>],
) -> Document<'a> {
    let only = |one: &'a Past, other: &Past| {
        let missing = |id: &str| other.kernels.iter().all(|known| *known.id != *id);
        one.kernels.iter().map(|kernel| &*kernel.id).filter(|id| missing(id)).collect()
    };
    let names = |all: &[(&'a str, Comparison)]| all.iter().map(|(kernel, _)| *kernel).collect();
    let condition = |one: &'a Judged<'a>| Condition {
        condition: &one.condition.text,
        holds: !one.holds.is_empty(),
        kernels: names(&one.holds),
        noise: names(&one.noise),
        unknown: &one.no_value,
    };
    Document {
        a: run(&runs[0]),
        b: run(&runs[1]),
        only_in_a: only(runs[0].1, runs[1].1),
        only_in_b: only(runs[1].1, runs[0].1),
        level: LEVEL,
        kernels: compared.iter().map(kernel).collect(),
        conditions: judged.iter().map(condition).collect(),
        failed: judged.iter().any(|one| !one.holds.is_empty()),
    }
}

fn run((path, past): &(String, &Past)) -> Run {
    let length = past.span().map(|(from, to)| to.duration_since(from).unwrap_or_default());
    Run { path: path.clone(), seconds: length.unwrap_or_default().as_secs_f64(), readings: past.moments }
}

fn kernel(compared: &Compared) -> Kernel<'_> {
    let metric = |one: &Comparison| Metric {
        metric: one.metric.name(),
        unit: match one.metric.unit() {
            Unit::Nanoseconds => "ns",
            Unit::PerSecond => "1/s",
            Unit::Part => "ratio",
            Unit::Messages => "messages",
        },
        a: one.a,
        b: one.b,
        change_percent: one.relative().filter(|part| part.is_finite()).map(|part| part * 100.0),
        p: one.p,
        verdict: one.verdict().name(),
    };
    Kernel { kernel: &compared.kernel, metrics: compared.metrics.iter().map(metric).collect() }
}
