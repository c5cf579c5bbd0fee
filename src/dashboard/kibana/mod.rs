//! A dashboard for Kibana over the documents of the Elasticsearch destination: what is on it (`charts`), and the saved objects
//! that it consists of (`objects`, `lens`). Fields are those that `export::elasticsearch` writes.

mod charts;
mod lens;
mod objects;

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

/// A data stream.
#[derive(Clone, Copy)]
enum Data {
    Metrics,
    Events,
    Operations,
}

impl Data {
    const ALL: [Data; 3] = [Data::Metrics, Data::Events, Data::Operations];

    fn name(self) -> &'static str {
        match self {
            Data::Metrics => "metrics",
            Data::Events => "events",
            Data::Operations => "operations",
        }
    }

    fn id(self) -> String {
        format!("ringscope-{}", self.name())
    }

    /// Numbers that are nanoseconds, seconds and bytes.
    fn units(self) -> Vec<(String, &'static str)> {
        let named = |fields: &[&str], unit| fields.iter().map(|field| ((*field).to_owned(), unit)).collect::<Vec<_>>();
        match self {
            Data::Operations => {
                let mut all = named(&["event.duration", "ringscope.latency"], "nanoseconds");
                all.extend(named(&["client.bytes", "server.bytes", "network.bytes"], "bytes"));
                all
            }
            Data::Metrics => named(&[&charts::handling()], "seconds"),
            Data::Events => Vec::new(),
        }
    }
}

/// A chart: columns of a table that is made of documents, and how it is drawn.
struct Chart {
    id: &'static str,
    title: &'static str,
    description: &'static str,
    data: Data,
    /// Which documents, in Kibana's query language; empty for all.
    only: &'static str,
    shape: Shape,
    /// Buckets first.
    columns: Vec<Column>,
    /// In columns of 48, and rows.
    size: (u32, u32),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Lines,
    StackedBars,
    Bars,
    Donut,
    Heatmap,
    Table,
}

/// A column: what documents are grouped by, or a number of each group.
enum Column {
    Time,
    /// The values that come most often.
    Values(&'static str, u32),
    /// Ranges of a number.
    Ranges(&'static str),
    Count,
    Sum(String),
    Max(String),
    Percentile(String, u8),
    /// Of the newest document.
    Last(String),
}

/// Documents as a list.
struct Search {
    id: &'static str,
    title: &'static str,
    description: &'static str,
    data: Data,
    only: &'static str,
    fields: &'static [&'static str],
}
