//! What may be asked for: the command line, its defaults and its help.

use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use ringscope::publish::serving::Listen;
use ringscope::trace::TraceFilter;
use ringscope::{DeviceSpec, InputRing};

use crate::cli::alerts::args::AlertArgs;
use crate::cli::anomalies::args::AnomaliesArgs;
use crate::cli::anomalies::help as anomalies_help;
use crate::cli::dashboards::args::{self as dashboards, DashboardsArgs};
use crate::cli::diff::args::DiffArgs;
use crate::cli::diff::help as diff_help;
use crate::cli::help;
use crate::cli::publish::args::PublishArgs;
use crate::cli::record::args::RecordArgs;
use crate::cli::record::help as record_help;
use crate::cli::replay::args::ReplayArgs;
use crate::cli::replay::help as replay_help;
use crate::cli::report::args::ReportArgs;
use crate::cli::report::help as report_help;
use crate::cli::serve::args::PageArgs;
use crate::cli::top::args::TopArgs;
use crate::cli::top::help as top_help;
use crate::cli::values::{sample, slow, whole};
use crate::cli::workload::args::RunArgs;
use crate::cli::workload::input::Limit;

/// See inside a CUDA kernel that never returns.
///
/// A ring kernel is launched once and then takes messages from a queue until it is told to end. The kernels here count
/// and time their own work, and ringscope reads those numbers while they run.
#[derive(Debug, Parser)]
#[command(name = "ringscope", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// Reads the program's arguments, for a terminal of `width` columns.
    ///
    /// # Errors
    /// Wrong usage; also a page of help or the version, which somebody asked for.
    pub fn read(width: usize) -> Result<Cli, clap::Error> {
        let mut command = Cli::definition(width);
        let matches = command.try_get_matches_from_mut(std::env::args_os())?;
        Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
    }

    pub(super) fn definition(width: usize) -> clap::Command {
        Cli::command()
            .term_width(width)
            .after_help(help::program(width))
            .mut_subcommand("run", |command| command.after_help(help::run(width)))
            .mut_subcommand("serve", |command| command.after_help(help::serve(width)))
            .mut_subcommand("top", |command| command.after_help(top_help::top(width)))
            .mut_subcommand("record", |command| command.after_help(record_help::record(width)))
            .mut_subcommand("replay", |command| command.after_help(replay_help::replay(width)))
            .mut_subcommand("report", |command| command.after_help(report_help::report(width)))
            .mut_subcommand("diff", |command| command.after_help(diff_help::diff(width)))
            .mut_subcommand("trace", |command| command.after_help(help::trace(width)))
            .mut_subcommand("anomalies", |command| command.after_help(anomalies_help::anomalies(width)))
            .mut_subcommand("dashboards", |command| command.after_help(dashboards::help(width)))
            .mut_subcommand("check", |command| command.after_help(help::check(width)))
            .mut_subcommand("doctor", |command| command.after_help(help::doctor(width)))
            .mut_subcommand("bench", |command| command.after_help(help::bench(width)))
            .mut_subcommands(|command| short_usage(command, width))
    }
}

/// Breaks the line of usage, which clap does not, where a terminal is narrow.
fn short_usage(mut command: clap::Command, width: usize) -> clap::Command {
    const NARROW: usize = 50;
    if width >= NARROW {
        return command;
    }
    let usage = command.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").replacen(" [OPTIONS] ", " [OPTIONS]\n       ", 1);
    command.override_usage(format!("ringscope {usage}"))
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Stream files through ring kernels, check every reply, and show the kernels' telemetry
    ///
    /// The files are cut into messages, which the ring kernels answer. The host checks every reply, puts the replies
    /// back into the order of the files, and at the end compares the device's counts with its own.
    Run(RunAndPublishArgs),
    /// Stream files again and again, and serve the kernels' telemetry over HTTP for Prometheus
    ///
    /// Streams as `ringscope run` does, until Ctrl-C.
    Serve(ServeArgs),
    /// Look at kernels, blocks, latencies, events and alerts on the terminal, live, over a network, or of a recording
    ///
    /// Without --connect the kernels of `ringscope run` work in the background until you quit. Press ? for the keys.
    Top(TopArgs),
    /// Stream files as `run` does, or look at a server, and record every reading, event and alert in a file
    ///
    /// The file is small, can be looked at while it is written, and survives the end of the program at any moment. `replay`,
    /// `top`, `serve` and `report` take it.
    Record(RecordArgs),
    /// Show a recording as `run` shows kernels while they run
    ///
    /// A recording that is damaged is shown up to its damage, and where that is is said at the end.
    Replay(ReplayArgs),
    /// Tell a recording's story as one page of HTML, or as Markdown
    ///
    /// What happened when (hangs with where and why, failures, alerts, gaps), rates and latencies over time for each kernel, the
    /// machine, destinations, and what telemetry itself lost. The page needs nothing else: no script, no network, no other file.
    Report(ReportArgs),
    /// Compare two recordings kernel by kernel, and fail where a condition holds
    ///
    /// Throughput, errors, percentiles of handling and of waiting, queue and load of A and B, whether each difference is more than
    /// noise, and both distributions of latencies. With --fail-if, for a build that shall fail where something became slower.
    Diff(DiffArgs),
    /// Stream files as `run` does, and write what the kernels and the host did when as a trace, for Perfetto
    ///
    /// Every message that a kernel handles becomes a span on the track of its block, joined by arrows to where the host sent
    /// it and took its reply. Kernels of your own add their events, spans, samples and log lines. The file is written again
    /// and again while the kernels run, so that one that hangs can be looked at.
    Trace(TraceArgs),
    /// Score each row of a file of values by how unusual it is, as the kernels' own measures are scored
    ///
    /// One value after the other, each by those before it alone. There is nothing to train and nothing to set.
    Anomalies(AnomaliesArgs),
    /// Write dashboards for Grafana and Kibana, rules and alerts for Prometheus, an example for Alertmanager
    ///
    /// They are made of the list of what ringscope exports, and ask for nothing else.
    Dashboards(DashboardsArgs),
    /// Check a file of destinations, as `run` and `serve` take it with --config, or of rules, as they take it with --rules
    ///
    /// Nothing is sent. Every error is said with its line and column; without one, what is published where, and which secrets
    /// come from where, never the secrets; or which rules raise alerts when, and who is notified.
    Check(CheckArgs),
    /// List the devices, test them and, where CUDA cannot be used, say why and what to do
    Doctor(DoctorArgs),
    /// Measure what telemetry costs on a device, and how fast its messages and snapshots are
    ///
    /// Kernels with and without telemetry are measured in turn within one run, as are snapshots and bare copies.
    /// Compare the ratios: absolute times depend on the machine.
    Bench(BenchArgs),
}

