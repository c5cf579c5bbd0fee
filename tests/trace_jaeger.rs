//! Jaeger's own JSON, held to what its documentation says of the answer of its query service: which fields there are, of
//! which types, and what refers to what.
#![cfg(feature = "trace")]

use std::collections::HashSet;
use std::sync::Arc;

use ringscope::trace::{Attribute, DeviceTrack, SpanKind, Trace, Tracer, Track};
use serde_json::{Map, Value, json};

type Check = fn(&Value) -> bool;

fn is_hexadecimal(value: &Value, digits: usize) -> bool {
    value
        .as_str()
        .is_some_and(|text| text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

fn is_warnings(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(|list| list.iter().all(Value::is_string))
}

/// The object has these fields, each as it should be, and no others.
fn object<'a>(value: &'a Value, fields: &[(&str, Check)]) -> &'a Map<String, Value> {
    let map = value.as_object().unwrap_or_else(|| panic!("{value} is no object"));
    for (name, check) in fields {
        let field = map.get(*name).unwrap_or_else(|| panic!("no {name} in {value}"));
        assert!(check(field), "{name}: {field}");
    }
    assert_eq!(map.len(), fields.len(), "fields that nobody knows: {:?}", map.keys());
    map
}

fn tags(value: &Value) {
    for tag in value.as_array().expect("a list of tags") {
        object(tag, &[("key", Value::is_string), ("type", Value::is_string), ("value", |_| true)]);
        let fits = match tag["type"].as_str().unwrap() {
            "string" => tag["value"].is_string(),
            "bool" => tag["value"].is_boolean(),
            "int64" => tag["value"].is_i64(),
            "float64" => tag["value"].is_f64(),
            other => panic!("tags are not of type {other}"),
        };
        assert!(fits, "{tag}");
    }
}

/// Holds a document to the schema, and returns its spans.
fn checked(document: &str) -> Vec<Value> {
    let document: Value = serde_json::from_str(document).unwrap();
    object(
        &document,
        &[
            ("data", Value::is_array),
            ("total", Value::is_u64),
            ("limit", Value::is_u64),
            ("offset", Value::is_u64),
            ("errors", Value::is_null),
        ],
    );
    let mut spans = Vec::new();
    for trace in document["data"].as_array().unwrap() {
        object(
            trace,
            &[
                ("traceID", |v| is_hexadecimal(v, 32)),
                ("spans", |v| v.as_array().is_some_and(|spans| !spans.is_empty())),
                ("processes", Value::is_object),
                ("warnings", is_warnings),
            ],
        );
        let processes = trace["processes"].as_object().unwrap();
        for process in processes.values() {
            object(process, &[("serviceName", Value::is_string), ("tags", Value::is_array)]);
            tags(&process["tags"]);
        }
        for span in trace["spans"].as_array().unwrap() {
            one(span, trace);
            assert!(processes.contains_key(span["processID"].as_str().unwrap()));
            spans.push(span.clone());
        }
    }
    spans
}

fn one(span: &Value, trace: &Value) {
    object(
        span,
        &[
            ("traceID", |v| is_hexadecimal(v, 32)),
            ("spanID", |v| is_hexadecimal(v, 16)),
            ("operationName", Value::is_string),
            ("references", Value::is_array),
            ("startTime", Value::is_u64),
            ("duration", Value::is_u64),
            ("tags", Value::is_array),
            ("logs", Value::is_array),
            ("processID", Value::is_string),
            ("warnings", is_warnings),
        ],
    );
    assert_eq!(span["traceID"], trace["traceID"]);
    tags(&span["tags"]);
    for log in span["logs"].as_array().unwrap() {
        object(log, &[("timestamp", Value::is_u64), ("fields", Value::is_array)]);
        tags(&log["fields"]);
    }
    for reference in span["references"].as_array().unwrap() {
        object(
            reference,
            &[
                ("refType", |v| v == "CHILD_OF" || v == "FOLLOWS_FROM"),
                ("traceID", |v| is_hexadecimal(v, 32)),
                ("spanID", |v| is_hexadecimal(v, 16)),
            ],
        );
    }
}

