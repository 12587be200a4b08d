//! What travels on the connection: the handshake, requests of the protocol, and what breaks its rules.

#![expect(clippy::unwrap_used, reason = "a test ends where what it needs is not there")]

use std::io;
use std::time::Duration;

use drover_worker::testing::messages::worker_frame::Body;
use drover_worker::testing::messages::{
    ErrorCode, MasterFrame, Ping, RejectCode, Resume, Started, Stop, WorkerFrame, master_frame,
};
use drover_worker::testing::{FakeLink, FakeMaster};
use drover_worker::{ConnectError, MessageBus, StopCause};
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(20);
const MINUTE: Duration = Duration::from_secs(60);

async fn connected() -> (FakeMaster, MessageBus, FakeLink) {
    let master = FakeMaster::bind().unwrap();
    let (bus, link) = tokio::join!(master.bus().connect(), master.accept());
    let (bus, link) = (bus.unwrap(), link.unwrap());
    (master, bus, link)
}

async fn stop_cause(bus: &MessageBus) -> StopCause {
    timeout(DEADLINE, bus.stop_requested()).await.expect("within the deadline").cause
}

#[track_caller]
fn assert_error(frame: Option<WorkerFrame>, reply_to: u64, code: ErrorCode) {
    match frame {
        Some(WorkerFrame { reply_to: answered, body: Some(Body::Error(error)), .. }) => {
            assert_eq!((answered, error.code()), (reply_to, code), "{error:?}");
            assert!(!error.message.is_empty());
        }
        other => panic!("{other:?}"),
    }
}

/// A frame of a later version: field 40, which no body has today, with the envelope that is given.
fn unknown_body(seq: u8, expects_reply: bool, must_understand: bool) -> Vec<u8> {
    let message = [8, seq, 24, expects_reply.into(), 32, must_understand.into(), 0xc2, 0x02, 0];
    [&u32::try_from(message.len()).unwrap().to_be_bytes()[..], &message].concat()
}

#[tokio::test]
async fn every_ping_is_answered_with_its_own_number() {
    let (_master, _bus, mut link) = connected().await;
    let mut burst = Vec::new();
    for _ in 0..200 {
        burst.push(link.ping().await.unwrap());
    }
    for seq in burst {
        let frame = link.frame().await.unwrap().unwrap();
        assert!(matches!(frame.body, Some(Body::Pong(_))));
        assert_eq!(frame.reply_to, seq);
    }
}

#[tokio::test]
async fn an_unknown_body_is_ignored_or_refused_as_its_sender_wishes() {
    let (_master, _bus, mut link) = connected().await;
    link.send_bytes(&unknown_body(7, false, false)).await.unwrap();
    link.send_bytes(&unknown_body(8, true, false)).await.unwrap();
    assert_error(link.frame().await.unwrap(), 8, ErrorCode::Unimplemented);
    link.ping().await.unwrap();
    assert!(matches!(link.body().await.unwrap(), Some(Body::Pong(_))));
}

#[tokio::test]
async fn an_unknown_body_that_must_be_understood_ends_the_connection() {
    let (_master, bus, mut link) = connected().await;
    link.send_bytes(&unknown_body(9, false, true)).await.unwrap();
    assert_error(link.frame().await.unwrap(), 9, ErrorCode::Unimplemented);
    assert_eq!(link.frame().await.unwrap(), None);
    assert_eq!(stop_cause(&bus).await, StopCause::MasterGone);
}

#[tokio::test]
async fn a_request_that_does_not_fit_the_state_is_refused_and_changes_nothing() {
    let (_master, bus, mut link) = connected().await;
    let first = link.stop(MINUTE).await.unwrap();
    let second = link.stop(Duration::from_secs(1)).await.unwrap();
    assert_error(link.frame().await.unwrap(), second, ErrorCode::BadState);
    let deadline = bus.stop_requested().await.deadline.unwrap();
    assert!(deadline > tokio::time::Instant::now().into_std() + DEADLINE, "the first Stop counts");

    // One that expects no reply gets none.
    let stop = master_frame::Body::Stop(Stop { deadline_ms: 1 });
    link.send(MasterFrame { body: Some(stop), ..Default::default() }).await.unwrap();
    link.ping().await.unwrap();
    assert!(matches!(link.body().await.unwrap(), Some(Body::Pong(_))));

    bus.stopped().await.unwrap();
    assert_eq!(link.frame().await.unwrap().unwrap().reply_to, first);
}

