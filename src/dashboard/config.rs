//! Configurations that use the rules: of Prometheus, and an example for Alertmanager.

use super::metric::DURATIONS;
use super::options::Options;
use super::yaml::{Line, Yaml, document, flow, item, pair};

const SCRAPES: &str =
    "Scrapes ringscope with native histograms. Prometheus before 3.8 is started with --enable-feature=native-histograms; a later one
wants `scrape_native_histograms: true` in `global` instead. Made of ringscope's catalog of metrics.";
const TWINS: &str =
    "The native histograms in nanoseconds have the same durations, in full resolution and as one series each.";

/// What Prometheus scrapes, and which rules it evaluates.
pub(super) fn prometheus(options: &Options) -> String {
    let global = vec![
        pair("scrape_interval", "15s"),
        pair("scrape_timeout", "10s"),
        pair("evaluation_interval", "1m"),
        Line::Comment("Protobuf is the one format with native histograms."),
        pair("scrape_protocols", flow(["PrometheusProto", "OpenMetricsText1.0.0", "PrometheusText0.0.4"])),
    ];
    let targets = |targets: &[String]| pair("static_configs", vec![item(vec![pair("targets", flow(targets))])]);
    let drop = vec![
        Line::Comment(TWINS),
        item(vec![pair("source_labels", flow(["__name__"])), pair("regex", classic_twins()), pair("action", "drop")]),
    ];
    let mut jobs = vec![item(vec![
        pair("job_name", "ringscope"),
        targets(&options.targets),
        pair("metric_relabel_configs", drop),
    ])];
    if let Some(node) = &options.node_exporter {
        jobs.push(Line::Gap);
        jobs.push(item(vec![pair("job_name", "node"), targets(std::slice::from_ref(node))]));
    }
    let mut file = vec![Line::Comment(SCRAPES), pair("global", global), Line::Gap];
    file.push(pair("rule_files", options.rule_files.iter().map(|name| item(name.as_str())).collect::<Vec<_>>()));
    if let Some(alertmanager) = &options.alertmanager {
        let managers = vec![item(vec![targets(std::slice::from_ref(alertmanager))])];
        file.extend([Line::Gap, pair("alerting", vec![pair("alertmanagers", managers)])]);
    }
    file.extend([Line::Gap, pair("scrape_configs", jobs)]);
    document(file)
}

/// What every native histogram has as a classic one as well.
fn classic_twins() -> String {
    DURATIONS.map(|of| format!("{}_(bucket|sum|count)", of.classic)).join("|")
}

const EXAMPLE: &str = "An example for Alertmanager: who is told of ringscope's alerts, and when. In place of the two addresses put yours; what else there
is (e-mail, chat, pagers) its documentation says. `amtool check-config` checks it.";

/// Routes by severity, and what is not worth telling beside something worse.
pub(super) fn alertmanager() -> String {
    let webhook = |name: &str, url: &str| {
        let to = vec![item(vec![pair("url", url), pair("send_resolved", Yaml::Bool(true))])];
        item(vec![pair("name", name), pair("webhook_configs", to)])
    };
    let route = vec![
        pair("receiver", "later"),
        Line::Comment("One message for all kernels of a process with the same trouble."),
        pair("group_by", flow(["alertname", "job", "instance"])),
        pair("group_wait", "30s"),
        pair("group_interval", "5m"),
        pair("repeat_interval", "12h"),
        pair(
            "routes",
            vec![
                item(vec![
                    pair("matchers", flow(["severity = critical"])),
                    pair("receiver", "at once"),
                    pair("group_wait", "5s"),
                    pair("repeat_interval", "1h"),
                ]),
                Line::Comment("Seen in Alertmanager, told to nobody."),
                item(vec![pair("matchers", flow(["severity = info"])), pair("receiver", "nobody")]),
            ],
        ),
    ];
    let inhibits = |by: &str, what: &str, equal: &[&str]| {
        item(vec![
            pair("source_matchers", flow([format!("alertname = {by}")])),
            pair("target_matchers", flow([format!("alertname =~ \"{what}\"")])),
            pair("equal", flow(equal.iter().copied())),
        ])
    };
    document(vec![
        Line::Comment(EXAMPLE),
        pair("route", route),
        Line::Gap,
        pair(
            "receivers",
            vec![
                webhook("at once", "http://localhost:8080/at-once"),
                webhook("later", "http://localhost:8080/later"),
                item(vec![pair("name", "nobody")]),
            ],
        ),
        Line::Gap,
        pair(
            "inhibit_rules",
            vec![
                Line::Comment("Who hangs is also silent, slow, and has a full queue."),
                inhibits(
                    "RingscopeKernelStalled",
                    "RingscopeKernel(Silent|Slow|QueueFull)",
                    &["job", "instance", "kernel"],
                ),
                Line::Comment("Of a process that is gone nothing else is known."),
                inhibits("RingscopeProcessGone", "Ringscope(SnapshotStale|Kernel.+)", &["job", "instance"]),
            ],
        ),
    ])
}
