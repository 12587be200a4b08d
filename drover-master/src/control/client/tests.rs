//! The client against a master that says what the test wants.

use std::path::PathBuf;

use drover_proto::codec::FrameCodec;
use drover_proto::frame::FrameLimit;
use drover_proto::latest::control_response::Body;
use drover_proto::latest::{
    AppStatus, ControlHello, ControlHelloReply, ControlRequest, ControlResponse, ControlWelcome, Error,
    Event, WorkerStatus, control_hello_reply,
};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::codec::{Decoder as _, Framed};

use super::*;

type Requests = Framed<UnixStream, FrameCodec<ControlResponse, ControlRequest>>;

/// A socket that nobody else knows.
fn socket() -> (tempfile::TempDir, PathBuf, UnixListener) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.sock");
    let listener = UnixListener::bind(&path).unwrap();
    (dir, path, listener)
}

/// Takes the next connection and welcomes it; none if it is gone.
async fn welcome(listener: &UnixListener) -> Option<Requests> {
    let (stream, _) = listener.accept().await.unwrap();
    let mut hellos = FrameCodec::<ControlHelloReply, ControlHello>::new(FrameLimit::CONTROL).framed(stream);
    hellos.next().await?.ok()?;
    let reply = Some(control_hello_reply::Reply::Welcome(ControlWelcome::default()));
    hellos.send(ControlHelloReply { reply }).await.unwrap();
    Some(hellos.map_codec(|_| FrameCodec::new(FrameLimit::CONTROL)))
}

/// A master that waits for two requests, and then gives all these answers.
async fn answering_two(listener: UnixListener, answers: Vec<(u64, Body)>) {
    let mut requests = welcome(&listener).await.unwrap();
    let first = requests.next().await.unwrap().unwrap();
    let second = requests.next().await.unwrap().unwrap();
    assert_eq!((first.seq, second.seq), (1, 2));
    for (reply_to, body) in answers {
        let more = matches!(body, Body::Event(_));
        requests.send(ControlResponse { reply_to, more, body: Some(body) }).await.unwrap();
    }
}

fn event(seq: u64) -> Body {
    Body::Event(Event { seq, ..Default::default() })
}

fn refusal() -> Body {
    Body::Error(Error { code: ErrorCode::Busy.into(), message: "others follow".to_owned() })
}

#[tokio::test]
async fn each_request_takes_its_own_refusal() {
    let (_dir, path, listener) = socket();
    let status = || Body::Status(StatusReply { last_seq: 7, ..Default::default() });
    let master = tokio::spawn(answering_two(listener, vec![(1, event(5)), (1, refusal()), (2, status())]));
    let mut client = ControlClient::connect(&path).await.unwrap();
    let mut events = client.events(4, true).await.unwrap();
    assert_eq!(events.status(&[]).await.unwrap().last_seq, 7);
    let first = events.next().await.unwrap();
    assert!(matches!(&first, Some(Follow::Event(event)) if event.seq == 5), "{first:?}");
    let refused = events.next().await;
    assert!(matches!(refused, Err(ClientError::Refused { code: ErrorCode::Busy, .. })), "{refused:?}");
    master.await.unwrap();
}

#[tokio::test]
async fn answers_that_nobody_takes_any_more_are_skipped() {
    let (_dir, path, listener) = socket();
    let status = Body::Status(StatusReply { last_seq: 7, ..Default::default() });
    let master = tokio::spawn(answering_two(listener, vec![(1, event(5)), (1, refusal()), (2, status)]));
    let mut client = ControlClient::connect(&path).await.unwrap();
    drop(client.events(4, false).await.unwrap());
    assert_eq!(client.status(&[]).await.unwrap().last_seq, 7);
    master.await.unwrap();
}

#[tokio::test]
async fn a_status_in_several_answers_is_one_to_the_client() {
    let (_dir, path, listener) = socket();
    let app = |name: &str, slots: &[u32]| AppStatus {
        name: name.to_owned(),
        workers: slots.iter().map(|slot| WorkerStatus { slot: *slot, ..Default::default() }).collect(),
        ..Default::default()
    };
    let parts = [vec![app("api", &[0]), app("web", &[0, 1])], vec![app("web", &[2]), app("job", &[])]];
    let master = tokio::spawn(async move {
        let mut frames = welcome(&listener).await.unwrap();
        let reply_to = frames.next().await.unwrap().unwrap().seq;
        let count = parts.len();
        for (at, apps) in parts.into_iter().enumerate() {
            let body = Some(Body::Status(StatusReply { apps, ..Default::default() }));
            frames.send(ControlResponse { reply_to, more: at + 1 < count, body }).await.unwrap();
        }
    });
    let status = ControlClient::connect(&path).await.unwrap().status(&[]).await.unwrap();
    assert_eq!(status.apps, [app("api", &[0]), app("web", &[0, 1, 2]), app("job", &[])]);
    master.await.unwrap();
}

#[tokio::test]
async fn a_master_whose_queue_is_full_is_waited_for_and_then_busy_and_not_absent() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.sock");
    let socket = tokio::net::UnixSocket::new_stream().unwrap();
    socket.bind(&path).unwrap();
    let listener = socket.listen(1).unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = UnixStream::connect(&path).await {
        waiting.push(stream);
    }
    let limit = Duration::from_millis(50);
    let busy = ControlClient::connect_within(&path, limit).await;
    assert!(matches!(busy, Err(ClientError::Busy { limit: told, .. }) if told == limit), "{busy:?}");
    // With room there is no need to ask again, however long that takes.
    let limit = Duration::from_secs(600);
    let asking = tokio::spawn(async move { ControlClient::connect_within(&path, limit).await });
    waiting.push(listener.accept().await.unwrap().0);
    drop(waiting);
    // Those that only waited are gone.
    while welcome(&listener).await.is_none() {}
    asking.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_master_that_ends_before_it_has_read_the_question_has_closed_the_connection() {
    let (_dir, path, listener) = socket();
    let ending = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        stream.readable().await.unwrap();
    });
    let answer = ControlClient::connect(&path).await;
    assert!(matches!(answer, Err(ClientError::Closed)), "{answer:?}");
    ending.await.unwrap();
}
