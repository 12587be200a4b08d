//! A worker's life under a fake master, in order and out of order.

#![expect(clippy::unwrap_used, reason = "a test ends where what it needs is not there")]

use std::time::Duration;

use drover_worker::testing::messages::worker_frame::Body;
use drover_worker::testing::messages::{
    Extend, Gauge, Identity, Limits, ShutDown, Started, Status, Stopped, Welcome,
};
use drover_worker::testing::{FakeLink, FakeMaster};
use drover_worker::{GaugeError, MessageBus, SendError, StopCause};
use tokio::time::{Instant, timeout};

const DEADLINE: Duration = Duration::from_secs(20);
const MINUTE: Duration = Duration::from_secs(60);

async fn connected() -> (FakeMaster, MessageBus, FakeLink) {
    let master = FakeMaster::bind().unwrap();
    let (bus, link) = tokio::join!(master.bus().connect(), master.accept());
    let (bus, link) = (bus.unwrap(), link.unwrap());
    (master, bus, link)
}

async fn within<T>(wait: impl Future<Output = T>) -> T {
    timeout(DEADLINE, wait).await.expect("within the deadline")
}

async fn started() -> (FakeMaster, MessageBus, FakeLink) {
    let (master, bus, mut link) = connected().await;
    bus.started().await.unwrap();
    assert_eq!(link.body().await.unwrap(), Some(Body::Started(Started {})));
    (master, bus, link)
}

/// A Pong proves that the worker has taken everything sent before the Ping, and that it has sent nothing else since.
async fn nothing_was_said(link: &mut FakeLink) {
    let seq = link.ping().await.unwrap();
    let frame = link.frame().await.unwrap().unwrap();
    assert!(matches!(frame.body, Some(Body::Pong(_))), "{frame:?}");
    assert_eq!(frame.reply_to, seq);
}

#[tokio::test]
async fn a_worker_starts_drains_and_leaves_as_asked() {
    let (_master, bus, mut link) = started().await;

    let stop_seq = link.stop(MINUTE).await.unwrap();
    let stop = within(bus.stop_requested()).await;
    assert_eq!(stop.cause, StopCause::Master);
    let left = Instant::from_std(stop.deadline.unwrap()) - Instant::now();
    assert!(left <= MINUTE && left > MINUTE - DEADLINE, "{left:?}");
    bus.stopped().await.unwrap();
    let frame = link.frame().await.unwrap().unwrap();
    assert_eq!((frame.body, frame.reply_to), (Some(Body::Stopped(Stopped {})), stop_seq));

    let quit_seq = link.quit(MINUTE).await.unwrap();
    let deadline = within(bus.quit_requested()).await.deadline.unwrap();
    assert!(Instant::from_std(deadline) <= Instant::now() + MINUTE);
    bus.shut_down().await.unwrap();
    let frame = link.frame().await.unwrap().unwrap();
    assert_eq!((frame.body, frame.reply_to), (Some(Body::ShutDown(ShutDown {})), quit_seq));
}

#[tokio::test]
async fn the_worker_introduces_itself_and_learns_who_it_is() {
    let mut master = FakeMaster::bind().unwrap();
    master.set_welcome(Welcome {
        version: 1,
        identity: Some(Identity { app: "web".into(), slot: 3, generation: 7, worker_id: 42 }),
        limits: Some(Limits::default()),
        ..Default::default()
    });
    let (bus, link) = tokio::join!(master.bus().connect(), master.accept());
    let (bus, link) = (bus.unwrap(), link.unwrap());

    let identity = bus.identity();
    assert_eq!((identity.app.as_str(), identity.slot), ("web", 3));
    assert_eq!((identity.generation, identity.worker_id), (7, 42));
    assert!(!bus.is_standalone());
    assert_eq!(link.hello().pid, std::process::id());
    assert_eq!(link.hello().sdk.as_ref().unwrap().name, "drover-worker");
}

#[tokio::test]
async fn each_misuse_is_an_error_of_its_call_and_sends_nothing() {
    let (_master, bus, mut link) = connected().await;
    let not_asked = |message, request| Err(SendError::NotAsked { message, request });
    let too_late = |message, said| Err(SendError::TooLate { message, said });

    assert_eq!(bus.stopped().await, not_asked("Stopped", "Stop"));
    assert_eq!(bus.shut_down().await, not_asked("ShutDown", "Quit"));
    nothing_was_said(&mut link).await;

    bus.started().await.unwrap();
    assert_eq!(link.body().await.unwrap(), Some(Body::Started(Started {})));
    assert_eq!(bus.started().await, too_late("Started", "Started"));
    assert_eq!(bus.stopped().await, not_asked("Stopped", "Stop"));
    assert_eq!(bus.extend(MINUTE).await, Err(SendError::NoDeadline));
    nothing_was_said(&mut link).await;

    link.stop(MINUTE).await.unwrap();
    within(bus.stop_requested()).await;
    assert_eq!(bus.shut_down().await, not_asked("ShutDown", "Quit"));
    bus.stopped().await.unwrap();
    assert_eq!(link.body().await.unwrap(), Some(Body::Stopped(Stopped {})));
    assert_eq!(bus.stopped().await, too_late("Stopped", "Stopped"));
    assert_eq!(bus.started().await, too_late("Started", "Stopped"));
    nothing_was_said(&mut link).await;

    link.quit(MINUTE).await.unwrap();
    within(bus.quit_requested()).await;
    bus.shut_down().await.unwrap();
    assert_eq!(link.body().await.unwrap(), Some(Body::ShutDown(ShutDown {})));
    assert_eq!(bus.shut_down().await, too_late("ShutDown", "ShutDown"));
    assert_eq!(bus.extend(MINUTE).await, Err(SendError::NoDeadline));
    nothing_was_said(&mut link).await;
}

