//! What may be asked for: the command line, its defaults and its help.

use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum, value_parser};
use ringscope::{Builtin, DeviceSpec};

use crate::cli::serve::listen::Listen;
use crate::cli::term::units::parse_duration;
use crate::cli::workload::input::Limit;

const EXAMPLES: &str = "\
Examples:
  ringscope doctor                       which devices there are, and why not CUDA
  ringscope run                          stream this program's own bytes
  ringscope run --duration 10s disk.img  stream a file, again and again, for 10 s
  ringscope run --json disk.img | jq .summary.per_kernel
  ringscope serve                        the same, with no end, for Prometheus
  ringscope bench --quick                what telemetry costs here

`ringscope help run` says more.";

// Lines of at most 79 columns: clap would break longer ones anywhere.
const RUN_EXAMPLES: &str = "\
Examples:
  ringscope run disk.img               the file's CRC-32C, out of three ring kernels
  ringscope run --duration 30s         watch the kernels work for half a minute
  ringscope run --inject-errors 0.25   see a quarter refused, and counted as errors
  ringscope run --no-telemetry         what the same costs without telemetry
  ringscope run --json >run.json       one JSON document; progress goes to stderr
  ringscope run --device cuda:1 --kernels 8 --blocks 4 --message-bytes 65536

Ctrl-C ends a run cleanly: messages under way are answered and checked, and
the summary so far is shown. A second Ctrl-C ends the program at once, with
exit code 130.

Exit codes:
  0  every reply was right, and the device's counts equal the host's exactly
     (also after Ctrl-C)
  1  a reply was wrong or missing, or counts differ; or a file, or the device,
     cannot be used
  2  wrong usage";

const SERVE_EXAMPLES: &str = "\
Examples:
  ringscope serve                          stream this program's own bytes, again
                                           and again, until Ctrl-C
  ringscope serve --messages 100000        stream so many, then stand still
  ringscope serve --listen 0.0.0.0:9464    for a Prometheus on another machine
  curl -s localhost:9464/metrics | grep processed
  curl -s localhost:9464/snapshot.json | jq .kernels
  curl -sf localhost:9464/healthz || echo trouble

For Prometheus, started with --enable-feature=native-histograms to have the
device's own buckets:
  scrape_configs:
    - job_name: ringscope
      static_configs: [{targets: ['localhost:9464']}]

What is served:
  /metrics        for Prometheus: classic text, OpenMetrics, or protobuf with
                  native histograms, as the Accept header prefers
  /snapshot.json  everything there is
  /summary.json   sums over all kernels: timestamp, tasks, latency, system
  /healthz        200, or 503 and why

Exit codes:
  0  every reply was right, and the device's counts equal the host's exactly
     (Ctrl-C is how it ends)
  1  a reply was wrong or missing, or counts differ; or a file, the device, or
     the address cannot be used
  2  wrong usage";

const DOCTOR_HELP: &str = "\
Each device is opened, and messages are sent through a kernel on it and back.

Examples:
  ringscope doctor
  ringscope doctor --deep                  examine the device that auto takes
  ringscope doctor --deep --device cuda:1 --json

Exit codes:
  0  some device can be used; with --deep: every check passed
  1  none can; with --deep: a check failed
  2  wrong usage";

const BENCH_HELP: &str = "\
Examples:
  ringscope bench                          all of it, some minutes
  ringscope bench --quick --device host
  ringscope bench --json >bench.json

Leave the machine alone meanwhile: spreads say how quiet it was.

Exit codes:
  0  everything was measured
  1  something could not be; what is on stderr, and in the document
  2  wrong usage";

