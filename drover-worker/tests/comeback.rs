//! A worker whose connection is lost, and whose master is followed by another on the same socket.

#![expect(clippy::unwrap_used, reason = "a test ends where what it needs is not there")]

use std::time::Duration;

use drover_worker::testing::messages::worker_frame::Body;
use drover_worker::testing::messages::{Extend, RejectCode, ShutDown, Started, Status, Stopped, Subscribe};
use drover_worker::testing::{FakeLink, FakeMaster};
use drover_worker::{ConnectError, MessageBus, NoBusError, RequestError, StopCause, To};
use tokio::time::{Instant, timeout};

const DEADLINE: Duration = Duration::from_secs(60);
const MINUTE: Duration = Duration::from_secs(60);

async fn within<T>(wait: impl Future<Output = T>) -> T {
    timeout(DEADLINE, wait).await.expect("within the deadline")
}

async fn connected() -> (FakeMaster, MessageBus, FakeLink) {
    let master = FakeMaster::bind().unwrap();
    let (bus, link) = tokio::join!(master.lasting_bus().resumable().connect(), master.accept());
    let (bus, link) = (bus.unwrap(), link.unwrap());
    (master, bus, link)
}

async fn started() -> (FakeMaster, MessageBus, FakeLink) {
    let (master, bus, mut link) = connected().await;
    bus.started().await.unwrap();
    assert_eq!(said(&mut link).await, (Body::Started(Started {}), 0));
    (master, bus, link)
}

/// What the worker says next, and what that answers.
async fn said(link: &mut FakeLink) -> (Body, u64) {
    let frame = link.frame().await.unwrap().unwrap();
    (frame.body.unwrap(), frame.reply_to)
}

/// A Pong proves that the worker has taken everything sent before the Ping, and that it has sent nothing else since.
async fn nothing_was_said(link: &mut FakeLink) {
    let seq = link.ping().await.unwrap();
    assert_eq!(said(link).await, (Body::Pong(Default::default()), seq));
}

/// The master crashes, and its successor takes the worker.
async fn succeeded(master: &FakeMaster, link: FakeLink) -> FakeLink {
    let hello = link.hello().clone();
    drop(link);
    let link = master.accept().await.unwrap();
    assert_eq!(link.hello(), &hello, "the same Hello, with the same token");
    link
}

#[tokio::test]
async fn a_worker_that_serves_goes_on_and_says_started_once_to_each_successor() {
    let (master, bus, mut link) = started().await;
    for _ in 0..3 {
        link = succeeded(&master, link).await;
        assert_eq!(said(&mut link).await, (Body::Started(Started {}), 0));
        nothing_was_said(&mut link).await;
        assert!(!bus.is_stopping());
    }
    let stop = link.stop(MINUTE).await.unwrap();
    assert_eq!(within(bus.stop_requested()).await.cause, StopCause::Master);
    bus.stopped().await.unwrap();
    assert_eq!(said(&mut link).await, (Body::Stopped(Stopped {}), stop));
}

#[tokio::test]
async fn what_is_said_while_nobody_is_there_is_said_to_the_successor() {
    let (master, bus, link) = connected().await;
    drop(link);
    // It has connected again, and waits for its Welcome.
    let mut waiting = master.accept_silently().await.unwrap();
    bus.status("warm", 3);
    bus.progress();
    within(bus.extend(MINUTE)).await.unwrap();
    within(bus.started()).await.unwrap();
    assert!(bus.started().await.is_err(), "it is said once");
    waiting.welcome(&master).await.unwrap();
    assert_eq!(said(&mut waiting).await.0, Body::Started(Started {}));
    assert!(matches!(said(&mut waiting).await.0, Body::Status(Status { in_flight: 3, .. })));
    assert_eq!(said(&mut waiting).await.0, Body::Extend(Extend { timeout_ms: 60_000 }));
    assert!(matches!(said(&mut waiting).await.0, Body::Progress(_)));

    // The newest status is said to every successor, and so is Started: who heard it may not have written it down.
    let mut next = succeeded(&master, waiting).await;
    assert_eq!(said(&mut next).await.0, Body::Started(Started {}));
    assert!(matches!(said(&mut next).await.0, Body::Status(Status { in_flight: 3, .. })));
    nothing_was_said(&mut next).await;
}

