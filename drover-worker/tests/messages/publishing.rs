//! Publishing and subscribing by topic.

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
