//! Messages: who gets them, in which order, and how many.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use drover_proto::bus::{PAYLOAD_LIMIT, TOPIC_LIMIT};
use drover_proto::codec::FrameCodec;
use drover_proto::frame::FrameLimit;
use drover_proto::latest::{
    Accepted, Consumed, ErrorCode, MasterFrame, Message as WireMessage, Scope, Subscribe, Unsubscribe,
    WorkerFrame, worker_frame,
};
use futures_util::StreamExt as _;
use tokio_util::codec::Framed;

use super::super::exchange::SUBSCRIPTIONS;
use super::super::{Peer, SendError};
use crate::bus::traffic::TrafficCounts;
use crate::ids::WorkerId;
use crate::link::testing::carried;
use crate::machine::worker::Identity;

use super::stage::*;

#[tokio::test]
async fn the_program_hears_what_workers_send_in_their_order() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let app = BusApp::handled({
        let heard = Arc::clone(&heard);
        move |message| {
            let text = String::from_utf8(message.payload().to_vec()).unwrap();
            heard.lock().unwrap().push((message.from().id.0, message.topic().to_owned(), text));
        }
    });
    assert_eq!(app.exchange.capabilities(), ["bus", "app"]);
    let mut worker = app.worker();
    for number in 0..1000 {
        let message = message(Scope::App, "count", &number.to_string());
        worker.say(0, false, worker_frame::Body::Message(message)).await;
    }
    worker.sync().await;
    let expected: Vec<_> = (0..1000).map(|number: u32| (1, "count".to_owned(), number.to_string())).collect();
    assert_eq!(*heard.lock().unwrap(), expected);
}

#[tokio::test]
async fn a_program_that_takes_no_messages_says_so() {
    let app = BusApp::new();
    assert_eq!(app.exchange.capabilities(), ["bus"]);
    let mut worker = app.worker();
    worker.ask(1, message(Scope::App, "", "")).await;
    assert_eq!(worker.error().await.1, ErrorCode::Unimplemented);
    // Sent without a number, it is only counted.
    worker.say(0, false, worker_frame::Body::Message(message(Scope::App, "", ""))).await;
    worker.sync().await;
    assert_eq!(app.bus().refusals(), 2);
}

#[tokio::test]
async fn who_is_not_there_not_ready_or_takes_nothing_is_told_apart() {
    let app = BusApp::new();
    let mut worker = app.worker();
    let (deaf, starting) = (app.worker_that(false, true), app.worker_that(true, false));
    let unknown = WireMessage { worker: 99, ..message(Scope::Worker, "", "") };
    let no_slot = WireMessage { slot: 99, ..message(Scope::Slot, "", "") };
    for (seq, message, code) in [
        (1, unknown, ErrorCode::NotFound),
        (2, no_slot, ErrorCode::NotFound),
        (3, to(&deaf, "", ""), ErrorCode::Unimplemented),
        (4, to(&starting, "", ""), ErrorCode::NotReady),
    ] {
        worker.ask(seq, message).await;
        let (reply_to, refused, _) = worker.error().await;
        assert_eq!((reply_to, refused), (seq, code));
    }
    let bus = app.bus();
    assert!(matches!(bus.try_send(WorkerId(99), "", ""), Err(SendError::NoWorker { .. })));
    assert!(matches!(bus.try_send(deaf.id, "", ""), Err(SendError::TakesNone { .. })));
    assert!(matches!(bus.try_send(starting.id, "", ""), Err(SendError::NotReady { .. })));
    app.exchange.set_ready(starting.id, true);
    assert_eq!(bus.try_send(starting.id, "", ""), Ok(()));
}

#[tokio::test]
async fn bad_messages_are_refused_and_nothing_else_is_disturbed() {
    let app = BusApp::new();
    let (mut worker, other) = (app.worker(), app.worker());
    let long = "t".repeat(TOPIC_LIMIT + 1);
    let large = WireMessage { payload: vec![0; PAYLOAD_LIMIT + 1].into(), ..to(&other, "", "") };
    let several = |scope| WireMessage { confirm: false, ..message(scope, "t", "") };
    for (seq, message) in [
        (1, to(&other, &long, "")),
        (2, large),
        (3, several(Scope::All)),
        (4, several(Scope::Subscribers)),
        (5, message(Scope::Unspecified, "", "")),
        (6, WireMessage { scope: 77, ..Default::default() }),
        (7, WireMessage { confirm: true, ..message(Scope::Subscribers, "", "") }),
        (0, to(&other, "", "")),
    ] {
        worker.ask(seq, message).await;
        if seq > 0 {
            assert_eq!(worker.error().await.1, ErrorCode::InvalidArgument, "{seq}");
        }
    }
    for (topic, code) in [("", ErrorCode::InvalidArgument), (&*long, ErrorCode::InvalidArgument)] {
        worker.say(8, true, worker_frame::Body::Subscribe(Subscribe { topic: topic.into() })).await;
        assert_eq!(worker.error().await.1, code);
    }
    worker.sync().await;
    assert_eq!(app.bus().refusals(), 8);
}

