//! The program: what was asked (`args`), one folder for each command, what a terminal shows (`term`), and what is streamed
//! through the kernels (`workload`).

mod args;
mod bench;
mod doctor;
mod error;
mod run;
mod serve;
mod term;
mod workload;

use std::process::ExitCode;

use clap::Parser;

use term::terminal;

/// Does what the command line says. Wrong usage ends here with clap's message and exit code 2.
pub fn main() -> ExitCode {
    let done = match args::Cli::parse().command {
        args::Command::Run(args) => match args.check() {
            Ok(()) => run::run(&args),
            Err(usage) => usage.exit(),
        },
        args::Command::Serve(args) => match args.check() {
            Ok(()) => serve::serve(&args),
            Err(usage) => usage.exit(),
        },
        args::Command::Bench(args) => bench::bench(&args),
        args::Command::Doctor(args) if args.break_it => {
            doctor::deep::child::break_the_context(args.device.unwrap_or_default())
        }
        args::Command::Doctor(args) if args.deep => doctor::deep::examine(&args),
        args::Command::Doctor(args) => doctor::doctor(&args),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            terminal::say_error(&error.to_string());
            ExitCode::FAILURE
        }
    }
}
