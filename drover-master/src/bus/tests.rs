//! Workers that speak raw frames, a program, and what each hears.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use drover_proto::bus::{PAYLOAD_LIMIT, TOPIC_LIMIT};
use drover_proto::codec::FrameCodec;
use drover_proto::frame::FrameLimit;
use drover_proto::latest::{
    Accepted, Consumed, Error, ErrorCode, MasterFrame, Message as WireMessage, Reply, Scope, Subscribe,
    Unsubscribe, WorkerFrame, master_frame, worker_frame,
};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::UnixStream;
use tokio_util::codec::Framed;

use super::ledger::OPEN;
use super::{Bus, Exchange, Handler, Message, Peer, RequestError, SendError};
use crate::link::testing::{Carried, carried};
use crate::machine::ids::{Generation, SlotIndex, WorkerId};
use crate::machine::worker::{Identity, Said};

const SOON: Duration = Duration::from_secs(20);

/// One worker: its end of the connection.
struct Worker {
    id: WorkerId,
    frames: Framed<UnixStream, FrameCodec<WorkerFrame, MasterFrame>>,
    link: Carried,
}

/// An app on the bus.
struct App {
    exchange: Arc<Exchange>,
    last: AtomicU64,
}

impl App {
    fn new() -> Self {
        Self::with(None)
    }

    fn handled(handler: impl Fn(Message<'_>) + Send + Sync + 'static) -> Self {
        Self::with(Some(Handler::new(handler)))
    }

    fn with(handler: Option<Handler>) -> Self {
        Self { exchange: Arc::new(Exchange::new("web".into(), handler)), last: AtomicU64::new(0) }
    }

    fn bus(&self) -> Bus {
        Bus::new(Arc::clone(&self.exchange))
    }

    /// A worker that is ready.
    fn worker(&self) -> Worker {
        self.worker_that(true, true)
    }

    fn worker_that(&self, takes: bool, is_ready: bool) -> Worker {
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        let (slot, generation) = (SlotIndex(number as u32), Generation(1));
        let id = WorkerId(number + 1);
        let peer = Arc::new(Peer::new(Identity { slot, generation, id }, takes, is_ready));
        let (link, stream) = carried(&self.exchange, peer);
        Worker { id, frames: Framed::new(stream, FrameCodec::new(FrameLimit::WORKER)), link }
    }
}

impl Worker {
    async fn say(&mut self, seq: u64, expects_reply: bool, body: worker_frame::Body) {
        let frame = WorkerFrame { seq, expects_reply, body: Some(body), ..Default::default() };
        self.frames.send(frame).await.unwrap();
    }

    async fn ask(&mut self, seq: u64, message: WireMessage) {
        self.say(seq, true, worker_frame::Body::Message(message)).await;
    }

    async fn answer(&mut self, reply_to: u64, body: worker_frame::Body) {
        self.frames.send(WorkerFrame { reply_to, body: Some(body), ..Default::default() }).await.unwrap();
    }

    async fn hear(&mut self) -> MasterFrame {
        tokio::time::timeout(SOON, self.frames.next())
            .await
            .expect("a frame in time")
            .expect("a frame")
            .unwrap()
    }

    async fn message(&mut self) -> (u64, WireMessage) {
        match self.hear().await {
            MasterFrame { seq, body: Some(master_frame::Body::Message(message)), .. } => (seq, message),
            other => panic!("{other:?}"),
        }
    }

    async fn reply(&mut self) -> (u64, Bytes) {
        match self.hear().await {
            MasterFrame { reply_to, body: Some(master_frame::Body::Reply(reply)), .. } => {
                (reply_to, reply.payload)
            }
            other => panic!("{other:?}"),
        }
    }

    async fn accepted(&mut self) -> (u64, Accepted) {
        match self.hear().await {
            MasterFrame { reply_to, body: Some(master_frame::Body::Accepted(accepted)), .. } => {
                (reply_to, accepted)
            }
            other => panic!("{other:?}"),
        }
    }

    async fn error(&mut self) -> (u64, ErrorCode, String) {
        match self.hear().await {
            MasterFrame { reply_to, body: Some(master_frame::Body::Error(error)), .. } => {
                (reply_to, error.code(), error.message)
            }
            other => panic!("{other:?}"),
        }
    }

