//! The `drover` command, where tests and benchmarks find it.

use std::process::ExitCode;

fn main() -> ExitCode {
    drover_cli::main(std::env::args_os())
}
