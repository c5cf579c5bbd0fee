//! What `ringscope report` takes.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

/// `ringscope report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The recording; its rotated parts beside it are read first
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// File to write, over what is there; - for stdout [default: the recording's name with .html or .md]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// What to write [default: what the output's name ends with, else html]
    #[arg(long, value_enum, value_name = "NAME")]
    pub format: Option<ReportFormat>,
}

/// What a report is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// One page that needs nothing else: no script, no network
    Html,
    /// Markdown, for a comment or a commit
    Markdown,
}

impl ReportArgs {
    /// As what it is written.
    pub fn format(&self) -> ReportFormat {
        let ending = self.output.as_deref().and_then(Path::extension).and_then(|ending| ending.to_str());
        let by_name = match ending {
            Some("md" | "markdown") => ReportFormat::Markdown,
            _ => ReportFormat::Html,
        };
        self.format.unwrap_or(by_name)
    }

    /// Where to; `None` for stdout.
    pub fn target(&self) -> Option<PathBuf> {
        let ending = match self.format() {
            ReportFormat::Html => "html",
            ReportFormat::Markdown => "md",
        };
        let output = self.output.clone().unwrap_or_else(|| self.file.with_extension(ending));
        (output.as_os_str() != "-").then_some(output)
    }
}
