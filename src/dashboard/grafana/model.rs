//! A dashboard as a value: rows of panels, each with its queries.

/// A dashboard.
pub(super) struct Dashboard {
    /// Also what its file is called.
    pub(super) uid: &'static str,
    pub(super) title: &'static str,
    pub(super) description: &'static str,
    /// Variables beside the data source, the job and the instance.
    pub(super) variables: &'static [Variable],
    pub(super) rows: Vec<Row>,
}

/// Values of a label to choose among.
pub(super) struct Variable {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    /// The label, of this metric's series.
    pub(super) label: &'static str,
    pub(super) of: super::Metric,
}

/// Panels under one title.
pub(super) struct Row {
    pub(super) title: &'static str,
    /// Its panels ask nothing until somebody opens it.
    pub(super) is_closed: bool,
    pub(super) panels: Vec<Panel>,
}

/// How results are shown.
pub(super) enum Kind {
    /// Lines over time.
    Lines,
    /// Areas over time, one on the other.
    Stacked,
    /// One large number each.
    Stat,
    /// A bar for each, from 0 to 1.
    Bars,
    /// A coloured stripe for each: states by number, with their names and colours.
    States(Vec<(u64, &'static str, &'static str)>),
    /// Buckets over time.
    Heatmap,
    /// A row for each series; titles of the columns, with their units, in the order of the queries.
    Table(Vec<(&'static str, &'static str)>),
}

/// A panel.
pub(super) struct Panel {
    pub(super) title: &'static str,
    pub(super) description: String,
    pub(super) kind: Kind,
    /// In Grafana's words: `s`, `bytes`, `percentunit`, `short`.
    pub(super) unit: &'static str,
    /// In columns of 24, and rows.
    pub(super) size: (u32, u32),
    pub(super) queries: Vec<Query>,
    /// From this value on it is red, from the first on yellow.
    pub(super) limits: Option<(f64, f64)>,
}

/// A query.
pub(super) struct Query {
    pub(super) expr: String,
    /// A template, such as `{{kernel}}`.
    pub(super) legend: String,
}

/// A query with its legend.
pub(super) fn query(expr: impl Into<String>, legend: impl Into<String>) -> Query {
    Query { expr: expr.into(), legend: legend.into() }
}

impl Panel {
    /// Lines over time, half as wide as the page.
    pub(super) fn new(title: &'static str, description: impl Into<String>, unit: &'static str) -> Panel {
        let (kind, description) = (Kind::Lines, description.into());
        Panel { title, description, kind, unit, size: (12, 8), queries: Vec::new(), limits: None }
    }

    pub(super) fn ask(mut self, expr: impl Into<String>, legend: impl Into<String>) -> Panel {
        self.queries.push(query(expr, legend));
        self
    }

    pub(super) fn kind(mut self, kind: Kind) -> Panel {
        self.kind = kind;
        self
    }

    /// A large number, an eighth as wide as the page.
    pub(super) fn stat(mut self) -> Panel {
        (self.kind, self.size) = (Kind::Stat, (4, 4));
        self
    }

    pub(super) fn size(mut self, columns: u32, rows: u32) -> Panel {
        self.size = (columns, rows);
        self
    }

    pub(super) fn limits(mut self, yellow: f64, red: f64) -> Panel {
        self.limits = Some((yellow, red));
        self
    }
}

impl Row {
    pub(super) fn new(title: &'static str, panels: Vec<Panel>) -> Row {
        Row { title, is_closed: false, panels }
    }

    pub(super) fn closed(mut self) -> Row {
        self.is_closed = true;
        self
    }
}
