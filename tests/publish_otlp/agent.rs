//! What the agent understood, in OTLP's own words.

use serde_json::{Map, Value};

use crate::receivers::OtlpAgent;

/// Where a signal's requests go.
pub fn endpoint(agent: &OtlpAgent, grpc: bool) -> String {
    format!("http://{}", if grpc { agent.grpc() } else { agent.http() })
}

/// The requests that it took with a signal, each in OTLP's JSON.
pub fn took(requests: Vec<Value>) -> Vec<Value> {
    requests.iter().map(as_otlp).collect()
}

/// Every metric that it took, by name, with its points in one list.
pub fn metrics(agent: &OtlpAgent) -> Map<String, Value> {
    let mut all = Map::new();
    for request in took(agent.metrics()) {
        for metric in items(&request, ["resourceMetrics", "scopeMetrics", "metrics"]) {
            let name = metric["name"].as_str().expect("a name").to_owned();
            match all.get_mut(&name) {
                None => drop(all.insert(name, metric.clone())),
                Some(known) => points_mut(known).extend(points(&metric).iter().cloned()),
            }
        }
    }
    all
}

/// What is in a request at that depth.
pub fn items(request: &Value, [resources, scopes, items]: [&str; 3]) -> Vec<Value> {
    let list = |of: &Value, name: &str| of[name].as_array().cloned().unwrap_or_default();
    let scopes = list(request, resources).iter().flat_map(|r| list(r, scopes)).collect::<Vec<_>>();
    scopes.iter().flat_map(|scope| list(scope, items)).collect()
}

pub const KINDS: [&str; 5] = ["gauge", "sum", "histogram", "exponentialHistogram", "summary"];

pub fn points(metric: &Value) -> &Vec<Value> {
    let data = KINDS.iter().find_map(|kind| metric.get(kind)).unwrap_or_else(|| panic!("no data in {metric}"));
    data["dataPoints"].as_array().unwrap_or_else(|| panic!("no points in {metric}"))
}

fn points_mut(metric: &mut Value) -> &mut Vec<Value> {
    let kind = KINDS.iter().find(|kind| metric.get(kind).is_some()).expect("data");
    metric[*kind]["dataPoints"].as_array_mut().expect("points")
}

/// What the agent shows of protobuf has the fields' own names.
fn as_otlp(value: &Value) -> Value {
    match value {
        Value::Object(map) => map.iter().map(|(key, value)| (camel(key), as_otlp(value))).collect::<Map<_, _>>().into(),
        Value::Array(list) => list.iter().map(as_otlp).collect::<Vec<_>>().into(),
        other => other.clone(),
    }
}

fn camel(name: &str) -> String {
    let mut parts = name.split('_');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |name, part| name + &part[..1].to_uppercase() + &part[1..])
}

/// A whole number, which is text in JSON, and nothing where it is 0.
pub fn whole(value: &Value) -> u64 {
    match value {
        Value::Null => 0,
        Value::String(text) => text.parse().unwrap_or_else(|_| panic!("{text} is no whole number")),
        number => number.as_u64().unwrap_or_else(|| panic!("{number} is no whole number")),
    }
}

pub fn attribute<'a>(of: &'a Value, key: &str) -> Option<&'a Value> {
    let all = of["attributes"].as_array()?;
    Some(&all.iter().find(|attribute| attribute["key"] == key)?["value"])
}
