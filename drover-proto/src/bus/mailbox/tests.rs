//! A mailbox that is filled, and one that is not read.

use std::sync::Arc;
use std::time::Duration;

use bytes::Buf;

use super::*;
use crate::latest::Scope;

const NEWS: Outbound<'static> = Outbound {
    seq: 0,
    reply_to: 0,
    expects_reply: false,
    body: OutboundBody::Message {
        topic: "t",
        scope: Scope::All,
        worker: 0,
        slot: 0,
        timeout_ms: 0,
        confirm: false,
    },
};

const REPLY: Outbound<'static> =
    Outbound { seq: 0, reply_to: 1, expects_reply: false, body: OutboundBody::Reply };

/// The length of [`NEWS`] with a payload of 100 bytes, without its header.
const HUNDRED: usize = 2 + 3 + 2 + 102;

/// An answer that was encoded elsewhere.
fn frame() -> EncodedFrame {
    EncodedFrame::of_frame(Bytes::from_static(&[0, 0, 0, 2, 0x10, 2]))
}

fn hundred() -> Bytes {
    vec![7; 100].into()
}

#[tokio::test]
async fn a_full_mailbox_refuses_and_takes_again_once_it_is_emptied() {
    let mailbox = Arc::new(Mailbox::new(Direction::ToWorker, 2 * (HEADER_LEN + HUNDRED)));
    mailbox.try_push(&NEWS, hundred()).unwrap();
    mailbox.try_push(&NEWS, hundred()).unwrap();
    assert_eq!(mailbox.try_push(&NEWS, hundred()), Err(Refused::Full));

    let waiting = tokio::spawn({
        let mailbox = Arc::clone(&mailbox);
        async move { mailbox.push(&NEWS, hundred()).await }
    });
    tokio::task::yield_now().await;
    let mut batch = Batch::default();
    assert!(mailbox.take(&mut batch).await);
    assert_eq!(batch.remaining(), 2 * (HEADER_LEN + HUNDRED));
    waiting.await.unwrap().unwrap();
    assert_eq!(mailbox.bytes(), HEADER_LEN + HUNDRED);
}

#[tokio::test]
async fn a_frame_over_the_bound_fits_into_an_empty_mailbox() {
    let mailbox = Mailbox::new(Direction::ToWorker, 10);
    mailbox.try_push(&NEWS, hundred()).unwrap();
    assert_eq!(mailbox.try_push(&NEWS, Bytes::new()), Err(Refused::Full));
}

#[tokio::test]
async fn no_more_than_the_window_is_on_the_way() {
    let mailbox = Mailbox::new(Direction::ToWorker, 1 << 20);
    mailbox.set_window(250);
    for _ in 0..5 {
        mailbox.try_push(&NEWS, hundred()).unwrap();
    }
    let mut batch = Batch::default();
    let mut taken = async |mailbox: &Mailbox| {
        let before = batch.remaining();
        let late = tokio::time::timeout(Duration::ZERO, mailbox.take(&mut batch)).await.is_err();
        (!late).then(|| (batch.remaining() - before) / (HEADER_LEN + HUNDRED))
    };
    assert_eq!(taken(&mailbox).await, Some(2));
    assert_eq!(taken(&mailbox).await, None);
    mailbox.consumed(HUNDRED as u64);
    assert_eq!(taken(&mailbox).await, Some(1));
    // More than was sent frees no more than that.
    mailbox.consumed(u64::MAX);
    assert_eq!(taken(&mailbox).await, Some(2));
}

#[tokio::test]
async fn a_frame_over_the_window_goes_alone() {
    let mailbox = Mailbox::new(Direction::ToWorker, 1 << 20);
    mailbox.set_window(50);
    for _ in 0..2 {
        mailbox.try_push(&NEWS, hundred()).unwrap();
    }
    let mut batch = Batch::default();
    assert!(mailbox.take(&mut batch).await);
    assert_eq!(batch.remaining(), HEADER_LEN + HUNDRED);
    assert!(tokio::time::timeout(Duration::ZERO, mailbox.take(&mut batch)).await.is_err());
    mailbox.consumed(HUNDRED as u64);
    assert!(mailbox.take(&mut batch).await);
}

#[tokio::test]
async fn a_frame_over_the_room_goes_once_less_than_half_a_window_is_on_the_way() {
    let mailbox = Mailbox::new(Direction::ToWorker, 1 << 20);
    mailbox.set_window(2 * HUNDRED as u64 + 1);
    let large = Bytes::from(vec![7; 300]);
    let mut batch = Batch::default();
    for payload in [hundred(), hundred(), large] {
        mailbox.try_push(&NEWS, payload).unwrap();
    }
    assert!(mailbox.take(&mut batch).await);
    assert!(tokio::time::timeout(Duration::ZERO, mailbox.take(&mut batch)).await.is_err());
    // What is left is less than half a window, so the peer need not say it.
    mailbox.consumed(HUNDRED as u64);
    assert!(mailbox.take(&mut batch).await);
    assert_eq!(mailbox.bytes(), 0);
}

#[tokio::test]
async fn answers_wait_neither_for_messages_nor_for_the_window() {
    let mailbox = Mailbox::new(Direction::ToWorker, 2 * (HEADER_LEN + HUNDRED));
    mailbox.set_window(HUNDRED as u64);
    mailbox.try_push(&NEWS, hundred()).unwrap();
    mailbox.try_push(&NEWS, hundred()).unwrap();
    mailbox.try_push(&REPLY, Bytes::new()).unwrap();
    mailbox.push_answer(&frame()).await.unwrap();
    let mut batch = Batch::default();
    assert!(mailbox.take(&mut batch).await);
    let answers = [0, 0, 0, 4, 0x10, 1, 0x7a, 0, 0, 0, 0, 2, 0x10, 2];
    assert_eq!(batch.remaining(), answers.len() + HEADER_LEN + HUNDRED);
    assert_eq!(batch.copy_to_bytes(answers.len()), answers[..]);
}

#[tokio::test]
async fn what_is_owed_is_taken_though_the_answers_are_full() {
    let mailbox = Mailbox::new(Direction::ToWorker, 1);
    mailbox.try_push(&REPLY, Bytes::new()).unwrap();
    assert_eq!(mailbox.try_push(&REPLY, Bytes::new()), Err(Refused::Full));
    mailbox.push_owed(&frame()).unwrap();
    assert_eq!(mailbox.bytes(), 14);
}

#[tokio::test]
async fn a_closed_mailbox_lets_everybody_go() {
    let mailbox = Arc::new(Mailbox::new(Direction::ToMaster, 10));
    mailbox.try_push(&NEWS, hundred()).unwrap();
    let waiting = tokio::spawn({
        let mailbox = Arc::clone(&mailbox);
        async move { mailbox.push(&NEWS, hundred()).await }
    });
    tokio::task::yield_now().await;
    mailbox.close();
    assert_eq!(waiting.await.unwrap(), Err(Closed));
    assert_eq!(mailbox.try_push(&NEWS, hundred()), Err(Refused::Closed));
    assert!(!mailbox.take(&mut Batch::default()).await);
    assert_eq!(mailbox.bytes(), 0);
}
