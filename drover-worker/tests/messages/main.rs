//! Messages of the application: what a worker sends, takes and answers, and what happens to both when things go wrong.

#![expect(clippy::unwrap_used, reason = "a test ends where what it needs is not there")]

mod answering;
mod asking;
mod publishing;
mod sending;
mod taking;
mod window;

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
