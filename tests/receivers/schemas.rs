//! Files for deployment, checked by the schemas that Compose, Kubernetes and the Prometheus operator publish.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::found;

/// What is wrong with a compose file; `None`, aloud, where there is no schema.
pub fn compose(file: &Path) -> Option<Vec<String>> {
    let mut command = python(&found("RINGSCOPE_SCHEMAS")?, &["-m", "check_jsonschema"]);
    command.args(["--builtin-schema", "vendor.compose-spec"]).arg(file);
    Some(complaints(&command.output().expect("python3 starts")))
}

/// What is wrong with the resources of Kubernetes and of the Prometheus operator (PodMonitor, ServiceMonitor, PrometheusRule)
/// in a manifest, fields that they do not have included; `None`, aloud, where there are no schemas.
pub fn kubernetes(file: &Path) -> Option<Vec<String>> {
    let (schemas, modules) = (found("RINGSCOPE_SCHEMAS")?, found("RINGSCOPE_OPERATOR_SCHEMAS")?);
    let mut command = python(&schemas, &["-m", "kubernetes_validate", "--strict"]);
    let of_kubernetes = command.arg(file).output().expect("python3 starts");
    let mut wrong = complaints(&of_kubernetes);
    // It has no schema for the operator's, and says so.
    wrong.retain(|line| !line.contains("api version monitoring.coreos.com/v1 "));
    let read = "import json, sys, yaml\n\
                all = [r for r in yaml.safe_load_all(open(sys.argv[1])) if r]\n\
                print(json.dumps([r for r in all if r['apiVersion'] == 'monitoring.coreos.com/v1']))";
    let resources = python(&schemas, &["-c", read]).arg(file).output().expect("python3 starts");
    assert!(resources.status.success(), "{}", String::from_utf8_lossy(&resources.stderr));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/receivers/pod-monitor.mjs");
    let mut node = Command::new("node");
    node.arg(script).arg(modules).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut node = node.spawn().expect("node starts");
    node.stdin.take().unwrap().write_all(&resources.stdout).unwrap();
    let output = node.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    wrong.extend(serde_json::from_slice::<Vec<String>>(&output.stdout).expect("a list"));
    Some(wrong)
}

fn python(packages: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("python3");
    command.args(arguments).env("PYTHONPATH", packages);
    command
}

/// What a checker said but for what is right.
fn complaints(output: &Output) -> Vec<String> {
    let said = [&*output.stdout, &*output.stderr].concat();
    let lines = String::from_utf8_lossy(&said);
    let wrong = lines.lines().filter(|line| !line.starts_with("INFO ") && !line.starts_with("ok -- "));
    let wrong: Vec<String> = wrong.map(str::to_owned).collect();
    assert!(output.status.success() || !wrong.is_empty(), "it says what is wrong");
    wrong
}
