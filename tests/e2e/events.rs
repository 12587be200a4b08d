//! What can be watched.

use drover_e2e::harness::{App, eventually, outline, patiently, signal};
use drover_master::config::{Protocol, RestartPolicy, RestartWhen};
use drover_master::{Missed, Phase};
use nix::sys::signal::SIGKILL;

use crate::policies::{at_once, keep_going};

#[tokio::test]
async fn the_events_of_a_life_come_in_order_and_each_names_its_worker() {
    let mut app = App::started(App::builder(program!("worker_good"))).await;
    let pid = app.pid(0);
    patiently("the shutdown", app.master().shutdown()).await.unwrap();
    let events = app.all_events();
    let names: Vec<&str> = events.iter().map(|event| event.name()).collect();
    assert_eq!(
        names,
        [
            "app_starting",
            "spawned",
            "starting",
            "handshaken",
            "started",
            "app_started",
            "app_stopping",
            "stopping",
            "stopped",
            "shutting_down",
            "exited",
            "app_ended"
        ],
        "{:#?}",
        outline(&events)
    );
    for (at, event) in events.iter().enumerate() {
        assert_eq!(event.seq, at as u64 + 1);
        assert_eq!(&*event.app, app.name());
        match event.worker {
            Some(worker) => assert_eq!((worker.slot.0, worker.generation.0, worker.pid), (0, 1, Some(pid))),
            None => assert!(event.name().starts_with("app_")),
        }
    }
    assert_eq!(events.last().unwrap().kind.detail(), "shut down, asked by shutdown()");
    app.is_gone().await;
}

#[tokio::test]
async fn a_snapshot_and_the_events_after_it_have_no_gap_and_no_overlap() {
    let app = App::started(App::builder(program!("worker_good")).workers(3).restart_policy(at_once())).await;
    let (snapshot, mut news) = app.master().watch();
    assert_eq!(snapshot.last_seq, app.all_events().last().unwrap().seq);
    assert!(news.try_next().is_none());

    let pid = snapshot.workers[1].pid.unwrap();
    signal(pid, SIGKILL);
    let first = patiently("an event", news.next()).await.unwrap();
    assert_eq!(first.seq, snapshot.last_seq + 1);
    assert_eq!(first.worker.unwrap().pid, Some(pid));

    // Played on top of the old snapshot, the events give the new one.
    // (What tells of the death first, the connection or the process, is open.)
    let mut phases: Vec<Phase> = snapshot.workers.iter().map(|worker| worker.phase).collect();
    loop {
        let event = patiently("an event", news.next()).await.unwrap();
        phases[event.worker.unwrap().slot.0 as usize] = event.phase;
        if event.name() == "started" {
            break;
        }
    }
    let now: Vec<Phase> = app.master().snapshot().workers.iter().map(|worker| worker.phase).collect();
    assert_eq!(phases, now);
    app.end().await;
}

#[tokio::test]
async fn a_subscriber_that_is_too_slow_is_told_how_much_it_missed_and_goes_on() {
    // Each short life is four events, and the log keeps 4096.
    let lives = App::builder("true")
        .workers(4)
        .protocol(Protocol::None)
        .start_policy(keep_going())
        .restart_policy(RestartPolicy { when: RestartWhen::Always, ..at_once() });
    let noisy = App::new(lives);
    let (_, mut slow) = noisy.master().watch();
    drop(noisy.master().start());
    assert_eq!(patiently("the first event", slow.next()).await.unwrap().seq, 1);
    eventually("5000 events", || (noisy.master().snapshot().last_seq > 5000).then_some(())).await;
    patiently("the end of the flood", noisy.master().kill()).await.unwrap();

    let missed = patiently("the notice", slow.next()).await.unwrap_err();
    let Missed { count, next_seq, .. } = missed;
    assert!(count > 900, "{count}");
    assert_eq!(next_seq, count + 2, "the first was read, and what was missed follows it");
    assert_eq!(missed.to_string(), format!("{count} events were missed; the next is number {next_seq}"));
    assert_eq!(patiently("the next", slow.next()).await.unwrap().seq, next_seq);
    // Who comes late and asks for all has missed nothing.
    let oldest = patiently("the oldest", noisy.master().events().next()).await.unwrap();
    assert_eq!(oldest.seq, next_seq);
}
