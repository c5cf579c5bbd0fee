//! ministack, which has the API of CloudWatch. It keeps what it took in memory.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::http::Answer;
use super::{Process, found};

pub struct CloudWatch {
    pub process: Process,
}

impl CloudWatch {
    pub fn start() -> Option<CloudWatch> {
        let python = found("RINGSCOPE_CLOUDWATCH")?;
        let command = move |folder: &Path, ports: &[u16]| {
            let mut command = Command::new("python3");
            command.args(["-m", "ministack"]).env("PYTHONPATH", &python).env("HOME", folder).env("TMPDIR", folder);
            command.env("BIND_HOST", "127.0.0.1").env("GATEWAY_PORT", ports[0].to_string());
            command.env("SERVICES", "cloudwatch").env("IOT_MTLS_ENABLED", "0").env("PERSIST_STATE", "0");
            command
        };
        let ready = |p: &Process| p.answers(0, "/_localstack/health");
        Some(CloudWatch { process: Process::start("cloudwatch", 1, command, ready) })
    }

    /// Host and port.
    pub fn address(&self) -> String {
        self.process.address(0)
    }

    /// What an SDK is given as its endpoint. Any credentials do; it checks no signature.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address())
    }

    /// What it answers to an operation of the API, in JSON.
    pub fn request(&self, operation: &str, body: &Value) -> Answer {
        self.raw(operation, "application/x-amz-json-1.0", "/", body.to_string().as_bytes())
    }

    /// The same in CBOR, as the SDKs speak.
    pub fn request_cbor(&self, operation: &str, body: &[u8]) -> Answer {
        let path = format!("/service/GraniteServiceVersion20100801/operation/{operation}");
        self.raw(operation, "application/cbor", &path, body)
    }

    fn raw(&self, operation: &str, kind: &str, path: &str, body: &[u8]) -> Answer {
        let target = format!("GraniteServiceVersion20100801.{operation}");
        let authorization = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/monitoring/aws4_request, \
             SignedHeaders=host, Signature=00";
        let mut headers = vec![("Content-Type", kind), ("Authorization", authorization)];
        match kind {
            "application/cbor" => headers.push(("Smithy-Protocol", "rpc-v2-cbor")),
            _ => headers.push(("X-Amz-Target", &target)),
        }
        self.process.ask(0, "POST", path, &headers, body)
    }

    /// The metrics of a namespace: a list of `{Namespace, MetricName, Dimensions}`.
    pub fn list_metrics(&self, namespace: &str) -> Vec<Value> {
        let mut answer = self.answer("ListMetrics", &json!({"Namespace": namespace}));
        serde_json::from_value(answer["Metrics"].take()).expect("a list")
    }

    /// The statistics (`Sum`, `SampleCount`, `Minimum`, `Maximum`, `Average`) of a metric over all of its time, in periods of
    /// so many seconds: a list of points.
    pub fn get_metric_statistics(
        &self,
        namespace: &str,
        metric: &str,
        dimensions: &[(&str, &str)],
        period: u32,
        statistics: &[&str],
    ) -> Vec<Value> {
        let dimensions: Vec<Value> =
            dimensions.iter().map(|(name, value)| json!({"Name": name, "Value": value})).collect();
        let mut answer = self.answer(
            "GetMetricStatistics",
            &json!({
                "Namespace": namespace, "MetricName": metric, "Dimensions": dimensions, "Period": period,
                "StartTime": 0, "EndTime": u32::MAX, "Statistics": statistics,
            }),
        );
        serde_json::from_value(answer["Datapoints"].take()).expect("a list")
    }

    fn answer(&self, operation: &str, body: &Value) -> Value {
        let answer = self.request(operation, body);
        assert_eq!(answer.status, 200, "{operation}: {}", answer.text());
        answer.json()
    }
}