/// `ringscope run`: what is streamed, and where the telemetry goes.
#[derive(Debug, Args)]
pub struct RunAndPublishArgs {
    /// What is streamed.
    #[command(flatten)]
    pub run: RunArgs,

    /// Where the telemetry goes.
    #[command(flatten)]
    pub publish: PublishArgs,

    /// What raises an alert.
    #[command(flatten)]
    pub alerts: AlertArgs,
}

impl RunAndPublishArgs {
    /// What no single option can know to be wrong.
    pub fn check(&self) -> Result<(), clap::Error> {
        if self.run.no_telemetry && self.publish.is_wanted() {
            let message = "--no-telemetry leaves nothing to publish: leave it out, or --publish and --config";
            return Err(clap::Error::raw(ErrorKind::ArgumentConflict, message));
        }
        if self.run.no_telemetry && self.alerts.rules.is_some() {
            let message = "--no-telemetry leaves nothing to raise alerts of: leave it out, or --rules";
            return Err(clap::Error::raw(ErrorKind::ArgumentConflict, message));
        }
        self.run.check()
    }
}

/// `ringscope serve`: what `run` takes, and where to serve it.
#[derive(Debug, Args)]
#[command(
    mut_arg("duration", |arg| arg.help("Stream and serve for this time, such as 10s, 1.5m or 2h [default: until Ctrl-C]")),
    mut_arg("messages", |arg| arg.help("Stream this many messages, then keep serving until Ctrl-C [default: no limit]")),
    mut_arg("no_telemetry", |arg| arg.hide(true))
)]
pub struct ServeArgs {
    /// Address, or a name such as localhost, and port to listen on. Port 0 takes a free port and prints it
    #[arg(long, default_value = "127.0.0.1:9464", value_name = "ADDRESS:PORT")]
    pub listen: Listen,

    /// What is served, and to whom.
    #[command(flatten)]
    pub page: PageArgs,

    /// What is streamed.
    #[command(flatten)]
    pub run: RunArgs,

    /// Where the telemetry goes.
    #[command(flatten)]
    pub publish: PublishArgs,

    /// What raises an alert.
    #[command(flatten)]
    pub alerts: AlertArgs,
}

impl ServeArgs {
    /// What no single option can know to be wrong.
    pub fn check(&self) -> Result<(), clap::Error> {
        if self.run.no_telemetry {
            let message = "--no-telemetry leaves nothing to serve: leave it out, or use `ringscope run`";
            return Err(clap::Error::raw(ErrorKind::ArgumentConflict, message));
        }
        self.page.check(!self.run.paths.is_empty() || self.publish.is_wanted())?;
        self.run.check()
    }

    /// When the stream ends.
    pub fn limit(&self) -> Limit {
        match self.run.limit() {
            Limit::OnePass => Limit::Never,
            limit => limit,
        }
    }
}

/// `ringscope trace`: what `run` takes, where to write the trace, and what of.
#[derive(Debug, Args)]
#[command(mut_arg("no_telemetry", |arg| arg.hide(true)))]
pub struct TraceArgs {
    /// File to write, over what is there
    #[arg(short, long, default_value = "ringscope.pftrace", value_name = "FILE")]
    pub output: PathBuf,

    /// What to write
    #[arg(long, value_enum, default_value = "perfetto", value_name = "NAME")]
    pub format: TraceFormat,

    /// Record messages that took longer than this, such as 50us or 2ms. With --slow, --sample or --errors only those are
    /// recorded that one of them asks for [default: all messages]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = slow)]
    pub slow: Option<Duration>,

