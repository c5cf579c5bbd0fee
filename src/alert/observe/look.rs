//! What a rule looks at, and what the values that it sees are of.

use std::sync::Arc;
use std::time::Duration;

use crate::alert::anomaly::Finding;
use crate::alert::watch::Scope;
use crate::machine::GpuMetrics;
use crate::snapshot::Snapshot;

/// What a rule looks at: a snapshot, the one its window begins with, the one before.
#[derive(Clone, Copy, Debug)]
pub(in crate::alert) struct Look<'a> {
    pub(in crate::alert) now: &'a Snapshot,
    pub(in crate::alert) begin: Option<&'a Snapshot>,
    pub(in crate::alert) previous: Option<&'a Snapshot>,
    /// What is not as it was.
    pub(in crate::alert) findings: &'a [Finding],
}

impl Look<'_> {
    /// The time from the begin of the window to now.
    pub(super) fn elapsed(&self) -> Duration {
        self.begin.and_then(|begin| self.now.time.duration_since(begin.time).ok()).unwrap_or_default()
    }
}

/// What a value is of.
#[derive(Clone, Debug)]
pub(in crate::alert) enum Of<'a> {
    /// Something by the name of its scope.
    Named(Scope, &'a Arc<str>),
    Gpu(&'a GpuMetrics),
    Finding(&'a Finding),
    Machine,
    Series(Vec<(Arc<str>, Arc<str>)>),
}

impl Of<'_> {
    /// As labels of an alert.
    pub(in crate::alert) fn labels(&self) -> Vec<(Arc<str>, Arc<str>)> {
        match self {
            Of::Named(scope, name) => vec![(scope.key().into(), Arc::clone(name))],
            Of::Gpu(gpu) => {
                let uuid = gpu.uuid.as_ref().map(|uuid| ("uuid".into(), Arc::clone(uuid)));
                [("gpu".into(), gpu.index.to_string().into())].into_iter().chain(uuid).collect()
            }
            Of::Finding(finding) => {
                let measure = finding.measure().map_or("", |measure| measure.name());
                let kernel = finding.kernel().unwrap_or_default();
                let labels = [(Scope::Kernels.key(), kernel), ("measure", measure), ("change", finding.kind.name())];
                labels.map(|(name, value)| (name.into(), value.into())).into()
            }
            Of::Machine => Vec::new(),
            Of::Series(labels) => labels.clone(),
        }
    }
}
