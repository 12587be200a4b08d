//! A shell script with a trap.

use drover_e2e::harness::signal;
use nix::sys::signal::SIGKILL;

use crate::site::Site;

#[tokio::test]
async fn a_script_finishes_its_step_and_takes_what_it_started_with_it() {
    let Some(mut site) = Site::of("programs/script", &[]) else { return };
    site.start().await;
    let sleeps = |pid: &u32| {
        std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line == b"sleep\x00100000\x00")
    };
    // It may be ready before its child has become that program.
    site.until("what it has in its background", || site.inhabitants().iter().any(sleeps).then_some(())).await;
    let steps = |log: &str, word: &str| log.matches(&format!("script/0 | a step {word}\n")).count();
    site.until("a step", || (steps(&site.log(), "begins") >= 1).then_some(())).await;
    let log = site.end().await;
    assert!(steps(&log, "begins") >= 1 && steps(&log, "begins") == steps(&log, "ends"), "{log}");
    assert!(log.contains("script/0 | leaves in order\n"), "{log}");
}

#[tokio::test]
async fn a_script_with_a_mistake_in_its_configuration_is_not_tried_again() {
    let Some(mut site) = Site::of("programs/script", &[]) else { return };
    site.start().await;
    std::fs::write(site.path("mistake"), "").unwrap();
    signal(site.pid().await, SIGKILL);
    assert_eq!(site.is_over().await.code(), Some(1));
    let log = site.log();
    assert!(
        log.contains("drover: script/0 failed: was ended by SIGKILL from outside while ready\n"),
        "{log}"
    );
    assert!(log.contains("drover: script/0 failed: exited with code 78 while starting"), "{log}");
    assert_eq!(log.matches("(pid ").count(), 2, "it was tried once more, and no more: {log}");
    assert!(log.contains("the configuration has a mistake"), "{log}");
}
