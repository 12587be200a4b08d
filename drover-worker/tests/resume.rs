//! A worker that rests and goes on, under a fake master.

#![expect(clippy::unwrap_used, reason = "a test ends where what it needs is not there")]

use std::time::Duration;

use drover_worker::testing::messages::worker_frame::Body;
use drover_worker::testing::messages::{ErrorCode, ShutDown, Started, Stopped};
use drover_worker::testing::{FakeLink, FakeMaster};
use drover_worker::{ConnectError, MessageBus, SendError, StopCause};
use tokio::time::{Instant, timeout};

const DEADLINE: Duration = Duration::from_secs(20);
const MINUTE: Duration = Duration::from_secs(60);

async fn within<T>(wait: impl Future<Output = T>) -> T {
    timeout(DEADLINE, wait).await.expect("within the deadline")
}

/// What the worker says next, and what it answers by it.
async fn said(link: &mut FakeLink) -> (Body, u64) {
    let frame = link.frame().await.unwrap().expect("the worker is there");
    (frame.body.unwrap(), frame.reply_to)
}

/// A worker that has been started and suspended.
async fn resting() -> (FakeMaster, MessageBus, FakeLink) {
    let master = FakeMaster::bind().unwrap();
    let (bus, link) = tokio::join!(master.bus().resumable().connect(), master.accept());
    let (bus, mut link) = (bus.unwrap(), link.unwrap());
    bus.started().await.unwrap();
    assert_eq!(said(&mut link).await, (Body::Started(Started {}), 0));
    let stop = link.stop(MINUTE).await.unwrap();
    within(bus.stop_requested()).await;
    bus.stopped().await.unwrap();
    assert_eq!(said(&mut link).await, (Body::Stopped(Stopped {}), stop));
    (master, bus, link)
}

#[tokio::test]
async fn only_a_worker_that_can_resume_says_so() {
    let master = FakeMaster::bind().unwrap();
    let (_bus, link) = tokio::join!(master.bus().connect(), master.accept());
    assert_eq!(link.unwrap().hello().capabilities, [""; 0]);
    let (_bus, link) = tokio::join!(master.bus().resumable().connect(), master.accept());
    assert_eq!(link.unwrap().hello().capabilities, ["resume"]);
}

#[tokio::test]
async fn a_worker_rests_and_goes_on_as_often_as_it_is_asked() {
    let (_master, bus, mut link) = resting().await;
    for _ in 0..20 {
        let resume = link.resume(MINUTE).await.unwrap();
        let deadline = within(bus.resume_requested()).await.unwrap().deadline.unwrap();
        let deadline = Instant::from_std(deadline);
        assert!(deadline <= Instant::now() + MINUTE && deadline > Instant::now());
        assert!(!bus.is_stopping());
        bus.extend(MINUTE).await.unwrap();
        assert!(matches!(said(&mut link).await.0, Body::Extend(_)));
        bus.started().await.unwrap();
        assert_eq!(said(&mut link).await, (Body::Started(Started {}), resume));

        let stop = link.stop(MINUTE).await.unwrap();
        assert_eq!(within(bus.stop_requested()).await.cause, StopCause::Master);
        within(bus.stopping()).await;
        bus.stopped().await.unwrap();
        assert_eq!(said(&mut link).await, (Body::Stopped(Stopped {}), stop));
    }
    let quit = link.quit(MINUTE).await.unwrap();
    assert_eq!(within(bus.resume_requested()).await, None);
    bus.shut_down().await.unwrap();
    assert_eq!(said(&mut link).await, (Body::ShutDown(ShutDown {}), quit));
}

#[tokio::test]
async fn who_waited_for_the_end_of_a_round_hears_of_it_in_the_next() {
    let master = FakeMaster::bind().unwrap();
    let (bus, link) = tokio::join!(master.bus().resumable().connect(), master.accept());
    let (bus, mut link) = (bus.unwrap(), link.unwrap());
    bus.started().await.unwrap();
    said(&mut link).await;
    let late = bus.stopping();
    link.stop(MINUTE).await.unwrap();
    within(bus.stop_requested()).await;
    bus.stopped().await.unwrap();
    said(&mut link).await;
    link.resume(MINUTE).await.unwrap();
    within(bus.resume_requested()).await.unwrap();
    within(late).await;
    let next = timeout(Duration::from_millis(100), bus.stop_requested()).await;
    assert!(next.is_err(), "the new round has not been ended: {next:?}");
}