#[tokio::test]
async fn a_stop_that_comes_again_is_the_same_stop() {
    let (master, bus, mut link) = started().await;
    link.stop(MINUTE).await.unwrap();
    let first = within(bus.stop_requested()).await;
    let mut link = succeeded(&master, link).await;
    let again = link.stop(MINUTE / 2).await.unwrap();
    nothing_was_said(&mut link).await;
    assert_eq!(bus.stop_requested().await, first);
    bus.stopped().await.unwrap();
    assert_eq!(said(&mut link).await, (Body::Stopped(Stopped {}), again));

    // The answer may be lost with the connection; and what was done while nobody was there is answered at once.
    let mut link = succeeded(&master, link).await;
    let again = link.stop(MINUTE).await.unwrap();
    assert_eq!(said(&mut link).await, (Body::Stopped(Stopped {}), again));
    link.quit(MINUTE).await.unwrap();
    within(bus.quit_requested()).await;
    let mut link = succeeded(&master, link).await;
    let again = link.quit(MINUTE).await.unwrap();
    nothing_was_said(&mut link).await;
    bus.shut_down().await.unwrap();
    assert_eq!(said(&mut link).await, (Body::ShutDown(ShutDown {}), again));
}

#[tokio::test]
async fn a_drain_that_ends_while_nobody_is_there_is_told_to_the_successor() {
    let (master, bus, mut link) = started().await;
    link.stop(MINUTE).await.unwrap();
    within(bus.stop_requested()).await;
    drop(link);
    let mut waiting = master.accept_silently().await.unwrap();
    within(bus.stopped()).await.unwrap();
    waiting.welcome(&master).await.unwrap();
    let again = waiting.stop(MINUTE).await.unwrap();
    assert_eq!(said(&mut waiting).await, (Body::Stopped(Stopped {}), again));
    // It rests, and nobody has asked it to leave.
    waiting.resume(MINUTE).await.unwrap();
    within(bus.resume_requested()).await.unwrap();
    let mut link = succeeded(&master, waiting).await;
    let again = link.resume(MINUTE).await.unwrap();
    nothing_was_said(&mut link).await;
    bus.started().await.unwrap();
    assert_eq!(said(&mut link).await, (Body::Started(Started {}), again));
}

