//! A server that takes OTLP, written by others, reads what is written for it, in protobuf and in JSON. Without the tools of
//! scripts/trace-tools.sh these tests say so and pass, unless RINGSCOPE_REQUIRE_TRACE_TOOLS=1.
#![cfg(feature = "trace")]

mod receivers;

use std::sync::Arc;

use proptest::prelude::*;
use ringscope::trace::{
    Attribute, BlockTrack, DeviceTrack, Lost, Message, SmTrack, Source, Span, SpanEvent, SpanId, SpanKind, Status,
    ThreadTrack, Time, Trace, TraceContext, Track,
};
use serde_json::{Value, json};

use receivers::OtlpAgent;

const START: u64 = 1_750_000_000_123_456_789;

/// What the server understood of one request.
fn understood(agent: &OtlpAgent, kind: &str, body: &[u8]) -> Value {
    agent.clear();
    let answer = agent.process.ask(0, "POST", "/v1/traces", &[("Content-Type", kind)], body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let mut requests = agent.traces();
    assert_eq!(requests.len(), 1, "{requests:?}");
    requests.remove(0)
}

fn trace() -> Trace {
    let mut source = Source::this_process("shop");
    source.attributes.push(Attribute::new("host.name", "here"));
    let mut trace = Trace::new(source, Time::host(START), Time::host(START + 1_000_000));
    let thread = Track::Thread(Arc::new(ThreadTrack::new(42, "main")));
    let context = TraceContext::root().with_tracestate("vendor=1").unwrap();
    let mut request = Span::new("GET /cart", context, thread, Time::host(START));
    request.end = Some(Time::host(START + 100_001));
    request.parent = SpanId::new(0xabc);
    request.kind = SpanKind::Server;
    request.status = Status::Error("no such cart".into());
    request.attributes = vec![
        Attribute::new("text", "ü \"\n\u{1}"),
        Attribute::new("whole", i64::MIN),
        Attribute::new("ratio", 0.1),
        Attribute::new("yes", true),
    ];
    request.events = vec![SpanEvent::new("exception", Time::host(START + 7), vec![Attribute::new("n", 1)])];
    (request.dropped_attributes, request.dropped_events) = (3, 4);
    let device = Arc::new(DeviceTrack::new(1, "a GPU"));
    let block = Track::Block(Arc::new(BlockTrack::new(Arc::new(SmTrack::new(device, 4)), "worker", 17, 2)));
    let mut handled = Span::new("handle", request.context.child(), block.clone(), Time::device(100, START + 9, 250));
    handled.end = Some(Time::device(163, START + 5000, 250));
    handled.parent = Some(request.context.span_id());
    handled.kind = SpanKind::Consumer;
    handled.message = Some(Message::new("worker", 81_213));
    let goes_on = Span::new("goes on", request.context.child(), block.clone(), Time::device(200, START, 250));
    trace.spans = [request, handled, goes_on].map(Arc::new).into();
    trace.lost.push(Lost::new(block, Time::host(START), 12));
    trace
}

/// Every field that is its type's default is left out by protobuf's JSON, and may be written.
fn without_defaults(value: &Value) -> Value {
    let is_default =
        |v: &Value| *v == json!([]) || *v == json!({}) || *v == json!("") || *v == json!(0) || *v == json!("0");
    match value {
        Value::Object(map) => {
            // The value of an attribute is one of several, and says which also where it is a default.
            let is_value = |key: &str| key.ends_with("Value");
            let kept = map.iter().map(|(key, value)| (key.clone(), without_defaults(value)));
            kept.filter(|(key, value)| is_value(key) || !is_default(value)).collect::<serde_json::Map<_, _>>().into()
        }
        Value::Array(list) => list.iter().map(without_defaults).collect::<Vec<_>>().into(),
        other => other.clone(),
    }
}

/// What the server shows of protobuf has the fields' own names, enums by name, and bytes in base64.
fn as_otlp(value: &Value) -> Value {
    let convert = |key: &str, value: &Value| match (key, value.as_str()) {
        ("traceId" | "spanId" | "parentSpanId", Some(text)) => json!(hexadecimal(text)),
        ("kind", Some(name)) => {
            let names = ["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"];
            json!(names.iter().position(|known| name == format!("SPAN_KIND_{known}")).expect("a kind of span"))
        }
        ("code", Some("STATUS_CODE_ERROR")) => json!(2),
        _ => as_otlp(value),
    };
    let field = |(key, value): (&String, &Value)| {
        let key = camel(key);
        let value = convert(&key, value);
        (key, value)
    };
    match value {
        Value::Object(map) => map.iter().map(field).collect::<serde_json::Map<_, _>>().into(),
        Value::Array(list) => list.iter().map(as_otlp).collect::<Vec<_>>().into(),
        other => other.clone(),
    }
}

fn camel(name: &str) -> String {
    let mut parts = name.split('_');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |name, part| name + &part[..1].to_uppercase() + &part[1..])
}