/// See inside a CUDA kernel that never returns.
///
/// Ring kernels are launched once and then take messages from a queue. These count and time what they do themselves,
/// and are read while they run.
#[derive(Debug, Parser)]
#[command(name = "ringscope", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Stream files through ring kernels, check every reply, and watch the kernels' telemetry meanwhile
    ///
    /// The bytes of the files are cut into messages, which N ring kernels answer. The host checks every reply, puts
    /// the replies back into the files' order, and at the end compares the device's counts with its own.
    #[command(after_help = RUN_EXAMPLES)]
    Run(RunArgs),
    /// Stream as run does, without an end, and serve the kernels' telemetry over HTTP meanwhile
    ///
    /// For Prometheus, for scripts, and for whoever watches over it.
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(ServeArgs),
    /// Say which devices there are and, if CUDA is not used, precisely why and what to do
    #[command(after_help = DOCTOR_HELP)]
    Doctor(DoctorArgs),
    /// Measure what telemetry costs on a device, and how fast messages and snapshots are there
    ///
    /// Kernels with and without telemetry are measured in turn, in one run; so are snapshots and bare copies. What is
    /// compared is the ratio: seconds belong to the machine.
    #[command(after_help = BENCH_HELP)]
    Bench(BenchArgs),
}

/// What the kernels do with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Work {
    /// Replies with the message's CRC-32C, checked against the host's; put together in order, they are the file's
    Crc32c,
    /// Replies with the message, which must come back unchanged
    Echo,
    /// Takes a message for two halves of f32 and replies with their sum, which must equal the host's bit for bit (one
    /// NaN is as good as another); the last message of a file is filled up with zeros to a multiple of 8 bytes
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

/// `ringscope run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Files to stream, one after the other; with none, this program's own executable
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    /// What the kernels do with each message
    #[arg(long, value_enum, default_value = "crc32c", value_name = "NAME")]
    pub kernel: Work,

    /// Ring kernels to launch: worker_0, worker_1, …
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = value_parser!(u32).range(1..=256))]
    pub kernels: u32,

    /// Blocks of each kernel, which share its queue; on the host device each is a thread
    #[arg(long, default_value_t = 1, value_name = "B", value_parser = value_parser!(u32).range(1..=1024))]
    pub blocks: u32,

    /// Size of a message, 1 to 1048576; the last one of a file may be shorter
    #[arg(long, default_value_t = 4096, value_name = "BYTES", value_parser = value_parser!(u32).range(1..=1 << 20))]
    pub message_bytes: u32,

    /// Messages that a kernel's queue holds, a power of two up to 65536 [default: 256, or less, so that all queues
    /// together stay under 64 MB]
    #[arg(long, value_name = "N", value_parser = slots)]
    pub slots: Option<u32>,

    /// Where to run: auto, cuda, cuda:N or host; auto takes CUDA where there is one, and says why if not
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    pub device: DeviceSpec,

    /// How often telemetry is read and shown, from 10ms
    #[arg(long, default_value = "500ms", value_name = "TIME", value_parser = interval)]
    pub interval: Duration,

    /// Stream for so long (10s, 1.5m, 2h), repeating the input [default: the input once]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, conflicts_with = "messages")]
    pub duration: Option<Duration>,

    /// Stream so many messages, repeating the input [default: the input once]
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    pub messages: Option<u64>,

    /// Have the kernels refuse this fraction of the messages, 0 to 1, to see errors counted
    #[arg(long, default_value_t = 0.0, value_name = "P", value_parser = fraction)]
    pub inject_errors: f64,

    /// Give up when no kernel has replied for so long with messages under way
    #[arg(long, default_value = "30s", value_name = "TIME", value_parser = parse_duration)]
    pub reply_timeout: Duration,

    /// Launch kernels that were compiled without telemetry; replies are checked all the same
    #[arg(long)]
    pub no_telemetry: bool,

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
        let message = "--kernel vector_add takes messages of two halves of f32: make --message-bytes a multiple of 8";
        Err(Cli::command().error(ErrorKind::ValueValidation, message))
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
}

/// `ringscope serve`: what `run` takes, and where to serve it.
#[derive(Debug, Args)]
#[command(
    mut_arg("duration", |arg| arg.help("Stream and serve for so long (10s, 1.5m, 2h) [default: until Ctrl-C]")),
    mut_arg("messages", |arg| arg.help("Stream so many messages, then serve what stands still [default: no end]")),
    mut_arg("no_telemetry", |arg| arg.hide(true))
)]
pub struct ServeArgs {
    /// Address to serve on, or a name for it, such as localhost; port 0 takes a free one and says which
    #[arg(long, default_value = "127.0.0.1:9464", value_name = "ADDRESS:PORT")]
    pub listen: Listen,

    /// What is streamed.
    #[command(flatten)]
    pub run: RunArgs,
}

