//! What may be asked for: the command line, its defaults and its help.

use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use ringscope::publish::serving::Listen;
use ringscope::trace::TraceFilter;
use ringscope::{Builtin, DeviceSpec};

use crate::cli::anomalies::args::AnomaliesArgs;
use crate::cli::help;
use crate::cli::publish::args::PublishArgs;
use crate::cli::record::args::RecordArgs;
use crate::cli::replay::args::ReplayArgs;
use crate::cli::report::args::ReportArgs;
use crate::cli::top::args::TopArgs;
use crate::cli::values::{black_box, duration, fraction, interval, sample, slots, slow, whole};
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
            .mut_subcommand("serve", |command| short_usage(command.after_help(help::serve(width)), "serve", width))
            .mut_subcommand("check", |command| command.after_help(help::check(width)))
            .mut_subcommand("top", |command| short_usage(command.after_help(help::top(width)), "top", width))
            .mut_subcommand("trace", |command| short_usage(command.after_help(help::trace(width)), "trace", width))
            .mut_subcommand("anomalies", |command| command.after_help(help::anomalies(width)))
            .mut_subcommand("doctor", |command| command.after_help(help::doctor(width)))
            .mut_subcommand("bench", |command| command.after_help(help::bench(width)))
            .mut_subcommand("record", |command| short_usage(command.after_help(help::record(width)), "record", width))
            .mut_subcommand("replay", |command| command.after_help(help::replay(width)))
            .mut_subcommand("report", |command| command.after_help(help::report(width)))
    }
}

/// The line is not wrapped by clap, and those of these two are the longest.
fn short_usage(command: clap::Command, name: &str, width: usize) -> clap::Command {
    match width < 42 {
        true => command.override_usage(format!("ringscope {name} [OPTIONS]\n       [FILE]...")),
        false => command,
    }
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
    /// Check a file of destinations, as `run` and `serve` take it with --config
    ///
    /// Nothing is sent. Every error is said with its line and column; without one, what is published where, and which secrets
    /// come from where, never the secrets.
    Check(CheckArgs),
    /// Score each row of a file of values by how unusual it is, as the kernels' own measures are scored
    ///
    /// One value after the other, each by those before it alone. There is nothing to train and nothing to set.
    Anomalies(AnomaliesArgs),
    /// Look at kernels, blocks, latencies, events and alerts on the terminal, live, over a network, or of a recording
    ///
    /// Without --connect the kernels of `ringscope run` work in the background until you quit. Press ? for the keys.
    Top(TopArgs),
    /// Stream files as `run` does, and write what the kernels and the host did when as a trace, for Perfetto
    ///
    /// Every message that a kernel handles becomes a span on the track of its block, joined by arrows to where the host sent
    /// it and took its reply. Kernels of your own add their events, spans, samples and log lines. The file is written again
    /// and again while the kernels run, so that one that hangs can be looked at.
    Trace(TraceArgs),
    /// List the devices, test them and, where CUDA cannot be used, say why and what to do
    Doctor(DoctorArgs),
    /// Measure what telemetry costs on a device, and how fast its messages and snapshots are
    ///
    /// Kernels with and without telemetry are measured in turn within one run, as are snapshots and bare copies.
    /// Compare the ratios: absolute times depend on the machine.
    Bench(BenchArgs),
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
}

/// What the kernels do with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Work {
    /// Reply with the message's CRC-32C. From the replies the CRC of each whole file is computed
    Crc32c,
    /// Reply with the message itself
    Echo,
    /// Reply with the sum of the message's two halves, as vectors of f32, bit for bit as the host computes it (any NaN
    /// equals any other). Zeros fill up the last message of a file to a multiple of 8 bytes
    VectorAdd,
}

impl Work {
    /// The built-in kernel that does it.
    pub fn builtin(self) -> Builtin {
        match self {
            Work::Crc32c => Builtin::Crc32c,
            Work::Echo => Builtin::Echo,
            Work::VectorAdd => Builtin::VectorAdd,
        }
    }
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
}

impl RunAndPublishArgs {
    /// What no single option can know to be wrong.
    pub fn check(&self) -> Result<(), clap::Error> {
        if self.run.no_telemetry && self.publish.is_wanted() {
            let message = "--no-telemetry leaves nothing to publish: leave it out, or --publish and --config";
            return Err(clap::Error::raw(ErrorKind::ArgumentConflict, message));
        }
        self.run.check()
    }
}

