//! Messages of the application: what a worker sends, takes and answers, and what happens to both when things go wrong.

#![expect(clippy::unwrap_used, reason = "a test ends where what it needs is not there")]

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use drover_worker::testing::messages::worker_frame::Body;
use drover_worker::testing::messages::{
    ErrorCode, MasterFrame, Message as Sent, Reply, Scope, Subscribe, Unsubscribe, Welcome, master_frame,
};
use drover_worker::testing::{FakeLink, FakeMaster};
use drover_worker::{
    InvalidMessageError, MessageBus, NoBusError, PublishError, Reach, RefusedError, ReplyError, RequestError,
    SendMessageError, Sender, SubscribeError, To,
};
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(20);
const MINUTE: Duration = Duration::from_secs(60);
const MIB: usize = 1024 * 1024;

async fn connected_within(window: u64) -> (FakeMaster, MessageBus, FakeLink) {
    let master = FakeMaster::bind().unwrap();
    let (bus, link) = tokio::join!(master.bus().message_window(window).connect(), master.accept());
    let (bus, mut link) = (bus.unwrap(), link.unwrap());
    assert_eq!(consumed(&mut link).await, (0, window));
    (master, bus, link)
}

async fn connected() -> (FakeMaster, MessageBus, FakeLink) {
    connected_within(MIB as u64).await
}

/// The next frame, which is `Consumed`: bytes and window.
async fn consumed(link: &mut FakeLink) -> (u64, u64) {
    match link.body().await.unwrap() {
        Some(Body::Consumed(consumed)) => (consumed.bytes, consumed.window),
        other => panic!("{other:?}"),
    }
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(DEADLINE, future).await.expect("within the deadline")
}

/// Polls a future once, which is to be pending.
async fn begin<T: std::fmt::Debug>(mut future: impl Future<Output = T> + Unpin) {
    let polled = poll_fn(|context| Poll::Ready(Pin::new(&mut future).poll(context))).await;
    assert!(polled.is_pending(), "{polled:?}");
}

/// Waits until the worker has read all that was sent to it, and so has acted on it.
async fn settled(link: &mut FakeLink) {
    let seq = link.ping().await.unwrap();
    let pong = link.frame().await.unwrap().unwrap();
    assert_eq!((pong.reply_to, pong.body.unwrap()), (seq, Body::Pong(Default::default())));
}

#[tokio::test]
async fn a_reply_that_came_before_the_master_went_is_heard_although_a_write_fails() {
    // Which of the two is tried first, to read or to write, is left to chance.
    for _ in 0..20 {
        let (_master, bus, mut link) = connected().await;
        let mut asked = std::pin::pin!(bus.request(To::App, "price", "7", MINUTE));
        begin(asked.as_mut()).await;
        let seq = soon(link.frame()).await.unwrap().unwrap().seq;
        let body = Some(master_frame::Body::Reply(Reply { payload: "42".into() }));
        link.send(MasterFrame { reply_to: seq, body, ..Default::default() }).await.unwrap();
        drop(link);
        bus.try_send(To::App, "never read", "").unwrap();
        assert_eq!(soon(asked).await.unwrap(), "42");
    }
}

mod taking {
    use super::*;

    #[tokio::test]
    async fn messages_come_in_the_order_in_which_they_were_sent() {
        let (_master, bus, mut link) = connected().await;
        for number in 0..1000 {
            link.message("count", number.to_string()).await.unwrap();
        }
        for number in 0..1000 {
            let message = soon(bus.message()).await.unwrap();
            assert_eq!((message.topic(), &message.payload()[..]), ("count", number.to_string().as_bytes()));
            assert!(!message.is_request());
        }
    }

