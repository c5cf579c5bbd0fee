//! What may be asked of `ringscope top`.

use std::path::PathBuf;

use clap::Args;
use clap::error::ErrorKind;

use crate::cli::alerts::args::AlertArgs;
use crate::cli::top::source::address::Address;
use crate::cli::top::state::link::SPEEDS;
use crate::cli::workload::args::RunArgs;
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

    /// Show a recording, as `ringscope record` makes it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["RunArgs", "connect"])]
    pub replay: Option<PathBuf>,

    /// How many times as fast as it was a recording is played, 0.0625 to 4096
    #[arg(long, value_name = "TIMES", requires = "replay", default_value_t = 1.0, allow_negative_numbers = true, value_parser = speed)]
    pub speed: f64,
    /// What raises an alert.
    #[command(flatten)]
    pub alerts: AlertArgs,

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
        if self.connect.is_some() && self.alerts.rules.is_some() {
            let message =
                "--rules are those of the program that serves: give them to `ringscope serve`, or leave out --connect";
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

/// Reads how fast a recording is played.
fn speed(text: &str) -> Result<f64, String> {
    let speed = text.trim_end_matches(['x', '×']).parse().ok().filter(|speed| SPEEDS.contains(speed));
    speed.ok_or_else(|| format!("must be a number from {} to {}, such as 10", SPEEDS.start(), SPEEDS.end()))
}
