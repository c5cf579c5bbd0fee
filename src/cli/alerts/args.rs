//! The flag of alerts, the same for `run`, `serve` and `top`.

use std::path::PathBuf;

use clap::Args;

/// `--rules`.
#[derive(Debug, Args)]
pub struct AlertArgs {
    /// TOML file with rules for alerts, silences, and who is notified how; `ringscope check` checks it [default: with serve and
    /// top, rules that are of use to everybody, which notify nobody; with run, none]
    #[arg(long, value_name = "FILE")]
    pub rules: Option<PathBuf>,
}