#[tokio::test]
async fn a_quit_without_a_stop_asks_for_both() {
    let (_master, bus, mut link) = started().await;
    link.quit(MINUTE).await.unwrap();
    assert_eq!(within(bus.stop_requested()).await.cause, StopCause::Master);
    within(bus.quit_requested()).await;
    bus.stopped().await.unwrap();
    bus.shut_down().await.unwrap();
    // Stopped answers a Stop, and there was none.
    assert_eq!(link.body().await.unwrap(), Some(Body::ShutDown(ShutDown {})));
}

#[tokio::test]
async fn a_stop_that_overtakes_started_is_obeyed_and_started_is_no_misuse() {
    let (_master, bus, mut link) = connected().await;
    link.stop(MINUTE).await.unwrap();
    within(bus.stop_requested()).await;
    bus.started().await.unwrap();
    bus.stopped().await.unwrap();
    assert_eq!(link.body().await.unwrap(), Some(Body::Stopped(Stopped {})));
}

#[tokio::test]
async fn any_number_of_tasks_may_wait_for_a_request_and_ask_again_later() {
    let (_master, bus, mut link) = started().await;
    let waiting: Vec<_> = (0..10)
        .map(|_| {
            let bus = bus.clone();
            tokio::spawn(async move { bus.stop_requested().await })
        })
        .collect();
    // Dropped waits consume nothing.
    for _ in 0..10 {
        assert!(timeout(Duration::ZERO, bus.stop_requested()).await.is_err());
    }
    link.stop(MINUTE).await.unwrap();
    let stop = within(bus.stop_requested()).await;
    for task in waiting {
        assert_eq!(within(task).await.unwrap(), stop);
    }
    assert_eq!(timeout(Duration::ZERO, bus.stop_requested()).await.unwrap(), stop);
}

#[tokio::test]
async fn a_deadline_of_zero_names_no_time() {
    let (_master, bus, mut link) = started().await;
    link.stop(Duration::ZERO).await.unwrap();
    assert_eq!(within(bus.stop_requested()).await.deadline, None);
}

#[tokio::test]
async fn more_time_is_asked_for_in_milliseconds_while_a_deadline_runs() {
    let (_master, bus, mut link) = connected().await;
    let asked = |timeout_ms| Some(Body::Extend(Extend { timeout_ms }));
    bus.extend(Duration::from_micros(2_500_900)).await.unwrap();
    assert_eq!(link.body().await.unwrap(), asked(2500));
    link.stop(MINUTE).await.unwrap();
    within(bus.stop_requested()).await;
    bus.extend(MINUTE).await.unwrap();
    assert_eq!(link.body().await.unwrap(), asked(60_000));
    link.quit(MINUTE).await.unwrap();
    within(bus.quit_requested()).await;
    bus.extend(Duration::MAX).await.unwrap();
    assert_eq!(link.body().await.unwrap(), asked(u64::MAX));
}

#[tokio::test]
async fn of_many_statuses_the_newest_is_sent() {
    let (_master, bus, mut link) = connected().await;
    // One thread, and no await in between: the writer can't run before the last.
    for in_flight in 0..1000 {
        bus.status(format!("serving {in_flight}"), in_flight);
    }
    let newest = Status { text: "serving 999".into(), in_flight: 999, ..Default::default() };
    assert_eq!(link.body().await.unwrap(), Some(Body::Status(newest)));
    nothing_was_said(&mut link).await;
}