#[tokio::test]
async fn only_a_worker_that_takes_messages_subscribes_and_only_to_so_many_topics() {
    let app = BusApp::new();
    let mut deaf = app.worker_that(false, true);
    deaf.say(1, true, worker_frame::Body::Subscribe(Subscribe { topic: "t".into() })).await;
    assert_eq!(deaf.error().await.1, ErrorCode::BadState);

    let mut worker = app.worker();
    for number in 0..SUBSCRIPTIONS {
        worker.subscribe(&number.to_string()).await;
        worker.subscribe(&number.to_string()).await;
    }
    worker.say(1, true, worker_frame::Body::Subscribe(Subscribe { topic: "more".into() })).await;
    assert_eq!(worker.error().await.1, ErrorCode::Busy);
    worker.say(1, true, worker_frame::Body::Unsubscribe(Unsubscribe { topic: "3".into() })).await;
    worker.accepted().await;
    worker.subscribe("more").await;
}

#[tokio::test]
async fn a_publication_goes_to_subscribers_and_a_broadcast_to_all_but_the_sender() {
    let app = BusApp::new();
    let (mut sender, mut one, mut two) = (app.worker(), app.worker(), app.worker());
    let _starting = app.worker_that(true, false);
    sender.subscribe("prices").await;
    one.subscribe("prices").await;

    let confirmed = |scope| WireMessage { confirm: true, ..message(scope, "prices", "42") };
    sender.ask(5, confirmed(Scope::Subscribers)).await;
    assert_eq!(sender.accepted().await, (5, Accepted { delivered: 1, refused: 0 }));
    sender.ask(6, confirmed(Scope::All)).await;
    assert_eq!(sender.accepted().await, (6, Accepted { delivered: 2, refused: 0 }));
    let heard = [one.message().await, one.message().await, two.message().await];
    let seen = heard.map(|(seq, message)| (seq, message.scope(), message.worker));
    let from = sender.id.0;
    assert_eq!(seen, [(0, Scope::Subscribers, from), (0, Scope::All, from), (0, Scope::All, from)]);

    assert_eq!(app.bus().publish("prices", "43").unwrap().delivered, 2);
    assert_eq!(app.bus().publish("nobody", "43").unwrap().delivered, 0);
    assert_eq!(app.bus().publish("", "43"), Err(SendError::NoTopic));
    // To one, to two, and to two again.
    assert_eq!(app.bus().counts(), TrafficCounts { delivered: 5, bytes: 5 * 2, refused: 0 });
    // It is gone, and its subscription with it.
    drop(one);
    while app.bus().publish("prices", "44").unwrap().delivered > 1 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_worker_that_does_not_read_is_refused_and_slows_nobody() {
    let app = BusApp::new();
    let (stalled, mut reading, mut sender) = (app.worker(), app.worker(), app.worker());
    let payload = Bytes::from(vec![7; 100_000]);
    let bus = app.bus();
    let mut delivered = 0;
    let refused = loop {
        let delivery = bus.broadcast("flood", payload.clone()).unwrap();
        delivered += 1;
        for worker in [&mut reading, &mut sender] {
            assert_eq!(worker.message().await.1.payload, payload);
        }
        if let Some(refused) = delivery.refused.into_iter().next() {
            break refused;
        }
        assert!(delivered < 1000, "its queue is never full");
    };
    assert_eq!(refused.0, stalled.id);
    assert!(matches!(refused.1, SendError::Full { worker: 0, bytes: 900_000.., .. }), "{:?}", refused.1);
    sender.ask(1, WireMessage { confirm: true, ..to(&stalled, "", &"x".repeat(200_000)) }).await;
    assert_eq!(sender.error().await.1, ErrorCode::Busy);
    sender.ask(2, to(&stalled, "", &"x".repeat(200_000))).await;
    assert_eq!(sender.error().await.1, ErrorCode::Busy);
    let late = bus.send(stalled.id, "", payload, Duration::from_millis(50)).await;
    assert!(matches!(late, Err(SendError::TimedOut { .. })), "{late:?}");
}

#[tokio::test]
async fn no_more_than_the_window_is_sent_until_it_is_consumed() {
    let app = BusApp::new();
    let mut worker = app.worker();
    let window = Consumed { bytes: 0, window: 25_000 };
    worker.say(0, false, worker_frame::Body::Consumed(window)).await;
    worker.sync().await;
    for _ in 0..5 {
        app.bus().try_send(worker.id, "t", vec![0; 10_000]).unwrap();
    }
    for _ in 0..2 {
        worker.message().await;
    }
    // An answer comes though the window is full, and no third message before it.
    worker.sync().await;
    worker.say(0, false, worker_frame::Body::Consumed(Consumed { bytes: 25_000, window: 0 })).await;
    for _ in 0..2 {
        worker.message().await;
    }
    worker.sync().await;
}

#[tokio::test]
async fn a_worker_that_comes_back_takes_its_place_again() {
    let app = BusApp::new();
    let mut old = app.worker();
    old.subscribe("t").await;
    let again = Arc::new(Peer::new(Identity { id: old.id, ..identity() }, true, true));
    let (_link, stream) = carried(&app.exchange, again);
    let mut frames = Framed::new(stream, FrameCodec::<WorkerFrame, MasterFrame>::new(FrameLimit::WORKER));
    // The old connection is closed, and its subscription over.
    assert!(tokio::time::timeout(SOON, old.frames.next()).await.unwrap().is_none());
    assert_eq!(app.bus().publish("t", "").unwrap().delivered, 0);
    app.bus().try_send(old.id, "t", "").unwrap();
    assert!(frames.next().await.unwrap().is_ok());
}
