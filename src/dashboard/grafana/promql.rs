//! Expressions of panels: of what the variables choose.

use super::Metric;
use crate::dashboard::metric::Durations;
use crate::snapshot::KernelState;

/// The range of a rate, which Grafana chooses by the time that is shown.
pub(super) const RANGE: &str = "[$__rate_interval]";

/// What the variables leave: labels, their variables.
fn chosen(metric: Metric, more: &str) -> String {
    let by_label = [("kernel", "$kernel"), ("gpu", "$device")];
    let by_label = by_label.iter().filter(|(label, _)| metric.has_label(label));
    let mut all = vec!["job=~\"$job\"".to_owned(), "instance=~\"$instance\"".to_owned()];
    all.extend(by_label.map(|(label, variable)| format!("{label}=~\"{variable}\"")));
    if !more.is_empty() {
        all.push(more.to_owned());
    }
    format!("{{{}}}", all.join(", "))
}

/// The series as they are.
pub(super) fn of(metric: Metric) -> String {
    format!("{metric}{}", chosen(metric, ""))
}

/// Those with this as well.
pub(super) fn with(metric: Metric, more: &str) -> String {
    format!("{metric}{}", chosen(metric, more))
}

/// The series of whole processes: of all their kernels and GPUs.
pub(super) fn of_processes(metric: Metric) -> String {
    format!("{metric}{{job=~\"$job\", instance=~\"$instance\"}}")
}

/// How much is added a second, by these labels.
pub(super) fn rate(metric: Metric, by: &str) -> String {
    sum(by, &format!("rate({}{RANGE})", of(metric)))
}

pub(super) fn sum(by: &str, of: &str) -> String {
    if by.is_empty() { format!("sum({of})") } else { format!("sum by ({by}) ({of})") }
}

pub(super) fn max(by: &str, metric: Metric) -> String {
    format!("max by ({by}) ({})", of(metric))
}

/// Seconds since a time that a metric has.
pub(super) fn since(metric: Metric, by: &str) -> String {
    format!("time() - max by ({by}) ({})", of(metric))
}

/// A quantile in seconds, by these labels.
pub(super) fn quantile(durations: Durations, q: &str, by: &str) -> String {
    durations.quantile(q, by, &format!("{}{RANGE}", chosen(durations.classic, "")))
}

/// Native buckets over time.
pub(super) fn native(durations: Durations) -> String {
    rate(durations.native, "")
}

/// Classic buckets over time.
pub(super) fn classic(metric: Metric) -> String {
    format!("sum by (le) (rate({metric}_bucket{}{RANGE}))", chosen(metric, ""))
}

/// What of one and another is the one, as a fraction.
pub(super) fn fraction(one: Metric, other: Metric, by: &str) -> String {
    format!("{}\n  / ({} + {})", rate(one, by), rate(one, by), rate(other, by))
}

/// The number of each state, its name and its colour (of Okabe and Ito's, which colour-blind people tell apart).
pub(super) fn states() -> Vec<(u64, &'static str, &'static str)> {
    let colour = |state: KernelState| match state {
        KernelState::Launched => "#56B4E9",
        KernelState::Active => "#009E73",
        KernelState::Deactivated => "#F0E442",
        KernelState::Terminating => "#E69F00",
        KernelState::Terminated => "#999999",
        KernelState::Failed => "#D55E00",
        KernelState::Stalled => "#CC79A7",
    };
    KernelState::ALL.iter().zip(1..).map(|(state, n)| (n, state.name(), colour(*state))).collect()
}

/// The number of each kernel's state: one series a kernel.
pub(super) fn state_number(state: Metric, by: &str) -> String {
    let numbered =
        states().into_iter().map(|(n, name, _)| format!("{n} * {}", with(state, &format!("state=\"{name}\""))));
    format!("sum by ({by}) (\n  {}\n)", numbered.collect::<Vec<_>>().join("\n  or "))
}