#[tokio::test]
async fn readings_go_with_every_status_and_what_is_none_is_refused() {
    let (_master, bus, mut link) = connected().await;
    let gauge = |name: &str, value| Gauge { name: name.to_owned(), value };
    bus.gauge("queue_length", 3.0).unwrap();
    bus.gauge("queue_length", 12.5).unwrap();
    bus.status("warm", 1);
    bus.gauge("lag_seconds", -1.0).unwrap();
    let gauges = vec![gauge("queue_length", 12.5), gauge("lag_seconds", -1.0)];
    let newest = Status { text: "warm".into(), in_flight: 1, requests: 0, gauges };
    assert_eq!(link.body().await.unwrap(), Some(Body::Status(newest)));
    for name in ["", "1st", "a b", "größe", "x".repeat(101).as_str()] {
        assert!(matches!(bus.gauge(name, 1.0), Err(GaugeError::Name { .. })), "{name}");
    }
    for value in [f64::NAN, f64::NEG_INFINITY] {
        assert!(matches!(bus.gauge("lag_seconds", value), Err(GaugeError::NotFinite { .. })));
    }
    for number in 2..64 {
        bus.gauge(&format!("g{number}"), 0.0).unwrap();
    }
    assert_eq!(bus.gauge("late", 0.0), Err(GaugeError::TooMany { name: "late".to_owned() }));
    bus.gauge("g63", 1.0).unwrap();
    let Some(Body::Status(status)) = link.body().await.unwrap() else { panic!("no status") };
    assert_eq!((status.gauges.len(), &status.gauges[63]), (64, &gauge("g63", 1.0)));
}

#[tokio::test]
async fn words_of_progress_that_follow_each_other_are_one() {
    let (_master, bus, mut link) = connected().await;
    for _ in 0..1000 {
        bus.progress();
    }
    assert!(matches!(link.body().await.unwrap(), Some(Body::Progress(_))));
    nothing_was_said(&mut link).await;
    tokio::time::sleep(Duration::from_millis(30)).await;
    bus.progress();
    assert!(matches!(link.body().await.unwrap(), Some(Body::Progress(_))));
}

#[tokio::test]
async fn a_status_given_before_a_message_is_sent_before_it() {
    let (_master, bus, mut link) = connected().await;
    bus.status("warm", 0);
    bus.started().await.unwrap();
    assert!(matches!(link.body().await.unwrap(), Some(Body::Status(status)) if status.text == "warm"));
    assert_eq!(link.body().await.unwrap(), Some(Body::Started(Started {})));
}

#[tokio::test]
async fn a_status_that_is_no_line_is_cut_between_characters() {
    let (_master, bus, mut link) = connected().await;
    bus.status("ä".repeat(2_000_000) + "x", 1);
    let Some(Body::Status(status)) = link.body().await.unwrap() else { panic!("no status") };
    assert_eq!(status.text, "ä".repeat(2048));
    bus.status(format!("x{}", "ä".repeat(4096)), 1);
    let Some(Body::Status(status)) = link.body().await.unwrap() else { panic!("no status") };
    assert_eq!(status.text, format!("x{}", "ä".repeat(2047)));
}

#[tokio::test]
async fn the_end_of_the_master_asks_to_stop_and_then_to_leave_in_every_state() {
    for steps in 0..=3 {
        let (_master, bus, mut link) = connected().await;
        if steps >= 1 {
            bus.started().await.unwrap();
        }
        if steps >= 2 {
            link.stop(MINUTE).await.unwrap();
            within(bus.stop_requested()).await;
        }
        if steps >= 3 {
            bus.stopped().await.unwrap();
        }
        drop(link);
        let stop = within(bus.stop_requested()).await;
        if steps < 2 {
            assert_eq!(stop.cause, StopCause::MasterGone);
            assert!(
                Instant::from_std(stop.deadline.unwrap()) > Instant::now() + MINUTE,
                "the fake gives an hour"
            );
        }
        if steps < 3 {
            assert!(timeout(Duration::ZERO, bus.quit_requested()).await.is_err(), "not drained yet");
            bus.stopped().await.unwrap();
        }
        within(bus.quit_requested()).await;
        bus.shut_down().await.unwrap();
        assert_eq!(bus.shut_down().await, Err(SendError::TooLate { message: "ShutDown", said: "ShutDown" }));
    }
}

#[tokio::test]
async fn a_worker_that_starts_without_a_master_left_is_told_to_stop_and_nothing_else() {
    let (_master, bus, link) = connected().await;
    drop(link);
    within(bus.stop_requested()).await;
    bus.started().await.unwrap();
    assert_eq!(bus.extend(MINUTE).await, Err(SendError::MasterGone));
    bus.stopped().await.unwrap();
    within(bus.quit_requested()).await;
    bus.shut_down().await.unwrap();
}

#[tokio::test]
async fn a_master_that_goes_after_shut_down_asks_for_nothing_more() {
    let (_master, bus, mut link) = started().await;
    link.quit(MINUTE).await.unwrap();
    within(bus.quit_requested()).await;
    bus.shut_down().await.unwrap();
    drop(link);
    assert_eq!(within(bus.stop_requested()).await.cause, StopCause::Master);
    assert_eq!(
        bus.started().await.unwrap_err().to_string(),
        "Started cannot be sent any more: ShutDown was already sent"
    );
}
