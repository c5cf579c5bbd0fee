//! The program with `--rules FILE`: what is wrong with the kernels reaches a webhook, and that it is over.

use serde_json::Value;

use crate::delivery::{Hooked, until};
use crate::program::{Dir, path, ringscope, text};
use crate::serving::Serving;

/// Errors raise an alert at once, and it is resolved when there were none for a second.
fn rules(address: &str) -> String {
    format!(
        r#"
        group_by = []
        group_interval = "0s"

        [[rule]]
        name = "Failing"
        kind = "failure_rate"
        kernel = "worker_*"
        together = true
        above = "20%"
        over = "1s"
        severity = "critical"

        [[notify]]
        kind = "webhook"
        name = "pager"
        url = "http://{address}/alert"

        [[notify]]
        kind = "log"
        "#
    )
}

#[test]
fn a_service_with_errors_fires_and_is_resolved() {
    let mut hooked = Hooked::start();
    let dir = Dir::new("alerts-serve");
    let file = dir.0.join("rules.toml");
    std::fs::write(&file, rules(&hooked.server.address.to_string())).unwrap();
    let input = dir.file("input", 1 << 20);
    let args = ["--rules", path(&file), "--inject-errors", "0.5", "--messages", "1000000", "--message-bytes", "64"];
    let serving = Serving::start(&[&args[..], &["--interval", "20ms", path(&input)]].concat());
    let fires = hooked.next_body();
    assert_eq!((&fires["status"], &fires["receiver"]), (&"firing".into(), &"pager".into()), "{fires}");
    let alert = &fires["alerts"][0];
    assert_eq!(alert["labels"]["alertname"], "Failing");
    let summary = alert["annotations"]["summary"].as_str().unwrap();
    assert!(
        summary.starts_with("the failure rate of kernel worker_* is ") && summary.ends_with(", above 20 %"),
        "{summary}"
    );
    let over = hooked.next_body();
    assert_eq!(
        (&over["status"], &over["alerts"][0]["fingerprint"]),
        (&"resolved".into(), &alert["fingerprint"]),
        "{over}"
    );
    let rules: Value = serde_json::from_str(&serving.get("/alerts.json")).unwrap();
    assert!(rules["rules"][0].as_str().is_some_and(|rule| rule.starts_with("Failing (critical): ")), "{rules}");
    until("its counts", || {
        serving.get("/metrics").contains("telemetry_publish_items_total{destination=\"pager\"} 2").then_some(())
    });
}

#[test]
fn a_service_without_a_file_has_rules_that_notify_nobody() {
    let serving = Serving::start(&["--messages", "10"]);
    let rules: Value = serde_json::from_str(&serving.get("/alerts.json")).unwrap();
    let named =
        |name: &str| rules["rules"].as_array().unwrap().iter().any(|rule| rule.as_str().unwrap().starts_with(name));
    assert!(named("KernelStalled (critical): ") && named("TaskFailureRate (warning): "), "{rules}");
    let publishers = &serving.snapshot()["publishers"];
    assert!(publishers.as_array().is_none_or(Vec::is_empty), "{publishers}");
}

#[test]
fn a_run_says_on_stderr_what_a_file_wants_in_the_log() {
    let dir = Dir::new("alerts-run");
    let file = dir.0.join("rules.toml");
    std::fs::write(
        &file,
        "[[rule]]\nname = \"NoGpu\"\nkind = \"absent\"\nkernel = \"gpu_*\"\nsummary = \"nothing called {kernel} runs\"\n\
         [[notify]]\nkind = \"log\"\n",
    )
    .unwrap();
    let args = ["run", "--device", "host", "--messages", "3000", "--interval", "20ms", "--rules", path(&file)];
    let run = ringscope(&args).output().unwrap();
    assert!(run.status.success(), "{run:?}");
    let said = text(&run.stderr);
    assert!(said.contains("firing NoGpu (warning): nothing called gpu_* runs"), "{said}");
}
