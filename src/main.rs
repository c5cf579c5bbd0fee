//! The `ringscope` program: ring kernels to look at, and a doctor for the devices that they run on.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
