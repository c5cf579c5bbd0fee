//! Recording rules: what dashboards of a fleet ask for, worked out once for each job.

use super::metric::*;
use super::yaml::{Line, document, item, pair};

/// A series that Prometheus works out.
pub(super) struct Recorded {
    pub(super) record: String,
    pub(super) expr: String,
    note: &'static str,
}

pub(super) struct Group {
    pub(super) name: &'static str,
    note: &'static str,
    pub(super) rules: Vec<Recorded>,
}

const NOTE: &str =
    "Recording rules: what dashboards of a fleet ask for, worked out once for each job. docs/fleet.md says when they are worth it.

A name is LEVEL:METRIC:OPERATIONS: the labels that are left, the metric that it is made of (of a counter without _total), and
what was done to it. Made of ringscope's catalog of metrics.";
const MERGED: &str = "Native histograms of all instances add up bucket by bucket; percentiles come from the sum, once. Averages of the instances'
percentiles would be wrong.";
const KERNEL: &str = "job, kernel";

/// All of them, in the order of their evaluation.
pub(super) fn groups() -> Vec<Group> {
    let group = |name, note, rules| Group { name, note, rules };
    vec![
        group("ringscope-kernels", "", kernels()),
        group("ringscope-durations", MERGED, durations()),
        group("ringscope-jobs", "", jobs()),
        group("ringscope-gpus", "", gpus()),
    ]
}

/// The file.
pub(super) fn file() -> String {
    let rules = |group: &Group| group.rules.iter().flat_map(rule).collect::<Vec<Line>>();
    let mut lines = Vec::new();
    for group in groups() {
        if !lines.is_empty() {
            lines.push(Line::Gap);
        }
        lines.push(Line::Comment(group.note));
        lines.push(item(vec![pair("name", group.name), pair("rules", rules(&group))]));
    }
    document(vec![Line::Comment(NOTE), pair("groups", lines)])
}

fn rule(rule: &Recorded) -> [Line; 2] {
    let both = vec![pair("record", rule.record.clone()), pair("expr", rule.expr.clone())];
    [Line::Comment(rule.note), item(both)]
}

/// `level:metric:operations`
fn recorded(level: &str, metric: Metric, operations: &str, expr: String) -> Recorded {
    Recorded { record: format!("{level}:{}:{operations}", metric.name()), expr, note: "" }
}

impl Recorded {
    fn note(mut self, note: &'static str) -> Recorded {
        self.note = note;
        self
    }
}

fn rate(level: &str, by: &str, metric: Metric) -> Recorded {
    recorded(level, metric, "rate5m", format!("sum by ({by}) (rate({metric}[5m]))"))
}

fn over(level: &str, operation: &str, by: &str, metric: Metric) -> Recorded {
    recorded(level, metric, operation, format!("{operation} by ({by}) ({metric})"))
}

fn kernels() -> Vec<Recorded> {
    let of_kernel = |metric| rate("job_kernel", KERNEL, metric);
    let (errors, processed) = (of_kernel(ERRORS), of_kernel(PROCESSED));
    let ratio =
        format!("{errors}\n  / ({errors} + {processed} > 0)", errors = errors.record, processed = processed.record);
    let ratio = recorded("job_kernel", ERRORS, "ratio_rate5m", ratio);
    vec![
        of_kernel(RECEIVED),
        processed,
        errors,
        ratio.note("Of the messages that were handled. Without messages there is none."),
        over("job_kernel", "avg", KERNEL, BUSY_RATIO),
        over("job_kernel", "sum", KERNEL, QUEUE_DEPTH),
        over("job_kernel_state", "sum", "job, kernel, state", STATE).note("How many are in each state."),
    ]
}

fn durations() -> Vec<Recorded> {
    let metric = HANDLING.native;
    let merged = rate("job_kernel", KERNEL, metric);
    let quantiles = [("0.50", "p50_rate5m"), ("0.95", "p95_rate5m"), ("0.99", "p99_rate5m")].map(|(q, operations)| {
        recorded("job_kernel", metric, operations, format!("histogram_quantile({q}, {})", merged.record))
    });
    [merged].into_iter().chain(quantiles).collect()
}

fn jobs() -> Vec<Recorded> {
    let oldest = "The oldest snapshot that any instance shows; far from now, something has stopped reading.";
    vec![
        over("job", "sum", "job", KERNELS),
        rate("job", "job", TASKS_EXECUTED),
        rate("job", "job", TASKS_FAILED),
        over("job", "sum", "job", TASKS_PENDING),
        over("job", "min", "job", SNAPSHOT_TIME).note(oldest),
    ]
}

fn gpus() -> Vec<Recorded> {
    vec![
        over("job", "avg", "job", GPU_UTILIZATION),
        over("job", "sum", "job", GPU_MEMORY_USED),
        over("job", "sum", "job", GPU_POWER),
    ]
}