impl ServeArgs {
    /// What no single option can know to be wrong.
    pub fn check(&self) -> Result<(), clap::Error> {
        if self.run.no_telemetry {
            let message = "--no-telemetry leaves nothing to serve: leave it out, or use `ringscope run`";
            return Err(Cli::command().error(ErrorKind::ArgumentConflict, message));
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

/// `ringscope doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Check on one device that what ringscope promises holds there: exact counts with the device full, snapshots that
    /// never wait for a kernel, whole words, monotone counters, buckets, clocks; takes about half a minute
    #[arg(long)]
    pub deep: bool,

    /// Which device to check: auto, cuda, cuda:N or host [default: auto]
    #[arg(long, requires = "deep", value_name = "DEVICE")]
    pub device: Option<DeviceSpec>,

    /// Snapshots through which counters must never go back
    #[arg(long, requires = "deep", default_value_t = 1_000_000, value_name = "N", value_parser = value_parser!(u64).range(2..))]
    pub snapshots: u64,

    /// What a check runs in a process of its own: breaks the device's context
    #[arg(long = "break", hide = true, requires = "deep")]
    pub break_it: bool,

    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// `ringscope bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Where to measure: auto, cuda, cuda:N or host
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    pub device: DeviceSpec,

    /// Fewer and shorter measurements: under a minute, and wider spreads
    #[arg(long)]
    pub quick: bool,

    /// Everything once, as briefly as can be: whether it works, not how fast
    #[arg(long, conflicts_with = "quick")]
    pub once: bool,

    /// Print one JSON document on stdout instead of tables
    #[arg(long)]
    pub json: bool,
}

fn slots(text: &str) -> Result<u32, String> {
    let slots: u32 = text.parse().map_err(|_| "not a number".to_owned())?;
    match slots.is_power_of_two() && (2..=1 << 16).contains(&slots) {
        true => Ok(slots),
        false => Err("must be a power of two, 2 to 65536".to_owned()),
    }
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = parse_duration(text)?;
    if interval < Duration::from_millis(10) {
        return Err("must be 10ms or more: nobody reads faster".to_owned());
    }
    Ok(interval)
}

fn fraction(text: &str) -> Result<f64, String> {
    let fraction: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    match (0.0..=1.0).contains(&fraction) {
        true => Ok(fraction),
        false => Err("must be 0 to 1".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(args: &[&str]) -> Result<RunArgs, clap::Error> {
        let all = ["ringscope", "run"].iter().chain(args);
        match Cli::try_parse_from(all)?.command {
            Command::Run(run) => run.check().map(|()| run),
            other => unreachable!("run was asked for, not {other:?}"),
        }
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn defaults() {
        let args = run(&[]).unwrap();
        assert_eq!((args.kernels, args.blocks, args.message_bytes, args.slots()), (3, 1, 4096, 256));
        assert_eq!((args.kernel, args.device, args.limit()), (Work::Crc32c, DeviceSpec::Auto, Limit::OnePass));
        assert_eq!(args.interval, Duration::from_millis(500));
    }

    #[test]
    fn rings_stay_small() {
        let slots = |args: &[&str]| run(args).unwrap().slots();
        assert_eq!(slots(&["--message-bytes", "1048576"]), 8);
        assert_eq!(slots(&["--message-bytes", "1048576", "--kernels", "256"]), 2);
        assert_eq!(slots(&["--message-bytes", "1048576", "--slots", "1024"]), 1024);
        assert_eq!(slots(&["--message-bytes", "1"]), 256);
    }

    #[test]
    fn wrong_usage() {
        for args in [
            &["--messages", "0"][..],
            &["--kernels", "0"],
            &["--message-bytes", "0"],
            &["--message-bytes", "1048577"],
            &["--slots", "3"],
            &["--duration", "1s", "--messages", "1"],
            &["--duration", "5"],
            &["--interval", "1ms"],
            &["--inject-errors", "1.5"],
            &["--inject-errors", "nan"],
            &["--device", "gpu"],
            &["--kernel", "sha256"],
            &["--kernel", "vector_add", "--message-bytes", "1001"],
        ] {
            assert!(run(args).is_err(), "{args:?}");
        }
    }
}
