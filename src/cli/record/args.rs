//! What `ringscope record` takes.

use std::path::PathBuf;

use clap::Args;
use clap::error::ErrorKind;
use ringscope::publish::{RecordingBuilder, SyncPolicy};
use ringscope::recording::Encoder;

use crate::cli::top::source::address::Address;
use crate::cli::values::whole;
use crate::cli::workload::args::RunArgs;

/// `ringscope record`: what is recorded, and where.
#[derive(Debug, Args)]
#[command(
    mut_arg("interval", |arg| arg.default_value("1s")),
    mut_arg("no_telemetry", |arg| arg.hide(true))
)]
pub struct RecordArgs {
    /// File to write. One that exists is kept, and nothing is recorded: see --append and --overwrite
    #[arg(short, long, default_value = "run.rscope", value_name = "FILE")]
    pub output: PathBuf,

    /// Record a program that serves its telemetry, such as `ringscope serve`, until Ctrl-C or --duration
    #[arg(long, value_name = "URL", conflicts_with_all = ["paths", "messages", "kernels", "blocks", "device", "no_telemetry"])]
    pub connect: Option<Address>,

    /// File with the token that the server asks for. The token stands alone in it; it is never shown
    #[arg(long, value_name = "FILE", requires = "connect")]
    pub token_file: Option<PathBuf>,

    /// Go on with the recording that is there; what is damaged at its end is cut off
    #[arg(long, conflicts_with = "overwrite")]
    pub append: bool,

    /// Overwrite what is there, with the parts that were rotated
    #[arg(long)]
    pub overwrite: bool,

    /// Longest file in bytes, 65536 or more. A longer one is renamed to its name and .1, that one to .2, and so on
    #[arg(long, default_value_t = RecordingBuilder::DEFAULT_MAX_BYTES, value_name = "BYTES", value_parser = whole::<u64, 65536, { u64::MAX }>)]
    pub max_bytes: u64,

    /// Renamed files that are kept
    #[arg(long, default_value_t = RecordingBuilder::DEFAULT_KEEP, value_name = "N", value_parser = whole::<u32, 0, 100_000>)]
    pub keep: u32,

    /// Bytes that a day may take before buckets and blocks are recorded less often
    #[arg(long, default_value_t = Encoder::DEFAULT_BYTES_PER_DAY, value_name = "BYTES", value_parser = whole::<u64, 1, { u64::MAX }>)]
    pub bytes_per_day: u64,

    /// Record everything with every reading, however many bytes that takes
    #[arg(long, conflicts_with = "bytes_per_day")]
    pub everything: bool,

    /// Make each reading survive the end of the machine, which costs the disk a flush each time. The end of the program it
    /// survives in any case
    #[arg(long)]
    pub sync: bool,

    /// What is streamed.
    #[command(flatten)]
    pub run: RunArgs,
}

impl RecordArgs {
    /// What no single option can know to be wrong.
    pub fn check(&self) -> Result<(), clap::Error> {
        if self.run.no_telemetry {
            let message = "--no-telemetry leaves nothing to record: leave it out, or use `ringscope run`";
            return Err(clap::Error::raw(ErrorKind::ArgumentConflict, message));
        }
        self.run.check()
    }

    /// The recording within its bounds.
    pub fn bounded(&self, recording: RecordingBuilder) -> RecordingBuilder {
        let sync = if self.sync { SyncPolicy::EachPublication } else { SyncPolicy::AtTheEnd };
        let bytes_per_day = (!self.everything).then_some(self.bytes_per_day);
        let recording = recording.max_bytes(self.max_bytes).keep(self.keep).sync(sync).bytes_per_day(bytes_per_day);
        match (self.append, self.overwrite) {
            (true, _) => recording.append(),
            (_, true) => recording.overwrite(),
            _ => recording,
        }
    }
}
