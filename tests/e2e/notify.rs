//! Programs that know nothing of Drover, and notify their service manager: by `sd_notify(3)`, or by a descriptor.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use drover_e2e::harness::{App, PATIENCE, eventually, patiently, signal, variable_of};
use drover_master::config::{HealthCheck, HealthPolicy, NotifyAccess, Probe, ReloadSignal, StartPolicy};
use drover_master::{
    Command, Count, EventKind, ExitReason, KillCause, MasterBuilder, OperateError, Phase, Protocol, Reload,
    SlotIndex, Target,
};
use nix::sys::signal::Signal;

use crate::policies::{at_once, never};

fn notifying(steps: &str) -> MasterBuilder {
    App::builder(program!("worker_notifies")).protocol(Protocol::Notify).env("E2E_STEPS", steps)
}

fn within(timeout: Duration) -> StartPolicy {
    StartPolicy { timeout, ..StartPolicy::default() }
}

/// The text that the worker in a slot says of itself.
async fn says(app: &App, slot: usize, text: &str) {
    let said = || Some(app.worker(slot).status_text).filter(|said| said == text);
    eventually(text, said).await;
}

#[tokio::test]
async fn a_worker_is_ready_when_it_says_so_and_its_status_is_shown() {
    let app = App::new(notifying("say STATUS=warming up;first wait 300;say READY=1|STATUS=at work"));
    let start = app.master().start();
    says(&app, 0, "warming up").await;
    assert_eq!(app.worker(0).phase, Phase::Starting);
    patiently("the start", start).await.unwrap();
    says(&app, 0, "at work").await;
    app.end().await;
}

#[tokio::test]
async fn a_child_of_the_worker_may_speak_for_it_even_if_it_is_gone_when_it_is_heard() {
    let app = App::started(notifying("child READY=1").notify_access(NotifyAccess::All)).await;
    assert_eq!(app.worker(0).phase, Phase::Started);
    app.end().await;
}

#[tokio::test]
async fn a_script_says_by_systemd_notify_that_it_is_ready() {
    let app = App::started(notifying("script READY=1|STATUS=up")).await;
    says(&app, 0, "up").await;
    assert_eq!(app.all_events().into_iter().filter(|event| event.name() == "notify_refused").count(), 0);
    app.end().await;
}

#[tokio::test]
async fn a_helper_of_a_service_neither_makes_it_ready_nor_ends_it_nor_feeds_its_watchdog() {
    let helper = "helper READY=1|STATUS=a lie;helper STOPPING=1;say STATUS=starting";
    let mut app = App::new(notifying(helper).start_policy(within(Duration::from_secs(60))));
    let start = app.master().start();
    says(&app, 0, "starting").await;
    assert_eq!(app.worker(0).phase, Phase::Starting);
    let detail = app.until("notify_refused").await.kind.detail();
    assert!(
        detail.contains("READY=1, STATUS= from process ") && detail.contains("notify_access = \"all\""),
        "{detail}"
    );
    assert_eq!(app.all_events().into_iter().filter(|event| event.name() == "notify_refused").count(), 1);
    app.end().await;
    start.await.unwrap_err();

    let feeds = "helper WATCHDOG=1;wait 100;".repeat(50);
    let hung = notifying(&format!("say READY=1;{feeds}")).watchdog(Some(Duration::from_millis(400)));
    let mut app = App::started(hung.restart_policy(never())).await;
    let exit = app.exit().await;
    assert!(matches!(exit.reason, ExitReason::KilledByMaster { cause: KillCause::Watchdog, .. }), "{exit}");
    app.is_gone().await;
}

#[tokio::test]
async fn one_that_never_says_that_it_is_ready_fails_the_start() {
    let worker = notifying("say STATUS=stuck").start_policy(within(Duration::from_millis(500)));
    let (mut app, error) = App::failed(worker).await;
    assert!(error.to_string().contains("it was not ready in time"), "{error}");
    app.is_gone().await;
}

#[tokio::test]
async fn an_extension_gives_a_start_the_time_it_needs() {
    let worker = notifying("say EXTEND_TIMEOUT_USEC=30000000;wait 1500;say READY=1");
    let app = App::started(worker.start_policy(within(Duration::from_secs(1)))).await;
    app.end().await;
}