#[tokio::test]
async fn what_belongs_to_the_connection_is_gone_with_it_and_the_rest_is_said_again() {
    let master = FakeMaster::bind().unwrap();
    let (bus, link) = tokio::join!(master.lasting_bus().message_window(1000).connect(), master.accept());
    let (bus, mut link) = (bus.unwrap(), link.unwrap());
    assert!(matches!(said(&mut link).await.0, Body::Consumed(consumed) if consumed.window == 1000));
    let (subscribed, ()) = within(async {
        tokio::join!(bus.subscribe("cache"), async {
            let frame = link.frame().await.unwrap().unwrap();
            link.confirm(frame.seq, 0, 0).await.unwrap();
        })
    })
    .await;
    subscribed.unwrap();

    link.begin_request("taken", "").await.unwrap();
    let taken = within(bus.message()).await.unwrap();
    link.begin_request("not taken", "").await.unwrap();
    link.message("news", "kept").await.unwrap();
    let asking = tokio::spawn({
        let bus = bus.clone();
        async move { bus.request(To::Slot(1), "t", "", MINUTE).await }
    });
    link.next_message().await.unwrap();
    // In the order of the wire: it has read the messages.
    nothing_was_said(&mut link).await;

    drop(link);
    let mut link = master.accept_silently().await.unwrap();
    assert_eq!(within(asking).await.unwrap(), Err(RequestError::NoBus(NoBusError::MasterGone)));
    // Sent while nobody is there: it waits for the successor.
    bus.try_send(To::App, "meanwhile", "").unwrap();
    link.welcome(&master).await.unwrap();
    assert!(matches!(said(&mut link).await.0, Body::Consumed(consumed) if consumed.window == 1000));
    assert_eq!(said(&mut link).await.0, Body::Subscribe(Subscribe { topic: "cache".into() }));
    assert_eq!(link.next_message().await.unwrap().1.topic, "meanwhile");
    let news = within(bus.message()).await.unwrap();
    assert_eq!((news.topic(), news.is_request()), ("news", false));
    // Its asker has been told, as one that has ceased to wait.
    taken.reply("").await.unwrap();
    nothing_was_said(&mut link).await;

    let echo = tokio::spawn(async move { bus.message().await.unwrap().reply("pong").await });
    assert_eq!(link.request("ping", "").await.unwrap().unwrap(), "pong");
    within(echo).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_subscription_that_was_under_way_is_asked_for_again() {
    let (master, bus, link) = {
        let master = FakeMaster::bind().unwrap();
        let (bus, link) = tokio::join!(master.lasting_bus().messages().connect(), master.accept());
        (master, bus.unwrap(), link.unwrap())
    };
    let subscribing = tokio::spawn(async move { bus.subscribe("cache").await });
    let is_subscribe = |body| matches!(body, Body::Subscribe(_));
    let mut link = link;
    while !is_subscribe(said(&mut link).await.0) {}
    drop(link);
    let mut link = master.accept().await.unwrap();
    let seq = loop {
        let frame = link.frame().await.unwrap().unwrap();
        if is_subscribe(frame.body.unwrap()) {
            break frame.seq;
        }
    };
    link.confirm(seq, 0, 0).await.unwrap();
    within(subscribing).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_successor_that_dies_before_its_welcome_is_followed_by_the_next() {
    let (master, bus, link) = started().await;
    drop(link);
    for _ in 0..3 {
        drop(master.accept_silently().await.unwrap());
    }
    let mut early = master.accept_silently().await.unwrap();
    early.reject(RejectCode::TokenInUse, "worker 1 is connected already").await.unwrap();
    let mut link = master.accept().await.unwrap();
    assert_eq!(said(&mut link).await, (Body::Started(Started {}), 0));
    nothing_was_said(&mut link).await;
    assert!(!bus.is_stopping());
}

#[tokio::test]
async fn a_first_connection_that_ends_without_an_answer_is_made_again() {
    let master = FakeMaster::bind().unwrap();
    let dies = async {
        let dead = master.accept_silently().await.unwrap();
        let said = dead.hello().clone();
        drop(dead);
        let link = master.accept().await.unwrap();
        assert_eq!(link.hello(), &said, "the same Hello, with the same token");
        link
    };
    let (bus, mut link) = tokio::join!(master.lasting_bus().connect(), dies);
    bus.unwrap().started().await.unwrap();
    assert_eq!(said(&mut link).await, (Body::Started(Started {}), 0));
}

#[tokio::test]
async fn first_connections_that_all_end_without_an_answer_are_a_refusal() {
    let master = FakeMaster::bind().unwrap();
    let connecting = tokio::spawn(master.lasting_bus().connect());
    for _ in 0..4 {
        drop(master.accept_silently().await.unwrap());
    }
    assert!(matches!(within(connecting).await.unwrap(), Err(ConnectError::Closed | ConnectError::Link(_))));
}

#[tokio::test]
async fn a_successor_that_refuses_the_worker_is_the_end_of_it() {
    let (master, bus, link) = started().await;
    drop(link);
    let mut refusing = master.accept_silently().await.unwrap();
    refusing.reject(RejectCode::UnknownToken, "who are you?").await.unwrap();
    assert_eq!(within(bus.stop_requested()).await.cause, StopCause::MasterGone);
    bus.stopped().await.unwrap();
    within(bus.quit_requested()).await;
}

#[tokio::test]
async fn a_socket_that_nobody_holds_is_the_end_of_the_master() {
    let (master, bus, link) = started().await;
    let grace = Duration::from_secs(3600);
    let before = Instant::now();
    drop((master, link));
    let stop = within(bus.stop_requested()).await;
    assert_eq!(stop.cause, StopCause::MasterGone);
    let deadline = Instant::from_std(stop.deadline.unwrap());
    assert!(
        deadline >= before + grace && deadline < Instant::now() + grace,
        "from the end of the connection"
    );
    bus.stopped().await.unwrap();
    within(bus.quit_requested()).await;
    assert!(within(bus.message()).await.is_none());
}

#[tokio::test]
async fn a_successor_that_never_answers_is_waited_for_as_long_as_an_orphan_lives() {
    let (master, bus, link) = started().await;
    let grace = Duration::from_secs(3600);
    tokio::time::pause();
    let before = Instant::now();
    drop(link);
    let stop = bus.stop_requested().await;
    assert_eq!(stop.cause, StopCause::MasterGone);
    assert!(before.elapsed() >= grace, "{:?}", before.elapsed());
    let deadline = Instant::from_std(stop.deadline.unwrap());
    assert!(deadline >= before + grace * 2, "and then as long again");
    drop(master);
}