#[tokio::test]
async fn resume_is_refused_by_a_worker_that_does_not_announce_it() {
    let (_master, _bus, mut link) = connected().await;
    assert_eq!(link.hello().capabilities, Vec::<String>::new());
    let resume = master_frame::Body::Resume(Resume { deadline_ms: 1000 });
    let frame = MasterFrame { seq: 77, expects_reply: true, body: Some(resume), ..Default::default() };
    link.send(frame).await.unwrap();
    assert_error(link.frame().await.unwrap(), 77, ErrorCode::Unimplemented);
}

#[tokio::test]
async fn an_error_of_the_master_is_survived() {
    let (_master, bus, mut link) = connected().await;
    let error = drover_worker::testing::messages::Error { code: 3, message: "not now".into() };
    let body = Some(master_frame::Body::Error(error));
    link.send(MasterFrame { reply_to: 1, body, ..Default::default() }).await.unwrap();
    link.ping().await.unwrap();
    assert!(matches!(link.body().await.unwrap(), Some(Body::Pong(_))));
    bus.started().await.unwrap();
    assert_eq!(link.body().await.unwrap(), Some(Body::Started(Started {})));
}

#[tokio::test]
async fn garbage_is_answered_with_the_reason_and_ends_the_connection() {
    let too_long = [0, 0xff, 0xff, 0xff];
    let undecodable = [0, 0, 0, 2, 0xff, 0xff];
    for garbage in [&b"HTTP/1.1 400 Bad Request\r\n"[..], &too_long, &undecodable] {
        let (_master, bus, mut link) = connected().await;
        link.send_bytes(garbage).await.unwrap();
        assert_error(link.frame().await.unwrap(), 0, ErrorCode::BadFrame);
        assert_eq!(link.frame().await.unwrap(), None);
        assert_eq!(stop_cause(&bus).await, StopCause::MasterGone);
    }
}

#[tokio::test]
async fn a_master_that_dies_within_a_frame_is_gone() {
    let (_master, bus, mut link) = connected().await;
    link.send_bytes(&[0, 0, 0, 100, 8]).await.unwrap();
    drop(link);
    assert_eq!(stop_cause(&bus).await, StopCause::MasterGone);
}

