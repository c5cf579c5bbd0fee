//! What `ringscope anomalies` takes.

use std::path::PathBuf;

use clap::Args;

/// `ringscope anomalies`.
#[derive(Debug, Args)]
pub struct AnomaliesArgs {
    /// The file: CSV with a line of names, of which two are timestamp and value. A timestamp is 2026-11-22 07:30:00, with a T and
    /// a Z if you like, or seconds of Unix time
    #[arg(value_name = "FILE.csv")]
    pub file: PathBuf,

    /// Print the rows with a finding alone
    #[arg(long, conflicts_with = "json")]
    pub findings: bool,

    /// Print one JSON document on stdout instead of a table
    #[arg(long)]
    pub json: bool,
}
