//! What charts show: numbers over time, as yet without a picture.

use std::ops::Range;
use std::time::SystemTime;

use ringscope::KernelState;

/// The time that a chart covers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    pub from: SystemTime,
    pub to: SystemTime,
}

impl Span {
    /// Where a time lies, 0 at the beginning and 1 at the end.
    pub fn place(&self, time: SystemTime) -> f64 {
        let whole = self.to.duration_since(self.from).unwrap_or_default().as_secs_f64();
        let part = time.duration_since(self.from).unwrap_or_default().as_secs_f64();
        if whole > 0.0 { (part / whole).min(1.0) } else { 0.0 }
    }
}

/// What an axis measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds, on an axis whose decades are equally long.
    Latency,
    PerSecond,
    Messages,
    /// A part of 1.
    Part,
    Percent,
    Bytes,
    Celsius,
    Watts,
}

/// Lines over time.
#[derive(Debug)]
pub struct LineChart {
    pub span: Span,
    pub unit: Unit,
    /// Times of the columns; gaps have no values.
    pub columns: Vec<(SystemTime, SystemTime)>,
    pub series: Vec<Series>,
    /// Times that are shaded: what hung, where nothing was recorded.
    pub shaded: Vec<Shade>,
}

#[derive(Debug)]
pub struct Series {
    pub name: String,
    /// Which colour of the palette.
    pub colour: usize,
    /// One for each column.
    pub values: Vec<Option<f64>>,
    /// The least and the most within each column, where known.
    pub band: Vec<Option<(f64, f64)>>,
}

#[derive(Clone, Debug)]
pub struct Shade {
    pub from: SystemTime,
    pub to: SystemTime,
    /// `gap`, `hang` or `alert`.
    pub what: &'static str,
    pub says: String,
}

/// How many values fell into each bucket in each column.
#[derive(Debug)]
pub struct HeatMap {
    pub span: Span,
    pub columns: Vec<(SystemTime, SystemTime)>,
    /// Bounds of each row, in nanoseconds, ascending.
    pub rows: Vec<Range<f64>>,
    /// By column, then by row.
    pub counts: Vec<Vec<u64>>,
    pub shaded: Vec<Shade>,
}

/// What each kernel was when.
#[derive(Debug)]
pub struct Lanes {
    pub span: Span,
    pub lanes: Vec<Lane>,
    /// Of the recording, across all lanes.
    pub shaded: Vec<Shade>,
    /// Alerts and the like, in a lane of their own.
    pub flags: Vec<Shade>,
}

#[derive(Debug)]
pub struct Lane {
    pub name: String,
    pub parts: Vec<(SystemTime, SystemTime, KernelState)>,
    pub hangs: Vec<Shade>,
}
