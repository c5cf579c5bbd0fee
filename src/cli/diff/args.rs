//! What `ringscope diff` takes.

use std::path::PathBuf;

use clap::Args;

use super::condition::Condition;

/// `ringscope diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The recording to compare with: how it was
    #[arg(value_name = "A")]
    pub a: PathBuf,

    /// The recording that is compared: how it is
    #[arg(value_name = "B")]
    pub b: PathBuf,

    /// Fail, with exit code 1, if this holds of any kernel that both have, such as 'p99 > +5 %', 'worker_*:throughput < -10 %',
    /// 'error_rate > +0.1 pp' or 'p99 > 2ms'; may be given several times
    #[arg(long, value_name = "CONDITION", allow_hyphen_values = true, value_parser = Condition::parse)]
    pub fail_if: Vec<Condition>,

    /// Let a condition on a change hold even where the change is no more than noise
    #[arg(long)]
    pub even_noise: bool,

    /// Print one JSON document on stdout instead of tables
    #[arg(long)]
    pub json: bool,
}
