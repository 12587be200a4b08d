//! How much a worker takes at once.

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