#[tokio::test]
async fn a_stranger_is_refused_and_told_of() {
    let worker = notifying("say STATUS=waits").start_policy(within(Duration::from_secs(60)));
    let mut app = App::new(worker);
    let start = app.master().start();
    says(&app, 0, "waits").await;
    let socket = variable_of(app.pid(0), "NOTIFY_SOCKET").unwrap();
    let stranger = UnixDatagram::unbound().unwrap();
    stranger.send_to(b"READY=1\nSTATUS=a lie", &socket).unwrap();
    let refused = app.until("notify_refused").await;
    let detail = refused.kind.detail();
    assert!(detail.contains(&format!("from process {}", std::process::id())), "{detail}");
    assert_eq!((app.worker(0).phase, &*app.worker(0).status_text), (Phase::Starting, "waits"));
    app.end().await;
    start.await.unwrap_err();
}

#[tokio::test]
async fn what_a_worker_leaves_survives_its_crash_and_is_handed_to_the_next_one_after_the_sockets() {
    let worker =
        notifying("first store state 4711;say STATUS={names};say READY=1;first barrier;first exit 3");
    let mut app = App::started(worker.restart_policy(at_once())).await;
    assert_eq!(app.exit().await.reason, ExitReason::AbnormalExit { code: 3 });
    says(&app, 0, "state").await;
    app.end().await;

    let content = notifying("first store state 4711;first exit 3;say STATUS={kept};say READY=1");
    let start = StartPolicy {
        on_failure: drover_master::config::OnStartFailure::KeepGoing,
        ..within(Duration::from_secs(30))
    };
    let app = App::started(content.restart_policy(at_once()).start_policy(start)).await;
    says(&app, 0, "4711").await;
    app.end().await;

    let listening =
        notifying("first store state x;say STATUS={names};say READY=1;first barrier;first exit 3");
    let listening = listening.listen("http", "127.0.0.1:0").restart_policy(at_once());
    // It has descriptors from the beginning, so it stores nothing.
    let app = App::started(listening).await;
    says(&app, 0, "http").await;
    app.end().await;
}

#[tokio::test]
async fn what_is_taken_back_is_not_handed_on() {
    let worker = notifying(
        "first store a 1;first store b 2;say FDSTOREREMOVE=1|FDNAME=a;say STATUS={names}|READY=1;first barrier;first exit 3",
    );
    let mut app = App::started(worker.restart_policy(at_once())).await;
    app.exit().await;
    says(&app, 0, "b").await;
    app.end().await;
}

#[tokio::test]
async fn what_was_left_in_a_slot_that_the_app_has_lost_is_not_for_the_slots_next_life() {
    let worker = notifying("first slot 1 store a 1;say STATUS=[{names}]|READY=1").workers(2);
    let app = App::started(worker).await;
    app.master().stop_workers(Target::Slot(SlotIndex(1))).await.unwrap();
    app.master().scale(Count::To(1)).await.unwrap();
    app.master().scale(Count::To(2)).await.unwrap();
    says(&app, 1, "[]").await;
    app.end().await;
}

#[tokio::test]
async fn what_was_left_is_let_go_of_when_no_worker_could_be_handed_it() {
    let app = App::started(notifying("first store a 1;say STATUS=[{names}]|READY=1")).await;
    let notifies = (*app.master().spec()).clone();
    let mut plain = notifies.clone();
    (plain.protocol, plain.command) = (Protocol::None, Command::new("sleep").arg("600"));
    for spec in [plain, notifies] {
        app.master().reload(Reload::to(spec)).await.unwrap();
    }
    says(&app, 0, "[]").await;
    app.end().await;
}

#[tokio::test]
async fn a_store_that_is_full_is_told_of_once_in_a_while() {
    let steps = format!("{}say READY=1", "store a 1;".repeat(260));
    let app = App::started(notifying(&steps)).await;
    let refused = app.all_events().into_iter().filter(|event| event.name() == "notify_refused");
    assert_eq!(refused.count(), 1);
    app.end().await;
}

#[tokio::test]
async fn a_barrier_is_passed_when_all_before_it_has_been_worked_off() {
    let mut app = App::new(notifying("say STATUS=done|READY=1;barrier;exit 0").restart_policy(never()));
    let _ = app.master().start().await;
    app.until("started").await;
    assert_eq!(app.exit().await.reason, ExitReason::NormalExit);
    app.is_gone().await;
}

#[tokio::test]
async fn a_worker_that_does_not_feed_its_watchdog_is_ended_and_one_that_does_is_not() {
    let every = Duration::from_millis(400);
    let hungry = notifying("say READY=1").watchdog(Some(every)).restart_policy(at_once());
    let mut app = App::started(hungry).await;
    let pid = app.pid(0);
    assert_eq!(variable_of(pid, "WATCHDOG_USEC").as_deref(), Some("400000"));
    assert_eq!(variable_of(pid, "WATCHDOG_PID"), Some(pid.to_string()));
    let exit = app.exit().await;
    assert!(matches!(exit.reason, ExitReason::KilledByMaster { cause: KillCause::Watchdog, .. }), "{exit}");
    app.until("started").await;
    app.end().await;

    let feeds = "wait 100;say WATCHDOG=1;".repeat(12);
    let app =
        App::started(notifying(&format!("say READY=1;{feeds}say STATUS=fed")).watchdog(Some(every))).await;
    let pid = app.pid(0);
    says(&app, 0, "fed").await;
    assert_eq!(app.pid(0), pid, "three times the interval later");
    app.end().await;
}

