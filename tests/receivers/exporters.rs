//! What stands beside a Prometheus: Pushgateway, the node exporter's folder of text files, Alertmanager.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::{Process, found};

/// Keeps what is pushed to it; across a kill, what it took some milliseconds before.
pub struct Pushgateway {
    pub process: Process,
}

impl Pushgateway {
    pub fn start() -> Option<Pushgateway> {
        let program = found("RINGSCOPE_PUSHGATEWAY")?;
        let command = move |_: &Path, ports: &[u16]| {
            let mut command = Command::new(&program);
            command.args(["--persistence.file=data", "--persistence.interval=10ms", "--log.level=warn"]);
            command.arg(format!("--web.listen-address=127.0.0.1:{}", ports[0]));
            command
        };
        Some(Pushgateway { process: Process::start("pushgateway", 1, command, |p| p.answers(0, "/-/ready")) })
    }

    /// Host and port.
    pub fn address(&self) -> String {
        self.process.address(0)
    }

    /// What a Prometheus would scrape, in text.
    pub fn metrics_page(&self) -> String {
        self.process.get(0, "/metrics")
    }

    /// Its groups, by its API.
    pub fn groups(&self) -> Value {
        serde_json::from_str::<Value>(&self.process.get(0, "/api/v1/metrics")).unwrap()["data"].take()
    }
}

/// Shows what the `.prom` files of its folder have, and nothing else.
pub struct NodeExporter {
    pub process: Process,
}

impl NodeExporter {
    pub fn start() -> Option<NodeExporter> {
        let program = found("RINGSCOPE_NODE_EXPORTER")?;
        let command = move |folder: &Path, ports: &[u16]| {
            std::fs::create_dir_all(folder.join("textfiles")).unwrap();
            let mut command = Command::new(&program);
            command.args(["--collector.disable-defaults", "--collector.textfile", "--web.disable-exporter-metrics"]);
            command.args(["--collector.textfile.directory=textfiles", "--log.level=warn"]);
            command.arg(format!("--web.listen-address=127.0.0.1:{}", ports[0]));
            command
        };
        Some(NodeExporter { process: Process::start("node-exporter", 1, command, |p| p.answers(0, "/metrics")) })
    }

    /// Host and port.
    pub fn address(&self) -> String {
        self.process.address(0)
    }

    /// Where it looks for `.prom` files.
    pub fn folder(&self) -> PathBuf {
        self.process.folder().join("textfiles")
    }

    /// What a Prometheus would scrape, in text. `node_textfile_scrape_error` is 1 if a file is none.
    pub fn page(&self) -> String {
        self.process.get(0, "/metrics")
    }
}

/// Takes alerts and tells nobody.
pub struct Alertmanager {
    pub process: Process,
}

impl Alertmanager {
    pub fn start() -> Option<Alertmanager> {
        Alertmanager::with_config("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    }

    /// One that tells those whom this configuration names.
    pub fn with_config(config: &str) -> Option<Alertmanager> {
        let program = found("RINGSCOPE_ALERTMANAGER")?;
        let config = config.to_owned();
        let command = move |folder: &Path, ports: &[u16]| {
            std::fs::write(folder.join("config.yml"), &config).unwrap();
            // It looks for them where it runs.
            for template in ["default.tmpl", "email.tmpl"] {
                let _ = std::fs::copy(program.with_file_name(template), folder.join(template));
            }
            let mut command = Command::new(&program);
            command.args(["--config.file=config.yml", "--storage.path=data", "--cluster.listen-address="]);
            command.args([format!("--web.listen-address=127.0.0.1:{}", ports[0]), "--log.level=warn".into()]);
            command
        };
        Some(Alertmanager { process: Process::start("alertmanager", 1, command, |p| p.answers(0, "/-/ready")) })
    }

    /// Host and port.
    pub fn address(&self) -> String {
        self.process.address(0)
    }

    /// The alerts that it has.
    pub fn alerts(&self) -> Vec<Value> {
        serde_json::from_str(&self.process.get(0, "/api/v2/alerts")).unwrap()
    }
}
