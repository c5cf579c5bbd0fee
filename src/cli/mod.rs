//! The program: what was asked (`args`, `help`), opening devices (`devices`, `opening`), one folder for each command, what a terminal shows (`term`), and what is
//! streamed through the kernels (`workload`).

mod alerts;
mod anomalies;
mod args;
mod bench;
mod dashboards;
mod devices;
mod diff;
mod doctor;
mod error;
mod help;
mod opening;
mod past;
mod publish;
mod record;
mod replay;
mod report;
mod run;
mod serve;
mod term;
mod top;
mod trace;
#[cfg(test)]
mod usage;
mod values;
mod workload;

use std::process::ExitCode;

use self::args::{Cli, Command};
use self::error::CliError;
use self::term::terminal;

/// The exit code of wrong usage.
const USAGE: u8 = 2;

/// Does what the command line says.
pub fn main() -> ExitCode {
    let cli = match Cli::read(terminal::help_width()) {
        Ok(cli) => cli,
        Err(error) => return no_command(&error),
    };
    let usage = match &cli.command {
        Command::Run(args) => args.check(),
        Command::Serve(args) => args.check(),
        Command::Top(args) => args.check(),
        Command::Trace(args) => args.check(),
        Command::Record(args) => args.check(),
        // What single options say is all that they need.
        _ => Ok(()),
    };
    match usage.map(|()| perform(cli.command)) {
        Ok(Ok(true)) => ExitCode::SUCCESS,
        Ok(Ok(false)) => ExitCode::FAILURE,
        Ok(Err(error)) => {
            error.lines().iter().for_each(|line| terminal::say_error(line));
            if error.is_usage() { ExitCode::from(USAGE) } else { ExitCode::FAILURE }
        }
        Err(error) => no_command(&error),
    }
}

/// Performs a command; whether all that it checks was right.
fn perform(command: Command) -> Result<bool, CliError> {
    match command {
        Command::Run(args) => run::run(&args),
        Command::Serve(args) => serve::serve(&args),
        Command::Top(args) => top::top(&args),
        Command::Trace(args) => trace::trace(&args),
        Command::Anomalies(args) => anomalies::anomalies(&args),
        Command::Check(args) => publish::check::check(&args),
        Command::Dashboards(args) => dashboards::dashboards(&args),
        Command::Bench(args) => bench::bench(&args),
        Command::Record(args) => record::record(&args),
        Command::Replay(args) => replay::replay(&args),
        Command::Report(args) => report::report(&args),
        Command::Diff(args) => diff::diff(&args),
        Command::Doctor(args) if args.break_it => {
            doctor::deep::child::break_the_context(args.device.unwrap_or_default())
        }
        Command::Doctor(args) if args.deep => doctor::deep::examine(&args),
        Command::Doctor(args) => doctor::doctor(&args),
    }
}

/// Shows a page of help, or what is wrong with the usage.
fn no_command(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand as NoCommand;
    let text = error.render();
    let is_help = !error.use_stderr() || error.kind() == NoCommand;
    match is_help {
        true => terminal::show_help(&text.to_string(), &text.ansi().to_string(), error.use_stderr()),
        false => {
            let text = text.to_string();
            terminal::say_error(text.strip_prefix("error: ").unwrap_or(&text));
        }
    }
    if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
}
