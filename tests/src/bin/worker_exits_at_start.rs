//! Ends before it is ready, by `E2E_CODE` or `E2E_SIGNAL`, with last words; but not once the file `E2E_CURE` exists.

use std::path::Path;
use std::process::ExitCode;

use drover_e2e::raw::Link;

fn main() -> ExitCode {
    if drover_e2e::setting::<String>("E2E_CURE").is_some_and(|cure| Path::new(&cure).exists()) {
        return Link::started().serve();
    }
    drover_e2e::complain("no config");
    drover_e2e::complain("giving up");
    drover_e2e::end_as_told()
}