#[tokio::test]
async fn a_stop_while_the_worker_resumes_is_answered_and_started_is_not_said() {
    let (_master, bus, mut link) = resting().await;
    link.resume(MINUTE).await.unwrap();
    let stop = link.stop(MINUTE).await.unwrap();
    within(bus.stop_requested()).await;
    // The resume is still there for a worker that looks only now.
    within(bus.resume_requested()).await.unwrap();
    bus.started().await.unwrap();
    bus.stopped().await.unwrap();
    assert_eq!(said(&mut link).await, (Body::Stopped(Stopped {}), stop));

    let resume = link.resume(MINUTE).await.unwrap();
    within(bus.resume_requested()).await.unwrap();
    bus.started().await.unwrap();
    assert_eq!(said(&mut link).await, (Body::Started(Started {}), resume));
}

#[tokio::test]
async fn a_quit_beats_the_resume_that_it_crosses() {
    let (_master, bus, mut link) = resting().await;
    link.resume(MINUTE).await.unwrap();
    let quit = link.quit(MINUTE).await.unwrap();
    within(bus.quit_requested()).await;
    assert_eq!(within(bus.resume_requested()).await, None);
    assert!(bus.is_stopping(), "the quit implies a stop of the new round");
    bus.shut_down().await.unwrap();
    assert_eq!(said(&mut link).await, (Body::ShutDown(ShutDown {}), quit));
}

#[tokio::test]
async fn a_worker_that_rests_leaves_when_the_master_dies() {
    let (_master, bus, link) = resting().await;
    drop(link);
    assert_eq!(within(bus.resume_requested()).await, None);
    bus.shut_down().await.unwrap();
}

#[tokio::test]
async fn a_worker_whose_master_dies_while_it_resumes_drains_and_leaves() {
    let (_master, bus, mut link) = resting().await;
    link.resume(MINUTE).await.unwrap();
    within(bus.resume_requested()).await.unwrap();
    drop(link);
    assert_eq!(within(bus.stop_requested()).await.cause, StopCause::MasterGone);
    bus.started().await.unwrap();
    bus.stopped().await.unwrap();
    assert_eq!(within(bus.resume_requested()).await, None);
}

#[tokio::test]
async fn a_resume_of_a_worker_that_does_not_rest_is_refused() {
    let master = FakeMaster::bind().unwrap();
    let (bus, link) = tokio::join!(master.bus().resumable().connect(), master.accept());
    let (bus, mut link) = (bus.unwrap(), link.unwrap());
    bus.started().await.unwrap();
    said(&mut link).await;
    let resume = link.resume(MINUTE).await.unwrap();
    let (Body::Error(error), reply_to) = said(&mut link).await else { panic!("no error") };
    assert_eq!((error.code(), reply_to), (ErrorCode::BadState, resume));
}

/// Whatever a round can fail of, as text.
#[derive(Debug, PartialEq)]
struct Failure(String);

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        Self(error.to_string())
    }
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Self {
        Self(error.to_string())
    }
}

#[tokio::test]
async fn serve_runs_a_round_for_each_resume_and_leaves_on_quit() {
    let master = FakeMaster::bind().unwrap();
    let mut rounds = 0;
    let worker = master.bus().serve(async |bus| {
        rounds += 1;
        bus.started().await?;
        bus.stop_requested().await;
        Ok::<_, Failure>(())
    });
    let master = async {
        let mut link = master.accept().await.unwrap();
        assert_eq!(said(&mut link).await, (Body::Started(Started {}), 0));
        for _ in 0..3 {
            let stop = link.stop(MINUTE).await.unwrap();
            assert_eq!(said(&mut link).await, (Body::Stopped(Stopped {}), stop));
            let resume = link.resume(MINUTE).await.unwrap();
            assert_eq!(said(&mut link).await, (Body::Started(Started {}), resume));
        }
        // The round that runs is ended by Quit alone; Stopped is not owed.
        let quit = link.quit(MINUTE).await.unwrap();
        assert_eq!(said(&mut link).await, (Body::ShutDown(ShutDown {}), quit));
    };
    let (served, ()) = within(async { tokio::join!(worker, master) }).await;
    assert_eq!(served, Ok(()));
    assert_eq!(rounds, 4);
}

#[tokio::test]
async fn serve_ends_with_what_its_round_ends_with() {
    let master = FakeMaster::bind().unwrap();
    let failing = master.bus().serve(async |_| Err(Failure("no database".into())));
    let (served, _link) = tokio::join!(failing, master.accept());
    assert_eq!(served, Err(Failure("no database".into())));

    let done = master.bus().serve(async |_| Ok::<_, Box<dyn std::error::Error>>(()));
    let (served, link) = tokio::join!(done, master.accept());
    served.unwrap();
    drop(link);
}
