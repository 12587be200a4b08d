//! What a worker sends.

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
    assert_eq!(bus.request(To::App, "t", large.clone(), MINUTE).await.unwrap_err(), too_large.clone().into());
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
