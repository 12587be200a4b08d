//! Is ready, and ends `E2E_AFTER_MS` later by `E2E_CODE` or `E2E_SIGNAL`.

fn main() -> std::process::ExitCode {
    let _link = drover_e2e::raw::Link::started();
    drover_e2e::complain("so long");
    std::thread::park_timeout(drover_e2e::milliseconds("E2E_AFTER_MS"));
    drover_e2e::end_as_told()
}
