//! Options of `serve` for what it serves, and to whom.

use std::path::PathBuf;

use clap::Args;
use clap::error::ErrorKind;

use crate::cli::values::{sample, speed};

/// What is served, and to whom.
#[derive(Debug, Args)]
pub struct PageArgs {
    /// File with a token: who has none in the header `Authorization: Bearer TOKEN` is answered nothing but the page's own files
    /// and whether all is well. At least 16 characters, such as `openssl rand -hex 16` makes
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// Serve https:// with the certificate in this PEM file, and those between it and its root
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// The certificate's key, a PEM file
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// Of how many messages one leaves a span in /trace.pftrace: 1/N, N a power of two
    #[arg(long, default_value = "1/64", value_name = "1/N", allow_hyphen_values = true, value_parser = sample)]
    pub trace: u64,

    /// Record no messages. /trace.pftrace then has rates, queues and the log alone
    #[arg(long, conflicts_with = "trace")]
    pub no_trace: bool,

    /// Serve a recording instead: nothing is launched. The options of the work have no effect then
    #[arg(long, value_name = "FILE")]
    pub replay: Option<PathBuf>,

    /// How much faster than it was recorded, 0.01 to 100000
    #[arg(long, default_value_t = 1.0, requires = "replay", value_name = "FACTOR", allow_hyphen_values = true, value_parser = speed)]
    pub speed: f64,
}

impl PageArgs {
    /// What no single option can know to be wrong; `work` is whether there is something to be streamed or published.
    ///
    /// # Errors
    /// A recording and work.
    pub fn check(&self, work: bool) -> Result<(), clap::Error> {
        if self.replay.is_some() && work {
            let message = "--replay serves what was recorded: leave out the files to stream, --publish and --config";
            return Err(clap::Error::raw(ErrorKind::ArgumentConflict, message));
        }
        Ok(())
    }
}