    /// Record one of so many messages, chosen by their numbers: 1/N, N a power of two
    #[arg(long, value_name = "1/N", allow_hyphen_values = true, value_parser = sample)]
    pub sample: Option<u64>,

    /// Record messages that failed
    #[arg(long)]
    pub errors: bool,

    /// Most records in the file, 1 to 16777216: the newest. A million of them takes some 500 MB of memory while it is written
    #[arg(long, default_value_t = 1 << 18, value_name = "N", allow_negative_numbers = true, value_parser = whole::<u32, 1, { 1 << 24 }>)]
    pub records: u32,

    /// What is streamed.
    #[command(flatten)]
    pub run: RunArgs,
}

/// What a trace is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TraceFormat {
    /// For ui.perfetto.dev and trace_processor
    Perfetto,
    /// OpenTelemetry's protocol as JSON, the body of a POST to /v1/traces. Spans alone
    OtlpJson,
    /// Jaeger's own JSON, which its page opens. Spans alone
    Jaeger,
}

impl TraceArgs {
    /// What no single option can know to be wrong.
    pub fn check(&self) -> Result<(), clap::Error> {
        if self.run.no_telemetry {
            let message = "--no-telemetry leaves nothing to trace: leave it out, or use `ringscope run`";
            return Err(clap::Error::raw(ErrorKind::ArgumentConflict, message));
        }
        self.run.check()
    }

    /// Of which messages there is a span.
    pub fn filter(&self) -> TraceFilter {
        if self.slow.is_none() && self.sample.is_none() && !self.errors {
            return TraceFilter::all();
        }
        let filter = TraceFilter::none().errors(self.errors);
        let filter = self.slow.map_or(filter, |slow| filter.slow(slow));
        self.sample.map_or(filter, |messages| filter.one_of(messages))
    }
}

/// `ringscope check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The file, in TOML
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Print one JSON document on stdout instead of text
    #[arg(long)]
    pub json: bool,
}

/// `ringscope doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Examine one device for about half a minute: exact counts while kernels fill the device, snapshots that never wait
    /// for a kernel, words that are never torn, counters that never go back, histogram buckets, clocks
    #[arg(long)]
    pub deep: bool,

    /// The one device to examine with --deep: auto, cuda, cuda:N or host [default: auto]
    #[arg(long, requires = "deep", value_name = "DEVICE")]
    pub device: Option<DeviceSpec>,

    /// Snapshots that --deep compares to see that counters never go back, 2 or more
    #[arg(long, requires = "deep", default_value_t = 1_000_000, value_name = "N", allow_negative_numbers = true, value_parser = whole::<u64, 2, { u64::MAX }>)]
    pub snapshots: u64,

    /// Break the device's context: what one check runs in a process of its own
    #[arg(long = "break", hide = true, requires = "deep")]
    pub break_it: bool,

    /// Print one JSON document on stdout instead of text
    #[arg(long)]
    pub json: bool,
}

/// `ringscope bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// The one device to measure: auto, cuda, cuda:N or host
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    pub device: DeviceSpec,

    /// Measure less often and for shorter: under a minute, with wider quartiles
    #[arg(long)]
    pub quick: bool,

    /// Measure everything once, as briefly as possible: tests that it works, not how fast it is
    #[arg(long, conflicts_with = "quick")]
    pub once: bool,

    /// Measure this alone; may be given several times
    #[arg(long, value_name = "SECTION")]
    pub only: Vec<BenchSection>,

    /// Where kernels find their messages
    #[arg(long, value_name = "MEMORY", default_value = "mapped")]
    pub input_ring: BenchRing,

    /// Print one JSON document on stdout instead of tables
    #[arg(long)]
    pub json: bool,
}

/// What `bench` measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BenchSection {
    /// Kernels with and without telemetry
    Overhead,
    /// Kernels that leave spans, against those that do not
    Events,
    /// What one record costs
    Record,
    /// Reading all telemetry, against a bare copy of the counters
    Snapshot,
    /// Round trips, and messages a second
    Messages,
}

/// The rings that `bench` measures with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BenchRing {
    /// In host memory that the device reads over the link
    Mapped,
    /// In device memory, to which the host copies them
    DeviceMemory,
}

impl From<BenchRing> for InputRing {
    fn from(ring: BenchRing) -> Self {
        match ring {
            BenchRing::Mapped => InputRing::Mapped,
            BenchRing::DeviceMemory => InputRing::DeviceMemory,
        }
    }
}

/// The arguments of a right `ringscope run`, for tests.
#[cfg(test)]
pub fn run_args(args: &[&str]) -> RunArgs {
    try_run_args(args).unwrap()
}

/// Those of one that may be wrong.
#[cfg(test)]
pub fn try_run_args(args: &[&str]) -> Result<RunArgs, clap::Error> {
    let all = ["ringscope", "run"].iter().chain(args);
    match Cli::try_parse_from(all)?.command {
        Command::Run(args) => args.check().map(|()| args.run),
        other => unreachable!("run was asked for, not {other:?}"),
    }
}
