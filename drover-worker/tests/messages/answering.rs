//! How a worker answers requests.

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
    assert!(matches!(error, ReplyError::Invalid(InvalidMessageError::PayloadTooLarge { .. })), "{error:?}");
    let told = link.answer(seq).await.unwrap().unwrap_err();
    assert_eq!((told.code(), told.message), (ErrorCode::Failed, error.to_string()));
    settled(&mut link).await;
}
