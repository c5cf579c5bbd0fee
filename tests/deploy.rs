//! The files of deploy/ are right by the checkers of those who read them: Prometheus's promtool, the schemas of Compose, of
//! Kubernetes and of the Prometheus operator. Metrics are called there as in the catalog. scripts/receivers.sh brings the
//! checkers; without them those tests say so and pass, unless RINGSCOPE_REQUIRE_RECEIVERS=1.
#![cfg(all(feature = "files", feature = "otlp", unix))]

mod receivers;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use ringscope::export::{FamilyKind, catalog};
use ringscope::publish::{AnyDestination, Environment};

fn deploy(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(file)
}

const FILES: [&str; 6] = [
    "compose.yaml",
    "kubernetes/application.yaml",
    "kubernetes/textfile.yaml",
    "prometheus/prometheus.yml",
    "prometheus/rules.yml",
    "Dockerfile",
];

fn text(file: &str) -> String {
    std::fs::read_to_string(deploy(file)).unwrap()
}

/// Lines that are no comments.
fn lines(file: &str) -> Vec<String> {
    text(file).lines().filter(|line| !line.trim_start().starts_with('#')).map(str::to_owned).collect()
}

/// What stands behind a key, wherever it is.
fn values(file: &str, key: &str) -> Vec<String> {
    let lines = lines(file);
    let value =
        |line: &String| line.trim_start().trim_start_matches("- ").strip_prefix(key).map(|v| v.trim().to_owned());
    lines.iter().filter_map(value).collect()
}

#[test]
fn compose_and_kubernetes_find_nothing_wrong() {
    if let Some(wrong) = receivers::schemas::compose(&deploy("compose.yaml")) {
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
    for file in ["kubernetes/application.yaml", "kubernetes/textfile.yaml"] {
        if let Some(wrong) = receivers::schemas::kubernetes(&deploy(file)) {
            assert!(wrong.is_empty(), "{file}: {wrong:#?}");
        }
    }
}

/// The same checkers, of files that are wrong.
#[test]
fn the_checkers_find_something_where_there_is_something() {
    let folder = tempfile::tempdir().unwrap();
    let changed = |file: &str, from: &str, to: &str| {
        let text = text(file);
        assert!(text.contains(from), "{file} has no {from}");
        let path = folder.path().join(Path::new(file).file_name().unwrap());
        std::fs::write(&path, text.replace(from, to)).unwrap();
        path
    };
    if let Some(wrong) = receivers::schemas::compose(&changed("compose.yaml", "    image:", "    imago:")) {
        assert!(!wrong.is_empty());
    }
    for (from, to) in
        [("containerPort: 9464", "containerPort: telemetry"), ("metricRelabelings:", "metricRelabellings:")]
    {
        let file = changed("kubernetes/application.yaml", from, to);
        let Some(wrong) = receivers::schemas::kubernetes(&file) else { continue };
        assert!(!wrong.is_empty(), "{to}");
    }
}

#[test]
fn promtool_finds_nothing_wrong() {
    let Some(promtool) = receivers::found("RINGSCOPE_PROMTOOL3") else { return };
    for (what, file) in [("config", "prometheus/prometheus.yml"), ("rules", "prometheus/rules.yml")] {
        let checked =
            Command::new(&promtool).args(["check", what]).arg(deploy(file)).output().expect("promtool starts");
        let said = String::from_utf8_lossy(&[checked.stdout, checked.stderr].concat()).into_owned();
        assert!(checked.status.success() && said.contains("SUCCESS") && !said.contains("FAILED"), "{file}: {said}");
    }
}

/// The names of metrics, also those that recording rules make of them.
fn metrics(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let ours =
        words.filter(|word| ["ringscope_", "telemetry_", "event_", "network_"].iter().any(|p| word.starts_with(p)));
    ours.map(|word| word.trim_end_matches('_').to_owned()).collect()
}

#[test]
fn metrics_are_called_as_in_the_catalog() {
    let mut known = BTreeSet::new();
    for family in catalog() {
        let sample = family.sample_name();
        known.extend([family.name.to_owned(), sample.to_string()]);
        if matches!(family.kind, FamilyKind::Histogram | FamilyKind::Summary) {
            known.extend(["bucket", "sum", "count"].map(|end| format!("{sample}_{end}")));
        }
    }
    let mut found = 0;
    for file in FILES {
        for name in metrics(&lines(file).join("\n")) {
            assert!(known.contains(&name), "{file}: the catalog has no {name}");
            found += 1;
        }
    }
    assert!(found > 20, "{found} names");
    assert!(!metrics("rate(ringscope_no_such_metric_total[5m])").is_subset(&known));
}

/// What is dropped is what every native histogram has as a classic twin, and nothing else, in both configurations.
#[test]
fn classic_twins_of_native_histograms_are_dropped() {
    let seconds = |name: &str| name.replace("_nanoseconds", "_seconds");
    let twins = catalog().filter(|family| family.is_native_only()).map(|family| seconds(family.name));
    let expected: Vec<String> = twins.map(|name| format!("{name}_(bucket|sum|count)")).collect();
    assert_eq!(values("prometheus/prometheus.yml", "regex:"), [expected.join("|")]);
    assert_eq!(values("kubernetes/application.yaml", "regex:"), [expected.join("|")]);
}

#[test]
fn images_have_versions_and_ports_are_this_machines_own() {
    let mut images = 0;
    for file in FILES {
        for image in values(file, "image:").into_iter().chain(values(file, "FROM ")) {
            let (_, tag) = image.rsplit_once(':').unwrap_or_else(|| panic!("{image} has no version"));
            assert!(tag.contains(|c: char| c.is_ascii_digit()) && !tag.contains("latest"), "{image}");
            images += 1;
        }
    }
    assert!(images >= 9, "{images}");
    let compose = lines("compose.yaml");
    let is_port = |line: &&String| line.trim().starts_with("- \"") && line.contains(':') && !line.contains("command");
    let ports: Vec<&String> = compose.iter().filter(is_port).collect();
    assert_eq!(ports.len(), 4);
    assert!(ports.iter().all(|port| port.trim().starts_with("- \"127.0.0.1:")), "{ports:?}");
}

/// The version is this package's, and the program takes what it is started with.
#[test]
fn the_program_is_started_as_it_can_be() {
    let image = format!("ringscope:{}", env!("CARGO_PKG_VERSION"));
    let mut published = 0;
    for file in ["compose.yaml", "kubernetes/application.yaml", "kubernetes/textfile.yaml"] {
        assert!(values(file, "image:").contains(&image), "{file}: {image}");
        for line in lines(file).iter().filter_map(|line| line.split_once("--publish=")) {
            let url = line.1.trim_end_matches('"');
            AnyDestination::from_url(url, &Environment::of([])).unwrap_or_else(|e| panic!("{file}: {url}: {e}"));
            published += 1;
        }
    }
    assert_eq!(published, 3);
}
