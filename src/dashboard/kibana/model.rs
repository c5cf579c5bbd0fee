//! What the dashboard consists of, as values.

use crate::dashboard::metric::HANDLING;

/// The histogram of the times to handle messages.
pub(super) fn handling() -> String {
    format!("histogram.{}", HANDLING.classic.name())
}

/// A data stream.
#[derive(Clone, Copy)]
pub(super) enum Data {
    Metrics,
    Events,
    Operations,
}

impl Data {
    pub(super) const ALL: [Data; 3] = [Data::Metrics, Data::Events, Data::Operations];

    pub(super) fn name(self) -> &'static str {
        match self {
            Data::Metrics => "metrics",
            Data::Events => "events",
            Data::Operations => "operations",
        }
    }

    pub(super) fn id(self) -> String {
        format!("ringscope-{}", self.name())
    }

    /// Numbers that are nanoseconds, seconds and bytes.
    pub(super) fn units(self) -> Vec<(String, &'static str)> {
        let named = |fields: &[&str], unit| fields.iter().map(|field| ((*field).to_owned(), unit)).collect::<Vec<_>>();
        match self {
            Data::Operations => {
                let mut all = named(&["event.duration", "ringscope.latency"], "nanoseconds");
                all.extend(named(&["client.bytes", "server.bytes", "network.bytes"], "bytes"));
                all
            }
            Data::Metrics => named(&[&handling()], "seconds"),
            Data::Events => Vec::new(),
        }
    }
}

/// A chart: columns of a table that is made of documents, and how it is drawn.
pub(super) struct Chart {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) description: &'static str,
    pub(super) data: Data,
    /// Which documents, in Kibana's query language; empty for all.
    pub(super) only: &'static str,
    pub(super) shape: Shape,
    /// Buckets first.
    pub(super) columns: Vec<Column>,
    /// In columns of 48, and rows.
    pub(super) size: (u32, u32),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Lines,
    StackedBars,
    Bars,
    Donut,
    Heatmap,
    Table,
}

/// A column: what documents are grouped by, or a number of each group.
pub(super) enum Column {
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
pub(super) struct Search {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) description: &'static str,
    pub(super) data: Data,
    pub(super) only: &'static str,
    pub(super) fields: &'static [&'static str],
}