    #[tokio::test]
    async fn a_message_tells_its_sender_and_as_what_it_was_sent() {
        let (_master, bus, mut link) = connected().await;
        for (scope, worker, expected) in [
            (Scope::Worker as i32, 0, (Sender::App, Reach::Direct)),
            (Scope::Slot as i32, 7, (Sender::Worker(7), Reach::Direct)),
            (Scope::All as i32, 7, (Sender::Worker(7), Reach::Broadcast)),
            (Scope::Subscribers as i32, 0, (Sender::App, Reach::Published)),
            // Of a later version.
            (99, 7, (Sender::Worker(7), Reach::Direct)),
        ] {
            let message = Sent { topic: "t".to_owned(), scope, worker, ..Default::default() };
            let body = Some(master_frame::Body::Message(message));
            link.send(MasterFrame { body, ..Default::default() }).await.unwrap();
            let message = soon(bus.message()).await.unwrap();
            assert_eq!((message.from(), message.reach()), expected);
        }
    }

    #[tokio::test]
    async fn a_message_with_fields_of_a_later_version_is_taken() {
        let (_master, bus, mut link) = connected().await;
        // must_understand, field 14 (Message) with topic "t", payload "p" and the unknown field 15.
        let frame = [&[0u8, 0, 0, 12][..], &[32, 1, 0x72, 8, 0x0a, 1, b't', 0x12, 1, b'p', 0x78, 1]].concat();
        link.send_bytes(&frame).await.unwrap();
        let message = soon(bus.message()).await.unwrap();
        assert_eq!((message.topic(), &message.payload()[..]), ("t", &b"p"[..]));
    }

    #[tokio::test]
    async fn the_largest_message_comes_whole() {
        let (_master, bus, mut link) = connected().await;
        let payload: Vec<u8> = (0..MIB).map(|at| at as u8).collect();
        for _ in 0..3 {
            link.message("large", payload.clone()).await.unwrap();
            assert_eq!(*soon(bus.message()).await.unwrap().payload(), payload);
        }
    }

    #[tokio::test]
    async fn payloads_of_any_size_in_a_burst_are_kept_apart() {
        let (_master, bus, mut link) = connected().await;
        let payload = |number: usize| vec![number as u8; number * 37 % 700];
        for number in 0..1000 {
            link.message("t", payload(number)).await.unwrap();
        }
        let mut kept = Vec::new();
        for _ in 0..1000 {
            kept.push(soon(bus.message()).await.unwrap().payload().clone());
        }
        for (number, kept) in kept.iter().enumerate() {
            assert_eq!(*kept, payload(number));
        }
    }

    #[tokio::test]
    async fn a_wait_that_is_given_up_loses_nothing() {
        let (_master, bus, mut link) = connected().await;
        for number in 0..100u8 {
            begin(Box::pin(bus.message())).await;
            link.message("t", vec![number]).await.unwrap();
            settled(&mut link).await;
            assert_eq!(soon(bus.message()).await.unwrap().payload()[..], [number]);
        }
    }

