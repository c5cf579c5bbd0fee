//! `ringscope top`: kernels, blocks, what happened and what it costs, on a terminal that is kept open.
//!
//! `source` gets moments, `state` knows what they mean and what somebody looks at, `view` draws the state, `run` ties them to the
//! terminal.

pub mod args;
pub mod error;
mod input;
mod look;
mod run;
pub mod source;
mod state;
mod view;
mod workload;

use self::args::TopArgs;
use self::error::TopError;
use crate::cli::error::CliError;
use crate::cli::term::terminal;

/// Whether all that was streamed here was right; of other sources always.
pub fn top(args: &TopArgs) -> Result<bool, CliError> {
    if !terminal::can_take_over() {
        let term = std::env::var("TERM").unwrap_or_else(|_| "not set".to_owned());
        return Err(TopError::NoTerminal { term }.into());
    }
    workload::top(args)
}
