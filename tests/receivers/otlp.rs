//! Datadog's test agent, which takes OTLP in protobuf, in JSON and by gRPC, and tells what it understood.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::{Process, brought};

pub struct OtlpAgent {
    pub process: Process,
}

impl OtlpAgent {
    /// `None`, aloud, where scripts/trace-tools.sh did not bring it.
    pub fn start() -> Option<OtlpAgent> {
        let python = brought("RINGSCOPE_OTLP_AGENT", "scripts/trace-tools.sh", "RINGSCOPE_REQUIRE_TRACE_TOOLS")?;
        let command = move |_: &Path, ports: &[u16]| {
            let [http, grpc, own] = [0, 1, 2].map(|n| ports[n].to_string());
            let mut command = Command::new("python3");
            command.args(["-m", "ddapm_test_agent.agent", "--host", "127.0.0.1", "--port", &own]);
            command.args(["--otlp-http-port", &http, "--otlp-grpc-port", &grpc]).env("PYTHONPATH", &python);
            command
        };
        let ready = |p: &Process| p.accepts(1) && p.answers(0, "/test/session/traces");
        Some(OtlpAgent { process: Process::start("otlp-agent", 3, command, ready) })
    }

    /// Host and port for OTLP over HTTP: `/v1/metrics`, `/v1/traces`, `/v1/logs`.
    pub fn http(&self) -> String {
        self.process.address(0)
    }

    /// Host and port for OTLP over gRPC.
    pub fn grpc(&self) -> String {
        self.process.address(1)
    }

    /// Every request with metrics since it was cleared: protobuf as JSON with the fields' own names, JSON as it came.
    pub fn metrics(&self) -> Vec<Value> {
        self.session("metrics")
    }

    /// The same of traces.
    pub fn traces(&self) -> Vec<Value> {
        self.session("traces")
    }

    /// The same of logs.
    pub fn logs(&self) -> Vec<Value> {
        self.session("logs")
    }

    /// Every request as it came over HTTP: method, URL, headers, body in base64. What comes by gRPC it sends on to itself.
    pub fn requests(&self) -> Vec<Value> {
        self.session("requests")
    }

    /// Forgets.
    pub fn clear(&self) {
        self.process.get(0, "/test/session/clear");
    }

    fn session(&self, of: &str) -> Vec<Value> {
        serde_json::from_str(&self.process.get(0, &format!("/test/session/{of}"))).expect("a list")
    }
}
