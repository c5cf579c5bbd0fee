//! What the files depend on.

/// What the files depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// What Prometheus scrapes: hosts and ports. Default: `localhost:9464`.
    pub targets: Vec<String>,
    /// A node exporter that Prometheus scrapes too, host and port. Default: none.
    pub node_exporter: Option<String>,
    /// The Alertmanager that Prometheus tells, host and port. Default: `localhost:9093`.
    pub alertmanager: Option<String>,
    /// The files of rules that Prometheus reads, relative to its configuration. Default: `rules.yml` and `alerts.yml`.
    pub rule_files: Vec<String>,
    /// The name or uid of the data source that Grafana's dashboards choose at first. Default: none, Grafana's own default.
    pub datasource: Option<String>,
    /// What the names of Elasticsearch's data streams begin with, as the destination is told. Default: `ringscope`.
    pub index_prefix: String,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            targets: vec!["localhost:9464".to_owned()],
            node_exporter: None,
            alertmanager: Some("localhost:9093".to_owned()),
            rule_files: vec!["rules.yml".to_owned(), "alerts.yml".to_owned()],
            datasource: None,
            index_prefix: "ringscope".to_owned(),
        }
    }
}
