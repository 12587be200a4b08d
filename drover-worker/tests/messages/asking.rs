//! What a worker asks, and the answers it gets.

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
    let ended =
        soon(async { tokio::join!(asking, confirming, publishing, subscribing, taking, filling, ending) });
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
