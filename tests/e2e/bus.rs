//! Messages between a program, its workers, and each other: real processes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use drover_e2e::harness::{App, eventually, patiently, signal};
use drover_master::{Bus, MasterBuilder, RequestError, SendError, SlotIndex, WorkerId};
use nix::sys::signal::{SIGCONT, SIGSTOP};

use crate::policies::at_once;

const SOON: Duration = Duration::from_secs(20);

fn workers(count: u32) -> MasterBuilder {
    App::builder(program!("worker_bus")).workers(count).restart_policy(at_once())
}

async fn ask(bus: &Bus, slot: u32, topic: &str, payload: &str) -> String {
    let reply = bus.request(SlotIndex(slot), topic, payload.to_owned(), SOON).await.unwrap();
    String::from_utf8(reply.to_vec()).unwrap()
}

fn id(app: &App, slot: usize) -> WorkerId {
    app.worker(slot).id.unwrap()
}

#[tokio::test]
async fn the_program_and_its_workers_talk() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&heard);
    let builder = workers(2).on_message(move |message| {
        hears.lock().unwrap().push((
            message.from().slot.0,
            message.topic().to_owned(),
            message.payload().len(),
        ));
    });
    let app = App::started(builder).await;
    let bus = app.master().bus();
    assert_eq!(ask(&bus, 1, "echo", "größe").await, "größe");
    for _ in 0..1000 {
        bus.send(SlotIndex(0), "news", "n", SOON).await.unwrap();
    }
    assert_eq!(ask(&bus, 0, "count", "").await, "1000");
    bus.try_send(SlotIndex(1), "flood", "500 64").unwrap();
    eventually("all are heard", || (heard.lock().unwrap().len() == 500).then_some(())).await;
    assert!(heard.lock().unwrap().iter().all(|message| *message == (1, "flood".to_owned(), 64)));
    app.end().await;
}

#[tokio::test]
async fn workers_ask_each_other_and_publish() {
    let app = App::started(workers(3)).await;
    let bus = app.master().bus();
    assert_eq!(ask(&bus, 0, "ask", &id(&app, 2).to_string()).await, "me");
    let nobody = ask(&bus, 0, "ask", "99").await;
    assert!(nobody.contains("99"), "{nobody}");
    for slot in [1, 2] {
        ask(&bus, slot, "subscribe", "news").await;
    }
    assert_eq!(ask(&bus, 0, "publish", "news").await, "2");
    assert_eq!(ask(&bus, 1, "publish", "news").await, "1", "nobody gets what he publishes");
    assert_eq!(ask(&bus, 1, "publish", "silence").await, "0");
    assert_eq!(ask(&bus, 1, "count", "").await, "1");
    assert_eq!(ask(&bus, 2, "count", "").await, "2");
    assert_eq!(bus.publish("news", "x").unwrap().delivered, 2);
    app.end().await;
}

#[tokio::test]
async fn a_worker_that_dies_over_a_request_is_told_from_one_that_refuses() {
    let mut app = App::started(workers(1)).await;
    let bus = app.master().bus();
    let refused = bus.request(SlotIndex(0), "nonsense", "", SOON).await.unwrap_err();
    assert!(
        matches!(&refused, RequestError::Refused { message, .. } if message.contains("nonsense")),
        "{refused}"
    );
    let dead = bus.request(SlotIndex(0), "die", "", SOON).await.unwrap_err();
    assert!(matches!(dead, RequestError::Gone { worker: 0, .. }), "{dead}");
    app.until("exited").await;
    app.until("started").await;
    // Its successor has the slot, and a bus of its own.
    assert_eq!(ask(&bus, 0, "echo", "back").await, "back");
    app.end().await;
}

#[tokio::test]
async fn a_worker_that_takes_no_messages_is_refused_answers_its_pings_and_stops() {
    let app = App::started(workers(2)).await;
    let bus = app.master().bus();
    bus.try_send(SlotIndex(0), "sulk", "").unwrap();
    let full =
        eventually("its queue is full", || bus.try_send(SlotIndex(0), "news", vec![0; 100_000]).err()).await;
    assert!(matches!(full, SendError::Full { worker: 0, .. }), "{full}");
    // The other one does not notice, and the one that sulks is heard and ended as ever.
    assert_eq!(ask(&bus, 1, "echo", "well").await, "well");
    patiently("the end", app.master().shutdown()).await.unwrap();
    app.end().await;
}

#[tokio::test]
async fn a_worker_that_is_frozen_costs_no_more_than_its_queue() {
    let app = App::started(workers(2).heartbeat(None)).await;
    let bus = app.master().bus();
    signal(app.pid(0), SIGSTOP);
    let frozen = id(&app, 0);
    let full = eventually("its queue is full", || bus.try_send(frozen, "news", vec![0; 100_000]).err()).await;
    assert!(matches!(full, SendError::Full { .. }), "{full}");
    let late = bus.request(frozen, "echo", "", Duration::from_millis(100)).await.unwrap_err();
    assert!(
        matches!(late, RequestError::NotSent(SendError::TimedOut { .. }) | RequestError::TimedOut { .. }),
        "{late}"
    );
    assert_eq!(ask(&bus, 1, "echo", "well").await, "well");
    signal(app.pid(0), SIGCONT);
    // What waited comes in its order once it reads again.
    assert_ne!(ask(&bus, 0, "count", "").await, "0");
    app.end().await;
}
