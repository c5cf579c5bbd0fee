//! Dashboards for Grafana: what is on them (`overview`, `kernel`, `gpu`, `telemetry`), and its JSON (`json`).

mod gpu;
mod json;
mod kernel;
mod model;
mod overview;
mod promql;
mod telemetry;

use serde_json::Value;

use super::metric::{self, Metric};

/// Each dashboard's name and JSON; `source` is the data source that is chosen at first.
pub(super) fn dashboards(source: Option<&str>) -> Vec<(&'static str, Value)> {
    let all = [overview::dashboard(), kernel::dashboard(), gpu::dashboard(), telemetry::dashboard()];
    all.iter().map(|of| (of.uid, json::dashboard(of, source, &metric::SNAPSHOT_TIME))).collect()
}
