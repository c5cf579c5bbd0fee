//! Data points of metrics: counters are what was added, histograms are values with counts, one for each bucket.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::export::catalog::{FamilyKind, LabelSet, MetricHeader, Sample, Sink, Values, visit_since};
use crate::export::weighted::each_value;
use crate::snapshot::Snapshot;

/// Most values of a datum in a call.
pub(super) const MOST_VALUES: usize = 150;
/// Most dimensions of a metric.
pub(super) const MOST_DIMENSIONS: usize = 30;
/// Longest value of a dimension, in bytes; it has ASCII only.
const MOST_DIMENSION_VALUE: usize = 1024;
/// Values beyond it CloudWatch does not take, and values so much nearer to 0 neither.
const MOST_EXPONENT: i32 = 360;

/// A dimension of a metric, which together with its name is what CloudWatch knows it by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Dimension {
    pub(crate) name: String,
    pub(crate) value: String,
}

impl Dimension {
    /// In ASCII without control characters; `None` without a value, which CloudWatch does not have.
    pub(crate) fn new(name: &str, value: &str) -> Option<Dimension> {
        let ascii = |c: char| if c.is_ascii() && !c.is_ascii_control() { c } else { '?' };
        let value: String = value.chars().map(ascii).take(MOST_DIMENSION_VALUE).collect();
        let name = name.chars().map(ascii).collect();
        (!value.trim().is_empty()).then_some(Dimension { name, value })
    }
}

/// Values of a metric at one time: a `MetricDatum`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Datum {
    pub(crate) metric_name: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) dimensions: Vec<Dimension>,
    /// Unix time in seconds.
    pub(crate) timestamp: i64,
    /// One value; where it is `None` there are `values`, as many `counts`, and both ascend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<f64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) values: Vec<f64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) counts: Vec<f64>,
    pub(crate) unit: Cow<'static, str>,
    /// 1 for a point each second, 60 for one each minute.
    pub(crate) storage_resolution: u8,
}

/// What all data points of a publication have in common.
#[derive(Clone, Debug)]
pub(crate) struct Format {
    pub(crate) namespace: String,
    pub(crate) dimensions: Vec<Dimension>,
    /// 1 or 60; by the time between snapshots where nothing is set.
    pub(crate) resolution: Option<u8>,
    /// Most values of a datum.
    pub(super) most_values: usize,
}

impl Format {
    pub(crate) fn new(namespace: String, dimensions: Vec<Dimension>, resolution: Option<u8>) -> Self {
        Format { namespace, dimensions, resolution, most_values: MOST_VALUES }
    }

    fn resolution(&self, snapshot: &Snapshot, previous: Option<&Snapshot>) -> u8 {
        let between = previous.and_then(|previous| snapshot.time.duration_since(previous.time).ok());
        let by_interval = if between.is_some_and(|time| time < Duration::from_secs(60)) { 1 } else { 60 };
        self.resolution.unwrap_or(by_interval)
    }
}

/// Calls `each` with every data point, and returns how many there would be beside these that CloudWatch does not take.
pub(super) fn data(
    format: &Format,
    snapshot: &Snapshot,
    previous: Option<&Snapshot>,
    each: &mut dyn FnMut(Datum),
) -> u64 {
    let seconds = snapshot.time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut points = Points {
        format,
        template: Datum {
            metric_name: String::new(),
            dimensions: Vec::new(),
            timestamp: i64::try_from(seconds).unwrap_or(i64::MAX),
            value: None,
            values: Vec::new(),
            counts: Vec::new(),
            unit: Cow::Borrowed("None"),
            storage_resolution: format.resolution(snapshot, previous),
        },
        is_counter: false,
        rejected: 0,
        each,
    };
    visit_since(snapshot, previous, &mut points);
    points.rejected
}

/// A datum for each sample, or more for a histogram of many buckets.
struct Points<'a> {
    format: &'a Format,
    template: Datum,
    is_counter: bool,
    rejected: u64,
    each: &'a mut dyn FnMut(Datum),
}

impl Sink for Points<'_> {
    fn family(&mut self, header: &MetricHeader<'_>) {
        self.is_counter = header.kind == FamilyKind::Counter;
        self.template.metric_name = header.name.to_owned();
        self.template.unit = Cow::Borrowed(unit(header));
    }

    fn sample(&mut self, labels: LabelSet<'_>, sample: &Sample<'_>) {
        self.template.dimensions.clear();
        labels.for_each(|name, value| self.template.dimensions.extend(Dimension::new(name, value)));
        let own = self.template.dimensions.len();
        for dimension in &self.format.dimensions {
            if !self.template.dimensions[..own].iter().any(|known| known.name == dimension.name) {
                self.template.dimensions.push(dimension.clone());
            }
        }
        match sample {
            Sample::Number(number) => {
                // Where nothing was added there is nothing to add up.
                if !self.is_counter || number.as_f64() != 0.0 {
                    self.number(number.as_f64());
                }
            }
            Sample::Histogram(values) => self.histogram(values),
            Sample::Summary(quantiles) => {
                for (q, value) in quantiles.iter().filter(|(_, value)| value.is_finite()) {
                    self.template.dimensions.truncate(own);
                    self.template.dimensions.extend(Dimension::new("quantile", &q.to_string()));
                    self.template.dimensions.extend_from_slice(&self.format.dimensions);
                    self.number(value);
                }
            }
        }
    }
}

impl Points<'_> {
    fn number(&mut self, value: f64) {
        match in_range(value) {
            // A gauge that has no value yet.
            None if !value.is_finite() => {}
            None => self.rejected += 1,
            value => self.push(Datum { value, ..self.template.clone() }),
        }
    }

    fn histogram(&mut self, histogram: &Values<'_>) {
        let (mut values, mut counts) = (Vec::<f64>::new(), Vec::<f64>::new());
        let mut out_of_range = false;
        each_value(histogram, |value, count| match in_range(value) {
            Some(value) => match counts.last_mut().filter(|_| values.last() == Some(&value)) {
                // Each value is there once.
                Some(known) => *known += count as f64,
                None => {
                    values.push(value);
                    counts.push(count as f64);
                }
            },
            None => out_of_range = true,
        });
        self.rejected += u64::from(out_of_range);
        let most = self.format.most_values;
        for (values, counts) in values.chunks(most).zip(counts.chunks(most)) {
            self.push(Datum { values: values.to_vec(), counts: counts.to_vec(), ..self.template.clone() });
        }
    }

    fn push(&mut self, datum: Datum) {
        if datum.dimensions.len() > MOST_DIMENSIONS {
            self.rejected += 1;
        } else {
            (self.each)(datum);
        }
    }
}

/// The value, if CloudWatch takes it; 0 for one that is too near to it.
pub(super) fn in_range(value: f64) -> Option<f64> {
    let most = f64::from(MOST_EXPONENT).exp2();
    match value.abs() {
        magnitude if magnitude < 1.0 / most => Some(0.0),
        magnitude if magnitude <= most => Some(value),
        _ => None,
    }
}

/// CloudWatch's name for the metric's unit; it has none for most.
fn unit(header: &MetricHeader<'_>) -> &'static str {
    match header.unit {
        Some("seconds") => "Seconds",
        Some("milliseconds") => "Milliseconds",
        Some("microseconds") => "Microseconds",
        Some("bytes") => "Bytes",
        Some("bits") => "Bits",
        Some("percent") => "Percent",
        None if header.kind == FamilyKind::Counter => "Count",
        _ => "None",
    }
}
