//! Requests and their answers: each has one.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use drover_proto::bus::PAYLOAD_LIMIT;
use drover_proto::latest::{
    Error, ErrorCode, Message as WireMessage, Reply, Scope, WorkerFrame, master_frame, worker_frame,
};
use futures_util::{SinkExt as _, StreamExt as _};

use super::super::ledger::OPEN;
use super::super::{RequestError, SendError};
use crate::machine::worker::WorkerReport;

use super::stage::*;

#[tokio::test]
async fn a_request_to_the_program_has_one_answer_whatever_the_program_does() {
    let app = BusApp::handled(|mut message| match (message.topic(), message.responder()) {
        ("twice", Some(responder)) => {
            responder.reply("2");
            assert!(message.responder().is_none());
        }
        ("refuse", Some(responder)) => responder.refuse(ErrorCode::NotFound, "no such thing"),
        ("large", Some(responder)) => responder.reply(vec![0; PAYLOAD_LIMIT + 1]),
        ("panic", Some(_)) => panic!("as the test wants"),
        _ => {}
    });
    let mut worker = app.worker();
    worker.ask(1, message(Scope::App, "twice", "1")).await;
    assert_eq!(worker.reply().await, (1, "2".into()));
    worker.ask(2, message(Scope::App, "refuse", "")).await;
    assert_eq!(worker.error().await, (2, ErrorCode::NotFound, "no such thing".into()));
    for (seq, topic, words) in
        [(3, "large", "1048577 bytes"), (4, "panic", "did not answer"), (5, "drop", "did not answer")]
    {
        worker.ask(seq, message(Scope::App, topic, "")).await;
        let (reply_to, code, message) = worker.error().await;
        assert_eq!((reply_to, code), (seq, ErrorCode::Failed));
        assert!(message.contains(words), "{message}");
    }
    worker.sync().await;
}

#[tokio::test]
async fn workers_ask_each_other_and_the_answers_find_their_askers() {
    let app = BusApp::new();
    let (mut first, mut second, mut asked) = (app.worker(), app.worker(), app.worker());
    first.ask(7, to(&asked, "get", "a")).await;
    let (seq_of_first, heard) = asked.message().await;
    assert_eq!((heard.worker, heard.scope(), &*heard.payload), (first.id.0, Scope::Worker, &b"a"[..]));
    second.ask(7, WireMessage { slot: 2, ..message(Scope::Slot, "get", "b") }).await;
    let (seq_of_second, heard) = asked.message().await;
    assert_eq!((heard.worker, heard.scope()), (second.id.0, Scope::Slot));

    asked.answer(seq_of_second, worker_frame::Body::Reply(Reply { payload: "B".into() })).await;
    let error = Error { code: ErrorCode::NotFound.into(), message: "no a here".into() };
    asked.answer(seq_of_first, worker_frame::Body::Error(error)).await;
    assert_eq!(second.reply().await, (7, "B".into()));
    assert_eq!(first.error().await, (7, ErrorCode::NotFound, "no a here".into()));
}

#[tokio::test]
async fn a_worker_may_ask_itself() {
    let app = BusApp::new();
    let mut worker = app.worker();
    worker.ask(3, to(&worker, "echo", "me")).await;
    let (seq, heard) = worker.message().await;
    assert_eq!(heard.worker, worker.id.0);
    worker.answer(seq, worker_frame::Body::Reply(Reply { payload: heard.payload })).await;
    assert_eq!(worker.reply().await, (3, "me".into()));
}

