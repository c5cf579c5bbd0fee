//! Why a command could not do its work, and what to do about it.

use crate::cli::alerts::AlertsError;
use crate::cli::anomalies::error::SeriesError;
use crate::cli::dashboards::error::DashboardsError;
use crate::cli::diff::error::DiffError;
use crate::cli::publish::plan::PlanError;
use crate::cli::publish::sending::SendingError;
use crate::cli::record::error::RecordCommandError;
use crate::cli::replay::error::ReplayError;
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
    Diff(#[from] DiffError),
    #[error(transparent)]
    Record(#[from] RecordCommandError),
    #[error(transparent)]
    Replay(#[from] ReplayError),
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
    #[error(transparent)]
    Alerts(#[from] AlertsError),
}

impl CliError {
    /// What is said of it, each thing by itself.
    pub fn lines(&self) -> Vec<String> {
        match self {
            CliError::Plan(error) => error.lines(),
            error => vec![error.to_string()],
        }
    }

    /// Whether the command line is wrong, or is to be told from a result as if it were.
    pub fn is_usage(&self) -> bool {
        match self {
            CliError::Plan(error) => error.is_usage(),
            CliError::Launch(LaunchError::FewerKernelsThanDevices { .. }) => true,
            // Its 1 says that a condition holds.
            CliError::Diff(_) => true,
            _ => false,
        }
    }
}
