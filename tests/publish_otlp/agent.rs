//! ddapm-test-agent: a server that takes OTLP, written by others, and shows what it understood.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use crate::trace_tools::tool;

/// Far more than anything here takes.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The server, on free ports. Dropping it kills it.
pub struct Agent {
    child: Child,
    pub http: u16,
    pub grpc: u16,
}

impl Agent {
    /// `None`, aloud, where there is none.
    pub fn start() -> Option<Agent> {
        let python = tool("RINGSCOPE_OTLP_AGENT")?;
        // Taken together, so that they differ, and given back: it takes no port 0.
        let free = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [own, http, grpc] = free.each_ref().map(|listener| listener.local_addr().unwrap().port());
        drop(free);
        let mut command = Command::new("python3");
        command.args(["-m", "ddapm_test_agent.agent", "--host", "127.0.0.1", "--port", &own.to_string()]);
        command.args(["--otlp-http-port", &http.to_string(), "--otlp-grpc-port", &grpc.to_string()]);
        command.env("PYTHONPATH", python).stdout(Stdio::null()).stderr(Stdio::null());
        let agent = Agent { child: command.spawn().expect("python3 starts"), http, grpc };
        let begun = Instant::now();
        while [http, grpc].iter().any(|port| TcpStream::connect(("127.0.0.1", *port)).is_err()) {
            assert!(begun.elapsed() < PATIENCE, "the agent does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(agent)
    }

    pub fn forget(&self) {
        get(self.http, "/test/session/clear");
    }

    /// The requests that it took with `signal`, each in OTLP's JSON.
    pub fn took(&self, signal: &str) -> Vec<Value> {
        let read = get(self.http, &format!("/test/session/{signal}"));
        let requests: Vec<Value> = serde_json::from_str(&read).unwrap_or_else(|e| panic!("{e}: {read}"));
        requests.iter().map(as_otlp).collect()
    }

    /// Every metric that it took, by name, with its points in one list.
    pub fn metrics(&self) -> Map<String, Value> {
        let mut all = Map::new();
        for request in self.took("metrics") {
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
}

/// The body of an answer with status 2xx.
pub fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.split(' ').nth(1).is_some_and(|status| status.starts_with('2')), "{answer}");
    body.to_owned()
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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