/// What is streamed, by `run`, `serve` and `trace`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Files to stream, one after the other [default: ringscope's own executable]
    #[arg(value_name = "FILE")]
    pub paths: Vec<PathBuf>,

    /// What the kernels do with each message
    #[arg(long, value_enum, default_value = "crc32c", value_name = "NAME")]
    pub kernel: Work,

    /// Number of ring kernels, 1 to 256, called worker_0, worker_1, …
    #[arg(long, default_value_t = 3, value_name = "N", allow_negative_numbers = true, value_parser = whole::<u32, 1, 256>)]
    pub kernels: u32,

    /// Blocks of each kernel, 1 to 1024. They share its queue; on the host device each block
    /// is a thread, and at most 256 threads a core in all
    #[arg(long, default_value_t = 1, value_name = "N", allow_negative_numbers = true, value_parser = whole::<u32, 1, 1024>)]
    pub blocks: u32,

    /// Size of a message in bytes, 1 to 1048576. The last message of a file may be shorter
    #[arg(long, default_value_t = 4096, value_name = "BYTES", allow_negative_numbers = true, value_parser = whole::<u32, 1, { 1 << 20 }>)]
    pub message_bytes: u32,

    /// Messages that each kernel's queue holds: a power of two, 2 to 65536 [default: 256, or fewer if all queues
    /// together would take more than 64 MB]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = slots)]
    pub slots: Option<u32>,

    /// Device to run on: auto, cuda, cuda:N or host. auto takes CUDA if it works, else the host, and says why
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    pub device: DeviceSpec,

    /// Time between two readings of the telemetry, 10ms to 24h
    #[arg(long, default_value = "500ms", value_name = "TIME", allow_hyphen_values = true, value_parser = interval)]
    pub interval: Duration,

    /// Repeat the files for this time, such as 500ms, 10s, 1.5m or 2h [default: stream them once]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = duration, conflicts_with = "messages")]
    pub duration: Option<Duration>,

    /// Repeat the files until this many messages were sent [default: stream them once]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole::<u64, 1, { u64::MAX }>)]
    pub messages: Option<u64>,

    /// Fraction of the messages that the kernels refuse, 0 to 1, to see errors counted
    #[arg(long, default_value_t = 0.0, value_name = "FRACTION", allow_hyphen_values = true, value_parser = fraction)]
    pub inject_errors: f64,

    /// Give up when no kernel has replied for this time while messages are under way
    #[arg(long, default_value = "30s", value_name = "TIME", allow_hyphen_values = true, value_parser = duration)]
    pub reply_timeout: Duration,

    /// Launch kernels that were compiled without telemetry. Replies are checked all the same
    #[arg(long)]
    pub no_telemetry: bool,

    /// Records that each block keeps in host memory, which can be read after its kernel died: a power of two, 64 to 16384,
    /// or 0 for none. The error of a died kernel then says where it was. Each message costs stores over the link
    #[arg(long, default_value_t = 0, value_name = "N", allow_negative_numbers = true, value_parser = black_box)]
    pub black_box: u32,

    /// Print one JSON document on stdout instead of the summary table
    #[arg(long)]
    pub json: bool,
}

impl RunArgs {
    /// What no single option can know to be wrong.
    pub fn check(&self) -> Result<(), clap::Error> {
        let whole = self.kernel != Work::VectorAdd || self.message_bytes.is_multiple_of(8);
        if whole {
            return Ok(());
        }
        let message = format!(
            "invalid value '{}' for '--message-bytes <BYTES>': --kernel vector_add adds two halves of f32, so it must be a \
             multiple of 8",
            self.message_bytes
        );
        Err(clap::Error::raw(ErrorKind::ValueValidation, message))
    }

    /// When the stream ends.
    pub fn limit(&self) -> Limit {
        match (self.duration, self.messages) {
            (Some(time), _) => Limit::Time(time),
            (None, Some(messages)) => Limit::Messages(messages),
            (None, None) => Limit::OnePass,
        }
    }

    /// Bytes that a slot must hold: a message, and a reply, of which a CRC is the smallest.
    pub fn slot_bytes(&self) -> u32 {
        self.message_bytes.max(16)
    }

    /// Slots of each ring: as asked, else as many as keep all rings together under 64 MB.
    pub fn slots(&self) -> u32 {
        const MOST_BYTES: u64 = 64 << 20;
        let fits =
            |slots: &u32| 2 * u64::from(*slots) * u64::from(self.kernels) * u64::from(self.slot_bytes()) <= MOST_BYTES;
        let reduced = || [256, 128, 64, 32, 16, 8, 4].into_iter().find(fits).unwrap_or(2);
        self.slots.unwrap_or_else(reduced)
    }

    /// Records of each ring: as many as keep all rings together under 64 MB.
    pub fn ring_records(&self) -> u32 {
        const MOST_BYTES: u64 = 64 << 20;
        let shards = u64::from(self.kernels) * u64::from(self.blocks);
        let fits = |records: &u32| shards * u64::from(*records) * 16 <= MOST_BYTES;
        [16_384, 8192, 4096, 2048, 1024, 512, 256, 128].into_iter().find(fits).unwrap_or(64)
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

    /// What is streamed.
    #[command(flatten)]
    pub run: RunArgs,

    /// Where the telemetry goes.
    #[command(flatten)]
    pub publish: PublishArgs,
}

impl ServeArgs {
    /// What no single option can know to be wrong.
    pub fn check(&self) -> Result<(), clap::Error> {
        if self.run.no_telemetry {
            let message = "--no-telemetry leaves nothing to serve: leave it out, or use `ringscope run`";
            return Err(clap::Error::raw(ErrorKind::ArgumentConflict, message));
        }
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

    /// Device to examine with --deep: auto, cuda, cuda:N or host [default: auto]
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
    /// Device to measure: auto, cuda, cuda:N or host
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
    /// Reading all telemetry, against a bare copy
    Snapshot,
    /// Round trips, and messages a second
    Messages,
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
