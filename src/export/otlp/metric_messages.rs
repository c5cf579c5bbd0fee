//! Data points, as opentelemetry/proto/metrics/v1/metrics.proto numbers them; those fields that are written. What holds them
//! is framed by metrics.rs.

use prost::Message;
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::json::{Double, Json, List, Text};
use super::messages::KeyValue;

/// The begin of a `Metric`; its data follow.
#[derive(Clone, PartialEq, Message)]
pub(super) struct MetricHead {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub description: String,
    #[prost(string, tag = "3")]
    pub unit: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct NumberDataPoint {
    #[prost(fixed64, tag = "2")]
    pub start_time_unix_nano: u64,
    #[prost(fixed64, tag = "3")]
    pub time_unix_nano: u64,
    #[prost(double, optional, tag = "4")]
    pub as_double: Option<f64>,
    #[prost(sfixed64, optional, tag = "6")]
    pub as_int: Option<i64>,
    #[prost(message, repeated, tag = "7")]
    pub attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct HistogramDataPoint {
    #[prost(fixed64, tag = "2")]
    pub start_time_unix_nano: u64,
    #[prost(fixed64, tag = "3")]
    pub time_unix_nano: u64,
    #[prost(fixed64, tag = "4")]
    pub count: u64,
    #[prost(double, optional, tag = "5")]
    pub sum: Option<f64>,
    #[prost(fixed64, repeated, tag = "6")]
    pub bucket_counts: Vec<u64>,
    #[prost(double, repeated, tag = "7")]
    pub explicit_bounds: Vec<f64>,
    #[prost(message, repeated, tag = "9")]
    pub attributes: Vec<KeyValue>,
    #[prost(double, optional, tag = "11")]
    pub min: Option<f64>,
    #[prost(double, optional, tag = "12")]
    pub max: Option<f64>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ExponentialHistogramDataPoint {
    #[prost(message, repeated, tag = "1")]
    pub attributes: Vec<KeyValue>,
    #[prost(fixed64, tag = "2")]
    pub start_time_unix_nano: u64,
    #[prost(fixed64, tag = "3")]
    pub time_unix_nano: u64,
    #[prost(fixed64, tag = "4")]
    pub count: u64,
    #[prost(double, optional, tag = "5")]
    pub sum: Option<f64>,
    #[prost(sint32, tag = "6")]
    pub scale: i32,
    #[prost(fixed64, tag = "7")]
    pub zero_count: u64,
    #[prost(message, optional, tag = "8")]
    pub positive: Option<Buckets>,
    #[prost(double, optional, tag = "12")]
    pub min: Option<f64>,
    #[prost(double, optional, tag = "13")]
    pub max: Option<f64>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Buckets {
    /// Index of the first bucket.
    #[prost(sint32, tag = "1")]
    pub offset: i32,
    #[prost(uint64, repeated, tag = "2")]
    pub bucket_counts: Vec<u64>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SummaryDataPoint {
    #[prost(fixed64, tag = "2")]
    pub start_time_unix_nano: u64,
    #[prost(fixed64, tag = "3")]
    pub time_unix_nano: u64,
    #[prost(fixed64, tag = "4")]
    pub count: u64,
    #[prost(double, tag = "5")]
    pub sum: f64,
    #[prost(message, repeated, tag = "6")]
    pub quantile_values: Vec<ValueAtQuantile>,
    #[prost(message, repeated, tag = "7")]
    pub attributes: Vec<KeyValue>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct ValueAtQuantile {
    #[prost(double, tag = "1")]
    pub quantile: f64,
    #[prost(double, tag = "2")]
    pub value: f64,
}

/// A list of whole numbers of 64 bits.
struct Texts<'a>(&'a [u64]);

impl Serialize for Texts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Text))
    }
}

/// What every point begins with.
fn begin<S: Serializer>(
    serializer: S,
    attributes: &[KeyValue],
    start: u64,
    time: u64,
) -> Result<S::SerializeMap, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    map.serialize_entry("attributes", &List(attributes))?;
    // Zero, of a gauge, is no time.
    if start > 0 {
        map.serialize_entry("startTimeUnixNano", &Text(start))?;
    }
    map.serialize_entry("timeUnixNano", &Text(time))?;
    Ok(map)
}

fn double<M: SerializeMap>(map: &mut M, name: &'static str, value: Option<f64>) -> Result<(), M::Error> {
    value.map_or(Ok(()), |value| map.serialize_entry(name, &Double(value)))
}

impl Serialize for Json<'_, MetricHead> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let MetricHead { name, description, unit } = self.0;
        serializer.collect_map([("name", name), ("description", description), ("unit", unit)])
    }
}

impl Serialize for Json<'_, NumberDataPoint> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let NumberDataPoint { start_time_unix_nano, time_unix_nano, as_double, as_int, attributes } = self.0;
        let mut map = begin(serializer, attributes, *start_time_unix_nano, *time_unix_nano)?;
        double(&mut map, "asDouble", *as_double)?;
        if let Some(value) = as_int {
            map.serialize_entry("asInt", &Text(value))?;
        }
        map.end()
    }
}

impl Serialize for Json<'_, HistogramDataPoint> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let point = self.0;
        let mut map = begin(serializer, &point.attributes, point.start_time_unix_nano, point.time_unix_nano)?;
        map.serialize_entry("count", &Text(point.count))?;
        double(&mut map, "sum", point.sum)?;
        map.serialize_entry("bucketCounts", &Texts(&point.bucket_counts))?;
        map.serialize_entry("explicitBounds", &point.explicit_bounds)?;
        double(&mut map, "min", point.min)?;
        double(&mut map, "max", point.max)?;
        map.end()
    }
}

impl Serialize for Json<'_, ExponentialHistogramDataPoint> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let point = self.0;
        let mut map = begin(serializer, &point.attributes, point.start_time_unix_nano, point.time_unix_nano)?;
        map.serialize_entry("count", &Text(point.count))?;
        double(&mut map, "sum", point.sum)?;
        map.serialize_entry("scale", &point.scale)?;
        map.serialize_entry("zeroCount", &Text(point.zero_count))?;
        if let Some(positive) = &point.positive {
            map.serialize_entry("positive", &Json(positive))?;
        }
        double(&mut map, "min", point.min)?;
        double(&mut map, "max", point.max)?;
        map.end()
    }
}

impl Serialize for Json<'_, Buckets> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("offset", &self.0.offset)?;
        map.serialize_entry("bucketCounts", &Texts(&self.0.bucket_counts))?;
        map.end()
    }
}

impl Serialize for Json<'_, SummaryDataPoint> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let point = self.0;
        let mut map = begin(serializer, &point.attributes, point.start_time_unix_nano, point.time_unix_nano)?;
        map.serialize_entry("count", &Text(point.count))?;
        map.serialize_entry("sum", &Double(point.sum))?;
        map.serialize_entry("quantileValues", &List(&point.quantile_values))?;
        map.end()
    }
}

impl Serialize for Json<'_, ValueAtQuantile> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([("quantile", Double(self.0.quantile)), ("value", Double(self.0.value))])
    }
}
