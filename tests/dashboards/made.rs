//! What is made now, and the same in the repository. RINGSCOPE_WRITE_DOCS=1 writes it anew.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ringscope::dashboard::{File, Options, Reader, files};
use ringscope::export::{FamilyKind, catalog};

const REFRESH: &str = "RINGSCOPE_WRITE_DOCS=1 cargo test --test dashboards";

pub fn of_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// All files, by their default options.
pub fn made() -> Vec<File> {
    files(&Options::default())
}

/// One of them.
pub fn contents(path: &str) -> String {
    made().into_iter().find(|file| file.path == path).unwrap_or_else(|| panic!("there is no {path}")).contents
}

/// What Prometheus is configured to do in deploy/compose.yaml.
fn deployed() -> Vec<File> {
    let mut options = Options::default();
    options.targets = vec!["application:9464".into()];
    options.node_exporter = Some("node-exporter:9100".into());
    options.alertmanager = None;
    options.rule_files = vec!["rules.yml".into()];
    let mut files = files(&options);
    files.retain(|file| ["prometheus/prometheus.yml", "prometheus/rules.yml"].contains(&&*file.path));
    files
}

#[test]
fn the_files_of_the_repository_are_those_that_are_made() {
    let all = made().into_iter().map(|file| ("dashboards", file));
    let all = all.chain(deployed().into_iter().map(|file| ("deploy", file)));
    for (folder, file) in all {
        let path = of_repository(folder).join(&file.path);
        if std::env::var("RINGSCOPE_WRITE_DOCS").is_ok_and(|v| v == "1") {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &file.contents).unwrap();
        }
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(there == file.contents, "{}: other contents than what is made: {REFRESH}", path.display());
    }
    let expected: BTreeSet<PathBuf> = made().iter().map(|file| PathBuf::from(&file.path)).collect();
    let mut found = BTreeSet::new();
    for reader in Reader::ALL {
        for entry in std::fs::read_dir(of_repository("dashboards").join(reader.name())).unwrap() {
            found.insert(Path::new(reader.name()).join(entry.unwrap().file_name()));
        }
    }
    assert_eq!(found, expected, "nothing else lies in dashboards/");
}

/// The names of series in a text: ringscope's own, whatever is recorded of them included.
pub fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let ours = ["ringscope_", "telemetry_", "event_", "network_"];
    let ours = words.filter(|word| ours.iter().any(|prefix| word.starts_with(prefix)));
    ours.map(str::to_owned).collect()
}

#[test]
fn each_family_of_the_catalog_is_asked_for_and_nothing_else() {
    let mut asked = BTreeSet::new();
    for file in made().iter().filter(|file| file.reader == Reader::Grafana) {
        let dashboard: serde_json::Value = serde_json::from_str(&file.contents).unwrap();
        for (_, panel) in crate::panels::panels(&dashboard) {
            panel.queries.iter().for_each(|query| asked.extend(names(query)));
        }
    }
    assert!(!asked.is_empty());
    let mut known = BTreeSet::new();
    for family in catalog() {
        let sample = family.sample_name();
        let series = match family.kind {
            FamilyKind::Histogram => vec![sample.to_string(), format!("{sample}_bucket")],
            _ => vec![sample.to_string()],
        };
        assert!(series.iter().any(|name| asked.contains(name)), "no panel shows {}", family.name);
        known.extend(series);
    }
    assert!(asked.is_subset(&known), "{:?}", asked.difference(&known));
}
