//! A log record, as opentelemetry/proto/logs/v1/logs.proto numbers it; those fields that are written.

use prost::Message;
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::json::{Json, List, Text, hexadecimal};
use super::messages::{AnyValue, KeyValue};

#[derive(Clone, PartialEq, Message)]
pub(super) struct LogRecord {
    #[prost(fixed64, tag = "1")]
    pub time_unix_nano: u64,
    #[prost(int32, tag = "2")]
    pub severity_number: i32,
    #[prost(string, tag = "3")]
    pub severity_text: String,
    #[prost(message, optional, tag = "5")]
    pub body: Option<AnyValue>,
    #[prost(message, repeated, tag = "6")]
    pub attributes: Vec<KeyValue>,
    #[prost(fixed32, tag = "8")]
    pub flags: u32,
    #[prost(bytes = "vec", tag = "9")]
    pub trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "10")]
    pub span_id: Vec<u8>,
    #[prost(fixed64, tag = "11")]
    pub observed_time_unix_nano: u64,
    #[prost(string, tag = "12")]
    pub event_name: String,
}

impl Serialize for Json<'_, LogRecord> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let record = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("timeUnixNano", &Text(record.time_unix_nano))?;
        map.serialize_entry("observedTimeUnixNano", &Text(record.observed_time_unix_nano))?;
        map.serialize_entry("severityNumber", &record.severity_number)?;
        map.serialize_entry("severityText", &record.severity_text)?;
        if let Some(body) = &record.body {
            map.serialize_entry("body", &Json(body))?;
        }
        map.serialize_entry("attributes", &List(&record.attributes))?;
        if !record.trace_id.is_empty() {
            map.serialize_entry("flags", &record.flags)?;
            map.serialize_entry("traceId", &hexadecimal(&record.trace_id))?;
            map.serialize_entry("spanId", &hexadecimal(&record.span_id))?;
        }
        map.serialize_entry("eventName", &record.event_name)?;
        map.end()
    }
}