    #[tokio::test]
    async fn any_number_of_tasks_share_the_messages() {
        let (_master, bus, mut link) = connected().await;
        let tasks: Vec<_> = (0..10)
            .map(|_| {
                let bus = bus.clone();
                tokio::spawn(async move {
                    let mut numbers = Vec::new();
                    while let Some(message) = bus.message().await {
                        numbers.push(message.payload()[0]);
                        tokio::task::yield_now().await;
                    }
                    numbers
                })
            })
            .collect();
        for number in 0..200 {
            link.message("t", vec![number]).await.unwrap();
        }
        settled(&mut link).await;
        drop(link);
        let mut numbers = Vec::new();
        for task in tasks {
            numbers.extend(soon(task).await.unwrap());
        }
        numbers.sort_unstable();
        assert_eq!(numbers, (0..200).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn no_message_comes_any_more_once_the_worker_is_to_leave() {
        let (_master, bus, mut link) = connected().await;
        let waiting = tokio::spawn({
            let bus = bus.clone();
            async move { bus.message().await.is_none() }
        });
        link.stop(MINUTE).await.unwrap();
        soon(bus.stop_requested()).await;
        link.message("t", "on the way").await.unwrap();
        assert!(!soon(waiting).await.unwrap(), "a request to stop does not end it");
        begin(Box::pin(bus.message())).await;
        link.message("t", "the last").await.unwrap();
        link.quit(MINUTE).await.unwrap();
        soon(bus.quit_requested()).await;
        assert_eq!(soon(bus.message()).await.unwrap().payload(), "the last");
        assert!(soon(bus.message()).await.is_none());
    }

    #[tokio::test]
    async fn a_worker_that_does_not_announce_messages_refuses_them() {
        let master = FakeMaster::bind().unwrap();
        let (bus, link) = tokio::join!(master.bus().connect(), master.accept());
        let (bus, mut link) = (bus.unwrap(), link.unwrap());
        assert!(link.hello().capabilities.is_empty());
        link.message("t", "").await.unwrap();
        let error = link.request("t", "").await.unwrap().unwrap_err();
        assert_eq!(error.code(), ErrorCode::Unimplemented);
        begin(Box::pin(bus.message())).await;
        assert!(matches!(soon(bus.subscribe("t")).await, Err(SubscribeError::TakesNone { .. })));
    }
}

mod window {
    use super::*;

    #[tokio::test]
    async fn the_window_is_said_before_started_and_the_capability_in_hello() {
        let (_master, bus, mut link) = connected().await;
        assert_eq!(link.hello().capabilities, ["bus"]);
        bus.started().await.unwrap();
        assert!(matches!(link.body().await.unwrap(), Some(Body::Started(_))));
    }

    #[tokio::test]
    async fn a_master_that_carries_no_messages_hears_of_no_window() {
        let mut master = FakeMaster::bind().unwrap();
        master.set_welcome(Welcome { version: 1, ..Default::default() });
        let (bus, link) = tokio::join!(master.bus().messages().connect(), master.accept());
        let (bus, mut link) = (bus.unwrap(), link.unwrap());
        bus.started().await.unwrap();
        assert!(matches!(link.body().await.unwrap(), Some(Body::Started(_))));
    }

    #[tokio::test]
    async fn half_a_window_that_was_taken_is_told_in_bytes_of_frames() {
        let (_master, bus, mut link) = connected_within(400).await;
        // Each frame: key and length of the body (2), topic (3), scope (2), payload (2 + 91).
        for _ in 0..4 {
            link.message("t", vec![0; 91]).await.unwrap();
        }
        settled(&mut link).await;
        soon(bus.message()).await.unwrap();
        settled(&mut link).await;
        soon(bus.message()).await.unwrap();
        assert_eq!(consumed(&mut link).await, (200, 0));
        for _ in 0..2 {
            soon(bus.message()).await.unwrap();
        }
        assert_eq!(consumed(&mut link).await, (200, 0));
    }

    #[tokio::test]
    async fn a_worker_whose_app_takes_nothing_still_answers_pings_and_hears_stop() {
        let (_master, bus, mut link) = connected_within(10_000).await;
        for _ in 0..9 {
            link.message("t", vec![0; 1000]).await.unwrap();
        }
        settled(&mut link).await;
        let stop = link.stop(MINUTE).await.unwrap();
        soon(bus.stop_requested()).await;
        bus.stopped().await.unwrap();
        assert_eq!(link.frame().await.unwrap().unwrap().reply_to, stop);
    }

    #[tokio::test]
    async fn what_a_master_sends_beyond_the_window_is_refused_and_not_kept() {
        let (_master, bus, mut link) = connected_within(1000).await;
        link.message("t", vec![0; 600]).await.unwrap();
        for _ in 0..1000 {
            link.message("over", vec![0; 600]).await.unwrap();
        }
        // What was not kept does not hold up the master, which counts it as on the way.
        assert_eq!(link.request("over", vec![0; 600]).await.unwrap().unwrap_err().code(), ErrorCode::Busy);
        assert!(consumed(&mut link).await.0 > 500);
        assert_eq!(soon(bus.message()).await.unwrap().topic(), "t");
        begin(Box::pin(bus.message())).await;
    }

    #[tokio::test]
    async fn a_flood_does_not_keep_the_app_from_running() {
        let (_master, bus, mut link) = connected().await;
        let flood = tokio::spawn(async move {
            for _ in 0..200_000 {
                if link.message("t", &b"0123456789"[..]).await.is_err() {
                    break;
                }
            }
            link
        });
        // On the one thread of this test: each message here means that the reader let it run.
        for _ in 0..1000 {
            soon(bus.message()).await.unwrap();
            tokio::task::yield_now().await;
        }
        flood.abort();
    }
}

mod answering {
    use super::*;

    #[tokio::test]
    async fn a_request_is_answered_by_a_reply_or_a_refusal() {
        let (_master, bus, mut link) = connected().await;
        let (first, second) =
            (link.begin_request("a", "1").await.unwrap(), link.begin_request("b", "2").await.unwrap());
        let (a, b) = (soon(bus.message()).await.unwrap(), soon(bus.message()).await.unwrap());
        assert!(a.is_request() && b.is_request());
        // In any order.
        b.reply("two").await.unwrap();
        a.refuse("no").unwrap();
        assert_eq!(link.answer(second).await.unwrap().unwrap(), "two");
        let error = link.answer(first).await.unwrap().unwrap_err();
        assert_eq!((error.code(), &*error.message), (ErrorCode::Failed, "no"));
        settled(&mut link).await;
    }

    #[tokio::test]
    async fn a_request_that_is_dropped_is_answered_once() {
        let (_master, bus, mut link) = connected().await;
        let seq = link.begin_request("t", "").await.unwrap();
        drop(soon(bus.message()).await.unwrap());
        let error = link.answer(seq).await.unwrap().unwrap_err();
        assert_eq!(error.code(), ErrorCode::Failed);
        assert!(error.message.contains("dropped unanswered"), "{error:?}");
        // Nothing follows it.
        settled(&mut link).await;
    }

    #[tokio::test]
    async fn a_reply_that_is_given_up_before_there_is_room_counts_as_dropped() {
        let (_master, bus, mut link) = connected().await;
        let (first, second) =
            (link.begin_request("t", "").await.unwrap(), link.begin_request("t", "").await.unwrap());
        let (a, b) = (soon(bus.message()).await.unwrap(), soon(bus.message()).await.unwrap());
        // Nobody reads, and nobody writes before this task waits: this fills the queue.
        a.reply(vec![0; MIB]).await.unwrap();
        begin(Box::pin(b.reply("too late"))).await;
        assert_eq!(link.answer(first).await.unwrap().unwrap().len(), MIB);
        assert_eq!(link.answer(second).await.unwrap().unwrap_err().code(), ErrorCode::Failed);
        settled(&mut link).await;
    }

    #[tokio::test]
    async fn what_is_no_request_or_too_large_can_not_be_replied() {
        let (_master, bus, mut link) = connected().await;
        link.message("t", "").await.unwrap();
        let error = soon(bus.message()).await.unwrap().reply("").await.unwrap_err();
        assert_eq!(error, ReplyError::NotARequest { topic: "t".to_owned() });
        let seq = link.begin_request("t", "").await.unwrap();
        let error = soon(bus.message()).await.unwrap().reply(vec![0; MIB + 1]).await.unwrap_err();
        assert!(
            matches!(error, ReplyError::Invalid(InvalidMessageError::PayloadTooLarge { .. })),
            "{error:?}"
        );
        let told = link.answer(seq).await.unwrap().unwrap_err();
        assert_eq!((told.code(), told.message), (ErrorCode::Failed, error.to_string()));
        settled(&mut link).await;
    }
}

mod sending {
    use super::*;

    #[tokio::test]
    async fn a_message_to_the_program_is_sent_and_not_waited_for() {
        let (_master, bus, mut link) = connected().await;
        for number in 0..100u32 {
            bus.send(To::App, "log", number.to_string()).await.unwrap();
        }
        bus.try_send(To::App, "log", "100").unwrap();
        for number in 0..=100 {
            let (seq, message) = link.next_message().await.unwrap();
            assert_eq!((seq, message.scope(), message.confirm), (0, Scope::App, false));
            assert_eq!((&*message.topic, &message.payload[..]), ("log", number.to_string().as_bytes()));
        }
    }

    #[tokio::test]
    async fn a_message_to_a_worker_is_confirmed_or_says_why_not() {
        let (_master, bus, mut link) = connected().await;
        let topic = || "t".to_owned();
        for (to, code, expected) in [
            (To::Worker(9), None, None),
            (To::Slot(2), None, None),
            (
                To::Worker(9),
                Some(ErrorCode::NotFound),
                Some(RefusedError::NotFound { to: To::Worker(9), topic: topic() }),
            ),
            (
                To::Slot(2),
                Some(ErrorCode::NotReady),
                Some(RefusedError::NotReady { to: To::Slot(2), topic: topic() }),
            ),
            (
                To::Slot(2),
                Some(ErrorCode::Unimplemented),
                Some(RefusedError::TakesNone { to: To::Slot(2), topic: topic() }),
            ),
            (
                To::Slot(2),
                Some(ErrorCode::Busy),
                Some(RefusedError::Busy { to: To::Slot(2), topic: topic(), message: "full".to_owned() }),
            ),
            (
                To::Slot(2),
                Some(ErrorCode::PermissionDenied),
                Some(RefusedError::Other {
                    to: To::Slot(2),
                    topic: topic(),
                    code: "PERMISSION_DENIED",
                    message: "full".to_owned(),
                }),
            ),
        ] {
            let (sent, ()) = tokio::join!(bus.send(to, "t", "p"), async {
                let (seq, message) = link.next_message().await.unwrap();
                assert!(seq > 0 && message.confirm);
                match to {
                    To::Worker(id) => assert_eq!((message.scope(), message.worker), (Scope::Worker, id)),
                    To::Slot(slot) => assert_eq!((message.scope(), message.slot), (Scope::Slot, slot)),
                    other => panic!("{other:?}"),
                }
                match code {
                    None => link.confirm(seq, 1, 0).await.unwrap(),
                    Some(code) => link.refuse(seq, code, "full").await.unwrap(),
                }
            });
            assert_eq!(sent.err(), expected.map(SendMessageError::Refused));
        }
    }

    #[tokio::test]
    async fn who_sends_faster_than_the_master_reads_waits_and_try_send_says_so() {
        let (_master, bus, mut link) = connected().await;
        let payload = vec![7; 1000];
        let mut sent = 0usize;
        // Until the queue and the buffers of the socket are full.
        let full = loop {
            match bus.try_send(To::App, "t", payload.clone()) {
                Ok(()) => sent += 1,
                Err(error) => break error,
            }
            assert!(sent < 100_000, "nothing bounds the queue");
        };
        assert!(
            matches!(full, SendMessageError::QueueFull { to: To::App, limit, .. } if limit == 256 * 1024),
            "{full:?}"
        );
        let mut waiting = Box::pin(bus.send(To::App, "last", payload));
        begin(&mut waiting).await;
        let (waited, ()) = tokio::join!(soon(waiting), async {
            for _ in 0..sent {
                assert_eq!(link.next_message().await.unwrap().1.topic, "t");
            }
            assert_eq!(link.next_message().await.unwrap().1.topic, "last");
        });
        waited.unwrap();
    }

    #[tokio::test]
    async fn what_the_protocol_does_not_allow_is_found_before_it_is_sent() {
        let (_master, bus, mut link) = connected().await;
        let long = "t".repeat(256);
        let too_long = InvalidMessageError::TopicTooLong { topic: long.clone(), bytes: 256, limit: 255 };
        let too_large =
            InvalidMessageError::PayloadTooLarge { topic: "t".to_owned(), bytes: MIB + 1, limit: MIB };
        let large = vec![0; MIB + 1];
        assert_eq!(bus.send(To::App, &long, "").await.unwrap_err(), too_long.clone().into());
        assert_eq!(bus.try_send(To::App, "t", large.clone()).unwrap_err(), too_large.clone().into());
        assert_eq!(
            bus.request(To::App, "t", large.clone(), MINUTE).await.unwrap_err(),
            too_large.clone().into()
        );
        assert_eq!(bus.broadcast("t", large).await.unwrap_err(), too_large.into());
        assert_eq!(bus.publish("", "").await.unwrap_err(), InvalidMessageError::NoTopic.into());
        assert_eq!(bus.subscribe("").await.unwrap_err(), InvalidMessageError::NoTopic.into());
        assert_eq!(bus.unsubscribe(&long).await.unwrap_err(), too_long.into());
        // Nothing was sent, and what is allowed is.
        settled(&mut link).await;
        bus.send(To::App, "t".repeat(255), vec![0; MIB]).await.unwrap();
        let (_, message) = link.next_message().await.unwrap();
        assert_eq!((message.topic.len(), message.payload.len()), (255, MIB));
    }

    #[tokio::test]
    async fn a_master_that_carries_no_messages_or_has_no_program_for_them_is_told_at_once() {
        for (capabilities, to, expected) in [
            (&[][..], To::Worker(1), SendMessageError::NoBus(NoBusError::NotCarried)),
            (&["bus"], To::App, RefusedError::TakesNone { to: To::App, topic: "t".to_owned() }.into()),
        ] {
            let mut master = FakeMaster::bind().unwrap();
            let capabilities = capabilities.iter().map(|name| (*name).to_owned()).collect();
            master.set_welcome(Welcome { version: 1, capabilities, ..Default::default() });
            let (bus, link) = tokio::join!(master.bus().connect(), master.accept());
            let (bus, mut link) = (bus.unwrap(), link.unwrap());
            assert_eq!(bus.send(to, "t", "").await.unwrap_err(), expected);
            assert_eq!(bus.try_send(to, "t", "").unwrap_err(), expected);
            settled(&mut link).await;
        }
    }

    #[tokio::test]
    async fn what_was_sent_before_shut_down_is_not_lost_by_it() {
        let (_master, bus, mut link) = connected().await;
        link.quit(MINUTE).await.unwrap();
        soon(bus.quit_requested()).await;
        let sending = async {
            for _ in 0..200 {
                bus.send(To::App, "t", vec![0; 1000]).await.unwrap();
            }
            bus.shut_down().await.unwrap();
            assert_eq!(bus.send(To::App, "t", "").await.unwrap_err(), NoBusError::MasterGone.into());
        };
        let reading = async {
            for _ in 0..200 {
                assert!(matches!(link.body().await.unwrap(), Some(Body::Message(_))));
            }
            assert!(matches!(link.body().await.unwrap(), Some(Body::ShutDown(_))));
        };
        soon(async { tokio::join!(sending, reading) }).await;
    }

    #[tokio::test]
    async fn a_standalone_worker_has_nobody_to_send_to_and_says_so() {
        let bus = MessageBus::builder().messages().connect().await.unwrap();
        assert!(bus.is_standalone());
        assert_eq!(bus.send(To::App, "t", "").await.unwrap_err(), NoBusError::Standalone.into());
        assert_eq!(bus.try_send(To::App, "t", "").unwrap_err(), NoBusError::Standalone.into());
        assert_eq!(bus.publish("t", "").await.unwrap_err(), NoBusError::Standalone.into());
        assert_eq!(bus.subscribe("t").await.unwrap_err(), NoBusError::Standalone.into());
        begin(Box::pin(bus.message())).await;
    }
}

mod asking {
    use super::*;

    #[tokio::test]
    async fn each_request_gets_its_own_reply_in_whatever_order_they_come() {
        let (_master, bus, mut link) = connected().await;
        let asking: Vec<_> = (0..100u32)
            .map(|number| {
                let bus = bus.clone();
                tokio::spawn(async move {
                    let reply = bus.request(To::Slot(0), "double", number.to_string(), MINUTE).await;
                    (number, reply)
                })
            })
            .collect();
        let mut asked = Vec::new();
        for _ in 0..100 {
            let (seq, message) = link.next_message().await.unwrap();
            assert_eq!((message.timeout_ms, message.confirm), (60_000, false));
            asked.push((seq, String::from_utf8(message.payload.to_vec()).unwrap()));
        }
        for (seq, number) in asked.into_iter().rev() {
            link.reply(seq, format!("{number}{number}")).await.unwrap();
        }
        for task in asking {
            let (number, reply) = soon(task).await.unwrap();
            assert_eq!(reply.unwrap(), format!("{number}{number}"));
        }
    }

    #[tokio::test]
    async fn an_error_in_answer_is_told_as_what_it_is() {
        let (_master, bus, mut link) = connected().await;
        let (to, topic) = (To::Worker(3), "t".to_owned());
        for (code, expected) in [
            (ErrorCode::Failed, RequestError::Failed { to, topic: topic.clone(), message: "why".to_owned() }),
            (ErrorCode::Deadline, RequestError::TimedOut { to, topic: topic.clone(), after: MINUTE }),
            (ErrorCode::NotReady, RefusedError::NotReady { to, topic: topic.clone() }.into()),
        ] {
            let (reply, ()) = tokio::join!(bus.request(to, "t", "", MINUTE), async {
                let (seq, _) = link.next_message().await.unwrap();
                link.refuse(seq, code, "why").await.unwrap();
            });
            assert_eq!(reply.unwrap_err(), expected);
        }
    }

    #[tokio::test]
    async fn late_second_and_strange_answers_are_dropped() {
        let (_master, bus, mut link) = connected().await;
        let mut given_up = Box::pin(bus.request(To::App, "t", "", MINUTE));
        begin(&mut given_up).await;
        let (late, _) = link.next_message().await.unwrap();
        drop(given_up);
        link.reply(late, "late").await.unwrap();
        link.confirm(4711, 1, 0).await.unwrap();

        let (reply, ()) = tokio::join!(bus.request(To::App, "t", "", MINUTE), async {
            let (seq, _) = link.next_message().await.unwrap();
            assert_ne!(seq, late);
            link.reply(seq, "first").await.unwrap();
            link.reply(seq, "second").await.unwrap();
        });
        assert_eq!(reply.unwrap(), "first");
        settled(&mut link).await;

        // An answer of another kind than what was asked.
        let (reply, ()) = tokio::join!(bus.request(To::App, "t", "", MINUTE), async {
            let (seq, _) = link.next_message().await.unwrap();
            link.confirm(seq, 1, 0).await.unwrap();
        });
        assert!(matches!(reply, Err(RequestError::Refused(RefusedError::Other { .. }))), "{reply:?}");
    }

    #[tokio::test]
    async fn the_largest_request_has_the_largest_reply() {
        let (_master, bus, mut link) = connected().await;
        let (reply, ()) = tokio::join!(bus.request(To::App, "t", vec![1; MIB], MINUTE), async {
            let (seq, message) = link.next_message().await.unwrap();
            assert_eq!(message.payload, vec![1; MIB]);
            let body = Some(master_frame::Body::Reply(Reply { payload: vec![2; MIB].into() }));
            link.send(MasterFrame { reply_to: seq, body, ..Default::default() }).await.unwrap();
        });
        assert_eq!(reply.unwrap(), vec![2; MIB]);
    }

    #[tokio::test]
    async fn no_more_than_1024_answers_are_awaited_at_a_time() {
        let (_master, bus, mut link) = connected().await;
        let mut open: Vec<_> = (0..1024).map(|_| Box::pin(bus.request(To::App, "t", "", MINUTE))).collect();
        for request in &mut open {
            begin(request).await;
        }
        let error = bus.request(To::App, "t", "", MINUTE).await.unwrap_err();
        assert!(matches!(error, RequestError::TooManyOpen(error) if error.limit == 1024), "{error:?}");
        drop(open.pop());
        begin(Box::pin(bus.request(To::App, "t", "", MINUTE))).await;
        drop(open);
        settled_past_messages(&mut link).await;
    }

    async fn settled_past_messages(link: &mut FakeLink) {
        for _ in 0..1025 {
            link.next_message().await.unwrap();
        }
        settled(link).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_master_that_does_not_answer_is_not_waited_for_for_ever() {
        let (_master, bus, mut link) = connected().await;
        let before = tokio::time::Instant::now();
        let error = bus.request(To::Slot(1), "t", "", Duration::from_millis(1500)).await.unwrap_err();
        assert_eq!(error.to_string(), r#"worker of slot 1 did not answer "t" within 1500 ms"#);
        assert!(before.elapsed() >= Duration::from_millis(2500), "the master's answer would come first");
        let error = bus.send(To::Slot(1), "t", "").await.unwrap_err();
        assert!(matches!(error, SendMessageError::TimedOut { .. }), "{error:?}");
        assert_eq!(link.next_message().await.unwrap().1.timeout_ms, 1500);
    }

    #[tokio::test]
    async fn the_end_of_the_connection_wakes_everybody() {
        let (_master, bus, mut link) = connected().await;
        let seq = link.begin_request("t", "").await.unwrap();
        let request = soon(bus.message()).await.unwrap();
        let asking = bus.request(To::App, "t", "", MINUTE);
        let confirming = bus.send(To::Worker(2), "t", "");
        let publishing = bus.publish("t", "");
        let subscribing = bus.subscribe("t");
        let taking = bus.message();
        let filling = async {
            loop {
                if let Err(error) = bus.send(To::App, "t", vec![0; 10_000]).await {
                    return error;
                }
            }
        };
        let ending = async {
            assert!(seq > 0);
            // All of them have begun once a message of the last is there.
            while link.next_message().await.unwrap().1.payload.is_empty() {}
            drop(link);
        };
        let ended = soon(async {
            tokio::join!(asking, confirming, publishing, subscribing, taking, filling, ending)
        });
        let (asked, confirmed, published, subscribed, taken, filled, ()) = ended.await;
        assert_eq!(asked.unwrap_err(), RequestError::NoBus(NoBusError::MasterGone));
        assert_eq!(confirmed.unwrap_err(), SendMessageError::NoBus(NoBusError::MasterGone));
        assert_eq!(published.unwrap_err(), PublishError::NoBus(NoBusError::MasterGone));
        assert_eq!(subscribed.unwrap_err(), SubscribeError::NoBus(NoBusError::MasterGone));
        assert_eq!(filled, SendMessageError::NoBus(NoBusError::MasterGone));
        assert!(taken.is_none());
        assert_eq!(request.reply("").await.unwrap_err(), ReplyError::NoBus(NoBusError::MasterGone));
        // And so from then on.
        assert!(soon(bus.message()).await.is_none());
        assert_eq!(bus.publish("t", "").await.unwrap_err(), PublishError::NoBus(NoBusError::MasterGone));
    }
}

mod publishing {
    use super::*;

    #[tokio::test]
    async fn a_message_to_several_tells_how_many_got_it() {
        let (_master, bus, mut link) = connected().await;
        let (delivery, ()) = tokio::join!(bus.broadcast("t", "p"), async {
            let (seq, message) = link.next_message().await.unwrap();
            assert_eq!((message.scope(), message.confirm), (Scope::All, true));
            link.confirm(seq, 3, 1).await.unwrap();
        });
        let delivery = delivery.unwrap();
        assert_eq!((delivery.delivered, delivery.refused), (3, 1));

        let (delivery, ()) = tokio::join!(bus.publish("t", "p"), async {
            let (seq, message) = link.next_message().await.unwrap();
            assert_eq!((message.scope(), message.confirm), (Scope::Subscribers, true));
            link.refuse(seq, ErrorCode::InvalidArgument, "why").await.unwrap();
        });
        let error = delivery.unwrap_err();
        assert_eq!(error.to_string(), r#""t" was refused with INVALID_ARGUMENT: why"#);
    }

    #[tokio::test]
    async fn a_subscription_is_there_when_the_master_says_so() {
        let (_master, bus, mut link) = connected().await;
        for (body, is_refused) in [
            (Body::Subscribe(Subscribe { topic: "t".to_owned() }), false),
            (Body::Unsubscribe(Unsubscribe { topic: "t".to_owned() }), false),
            (Body::Subscribe(Subscribe { topic: "t".to_owned() }), true),
        ] {
            let changing = async {
                match body {
                    Body::Subscribe(_) => bus.subscribe("t").await,
                    _ => bus.unsubscribe("t").await,
                }
            };
            let (changed, ()) = tokio::join!(changing, async {
                let frame = link.frame().await.unwrap().unwrap();
                assert!(frame.expects_reply);
                assert_eq!(frame.body.as_ref(), Some(&body));
                match is_refused {
                    false => link.confirm(frame.seq, 0, 0).await.unwrap(),
                    true => link.refuse(frame.seq, ErrorCode::Busy, "256 already").await.unwrap(),
                }
            });
            assert_eq!(changed.is_err(), is_refused, "{changed:?}");
        }
    }
}