/// Base64 as hexadecimal digits; what has these already stays.
fn hexadecimal(text: &str) -> String {
    if [16, 32].contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return text.to_owned();
    }
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let six = |byte: u8| alphabet.iter().position(|known| *known == byte).unwrap() as u128;
    let digits: Vec<u128> = text.bytes().filter(|byte| *byte != b'=').map(six).collect();
    // The last digit has 2 bits too many of 8 bytes, and 4 of 16.
    let (last, head) = digits.split_last().expect("an id");
    let head = head.iter().fold(0_u128, |bits, digit| bits << 6 | digit);
    match digits.len() {
        11 => format!("{:016x}", head << 4 | last >> 2),
        22 => format!("{:032x}", head << 2 | last >> 4),
        _ => panic!("{text} is no id"),
    }
}

#[test]
fn a_server_understands_protobuf_and_json_alike() {
    let Some(agent) = OtlpAgent::start() else { return };
    let trace = trace();
    let json = trace.export_otlp_json().unwrap();
    let written = without_defaults(&serde_json::from_str(&json).unwrap());
    let from_json = understood(&agent, "application/json", json.as_bytes());
    assert_eq!(without_defaults(&as_otlp(&from_json)), written);
    let from_protobuf = understood(&agent, "application/x-protobuf", &trace.export_otlp());
    assert_eq!(without_defaults(&as_otlp(&from_protobuf)), written);
}

#[test]
fn what_was_recorded_is_what_is_written() {
    let trace = trace();
    let written: Value = serde_json::from_str(&trace.export_otlp_json().unwrap()).unwrap();
    let resource = &written["resourceSpans"][0];
    let attribute = |of: &Value, key: &str| {
        let all = of["attributes"].as_array().unwrap();
        all.iter().find(|a| a["key"] == key).map(|a| a["value"].clone()).unwrap_or_default()
    };
    assert_eq!(attribute(&resource["resource"], "service.name"), json!({"stringValue": "shop"}));
    assert_eq!(attribute(&resource["resource"], "process.pid"), json!({"intValue": std::process::id().to_string()}));
    assert_eq!(attribute(&resource["resource"], "host.name"), json!({"stringValue": "here"}));
    let scopes = resource["scopeSpans"].as_array().unwrap();
    assert_eq!(scopes.iter().map(|s| &s["scope"]["name"]).collect::<Vec<_>>(), ["ringscope", "ringscope.device"]);
    assert_eq!(attribute(&scopes[1]["scope"], "ringscope.lost_records"), json!({"intValue": "12"}));
    assert_eq!(attribute(&scopes[0]["scope"], "ringscope.lost_records"), Value::Null);
    let (request, handled) = (&scopes[0]["spans"][0], &scopes[1]["spans"][0]);
    assert_eq!(scopes[1]["spans"].as_array().unwrap().len(), 1, "what goes on is not in it");
    let context = &trace.spans[0].context;
    assert_eq!(request["traceId"], context.trace_id().to_string());
    assert_eq!(
        (&request["spanId"], &request["parentSpanId"]),
        (&json!(context.span_id().to_string()), &json!("0000000000000abc"))
    );
    assert_eq!(
        (&request["kind"], &request["flags"], &request["traceState"]),
        (&json!(2), &json!(1), &json!("vendor=1"))
    );
    assert_eq!(request["status"], json!({"code": 2, "message": "no such cart"}));
    assert_eq!(
        [&request["startTimeUnixNano"], &request["endTimeUnixNano"]],
        [&START, &(START + 100_001)].map(|n| &*n.to_string().leak())
    );
    assert_eq!(attribute(request, "whole"), json!({"intValue": "-9223372036854775808"}));
    assert_eq!(attribute(request, "text"), json!({"stringValue": "ü \"\n\u{1}"}));
    assert_eq!(
        (attribute(request, "ratio"), attribute(request, "yes")),
        (json!({"doubleValue": 0.1}), json!({"boolValue": true}))
    );
    assert_eq!((&request["droppedAttributesCount"], &request["droppedEventsCount"]), (&json!(3), &json!(4)));
    assert_eq!(request["events"][0]["timeUnixNano"], (START + 7).to_string());
    assert_eq!(handled["parentSpanId"], request["spanId"]);
    // 63 ns by the device's own clock.
    assert_eq!(handled["endTimeUnixNano"], (START + 9 + 63).to_string());
    assert_eq!(attribute(handled, "ringscope.block"), json!({"intValue": "17"}));
    assert_eq!(attribute(handled, "messaging.message.id"), json!({"stringValue": "81213"}));
}

