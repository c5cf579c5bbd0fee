//! The same messages by OTLP's JSON mapping: numbers of traces and spans in hexadecimal, enums as numbers, whole numbers of
//! 64 bits as text, names in lowerCamelCase.

use std::fmt::Write;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::messages::{AnyValue, Event, InstrumentationScope, KeyValue, OneValue, Resource, Span, Status};

/// A message, as JSON.
pub(super) struct Json<'a, T>(pub(super) &'a T);

/// A list of them.
pub(super) struct List<'a, T>(pub(super) &'a [T]);

/// A whole number of 64 bits, as text.
pub(super) struct Text<T>(pub(super) T);

impl<T: std::fmt::Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A number, or the text that protobuf's JSON has for one that is not finite.
pub(super) struct Double(pub(super) f64);

impl Serialize for Double {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            value if value.is_finite() => serializer.serialize_f64(value),
            value if value.is_nan() => serializer.serialize_str("NaN"),
            value => serializer.serialize_str(if value > 0.0 { "Infinity" } else { "-Infinity" }),
        }
    }
}

impl<'a, T> Serialize for List<'a, T>
where
    Json<'a, T>: Serialize,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Json))
    }
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a String succeeds.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl Serialize for Json<'_, Resource> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([("attributes", List(&self.0.attributes))])
    }
}

impl Serialize for Json<'_, InstrumentationScope> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &self.0.name)?;
        map.serialize_entry("version", &self.0.version)?;
        map.serialize_entry("attributes", &List(&self.0.attributes))?;
        map.end()
    }
}

impl Serialize for Json<'_, Span> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let span = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("traceId", &hexadecimal(&span.trace_id))?;
        map.serialize_entry("spanId", &hexadecimal(&span.span_id))?;
        if !span.trace_state.is_empty() {
            map.serialize_entry("traceState", &span.trace_state)?;
        }
        if !span.parent_span_id.is_empty() {
            map.serialize_entry("parentSpanId", &hexadecimal(&span.parent_span_id))?;
        }
        map.serialize_entry("flags", &span.flags)?;
        map.serialize_entry("name", &span.name)?;
        map.serialize_entry("kind", &span.kind)?;
        map.serialize_entry("startTimeUnixNano", &Text(span.start_time_unix_nano))?;
        map.serialize_entry("endTimeUnixNano", &Text(span.end_time_unix_nano))?;
        map.serialize_entry("attributes", &List(&span.attributes))?;
        map.serialize_entry("droppedAttributesCount", &span.dropped_attributes_count)?;
        map.serialize_entry("events", &List(&span.events))?;
        map.serialize_entry("droppedEventsCount", &span.dropped_events_count)?;
        if let Some(status) = &span.status {
            map.serialize_entry("status", &Json(status))?;
        }
        map.end()
    }
}

impl Serialize for Json<'_, Event> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("timeUnixNano", &Text(self.0.time_unix_nano))?;
        map.serialize_entry("name", &self.0.name)?;
        map.serialize_entry("attributes", &List(&self.0.attributes))?;
        map.end()
    }
}

impl Serialize for Json<'_, Status> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if !self.0.message.is_empty() {
            map.serialize_entry("message", &self.0.message)?;
        }
        map.serialize_entry("code", &self.0.code)?;
        map.end()
    }
}

impl Serialize for Json<'_, KeyValue> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("key", &self.0.key)?;
        if let Some(value) = &self.0.value {
            map.serialize_entry("value", &Json(value))?;
        }
        map.end()
    }
}

impl Serialize for Json<'_, AnyValue> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match &self.0.value {
            Some(OneValue::String(text)) => map.serialize_entry("stringValue", text)?,
            Some(OneValue::Bool(value)) => map.serialize_entry("boolValue", value)?,
            Some(OneValue::Int(value)) => map.serialize_entry("intValue", &Text(value))?,
            Some(OneValue::Double(value)) => map.serialize_entry("doubleValue", &Double(*value))?,
            None => {}
        }
        map.end()
    }
}