#[tokio::test]
async fn one_that_triggers_its_watchdog_is_ended_at_once() {
    let worker = notifying("say READY=1;barrier;say WATCHDOG=trigger").restart_policy(never());
    let mut app = App::new(worker);
    let _ = app.master().start().await;
    let exit = app.exit().await;
    assert!(matches!(exit.reason, ExitReason::KilledByMaster { cause: KillCause::Watchdog, .. }), "{exit}");
    app.outcome().await;
}

#[tokio::test]
async fn one_that_says_that_it_leaves_is_judged_by_its_code() {
    let leaves = "say READY=1;barrier;say STOPPING=1|ERRNO=28;barrier;exit 4";
    let mut app = App::new(notifying(leaves).restart_policy(never()));
    let _ = app.master().start().await;
    app.until("shutting_down").await;
    let exit = app.exit().await;
    assert_eq!((exit.reason, exit.during), (ExitReason::AbnormalExit { code: 4 }, Phase::ShuttingDown));
    assert!(exit.to_string().ends_with("it reported errno 28 (No space left on device)"), "{exit}");
    app.outcome().await;
}

#[tokio::test]
async fn a_newline_on_the_notification_descriptor_means_ready() {
    let app = App::started(notifying("write 7").notify_fd(Some(7))).await;
    let pid = app.pid(0);
    assert_eq!(variable_of(pid, "NOTIFY_SOCKET"), None);
    // What it wrote by it has closed just now, or will at once.
    eventually("nothing but its streams and that", || {
        let fds = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
        let mut fds: Vec<u32> = fds.filter_map(|fd| fd.ok()?.file_name().to_str()?.parse().ok()).collect();
        fds.sort_unstable();
        (fds == [0, 1, 2, 7]).then_some(())
    })
    .await;
    app.end().await;
}

#[tokio::test]
async fn the_end_of_the_notification_descriptor_without_a_newline_is_told_with_the_failure() {
    let worker = notifying("close 5").notify_fd(Some(5)).start_policy(within(Duration::from_millis(500)));
    let (mut app, error) = App::failed(worker).await;
    let why = "it was not ready in time: it closed its notification descriptor 5 without a newline";
    assert!(error.to_string().ends_with(why), "{error}");
    app.is_gone().await;
}

fn by_hangup(worker: MasterBuilder, on_hangup: &str) -> MasterBuilder {
    let reload = ReloadSignal { signal: drover_master::Signal::HUP, waits: true };
    worker.workers(3).reload_signal(Some(reload)).env("E2E_ON_HUP", on_hangup)
}

fn pids(app: &App) -> Vec<u32> {
    (0..3).map(|slot| app.pid(slot)).collect()
}

#[tokio::test]
async fn a_reload_by_signal_keeps_the_processes_and_is_done_when_each_has_said_so() {
    let on_hangup = "say RELOADING=1|MONOTONIC_USEC={now};say STATUS=anew|READY=1";
    let app = App::started(by_hangup(notifying("say READY=1"), on_hangup)).await;
    let before = pids(&app);
    patiently("the reload", app.master().reload(Reload::new())).await.unwrap();
    assert_eq!(pids(&app), before);
    for slot in 0..3 {
        says(&app, slot, "anew").await;
    }
    let events = app.all_events();
    let told = events.iter().filter(|event| matches!(event.kind, EventKind::Reloaded));
    assert_eq!(
        told.filter_map(|event| event.worker).map(|worker| worker.slot.0).collect::<Vec<_>>(),
        [0, 1, 2]
    );
    // Another description replaces them all the same.
    let mut other = (*app.master().spec()).clone();
    other.command = other.command.env("E2E_OTHER", "1");
    patiently("the reload", app.master().reload(Reload::to(other))).await.unwrap();
    assert!(pids(&app).iter().all(|pid| !before.contains(pid)));
    app.end().await;
}