proptest! {
    #[test]
    fn anything_is_written(name in ".{0,30}", begin in any::<u64>(), end in any::<u64>(), float in any::<f64>(), device in any::<Option<u64>>()) {
        let mut trace = trace();
        let time = |ns: u64| device.map_or(Time::host(ns), |device| Time::device(device ^ ns, ns, device));
        let mut span = Span::new(name.clone(), TraceContext::root(), Track::Process, time(begin));
        span.end = Some(time(end));
        span.attributes = vec![Attribute::new(name.clone(), float), Attribute::new(name.clone(), name.clone())];
        span.status = Status::Error(name.clone().into());
        span.message = Some(Message::new(name.clone(), end));
        trace.spans = vec![Arc::new(span)];
        trace.source.service = name.clone().into();
        prop_assert!(!trace.export_otlp().is_empty());
        let written: Value = serde_json::from_str(&trace.export_otlp_json().unwrap()).unwrap();
        prop_assert_eq!(&written["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["name"], &json!(name));
        let jaeger: Value = serde_json::from_str(&trace.export_jaeger().unwrap()).unwrap();
        prop_assert_eq!(&jaeger["data"][0]["spans"][0]["operationName"], &json!(name));
    }
}

/// What a run of a kernel recorded, as the server understood it: a message is a child of the span that sent it.
#[cfg(feature = "host")]
#[test]
fn a_server_understands_the_spans_of_a_kernel_as_children_of_the_hosts() {
    use receivers::PATIENCE;
    use ringscope::trace::{TraceFilter, Tracer};
    use ringscope::{DeviceSpec, LaunchOptions, RingKernelRuntime, TelemetryConfig};

    const MESSAGES: usize = 12;
    let Some(agent) = OtlpAgent::start() else { return };
    let tracer = Tracer::new("shop");
    let config = TelemetryConfig { trace_records: 1024, ..TelemetryConfig::default() };
    let builder = RingKernelRuntime::builder().device(DeviceSpec::Host).telemetry(true).telemetry_config(config);
    let runtime = builder.tracer(tracer.clone()).build().unwrap();
    let recorder = runtime.collector().record_trace(&tracer, 1 << 12).unwrap();
    runtime.launch_blocking("w", &LaunchOptions::new().kernel("echo").trace(TraceFilter::all())).unwrap();
    runtime.activate_blocking("w").unwrap();
    for _ in 0..MESSAGES {
        let request = tracer.span("request").start();
        runtime.send_blocking("w", b"1234").unwrap();
        runtime.receive_blocking("w", PATIENCE).unwrap();
        request.succeed();
    }
    runtime.terminate_blocking("w").unwrap();
    assert!(recorder.flush_blocking(PATIENCE));
    let understood = as_otlp(&understood(&agent, "application/x-protobuf", &recorder.trace().export_otlp()));
    let scopes = understood["resourceSpans"].as_array().unwrap().iter();
    let scopes = scopes.flat_map(|resource| resource["scopeSpans"].as_array().unwrap());
    let spans: Vec<&Value> = scopes.flat_map(|scope| scope["spans"].as_array().unwrap()).collect();
    let of_kind = |kind: u32| spans.iter().filter(move |span| span["kind"] == kind);
    let requests: Vec<&str> =
        spans.iter().filter(|span| span["name"] == "request").map(|span| span["spanId"].as_str().unwrap()).collect();
    let mut parents: Vec<&str> = of_kind(5).map(|span| span["parentSpanId"].as_str().unwrap()).collect();
    assert_eq!((requests.len(), parents.len()), (MESSAGES, MESSAGES));
    parents.sort_unstable();
    parents.dedup();
    assert_eq!(parents.len(), MESSAGES, "each message has a parent of its own");
    assert!(parents.iter().all(|parent| requests.contains(parent)));
    let traces = |of: &Value| of["traceId"].as_str().unwrap().to_owned();
    assert!(
        of_kind(5).all(|span| spans
            .iter()
            .any(|host| host["spanId"] == span["parentSpanId"] && traces(host) == traces(span)))
    );
}
