//! A dashboard for Kibana over the documents of the Elasticsearch destination: what is on it (`charts`), and the saved objects
//! that it consists of (`objects`, `lens`). Fields are those that `export::elasticsearch` writes.

mod charts;
mod lens;
mod model;
mod objects;

use model::Data;
use serde_json::Value;

/// One saved object a line: data views, searches, charts, the dashboard.
pub(super) fn saved_objects(prefix: &str) -> String {
    let charts = charts::charts();
    let searches = charts::searches();
    let mut all: Vec<Value> = Data::ALL.iter().map(|data| objects::data_view(*data, prefix)).collect();
    all.extend(searches.iter().map(objects::search));
    all.extend(charts.iter().map(lens::chart));
    all.push(objects::dashboard(&charts, &searches));
    all.iter().map(|object| format!("{object}\n")).collect()
}
