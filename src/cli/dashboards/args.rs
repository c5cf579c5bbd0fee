//! The options of `ringscope dashboards`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use ringscope::dashboard::{Options, Reader};

use crate::cli::help::Part::{Example, Prose, Term, Title};
use crate::cli::help::page;

/// `ringscope dashboards`.
#[derive(Debug, Args)]
pub struct DashboardsArgs {
    /// Folder to write to; it is made if it is not there
    #[arg(short, long, value_name = "DIR")]
    pub out: PathBuf,

    /// Write this alone; may be given several times [default: everything]
    #[arg(long, value_enum, value_name = "NAME")]
    pub only: Vec<For>,

    /// What Prometheus scrapes: host and port. May be given several times
    #[arg(long, default_value = "localhost:9464", value_name = "HOST:PORT", value_parser = address)]
    pub target: Vec<String>,

    /// The Alertmanager that Prometheus tells: host and port
    #[arg(long, default_value = "localhost:9093", value_name = "HOST:PORT", value_parser = address)]
    pub alertmanager: String,

    /// Name of the data source that Grafana's dashboards choose at first [default: Grafana's own default]
    #[arg(long, value_name = "NAME")]
    pub datasource: Option<String>,

    /// What the names of Elasticsearch's data streams begin with, as the destination's index_prefix says
    #[arg(long, default_value = "ringscope", value_name = "PREFIX", value_parser = prefix)]
    pub index_prefix: String,

    /// Write over files that are there with other contents
    #[arg(long)]
    pub force: bool,

    /// Print one JSON document on stdout instead of text
    #[arg(long)]
    pub json: bool,
}

/// Who reads a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum For {
    /// Dashboards
    Grafana,
    /// Saved objects: a dashboard, its data views and searches
    Kibana,
    /// A configuration, recording rules, alerts
    Prometheus,
    /// An example of who is told of the alerts
    Alertmanager,
    /// Grafana's dashboards and Prometheus's rules as one jsonnet library
    Mixin,
}

impl For {
    fn reads(self, reader: Reader) -> bool {
        match self {
            For::Grafana => reader == Reader::Grafana,
            For::Kibana => reader == Reader::Kibana,
            For::Prometheus => reader == Reader::Prometheus,
            For::Alertmanager => reader == Reader::Alertmanager,
            // It imports the dashboards.
            For::Mixin => matches!(reader, Reader::Mixin | Reader::Grafana),
        }
    }
}

impl DashboardsArgs {
    /// Whether files for that reader are wanted.
    pub fn wants(&self, reader: Reader) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only.reads(reader))
    }

    /// What the files depend on.
    pub fn options(&self) -> Options {
        let mut options = Options::default();
        options.targets.clone_from(&self.target);
        options.alertmanager = Some(self.alertmanager.clone());
        options.datasource.clone_from(&self.datasource);
        options.index_prefix.clone_from(&self.index_prefix);
        options
    }
}

/// Reads a host and a port.
fn address(text: &str) -> Result<String, String> {
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
    let is_host =
        |host: &str| !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || c == '/' || c.is_control());
    match text.rsplit_once(':') {
        Some((host, port)) if is_host(host) && is_port(port) => Ok(text.to_owned()),
        _ => Err("must be a host and a port, such as localhost:9464".to_owned()),
    }
}

/// Reads what data streams' names begin with.
fn prefix(text: &str) -> Result<String, String> {
    let is_good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    match text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit()) && text.chars().all(is_good) {
        true => Ok(text.to_owned()),
        false => {
            Err("must be lower-case letters, digits, '-', '_' and '.', and begin with a letter or digit".to_owned())
        }
    }
}

/// Below the options of `ringscope dashboards --help`.
pub fn help(width: usize) -> String {
    page(
        &[
            Title("Examples:"),
            Example("ringscope dashboards --out dashboards", "everything, for a process on this machine"),
            Example("ringscope dashboards --out . --only grafana", "dashboards for Grafana alone"),
            Example(
                "ringscope dashboards --out monitoring --target gpu-1:9464 --target gpu-2:9464",
                "with a Prometheus that scrapes two machines",
            ),
            Example("ringscope dashboards --out new --json | jq .files", "what was written, as JSON"),
            Title("Files:"),
            Term("grafana/*.json", "dashboards: overview, kernel, GPU, telemetry itself"),
            Term("kibana/ringscope.ndjson", "a dashboard over what --publish elasticsearch:… sends"),
            Term("prometheus/", "prometheus.yml, rules.yml (recording rules), alerts.yml"),
            Term("alertmanager/alertmanager.yml", "an example of who is told of the alerts"),
            Term("mixin/mixin.libsonnet", "dashboards, rules and alerts for jsonnet"),
            Title(""),
            Prose(
                "Nothing is written where a file is there with other contents, unless --force is given. docs/dashboards.md \
                 says what each panel and alert means.",
            ),
            Title("Exit codes:"),
            Term("0", "everything is there, written now or before"),
            Term("1", "a file with other contents is in the way, or the folder cannot be written"),
            Term("2", "wrong usage"),
        ],
        width,
    )
}