#[tokio::test]
async fn a_request_that_is_not_answered_ends_at_its_deadline_and_a_late_answer_is_nobodys_mistake() {
    let app = BusApp::new();
    let (mut worker, mut asked) = (app.worker(), app.worker());
    let before = tokio::time::Instant::now();
    worker.ask(1, WireMessage { timeout_ms: 50, ..to(&asked, "", "") }).await;
    let (seq, _) = asked.message().await;
    let (reply_to, code, _) = worker.error().await;
    assert_eq!((reply_to, code), (1, ErrorCode::Deadline));
    assert!(before.elapsed() >= Duration::from_millis(50));
    for _ in 0..2 {
        asked.answer(seq, worker_frame::Body::Reply(Reply::default())).await;
    }
    // The first is late, the second one too many.
    assert_eq!(asked.link.said().await, WorkerReport::Stray);
    worker.sync().await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_names_no_time_has_30_s() {
    let app = BusApp::new();
    let (mut worker, asked) = (app.worker(), app.worker());
    let before = tokio::time::Instant::now();
    worker.ask(1, to(&asked, "", "")).await;
    // No other timer is there for the paused clock to go to.
    let answer = worker.frames.next().await.unwrap().unwrap();
    assert!(
        matches!(answer.body, Some(master_frame::Body::Error(error)) if error.code() == ErrorCode::Deadline)
    );
    let elapsed = before.elapsed();
    assert!((30..31).contains(&elapsed.as_secs()), "{elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_master_that_was_away_reads_the_answers_before_it_calls_a_request_over() {
    let app = BusApp::new();
    let (mut worker, mut asked) = (app.worker(), app.worker());
    worker.ask(1, to(&asked, "", "")).await;
    let (seq, _) = asked.message().await;
    asked.answer(seq, worker_frame::Body::Reply(Reply::default())).await;
    tokio::time::advance(Duration::from_secs(600)).await;
    assert_eq!(worker.reply().await.0, 1);
    // A worker that has not answered has the time that was left, and no more.
    worker.ask(2, to(&asked, "", "")).await;
    asked.message().await;
    tokio::time::advance(Duration::from_secs(600)).await;
    let before = tokio::time::Instant::now();
    // No other timer is there for the paused clock to go to.
    let answer = worker.frames.next().await.unwrap().unwrap();
    assert!(
        matches!(answer.body, Some(master_frame::Body::Error(error)) if error.code() == ErrorCode::Deadline)
    );
    let elapsed = before.elapsed();
    assert!((28..=31).contains(&elapsed.as_secs()), "{elapsed:?}");
}

#[tokio::test]
async fn an_answer_to_nothing_is_told_and_not_answered() {
    let app = BusApp::new();
    let mut worker = app.worker();
    for _ in 0..4 {
        worker.answer(99, worker_frame::Body::Reply(Reply::default())).await;
    }
    // The first, the second and the fourth.
    for _ in 0..3 {
        assert_eq!(worker.link.said().await, WorkerReport::Stray);
    }
    worker.sync().await;
    // An Error may be about anything the master has said.
    worker.answer(99, worker_frame::Body::Error(Error::default())).await;
    worker.sync().await;
    assert!(worker.link.is_silent());
}

#[tokio::test]
async fn whoever_waits_for_a_worker_that_goes_is_told() {
    let app = BusApp::new();
    let (mut worker, mut asked) = (app.worker(), app.worker());
    worker.ask(1, to(&asked, "", "")).await;
    asked.message().await;
    let (bus, id) = (app.bus(), asked.id);
    let asking = tokio::spawn(async move { bus.request(id, "t", "", SOON).await });
    asked.message().await;
    drop(asked);
    assert_eq!(worker.error().await.1, ErrorCode::Failed);
    assert!(matches!(asking.await.unwrap(), Err(RequestError::Gone { worker: 1, .. })));
    assert!(matches!(app.bus().try_send(id, "", ""), Err(SendError::NoWorker { .. })));
}

#[tokio::test]
async fn the_program_asks_and_hears_reply_refusal_or_the_end_of_its_patience() {
    let app = BusApp::new();
    let mut worker = app.worker();
    let id = worker.id;
    let ask = |within| {
        let bus = app.bus();
        tokio::spawn(async move { bus.request(id, "t", "?", within).await })
    };
    let asking = ask(SOON);
    let (seq, heard) = worker.message().await;
    assert_eq!((heard.worker, heard.timeout_ms), (0, 20_000));
    worker.answer(seq, worker_frame::Body::Reply(Reply { payload: "!".into() })).await;
    assert_eq!(asking.await.unwrap(), Ok("!".into()));

    let asking = ask(SOON);
    let (seq, _) = worker.message().await;
    let error = Error { code: ErrorCode::InvalidArgument.into(), message: "what?".into() };
    worker.answer(seq, worker_frame::Body::Error(error)).await;
    let refused = asking.await.unwrap().unwrap_err();
    assert!(matches!(&refused, RequestError::Refused { code: ErrorCode::InvalidArgument, .. }), "{refused}");

    let asking = ask(Duration::from_millis(20));
    let (seq, _) = worker.message().await;
    assert!(matches!(asking.await.unwrap(), Err(RequestError::TimedOut { .. })));
    worker.answer(seq, worker_frame::Body::Reply(Reply::default())).await;
    worker.sync().await;
    assert!(worker.link.is_silent(), "a late answer is nobody's mistake");
}

#[tokio::test]
async fn a_worker_has_so_many_requests_open_and_no_more() {
    let app = BusApp::new();
    let (mut worker, asked) = (app.worker(), app.worker());
    for seq in 1..=OPEN as u64 {
        worker.ask(seq, to(&asked, "", "")).await;
    }
    worker.ask(7, to(&asked, "", "")).await;
    assert_eq!(worker.error().await.1, ErrorCode::InvalidArgument, "it is open already");
    worker.ask(OPEN as u64 + 1, to(&asked, "", "")).await;
    assert_eq!(worker.error().await.1, ErrorCode::Busy);
}

#[tokio::test]
async fn the_time_of_a_request_that_the_program_has_answered_is_nothing_to_a_later_one_of_its_number() {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let app = BusApp::handled({
        let kept = Arc::clone(&kept);
        move |mut message| {
            let responder = message.responder().unwrap();
            match message.topic() {
                "now" => responder.reply("here"),
                _ => kept.lock().unwrap().push(responder),
            }
        }
    });
    let mut worker = app.worker();
    let to_program = |topic, timeout_ms| WireMessage { timeout_ms, ..message(Scope::App, topic, "") };
    worker.ask(7, to_program("now", 50)).await;
    assert_eq!(worker.reply().await.0, 7);
    worker.ask(7, to_program("later", 60_000)).await;
    worker.ask(8, to_program("later", 100)).await;
    let (over, code, _) = worker.error().await;
    assert_eq!((over, code), (8, ErrorCode::Deadline));
}

#[tokio::test]
async fn the_programs_handler_goes_with_its_bus_though_a_request_was_asked_for_longer() {
    let (held, mut dropped) = tokio::sync::mpsc::channel::<()>(1);
    let app = BusApp::handled(move |mut message| {
        assert!(!held.is_closed());
        message.responder().unwrap().reply("here");
    });
    let mut worker = app.worker();
    worker.ask(1, WireMessage { timeout_ms: 3_600_000, ..message(Scope::App, "", "") }).await;
    worker.reply().await;
    drop((worker, app));
    let end = tokio::time::timeout(SOON, dropped.recv()).await;
    assert_eq!(end.expect("the handler is dropped"), None);
}

#[tokio::test]
async fn a_reply_over_the_limit_is_lost_whichever_way_its_frame_is_read() {
    let app = BusApp::new();
    let (mut worker, mut asked) = (app.worker(), app.worker());
    for must_understand in [false, true] {
        worker.ask(1, to(&asked, "", "")).await;
        let (reply_to, _) = asked.message().await;
        let body = Some(worker_frame::Body::Reply(Reply { payload: vec![0; PAYLOAD_LIMIT + 1].into() }));
        asked
            .frames
            .send(WorkerFrame { reply_to, must_understand, body, ..Default::default() })
            .await
            .unwrap();
        let (seq, code, _) = worker.error().await;
        assert_eq!((seq, code), (1, ErrorCode::Failed));
    }
}
