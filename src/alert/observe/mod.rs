//! What a rule sees in a snapshot: a value for each thing that it is of.

mod kernels;
mod look;
mod machine;
mod metrics;
mod part;

use super::anomaly::Finding;
use super::raised::Labels;
use super::rule::Rule;
use super::watch::{Scope, Watch};
use crate::snapshot::StuckKernel;

pub(super) use self::look::{Look, Of};
use self::part::Part;

/// Calls `each` with the value of each thing that the rule is of, where there is one.
pub(super) fn observe<'a>(rule: &'a Rule, look: &Look<'a>, each: &mut dyn FnMut(Of<'a>, f64)) {
    let quantile = rule.watch.quantile();
    if !rule.together {
        return parts(rule, look, &mut |of, part| {
            if let Some(value) = part.value(quantile) {
                each(of, value);
            }
        });
    }
    let mut sum: Option<Part> = None;
    parts(rule, look, &mut |_, part| match &mut sum {
        None => sum = Some(part),
        Some(sum) => sum.add(part),
    });
    if let Some(value) = sum.and_then(|sum| sum.value(quantile)) {
        let scope = rule.watch.kind().scope;
        let is_named = !rule.of.is_any() && !scope.key().is_empty();
        each(if is_named { Of::Named(scope, rule.of.text()) } else { Of::Machine }, value);
    }
}

fn parts<'a>(rule: &'a Rule, look: &Look<'a>, each: &mut dyn FnMut(Of<'a>, Part)) {
    match &rule.watch {
        Watch::Absent => {
            let runs = |kernel: &&crate::snapshot::KernelTelemetry| {
                rule.of.matches(&kernel.kernel_id) && !kernel.state.has_ended()
            };
            let is_absent = !look.now.kernels.iter().any(|kernel| runs(&kernel));
            each(Of::Named(Scope::Kernels, rule.of.text()), Part::truth(is_absent));
        }
        Watch::Anomaly(measure) => {
            let is_meant = |finding: &&Finding| {
                let of_measure = measure.is_none() || finding.measure() == *measure;
                of_measure && finding.kernel().is_some_and(|kernel| rule.of.matches(kernel))
            };
            for finding in look.findings.iter().filter(is_meant) {
                each(Of::Finding(finding), Part::Worst(finding.score));
            }
        }
        Watch::Metric(metric) => metrics::values(metric, look, each),
        Watch::MetricAbsent(metric) => each(metrics::wanted(metric), Part::truth(metrics::is_absent(metric, look.now))),
        watch => match watch.kind().scope {
            Scope::Kernels => kernels::values(rule, look, each),
            Scope::Gpus => machine::gpus(rule, look, each),
            Scope::Operations => machine::operations(rule, look, each),
            Scope::Destinations => machine::destinations(rule, look, each),
            Scope::Machine | Scope::Metric => {
                if let Some(part) = machine::value(watch, look) {
                    each(Of::Machine, part);
                }
            }
        },
    }
}

/// What there is to say beside the value.
pub(super) fn detail(rule: &Rule, look: &Look<'_>, labels: &Labels) -> Option<String> {
    let kernel = labels.iter().find(|(name, _)| &**name == Scope::Kernels.key()).map(|(_, id)| &**id)?;
    match rule.watch {
        Watch::Stalled => look.now.stuck_kernel(kernel).as_ref().map(StuckKernel::to_string),
        Watch::Failed => Some(format!("{kernel} died: {}", look.now.kernel(kernel)?.last_error.as_deref()?)),
        Watch::Anomaly(_) => {
            let own = |name: &str| labels.iter().find(|(known, _)| &**known == name).map_or("", |(_, value)| &**value);
            let same = |finding: &&Finding| {
                let measure = finding.measure().map_or("", |measure| measure.name());
                finding.kernel() == Some(kernel) && measure == own("measure") && finding.kind.name() == own("change")
            };
            look.findings.iter().find(same).map(Finding::to_string)
        }
        _ => None,
    }
}
