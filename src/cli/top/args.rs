//! What may be asked of `ringscope top`.

use std::path::PathBuf;

use clap::Args;
use clap::error::ErrorKind;

use crate::cli::args::RunArgs;
use crate::cli::top::source::address::Address;
use crate::cli::workload::input::Limit;

/// `ringscope top`: where the moments come from.
#[derive(Debug, Args)]
#[command(
    mut_arg("paths", |arg| arg.help("Files to stream through ring kernels of this program, again and again [default: ringscope's \
        own executable]")),
    mut_arg("duration", |arg| arg.help("Stream for this time, such as 10s, 1.5m or 2h [default: until the end]")),
    mut_arg("messages", |arg| arg.help("Stream this many messages [default: no limit]")),
    mut_arg("no_telemetry", |arg| arg.hide(true))
)]
pub struct TopArgs {
    /// Show a program that serves its telemetry, such as `ringscope serve`, on this machine or another one
    #[arg(long, value_name = "URL", conflicts_with = "RunArgs")]
    pub connect: Option<Address>,

    /// File with the token that the server asks for. The token stands alone in it; it is never shown
    #[arg(long, value_name = "FILE", requires = "connect")]
    pub token_file: Option<PathBuf>,

    /// What is streamed.
    #[command(flatten)]
    pub run: RunArgs,
}

impl TopArgs {
    /// What no single option can know to be wrong.
    pub fn check(&self) -> Result<(), clap::Error> {
        if self.run.no_telemetry {
            let message = "--no-telemetry leaves nothing to look at: leave it out, or use `ringscope run`";
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
