//! What is said of everything in a request: the process that it comes from, and which part of it.

use super::messages::{AnyValue, InstrumentationScope, KeyValue, OneValue, Resource};
use crate::trace::{Attribute, Name, Source, Value};

/// The process.
pub(super) fn resource(source: &Source) -> Resource {
    let mut attributes = vec![
        pair("service.name", Value::Text(source.service.clone())),
        pair("process.pid", source.pid.into()),
        pair("telemetry.sdk.name", "ringscope".into()),
        pair("telemetry.sdk.language", "rust".into()),
        pair("telemetry.sdk.version", env!("CARGO_PKG_VERSION").into()),
    ];
    attributes.extend(source.attributes.iter().map(attribute));
    Resource { attributes }
}

/// A part of ringscope.
pub(super) fn scope(name: &str, attributes: Vec<KeyValue>) -> InstrumentationScope {
    InstrumentationScope { name: name.to_owned(), version: env!("CARGO_PKG_VERSION").to_owned(), attributes }
}

pub(super) fn attribute(attribute: &Attribute) -> KeyValue {
    pair(attribute.name.clone(), attribute.value.clone())
}

pub(super) fn pair(key: impl Into<Name>, value: Value) -> KeyValue {
    let value = match value {
        Value::Bool(value) => OneValue::Bool(value),
        Value::Int(value) => OneValue::Int(value),
        Value::Float(value) => OneValue::Double(value),
        Value::Text(text) => OneValue::String(text.into_owned()),
    };
    KeyValue { key: key.into().into_owned(), value: Some(AnyValue { value: Some(value) }) }
}
