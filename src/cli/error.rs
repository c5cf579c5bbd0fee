//! Why a command could not do its work, and what to do about it.

use crate::cli::anomalies::error::SeriesError;
use crate::cli::dashboards::error::DashboardsError;
use crate::cli::publish::plan::PlanError;
use crate::cli::publish::sending::SendingError;
use crate::cli::report::error::ReportError;
use crate::cli::serve::error::ServeError;
use crate::cli::term::signals::SignalError;
use crate::cli::term::terminal::OutputError;
use crate::cli::top::error::TopError;
use crate::cli::trace::output::TraceFileError;
use crate::cli::workload::input::InputError;
use crate::cli::workload::launch::LaunchError;

/// Why a command could not do its work; the parts bring the remedy.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    Runtime(#[from] ringscope::RuntimeError),
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error(transparent)]
    Launch(#[from] LaunchError),
    #[error(transparent)]
    Report(#[from] ReportError),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error(transparent)]
    Top(#[from] TopError),
    #[error(transparent)]
    TraceFile(#[from] TraceFileError),
    #[error(transparent)]
    Dashboards(#[from] DashboardsError),
    #[error(transparent)]
    Signal(#[from] SignalError),
    #[error(transparent)]
    Series(#[from] SeriesError),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Sending(#[from] SendingError),
}

impl CliError {
    /// What is said of it, each thing by itself.
    pub fn lines(&self) -> Vec<String> {
        match self {
            CliError::Plan(error) => error.lines(),
            error => vec![error.to_string()],
        }
    }

    /// Whether the command line is wrong.
    pub fn is_usage(&self) -> bool {
        matches!(self, CliError::Plan(error) if error.is_usage())
    }
}