#[tokio::test]
async fn a_reload_that_a_worker_does_not_confirm_fails_by_its_name_and_spares_the_others() {
    let on_hangup = "say STATUS=told;slot 0 say RELOADING=1|MONOTONIC_USEC={now};slot 0 say READY=1";
    let worker = by_hangup(notifying("say READY=1"), on_hangup).start_policy(within(Duration::from_secs(2)));
    let app = App::started(worker).await;
    let before = pids(&app);
    let error = patiently("the verdict", app.master().reload(Reload::new())).await.unwrap_err();
    let OperateError::NotReloaded { failure, .. } = &error else { panic!("{error}") };
    assert_eq!(failure.slot.0, 1, "{error}");
    assert_eq!((pids(&app), app.worker(2).status_text), (before, String::new()));
    app.end().await;
}

#[tokio::test]
async fn a_reload_that_a_worker_dies_of_fails_and_spares_the_others() {
    let worker = by_hangup(notifying("say READY=1"), "exit 1").restart_policy(at_once());
    let mut app = App::started(worker).await;
    let before = pids(&app);
    let error = patiently("the verdict", app.master().reload(Reload::new())).await.unwrap_err();
    assert!(error.to_string().contains("worker 0 exited with code 1"), "{error}");
    assert_eq!([app.pid(1), app.pid(2)], before[1..]);
    app.until("exited").await;
    app.until("started").await;
    app.end().await;
}

#[tokio::test]
async fn a_main_process_that_has_left_the_group_is_told_and_ended_with_the_worker() {
    // A shell that leads, and a worker in a session of its own that says it is the main process.
    let script = format!("setsid {} & wait", program!("worker_notifies"));
    let worker = App::builder("/bin/sh");
    let spec = worker.spec().clone();
    let command = spec.command.clone().args(["-c", &script]);
    let worker = MasterBuilder::from_spec(drover_master::config::AppSpec { command, ..spec });
    let worker = worker.protocol(Protocol::Notify).notify_access(NotifyAccess::All);
    let worker = worker.env("E2E_STEPS", "say MAINPID={pid}|READY=1;barrier");
    let mut app = App::started(worker.restart_policy(never())).await;
    let leader = app.pid(0);
    let main = eventually("the main process", || {
        let children = std::fs::read_to_string(format!("/proc/{leader}/task/{leader}/children")).ok()?;
        children.split_whitespace().next()?.parse::<u32>().ok()
    })
    .await;
    // The shell alone is killed: its main process is in no group of it.
    signal(leader, Signal::SIGKILL);
    app.exit().await;
    eventually("the end of the main process", || (!drover_e2e::harness::is_running(main)).then_some(()))
        .await;
    app.outcome().await;
}

#[tokio::test]
async fn who_says_ready_is_ready_when_its_readiness_passes_too_and_reloads_by_itself_while_it_is_unready() {
    let dir = tempfile::tempdir().unwrap();
    let passes = dir.path().join("passes");
    let probe = Probe::exec("test", ["-e".as_ref(), passes.as_os_str()]);
    let mut check = HealthCheck::new(probe.kind.clone());
    check.probe = Probe { interval: Duration::from_millis(20), timeout: PATIENCE, ..probe };
    let health = HealthPolicy { liveness: None, readiness: Some(check) };
    let worker = notifying("say READY=1|STATUS=up").health(health).watchdog(Some(PATIENCE));
    let reload = ReloadSignal { signal: drover_master::Signal::HUP, waits: true };
    let mut app = App::new(worker.env("E2E_ON_HUP", "say READY=1|STATUS=anew").reload_signal(Some(reload)));
    let start = app.master().start();
    says(&app, 0, "up").await;
    assert_eq!(app.worker(0).phase, Phase::Starting);
    std::fs::write(&passes, "").unwrap();
    patiently("the start", start).await.unwrap();
    std::fs::remove_file(&passes).unwrap();
    app.until("unready").await;
    let pid = app.pid(0);
    patiently("the reload", app.master().reload(Reload::new())).await.unwrap();
    says(&app, 0, "anew").await;
    assert!((app.pid(0), app.worker(0).phase) == (pid, Phase::Started) && app.worker(0).unready.is_some());
    std::fs::write(&passes, "").unwrap();
    app.until("ready_again").await;
    app.end().await;
}

#[tokio::test]
async fn a_worker_goes_on_notifying_by_its_path_after_that_was_swept_away() {
    let mut app = App::started(notifying("say READY=1").env("E2E_ON_HUP", "say STATUS=heard again")).await;
    let path = variable_of(app.pid(0), "NOTIFY_SOCKET").unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(
        app.until("socket_renewed").await.kind.detail(),
        format!("the notification socket at {path}: somebody removed its path; it has been opened again")
    );
    signal(app.pid(0), Signal::SIGHUP);
    says(&app, 0, "heard again").await;
    app.end().await;
}
