//! What a worker takes from the master.

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
