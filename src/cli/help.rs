//! What stands below the options of each command's help: examples, what is served, exit codes; laid out for a width.

use crate::cli::term::text::{Paint, Text, columns, paragraphs};

/// A piece of a help page.
pub enum Part {
    /// The heading of what follows.
    Title(&'static str),
    /// A command, and what it does.
    Example(&'static str, &'static str),
    /// A word, and what it means.
    Term(&'static str, &'static str),
    /// Words, wrapped.
    Prose(&'static str),
    /// A line of a file, as it is.
    File(&'static str),
}

use Part::{Example, File, Prose, Term, Title};

/// Of `run` and `serve`.
const PUBLISHING: &str = "A URL begins with otlp+http, otlp+grpc, jaeger, remote-write+http, pushgateway+http, elasticsearch+http, \
    grafana-cloud, dogstatsd, cloudwatch, prometheus-file, json-file or json-lines (https and grpcs for http and grpc), \
    and takes options: ?compression=gzip&queue_bytes=1MiB. Each destination has a queue of its own: one that is slow or \
    dead delays neither the kernels nor the others. What did not get there is counted, and said at the end. Passwords and \
    keys come from the environment or from files: docs/destinations.md has the names.";

/// Below the commands of `ringscope --help`.
pub fn program(width: usize) -> String {
    page(
        &[
            Title("Examples:"),
            Example("ringscope doctor", "which devices work; if not CUDA, why"),
            Example("ringscope run", "stream ringscope's own executable"),
            Example("ringscope run --duration 10s disk.img", "repeat a file for 10 seconds"),
            Example("ringscope run --json disk.img | jq .summary", "the result as JSON"),
            Example("ringscope serve", "a page and metrics on http://localhost:9464"),
            Example("ringscope top", "watch kernels on the terminal"),
            Example("ringscope check ringscope.toml", "a file of destinations: what is wrong with it"),
            Example("ringscope trace -o run.pftrace", "what happened when, for ui.perfetto.dev"),
            Example("ringscope dashboards --out DIR", "for Grafana, Kibana, Prometheus"),
            Example("ringscope bench --quick", "what telemetry costs on this machine"),
            Example("ringscope anomalies load.csv", "what is unusual in a series of values"),
            Example("ringscope record -o run.rscope", "every reading in a file"),
            Example("ringscope replay run.rscope", "the same once more"),
            Example("ringscope report run.rscope", "a recording's story as a page"),
            Example("ringscope report run.rscope", "a recording's story as a page"),
            Example("ringscope diff old.rscope new.rscope", "two recordings compared"),
            Example("ringscope anomalies load.csv", "what is unusual in a series of values"),
            Title(""),
            Prose(
                "`ringscope help run` shows the options, examples and exit codes of `run`; likewise for the other \
                 commands.",
            ),
            Title("Exit codes:"),
            Term("0", "success"),
            Term("1", "a check failed, or a file, device or address cannot be used; stderr says why"),
            Term("2", "wrong usage"),
        ],
        width,
    )
}

/// Below the options of `ringscope run --help`.
pub fn run(width: usize) -> String {
    page(
        &[
            Title("Examples:"),
            Example("ringscope run disk.img", "the file's CRC-32C, by three ring kernels"),
            Example("ringscope run --duration 30s", "watch the kernels work for 30 seconds"),
            Example("ringscope run --inject-errors 0.25", "have a quarter of the messages refused"),
            Example("ringscope run --black-box 256", "if a kernel dies, say where it was"),
            Example("ringscope run --no-telemetry", "the same kernels without telemetry"),
            Example("ringscope run --json >run.json", "JSON on stdout, progress on stderr"),
            Example(
                "ringscope run --device cuda:1 --kernels 8 --blocks 4 --message-bytes 65536",
                "choose the GPU and the load",
            ),
            Example("ringscope run --device cuda:all --kernels 16", "kernels on every GPU, in turn"),
            Title("Publishing:"),
            Example("ringscope run --publish json-file:run.json", "all metrics at the end, in a file"),
            Example(
                "ringscope run --duration 1h --publish otlp+http://localhost:4318 --publish-interval 10s",
                "to a collector",
            ),
            Prose(PUBLISHING),
            Title("JSON:"),
            Prose(
                "messages_per_second is measured by the host, over the run's seconds. summary.aggregate_throughput is of \
                 the kernels that still run, so it is 0 in this document.",
            ),
            Title("Ctrl-C:"),
            Prose(
                "The first Ctrl-C (or SIGTERM) ends the run cleanly: the messages under way are answered and checked, \
                 and the summary so far is shown. The second one ends the program at once; the shell reports exit \
                 code 130 (143 for SIGTERM). SIGHUP, when the terminal is closed, counts as Ctrl-C unless nohup has it ignored; \
                 SIGQUIT (Ctrl-\\) ends the program at once.",
            ),
            Title("Exit codes:"),
            Term(
                "0",
                "every reply was correct, and the device's counts equal the host's exactly (also after one Ctrl-C)",
            ),
            Term(
                "1",
                "a reply was wrong or missing, or the counts differ, or a pipe gave no message, or a file or the device \
                 cannot be used, or a destination did not get everything",
            ),
            Term("2", "wrong usage"),
            Term("130", "ended by a second Ctrl-C"),
        ],
        width,
    )
}

/// Below the options of `ringscope serve --help`.
pub fn serve(width: usize) -> String {
    page(
        &[
            Title("Examples:"),
            Example("ringscope serve", "stream ringscope's own executable"),
            Example("ringscope serve --messages 100000", "send 100,000 messages, then only serve"),
            Example("ringscope serve --listen 0.0.0.0:9464", "serve on every network interface"),
            Example(
                "ringscope serve --token-file token --tls-cert cert.pem --tls-key key.pem",
                "to who has the token, encrypted",
            ),
            Example("ringscope serve --replay run.rscope --speed 10", "the page of a recording, ten times as fast"),
            Example("curl -s localhost:9464/metrics | grep processed", "read one metric"),
            Example("curl -s localhost:9464/snapshot.json | jq .kernels", "read the kernels' telemetry as JSON"),
            Example("curl -s localhost:9464/stuck", "read why a kernel hangs"),
            Example("curl -sf localhost:9464/healthz || echo trouble", "check the kernels from a script"),
            Title("Paths:"),
            Term("/", "the page, for a browser: charts, blocks, events, alerts"),
            Term(
                "/metrics",
                "for Prometheus: classic text, OpenMetrics text, or protobuf with native histograms, as the Accept \
                 header asks",
            ),
            Term("/snapshot.json", "everything that is known of the kernels, devices and machine"),
            Term("/summary.json", "totals over all kernels: timestamp, tasks, latency, system"),
            Term(
                "/stuck",
                "which kernels hang, where their blocks are and what they wait for, in sentences; as JSON where the \
                 Accept header or ?format=json asks for it",
            ),
            Term("/healthz", "200 if all kernels are healthy, else 503 and the reason"),
            Term(
                "/live",
                "what changes, as server-sent events; /live.rscope as a recording, for `ringscope top --connect`",
            ),
            Term("/trace.pftrace", "the last seconds as a trace, which the page opens in ui.perfetto.dev"),
            Term("/api", "a list of all paths; docs/page.md says what is in each"),
            Title("Publishing:"),
            Example("ringscope serve --config ringscope.toml", "to the destinations of a file"),
            Example(
                "ringscope serve --publish dogstatsd://localhost:8125",
                "to an agent of Datadog's, every 10 seconds",
            ),
            Prose(PUBLISHING),
            Title("In prometheus.yml:"),
            File("scrape_configs:"),
            File("  - job_name: ringscope"),
            File("    static_configs:"),
            File("      - targets: ['localhost:9464']"),
            Title(""),
            Prose(
                "Prometheus keeps the histograms' own buckets if it is started with \
                 --enable-feature=native-histograms.",
            ),
            Title("Ctrl-C:"),
            Prose(
                "The first Ctrl-C (or SIGTERM) ends it cleanly, with the summary. The second one ends the program at \
                 once; the shell reports exit code 130 (143 for SIGTERM). SIGHUP, when the terminal is closed, counts as \
                 Ctrl-C unless nohup has it ignored; SIGQUIT (Ctrl-\\) ends the program at once.",
            ),
            Title("Exit codes:"),
            Term("0", "every reply was correct, and the device's counts equal the host's exactly"),
            Term(
                "1",
                "a reply was wrong or missing, or the counts differ, or a file, the device or the address cannot be \
                 used, or a destination did not get everything",
            ),
            Term("2", "wrong usage"),
            Term("130", "ended by a second Ctrl-C"),
        ],
        width,
    )
}

/// Below the options of `ringscope check --help`.
pub fn check(width: usize) -> String {
    page(
        &[
            Title("Examples:"),
            Example("ringscope check ringscope.toml", "every error with its line, or what is published where"),
            Example("ringscope check ringscope.toml --json", "the same as JSON"),
            Example("ringscope serve --config ringscope.toml", "what the file is for"),
            Example("ringscope check rules.toml", "a file of rules: its errors, or what raises an alert when"),
            Title("In the file:"),
            File("service = \"trainer\""),
            File("[[publish]]"),
            File("url = \"otlp+http://localhost:4318\""),
            File("interval = \"10s\""),
            Title(""),
            Prose(
                "Options of a destination are keys below its [[publish]], and may stand in its url as well: \
                 url = \"json-lines:run.ndjson?keep=9\". Passwords and keys stand in files of their own or in the environment: \
                 NAME_file = \"PATH\", NAME_env = \"VARIABLE\". docs/destinations.md lists all keys.",
            ),
            Title("Exit codes:"),
            Term("0", "the file can be used"),
            Term("1", "it cannot; stderr says why, line by line"),
            Term("2", "wrong usage"),
        ],
        width,
    )
}

/// Below the options of `ringscope trace --help`.
pub fn trace(width: usize) -> String {
    page(
        &[
            Title("Examples:"),
            Example("ringscope trace -o run.pftrace", "every message of one pass over ringscope's own executable"),
            Example("ringscope trace --duration 10s --sample 1/64 disk.img", "one of 64 messages, for 10 seconds"),
            Example("ringscope trace --duration 10m --slow 50us --errors", "only what was slow or failed"),
            Example("ringscope trace --format jaeger -o run.json", "for Jaeger's page: Search, JSON File"),
            Example("ringscope trace --json | jq .trace", "what was recorded, lost and written, as JSON"),
            Title("To look at it:"),
            Prose(
                "Open https://ui.perfetto.dev and drag the file onto the page: it is read in the browser and sent nowhere. \
                 Below the device there is a track for each multiprocessor and each block on it. W and S zoom, A and D move; \
                 a click on a message shows its number, and arrows to where it was sent and where its reply was taken. \
                 Perfetto's trace_processor answers SQL about the same file.",
            ),
            Title("What is missing:"),
            Prose(
                "A kernel never waits for the reader: it overwrites the oldest records of its ring. What was overwritten \
                 before it was read is counted, exactly, and stands in the trace as `LOST n` where it is missing. Of more \
                 than --records the oldest are left out, and shown in the same way.",
            ),
            Title("Ctrl-C, and kernels that hang:"),
            Prose(
                "Every two seconds, or more seldom where writing takes long, the file is replaced by what is known by then: \
                 it can be opened at any time. The first Ctrl-C (or SIGTERM) ends the run cleanly and writes all of it; the \
                 second one ends the program at once, and the file is that of the last time.",
            ),
            Title("Exit codes:"),
            Term("0", "as `ringscope run`, and the trace is written"),
            Term("1", "as `ringscope run`, or the trace cannot be written: then nothing is launched"),
            Term("2", "wrong usage"),
            Term("130", "ended by a second Ctrl-C"),
        ],
        width,
    )
}

/// Below the options of `ringscope doctor --help`.
pub fn doctor(width: usize) -> String {
    page(
        &[
            Title("Examples:"),
            Example("ringscope doctor", "try each device with a few messages"),
            Example("ringscope doctor --deep", "examine the device that --device auto takes"),
            Example("ringscope doctor --deep --device cuda:1 --json", "examine the second GPU; the result as JSON"),
            Title("Exit codes:"),
            Term("0", "at least one device can be used; with --deep: every check passed"),
            Term("1", "no device can be used; with --deep: a check failed, or the device cannot be used"),
            Term("2", "wrong usage"),
        ],
        width,
    )
}

/// Below the options of `ringscope bench --help`.
pub fn bench(width: usize) -> String {
    page(
        &[
            Title("Examples:"),
            Example("ringscope bench", "measure everything; takes some minutes"),
            Example("ringscope bench --quick --device host", "a shorter measurement on the CPU"),
            Example("ringscope bench --only messages", "the messages alone"),
            Example("ringscope bench --only messages --input-ring device-memory", "with messages in device memory"),
            Example("ringscope bench --json >bench.json", "JSON on stdout, progress on stderr"),
            Title(""),
            Prose(
                "Run nothing else on the machine meanwhile. The quartiles shown beside each median tell how quiet it \
                 was.",
            ),
            Title("Exit codes:"),
            Term("0", "everything was measured"),
            Term("1", "something could not be measured; stderr and the JSON document say what"),
            Term("2", "wrong usage"),
        ],
        width,
    )
}

const INDENT: usize = 2;
const GAP: usize = 2;
/// Columns of the widest first column; what is longer stands above its explanation.
const WIDEST: usize = 40;
/// Columns that an explanation needs beside the first column.
const BESIDE: usize = 30;

/// Lays out a page.
/// Lays a page out.
pub fn page(parts: &[Part], width: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for section in parts.chunk_by(|_, next| !matches!(next, Title(_))) {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        let left = section.iter().filter_map(|part| match part {
            Example(left, _) | Term(left, _) => Some(columns(left)),
            _ => None,
        });
        let left = left.filter(|left| *left <= WIDEST).max().unwrap_or(0);
        for part in section {
            match part {
                Title("") => {}
                Title(title) => lines.push((*title).to_owned()),
                Prose(text) => lines.extend(wrapped(text, width)),
                File(line) => lines.push(format!("{:INDENT$}{line}", "")),
                Example(command, says) => lines.extend(pair(&broken(command, width), says, left, width)),
                Term(word, says) => lines.extend(pair(&[(*word).to_owned()], says, left, width)),
            }
        }
    }
    lines.join("\n")
}

/// What is explained, and its explanation beside it, or below where there is no room.
fn pair(what: &[String], says: &str, left: usize, width: usize) -> Vec<String> {
    let column = INDENT + left + GAP;
    let is_short = what.len() == 1 && columns(&what[0]) <= left;
    if is_short && column + BESIDE <= width {
        let says = wrapped(says, width - column);
        let first = |i| if i == 0 { what[0].as_str() } else { "" };
        let line = |(i, says): (usize, &String)| format!("{:INDENT$}{:left$}{:GAP$}{says}", "", first(i), "");
        return says.iter().enumerate().map(line).collect();
    }
    let what = what.iter().map(|line| format!("{:INDENT$}{line}", ""));
    let column = if column + BESIDE <= width { column } else { 3 * INDENT };
    let says = wrapped(says, width.saturating_sub(column));
    what.chain(says.iter().map(|line| format!("{:column$}{line}", ""))).collect()
}

/// A command in lines that a shell takes for one.
fn broken(command: &str, width: usize) -> Vec<String> {
    const CONTINUES: &str = " \\";
    if INDENT + columns(command) <= width {
        return vec![command.to_owned()];
    }
    let mut lines = wrapped(command, width.saturating_sub(2 * INDENT + CONTINUES.len()));
    let last = lines.len() - 1;
    lines.iter_mut().skip(1).for_each(|line| line.insert_str(0, "  "));
    lines[..last].iter_mut().for_each(|line| line.push_str(CONTINUES));
    lines
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let lines: Vec<Text> = paragraphs(text, width);
    lines.iter().map(|line| line.render(usize::MAX, Paint { on: false })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::anomalies::help::anomalies;
    use crate::cli::dashboards::args::help as dashboards;
    use crate::cli::diff::help::diff;
    use crate::cli::record::help::record;
    use crate::cli::replay::help::replay;
    use crate::cli::report::help::report;
    use crate::cli::top::help::top;

    #[test]
    fn every_page_fits_and_lines_up() {
        let all = [
            program, run, serve, check, top, trace, record, replay, report, diff, anomalies, dashboards, doctor, bench,
        ];
        for page in all {
            for width in [40, 60, 80, 100] {
                let page = page(width);
                assert!(page.lines().all(|line| columns(line) <= width && line.trim_end() == line), "{width}:\n{page}");
                assert!(page.contains("Examples:\n  ringscope ") && page.contains("\nExit codes:\n  0"), "{page}");
            }
        }
        assert!(program(80).contains("\n  ringscope run --duration 10s disk.img  repeat a file for 10 seconds\n"));
        assert!(
            program(40).contains("\n  ringscope bench --quick\n      what telemetry costs on this\n      machine\n")
        );
        assert!(run(40).contains("  ringscope run --device cuda:1 \\\n    --kernels 8 --blocks 4 \\\n"), "{}", run(40));
    }
}
