//! `ringscope top`: kernels, blocks, what happened and what it costs, on a terminal that is kept open.
//!
//! `source` gets moments, `state` knows what they mean and what somebody looks at, `view` draws the state, `run` ties them to the
//! terminal.

pub mod args;
mod elsewhere;
pub mod error;
pub mod help;
mod input;
mod look;
mod plain;
mod run;
pub mod source;
mod state;
#[cfg(test)]
mod tests;
mod view;
mod words;
mod workload;

use self::args::TopArgs;
use self::error::TopError;
use crate::cli::error::CliError;
use crate::cli::term::terminal;

/// Whether all that was streamed here was right; of other sources always.
pub fn top(args: &TopArgs) -> Result<bool, CliError> {
    let on_terminal = terminal::can_take_over();
    match (&args.connect, &args.replay) {
        (Some(address), _) => elsewhere::connect(address, args.token_file.as_deref(), on_terminal),
        (None, Some(path)) => elsewhere::replay(path, args.speed, on_terminal),
        (None, None) if on_terminal => workload::top(args),
        (None, None) => {
            let term = std::env::var("TERM").unwrap_or_else(|_| "not set".to_owned());
            Err(TopError::NoTerminal { term }.into())
        }
    }
}