    /// Waits until all it has said so far is heard.
    async fn sync(&mut self) {
        let body = worker_frame::Body::Unsubscribe(Unsubscribe { topic: "nothing".into() });
        self.say(u64::MAX, true, body).await;
        let answer = self.hear().await;
        assert_eq!(answer.reply_to, u64::MAX, "{answer:?}");
    }

    async fn subscribe(&mut self, topic: &str) {
        self.say(1, true, worker_frame::Body::Subscribe(Subscribe { topic: topic.into() })).await;
        assert_eq!(self.accepted().await, (1, Accepted::default()));
    }
}

fn message(scope: Scope, topic: &str, payload: &str) -> WireMessage {
    let (topic, payload) = (topic.to_owned(), payload.to_owned().into());
    WireMessage { topic, payload, scope: scope.into(), ..Default::default() }
}

fn to(worker: &Worker, topic: &str, payload: &str) -> WireMessage {
    WireMessage { worker: worker.id.0, ..message(Scope::Worker, topic, payload) }
}

#[tokio::test]
async fn the_program_hears_what_workers_send_in_their_order() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let app = App::handled({
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
async fn a_request_to_the_program_has_one_answer_whatever_the_program_does() {
    let app = App::handled(|mut message| match (message.topic(), message.responder()) {
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
async fn a_program_that_takes_no_messages_says_so() {
    let app = App::new();
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
async fn workers_ask_each_other_and_the_answers_find_their_askers() {
    let app = App::new();
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
    let app = App::new();
    let mut worker = app.worker();
    worker.ask(3, to(&worker, "echo", "me")).await;
    let (seq, heard) = worker.message().await;
    assert_eq!(heard.worker, worker.id.0);
    worker.answer(seq, worker_frame::Body::Reply(Reply { payload: heard.payload })).await;
    assert_eq!(worker.reply().await, (3, "me".into()));
}

#[tokio::test]
async fn who_is_not_there_not_ready_or_takes_nothing_is_told_apart() {
    let app = App::new();
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
    let app = App::new();
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
    let app = App::new();
    let mut deaf = app.worker_that(false, true);
    deaf.say(1, true, worker_frame::Body::Subscribe(Subscribe { topic: "t".into() })).await;
    assert_eq!(deaf.error().await.1, ErrorCode::BadState);

    let mut worker = app.worker();
    for number in 0..super::exchange::SUBSCRIPTIONS {
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
    let app = App::new();
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
    // It is gone, and its subscription with it.
    drop(one);
    while app.bus().publish("prices", "44").unwrap().delivered > 1 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_worker_that_does_not_read_is_refused_and_slows_nobody() {
    let app = App::new();
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
    let app = App::new();
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
async fn a_request_that_is_not_answered_ends_at_its_deadline_and_a_late_answer_is_nobodys_mistake() {
    let app = App::new();
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
    assert_eq!(asked.link.said().await, Said::Stray);
    worker.sync().await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_names_no_time_has_30_s() {
    let app = App::new();
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
    let app = App::new();
    let (mut worker, mut asked) = (app.worker(), app.worker());
    worker.ask(1, to(&asked, "", "")).await;
    let (seq, _) = asked.message().await;
    asked.answer(seq, worker_frame::Body::Reply(Reply::default())).await;
    tokio::time::advance(Duration::from_secs(600)).await;
    assert_eq!(worker.reply().await.0, 1);
    // Who has not answered has the time that was left, and no more.
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
    let app = App::new();
    let mut worker = app.worker();
    for _ in 0..4 {
        worker.answer(99, worker_frame::Body::Reply(Reply::default())).await;
    }
    // The first, the second and the fourth.
    for _ in 0..3 {
        assert_eq!(worker.link.said().await, Said::Stray);
    }
    worker.sync().await;
    // An Error may be about anything the master has said.
    worker.answer(99, worker_frame::Body::Error(Error::default())).await;
    worker.sync().await;
    assert!(worker.link.is_silent());
}

#[tokio::test]
async fn whoever_waits_for_a_worker_that_goes_is_told() {
    let app = App::new();
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
    let app = App::new();
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
    let app = App::new();
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
async fn a_worker_that_comes_back_takes_its_place_again() {
    let app = App::new();
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

fn identity() -> Identity {
    Identity { slot: SlotIndex(0), generation: Generation(1), id: WorkerId(1) }
}

#[tokio::test]
async fn the_time_of_a_request_that_the_program_has_answered_is_nothing_to_a_later_one_of_its_number() {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let app = App::handled({
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
    let app = App::handled(move |mut message| {
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
    let app = App::new();
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
