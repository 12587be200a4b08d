//! The `drover` command. All of it is in the library, so that tests can carry a `drover` of their own.

use std::process::ExitCode;

fn main() -> ExitCode {
    drover_cli::main(std::env::args_os())
}