fn tag<'a>(span: &'a Value, key: &str) -> &'a Value {
    let found = span["tags"].as_array().unwrap().iter().find(|tag| tag["key"] == key);
    found.map_or(&Value::Null, |tag| &tag["value"])
}

fn recorded() -> Trace {
    let tracer = Tracer::new("shop");
    for n in 0..3 {
        let request = tracer.span(format!("request {n}")).kind(SpanKind::Server).attribute("n", n).start();
        let work =
            tracer.span("work").attribute("ratio", f64::NAN).attribute("half", 0.5).attribute("all", true).start();
        work.event_with("read", [Attribute::new("bytes", 7)]);
        work.fail(&std::fmt::Error);
        drop((work, request));
    }
    let open = tracer.span("goes on").start_detached();
    let trace = tracer.trace();
    drop(open);
    trace
}

#[test]
fn it_is_as_jaeger_documents_it_and_has_what_was_recorded() {
    let mut trace = recorded();
    let device = Track::Device(Arc::new(DeviceTrack::new(0, "a GPU")));
    let mut on_device = (*trace.spans[0]).clone();
    on_device.track = device;
    on_device.name = "on the device".into();
    trace.spans.push(Arc::new(on_device));
    let spans = checked(&trace.export_jaeger().unwrap());
    assert_eq!(spans.len(), trace.spans.len());
    assert_eq!(spans.iter().map(|span| &span["traceID"]).map(Value::to_string).collect::<HashSet<_>>().len(), 4);
    for span in &trace.spans {
        let id = span.context.span_id().to_string();
        let found = spans.iter().find(|s| s["spanID"] == id && s["operationName"] == *span.name).unwrap();
        assert_eq!(found["startTime"], span.begin.unix_ns / 1000);
        let parents: Vec<_> = found["references"].as_array().unwrap().iter().map(|r| r["spanID"].clone()).collect();
        assert_eq!(parents, span.parent.map(|parent| json!(parent.to_string())).into_iter().collect::<Vec<_>>());
        assert_eq!(found["logs"].as_array().unwrap().len(), span.events.len());
        match span.duration_ns() {
            Some(ns) => assert_eq!((&found["duration"], tag(found, "duration_ns")), (&json!(ns / 1000), &json!(ns))),
            None => assert_eq!(tag(found, "ringscope.open"), &json!(true)),
        }
    }
    let work = spans.iter().find(|span| span["operationName"] == "work").unwrap();
    assert_eq!([tag(work, "error"), tag(work, "all"), tag(work, "half")], [&json!(true), &json!(true), &json!(0.5)]);
    assert_eq!(tag(work, "ratio"), "NaN", "JSON has no such number");
    assert_eq!(work["logs"][0]["fields"][0], json!({"key": "event", "type": "string", "value": "read"}));
    assert_eq!(work["logs"][0]["fields"][1], json!({"key": "bytes", "type": "int64", "value": 7}));
    let service = |span: &str| {
        let document: Value = serde_json::from_str(&trace.export_jaeger().unwrap()).unwrap();
        let traces = document["data"].as_array().unwrap().clone();
        let of = |trace: &Value| {
            let found = trace["spans"].as_array()?.iter().find(|s| s["operationName"] == span)?["processID"].clone();
            Some(trace["processes"][found.as_str()?]["serviceName"].clone())
        };
        traces.iter().find_map(of).unwrap()
    };
    assert_eq!((service("work"), service("on the device")), (json!("shop"), json!("shop device 0")));
}

#[test]
fn nothing_recorded_is_a_document_too() {
    assert!(checked(&Tracer::new("shop").trace().export_jaeger().unwrap()).is_empty());
}
