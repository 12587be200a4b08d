//! The `drover` command, where tests and benchmarks find it.

use std::process::ExitCode;

fn main() -> ExitCode {
    // A master of a test that blocks its runtime fails the test.
    drover_master::turns::be_strict();
    drover_cli::main(std::env::args_os())
}