#[tokio::test]
async fn a_frame_in_pieces_and_frames_in_one_piece_are_all_taken() {
    let (_master, bus, mut link) = connected().await;
    // Ping 1, 2 and 3: each a length, seq, expects_reply and field 13 with an empty message.
    let pings: Vec<u8> = (1..=3).flat_map(|seq| [0, 0, 0, 6, 8, seq, 24, 1, 0x6a, 0]).collect();
    for byte in &pings {
        link.send_bytes(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    link.send_bytes(&pings).await.unwrap();
    for seq in [1, 2, 3, 1, 2, 3] {
        assert_eq!(link.frame().await.unwrap().unwrap().reply_to, seq);
    }
    drop(bus);
}

#[tokio::test]
async fn frames_that_come_together_with_the_welcome_are_not_lost() {
    let master = FakeMaster::bind().unwrap();
    let (bus, link) = tokio::join!(master.bus().connect(), async {
        let mut link = master.accept_silently().await?;
        // Welcome (version 1), then a Stop with a minute, in one write.
        let welcome = [0, 0, 0, 4, 0x0a, 2, 8, 1];
        let stop = [0, 0, 0, 8, 8, 5, 0x52, 4, 8, 0xe0, 0xd4, 0x03];
        link.send_bytes(&[&welcome[..], &stop].concat()).await?;
        io::Result::Ok(link)
    });
    let (bus, _link) = (bus.unwrap(), link.unwrap());
    assert_eq!(stop_cause(&bus).await, StopCause::Master);
}

#[tokio::test]
async fn a_flood_of_pings_whose_answers_nobody_reads_does_not_grow_without_bound() {
    let (_master, bus, mut link) = connected().await;
    let ping =
        MasterFrame { seq: u64::MAX, body: Some(master_frame::Body::Ping(Ping {})), ..Default::default() };
    // Until the buffers of both directions are full; then the worker ceases to read. Each frame is ten bytes at least,
    // so what is sent here would be 40 MB somewhere if nobody ceased.
    let mut sent = 0;
    while timeout(Duration::from_secs(1), link.send(ping.clone())).await.is_ok() {
        sent += 1;
        assert!(sent < 4_000_000, "the worker takes everything");
    }
    bus.status("never waits", 0);
    drop(link);
    assert_eq!(stop_cause(&bus).await, StopCause::MasterGone);
}

#[tokio::test]
async fn a_rejected_worker_hears_the_masters_reason() {
    let master = FakeMaster::bind().unwrap();
    let (bus, _link) = tokio::join!(master.bus().connect(), async {
        let mut link = master.accept_silently().await.unwrap();
        link.reject(RejectCode::TokenInUse, "worker 7 is connected already").await.unwrap();
        link
    });
    let error = bus.unwrap_err();
    assert!(matches!(error, ConnectError::Rejected(_)), "{error:?}");
    assert!(error.to_string().contains("worker 7 is connected already"), "{error}");
}

#[tokio::test]
async fn a_wrong_token_is_rejected_and_never_shown() {
    let master = FakeMaster::bind().unwrap();
    let builder = master.bus().token("hush-hush");
    assert!(!format!("{builder:?}").contains("hush-hush"));
    let (bus, link) = tokio::join!(builder.connect(), master.accept());
    assert_eq!(link.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    let error = bus.unwrap_err();
    assert!(!format!("{error:?} {error}").contains("hush-hush"));
}

#[tokio::test]
async fn a_handshake_that_ends_or_is_no_handshake_is_an_error() {
    for (reply, expected) in [
        (&b""[..], "Closed"),
        (&b"\0\0\0\x09\x0a"[..], "Link"),
        (&b"220 mail.example ESMTP\r\n"[..], "Link"),
        (&[0, 0, 0, 0][..], "Rejected"),
        (&[0, 0, 0, 4, 0x0a, 2, 8, 99][..], "Rejected"),
    ] {
        let master = FakeMaster::bind().unwrap();
        // What ends without an answer is tried again.
        let says_so_each_time = async {
            loop {
                let mut link = master.accept_silently().await.unwrap();
                link.send_bytes(reply).await.unwrap();
            }
        };
        let bus = tokio::select! {
            bus = master.bus().connect() => bus,
            () = says_so_each_time => unreachable!(),
        };
        let error = format!("{:?}", bus.unwrap_err());
        assert!(error.starts_with(expected), "{reply:?}: {error}");
    }
}

#[tokio::test]
async fn a_socket_that_nobody_listens_on_is_named() {
    let master = FakeMaster::bind().unwrap();
    let (builder, socket) = (master.bus(), master.socket().to_owned());
    drop(master);
    let error = builder.connect().await.unwrap_err();
    assert!(
        matches!(&error, ConnectError::Unreachable { source, .. } if source.kind() == io::ErrorKind::NotFound)
    );
    assert!(error.to_string().contains(socket.to_str().unwrap()), "{error}");
}

#[tokio::test]
async fn a_worker_without_a_token_does_not_try() {
    let error = MessageBus::builder().socket("/nowhere/drover.sock").connect().await.unwrap_err();
    assert!(matches!(error, ConnectError::NoToken { .. }), "{error:?}");
}

#[tokio::test]
async fn the_fake_master_leaves_nothing_behind() {
    let (master, bus, link) = connected().await;
    let directory = master.socket().parent().unwrap().to_owned();
    assert!(directory.exists());
    drop((master, bus, link));
    assert!(!directory.exists());
}

#[test]
fn a_runtime_that_is_torn_down_closes_the_connection() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (ours, workers) = (runtime(), runtime());
    let master = {
        let _inside = ours.enter();
        FakeMaster::bind().unwrap()
    };
    let connecting = workers.spawn(master.bus().connect());
    // The worker's runtime runs on a thread of its own until it is told to end.
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let thread = std::thread::spawn(move || {
        let bus = workers.block_on(async {
            let bus = connecting.await.unwrap().unwrap();
            ended.await.unwrap();
            bus
        });
        drop(workers);
        bus
    });
    let mut link = ours.block_on(master.accept()).unwrap();
    end.send(()).unwrap();
    assert_eq!(ours.block_on(link.frame()).unwrap(), None);
    let bus = thread.join().unwrap();
    assert_eq!(ours.block_on(stop_cause(&bus)), StopCause::MasterGone);
}
