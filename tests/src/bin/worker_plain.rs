//! Without the protocol. Says "here" and its arguments, waits `E2E_AFTER_MS` if that is set and ends as told; else for ever.

fn main() -> std::process::ExitCode {
    drover_e2e::die_with_the_test();
    let words: Vec<String> = std::env::args().skip(1).collect();
    drover_e2e::say(&format!("here {}", words.join(" ")));
    if std::env::var_os("E2E_AFTER_MS").is_none() {
        drover_e2e::wait_for_ever();
    }
    std::thread::park_timeout(drover_e2e::milliseconds("E2E_AFTER_MS"));
    drover_e2e::end_as_told()
}
