//! The walk over everything that is exported.

use super::family::ExportedFamily;
use super::sample::{LabelSet, MetricHeader, Number, Sample, Sink, Values};
use super::{devices, gpus, kernels, operations, publishers, snapshot};
use crate::metrics::{Distribution, Family, Value};
use crate::snapshot::Snapshot;

/// Returns every family that ringscope itself exports, in the order of a page. A page leaves out those without a sample:
/// families of kernels where there are none, for one.
///
/// ```
/// use ringscope::export::{FamilyKind, catalog};
///
/// let polls = catalog().find(|family| family.name == "ringscope_kernel_polls").expect("it is exported");
/// assert_eq!((polls.kind, polls.labels), (FamilyKind::Counter, &["kernel", "device", "device_uuid"][..]));
/// assert_eq!(polls.sample_name(), "ringscope_kernel_polls_total");
/// ```
pub fn catalog() -> impl Iterator<Item = &'static ExportedFamily> {
    let tables = [
        kernels::KERNELS,
        devices::DEVICES,
        snapshot::SNAPSHOT,
        operations::OPERATIONS,
        gpus::GPUS,
        publishers::PUBLISHERS,
    ];
    tables.into_iter().flatten().chain([&snapshot::VALUES_DROPPED])
}

/// Returns the family of that name. In a constant, a name that is none does not compile: so dashboards and rules name families.
#[cfg(feature = "dashboard")]
pub(crate) const fn family(name: &str) -> &'static ExportedFamily {
    const TABLES: [&[ExportedFamily]; 6] = [
        kernels::KERNELS,
        devices::DEVICES,
        snapshot::SNAPSHOT,
        operations::OPERATIONS,
        gpus::GPUS,
        publishers::PUBLISHERS,
    ];
    let mut table = 0;
    while table < TABLES.len() {
        let mut row = 0;
        while row < TABLES[table].len() {
            if is_same(TABLES[table][row].name, name) {
                return &TABLES[table][row];
            }
            row += 1;
        }
        table += 1;
    }
    assert!(is_same(snapshot::VALUES_DROPPED.name, name), "the catalog has no family of this name");
    &snapshot::VALUES_DROPPED
}

/// `a == b`, in constants.
#[cfg(feature = "dashboard")]
const fn is_same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut same = 0;
    while same < a.len() && same < b.len() && a[same] == b[same] {
        same += 1;
    }
    same == a.len() && same == b.len()
}

/// Hands everything of `snapshot` to `sink`, one family after the other; a family without a sample is left out.
pub(in crate::export) fn visit<S: Sink>(snapshot: &Snapshot, sink: &mut S) {
    catalog().for_each(|family| family.visit(snapshot, sink));
    snapshot
        .metrics
        .iter()
        .filter(|family| !family.series.is_empty())
        .for_each(|family| visit_registered(family, sink));
}

/// Hands over a metric of the user's.
pub(super) fn visit_registered<S: Sink>(family: &Family, sink: &mut S) {
    let of = &*family.description;
    sink.family(&MetricHeader { name: &of.name, help: &of.help, unit: of.unit.as_deref(), kind: of.kind.into() });
    for series in &family.series {
        let sample = match &series.value {
            Value::Counter(count) => Sample::Number(Number::Count(*count)),
            Value::Gauge(value) => Sample::Number(Number::Real(*value)),
            Value::Histogram(values) => Sample::Histogram(match &values.distribution {
                Distribution::Exponential(histogram) => Values::Exponential(histogram),
                Distribution::Explicit(histogram) => Values::Explicit(histogram),
            }),
        };
        sink.sample(LabelSet::Registered(&series.labels), &sample);
    }
}
