//! Dashboards and rules for what ringscope exports: for Grafana, Kibana, Prometheus and Alertmanager, as files to import.
//!
//! Pure: [`files`] makes texts; who calls it writes them, as `ringscope dashboards --out DIR` does. Families are looked up in
//! the [`catalog`](crate::export::catalog) while this is compiled, so that no panel asks for a metric that does not exist.
//!
//! ```
//! use ringscope::dashboard::{Options, files};
//!
//! let files = files(&Options::default());
//! let overview = files.iter().find(|file| file.path == "grafana/ringscope-overview.json").expect("it is there");
//! assert!(overview.contents.contains("ringscope_kernel_messages_processed_total"));
//! assert!(overview.import.contains("Grafana"));
//! ```

mod alerts;
mod config;
mod grafana;
mod kibana;
mod metric;
mod mixin;
mod options;
mod recording;
mod yaml;

pub use options::Options;

use serde_json::Value;

/// Who reads a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reader {
    /// A dashboard in Grafana's classic JSON model.
    Grafana,
    /// Saved objects as NDJSON.
    Kibana,
    /// A configuration or rules in YAML.
    Prometheus,
    /// A configuration in YAML.
    Alertmanager,
    /// Dashboards and rules as one jsonnet library.
    Mixin,
}

impl Reader {
    /// All of them.
    pub const ALL: [Reader; 5] =
        [Reader::Grafana, Reader::Kibana, Reader::Prometheus, Reader::Alertmanager, Reader::Mixin];

    /// Returns its name in lower case, which is also that of its folder.
    pub const fn name(self) -> &'static str {
        match self {
            Reader::Grafana => "grafana",
            Reader::Kibana => "kibana",
            Reader::Prometheus => "prometheus",
            Reader::Alertmanager => "alertmanager",
            Reader::Mixin => "mixin",
        }
    }
}

/// A file to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct File {
    /// Path below the folder that is chosen, with `/`.
    pub path: String,
    /// What is in it, UTF-8.
    pub contents: String,
    /// Who reads it.
    pub reader: Reader,
    /// What it is, in a few words.
    pub what: &'static str,
    /// How it is imported, in one sentence.
    pub import: &'static str,
}

const IN_GRAFANA: &str = "In Grafana: Dashboards, New, Import, Upload; or put it into a folder that a provider of /etc/grafana/provisioning/dashboards names";
const IN_KIBANA: &str = "In Kibana: Stack Management, Saved Objects, Import; or POST it to /api/saved_objects/_import";
const AS_RULES: &str = "Beside prometheus.yml, named there under rule_files; promtool check rules checks it";

/// Returns all files, in the order of their paths.
pub fn files(options: &Options) -> Vec<File> {
    let file = |reader: Reader, name: &str, contents, what, import| {
        let path = format!("{}/{name}", reader.name());
        File { path, contents, reader, what, import }
    };
    let grafana = grafana::dashboards(options.datasource.as_deref());
    let mixin = mixin::library(&grafana.iter().map(|(uid, _)| *uid).collect::<Vec<_>>());
    let mut files: Vec<File> = grafana
        .iter()
        .map(|(uid, json)| {
            file(Reader::Grafana, &format!("{uid}.json"), pretty(json), "a dashboard for Grafana", IN_GRAFANA)
        })
        .collect();
    files.extend([
        file(
            Reader::Kibana,
            "ringscope.ndjson",
            kibana::saved_objects(&options.index_prefix),
            "a dashboard for Kibana, with its data views and searches",
            IN_KIBANA,
        ),
        file(
            Reader::Prometheus,
            "prometheus.yml",
            config::prometheus(options),
            "what Prometheus scrapes, and the rules that it evaluates",
            "prometheus --config.file=prometheus.yml --enable-feature=native-histograms",
        ),
        file(Reader::Prometheus, "rules.yml", recording::file(), "recording rules for a fleet", AS_RULES),
        file(Reader::Prometheus, "alerts.yml", alerts::file(), "alerts", AS_RULES),
        file(
            Reader::Alertmanager,
            "alertmanager.yml",
            config::alertmanager(),
            "an example of who is told of the alerts",
            "alertmanager --config.file=alertmanager.yml, with your own receivers in it",
        ),
        file(
            Reader::Mixin,
            "mixin.libsonnet",
            mixin,
            "the same dashboards, rules and alerts as a jsonnet library",
            "mixtool generate all mixin.libsonnet, or import it in your own jsonnet, with the folder grafana beside it",
        ),
    ]);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// As people read it, with a line break at the end.
fn pretty(json: &Value) -> String {
    format!("{json:#}\n")
}
