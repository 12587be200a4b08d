//! Messages: beside two processes that block on a socket, and beside plain tokio with `LengthDelimitedCodec` and prost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use drover_e2e::harness::App;
use drover_master::{Bus, SlotIndex, WorkerId};
use tokio::sync::Notify;

use crate::bus_plain::{Blocking, Plain};
use crate::options::Options;
use crate::report::{Aim, Unit, line};
use crate::sample::{Pair, now};

const WORKER: &str = env!("CARGO_BIN_EXE_worker_bus");

/// How long anything here may take.
const SOON: Duration = Duration::from_secs(60);

/// A small message, in bytes.
const SMALL: usize = 64;

/// A large one.
const LARGE: usize = 1024 * 1024;

/// This many workers at once.
const MANY: u32 = 100;

pub(crate) async fn all(options: &Options) {
    let rounds = options.rounds(5);
    // First: what the other lines leave behind in the heap would hide what this one takes.
    memory(rounds).await;
    // In a task, as both are in a service: for the future that a runtime blocks on, tokio looks at the sockets once more each time it
    // is woken.
    tokio::spawn(round_trips(rounds)).await.expect("it does not panic");
    one_way(rounds).await;
    many(rounds).await;
    crate::bus_node::all(rounds).await;
}

/// An app whose program counts what workers send to it.
struct Counted {
    app: App,
    counter: Arc<Counter>,
}

#[derive(Default)]
struct Counter {
    heard: AtomicU64,
    wanted: AtomicU64,
    all: Notify,
}

impl Counted {
    async fn started(workers: u32) -> Self {
        let counter = Arc::new(Counter::default());
        let heard = Arc::clone(&counter);
        let builder = App::builder(WORKER).workers(workers).on_message(move |_| {
            if heard.heard.fetch_add(1, Ordering::Relaxed) + 1 == heard.wanted.load(Ordering::Relaxed) {
                heard.all.notify_one();
            }
        });
        Self { app: App::started(builder).await, counter }
    }

    fn bus(&self) -> Bus {
        self.app.master().bus()
    }

    /// Waits until the program has heard so many, from what is `begun`.
    async fn hears(&self, count: u64, begun: impl AsyncFnOnce()) -> Duration {
        self.counter.heard.store(0, Ordering::Relaxed);
        self.counter.wanted.store(count, Ordering::Relaxed);
        let begin = now();
        begun().await;
        tokio::time::timeout(SOON, self.counter.all.notified()).await.expect("all are heard in time");
        begin.elapsed()
    }
}

/// There and back.
async fn round_trips(rounds: usize) {
    let (mut blocking, mut plain) = (Blocking::connected().await, Plain::connected(1).await);
    let counted = Counted::started(1).await;
    let (bus, slot) = (counted.bus(), SlotIndex(0));
    for (size, times, what) in [(SMALL, 10_000, "64 B"), (LARGE, 200, "1 MiB")] {
        let payload = Bytes::from(vec![b'x'; size]);
        let [mut to_blocking, mut to_plain]: [Pair; 2] = Default::default();
        for round in 0..=rounds {
            let each = |begin: Instant| begin.elapsed().as_secs_f64() / f64::from(times);
            let begin = now();
            for _ in 0..times {
                blocking.echo(size);
            }
            let floor = each(begin);
            let begin = now();
            for _ in 0..times {
                plain.echo(payload.clone()).await;
            }
            let written_plainly = each(begin);
            let begin = now();
            for _ in 0..times {
                let reply = bus.request(slot, "echo", payload.clone(), SOON).await.expect("it replies");
                assert_eq!(reply.len(), size);
            }
            let ours = each(begin);
            if round > 0 {
                to_blocking.push([floor, ours]);
                to_plain.push([written_plainly, ours]);
            }
        }
        let (aim_blocking, aim_plain) =
            if size == LARGE { (Aim::Ratio(1.2), Aim::None) } else { (Aim::None, Aim::Ratio(1.0)) };
        line(&format!("there and back, {what}; beside blocking"), Unit::Short, &to_blocking, aim_blocking);
        line("the same; beside plain tokio", Unit::Short, &to_plain, aim_plain);
    }
    counted.app.end().await;
}

/// One to one, as fast as it goes.
async fn one_way(rounds: usize) {
    const PLAIN: u64 = 200_000;
    const OURS: u64 = 1_000_000;
    let mut plain = Plain::connected(1).await;
    let counted = Counted::started(1).await;
    let (bus, slot) = (counted.bus(), SlotIndex(0));
    let [mut up, mut down]: [Pair; 2] = Default::default();
    for round in 0..=rounds {
        let floor = per_message(plain.flood(PLAIN, SMALL).await, PLAIN);
        let ask = format!("{OURS} {SMALL}");
        let ours = counted.hears(OURS, async || bus.try_send(slot, "flood", ask).expect("there is room"));
        let ours = per_message(ours.await, OURS);
        let news_floor = per_message(plain.news(PLAIN, SMALL).await, PLAIN);
        let news_ours = per_message(news(&bus, OURS).await, OURS);
        if round > 0 {
            up.push([floor, ours]);
            down.push([news_floor, news_ours]);
        }
    }
    line("a message to the master, 64 B", Unit::Short, &up, Aim::Ratio(0.2));
    line("a message to a worker, 64 B", Unit::Short, &down, Aim::Ratio(0.2));
    counted.app.end().await;
}

/// From the program to one worker.
async fn news(bus: &Bus, count: u64) -> Duration {
    let payload = Bytes::from(vec![b'x'; SMALL]);
    let begin = now();
    for _ in 0..count {
        bus.send(SlotIndex(0), "news", payload.clone(), SOON).await.expect("there is room soon");
    }
    expect_count(bus, SlotIndex(0), count).await;
    begin.elapsed()
}

async fn expect_count(bus: &Bus, slot: SlotIndex, count: u64) {
    let counted = bus.request(slot, "count", "", SOON).await.expect("it replies");
    assert_eq!(counted, count.to_string().as_bytes(), "each message comes once");
}

/// All to one, and one to all.
async fn many(rounds: usize) {
    const PLAIN: u64 = 2_000;
    const OURS: u64 = 20_000;
    let mut plain = Plain::connected(MANY as usize).await;
    let counted = Counted::started(MANY).await;
    let bus = counted.bus();
    let [mut up, mut down]: [Pair; 2] = Default::default();
    for round in 0..=rounds {
        let (sent_plainly, sent) = (PLAIN * u64::from(MANY), OURS * u64::from(MANY));
        let floor = per_message(plain.flood(PLAIN, SMALL).await, sent_plainly);
        let ask = format!("{OURS} {SMALL}");
        let ours = counted.hears(sent, async || {
            let delivery = bus.broadcast("flood", ask).expect("it is short");
            assert_eq!(delivery.delivered, MANY);
        });
        let ours = per_message(ours.await, sent);
        let news_floor = per_message(plain.news(PLAIN, SMALL).await, sent_plainly);
        let news_ours = per_message(broadcast(&bus, OURS).await, sent);
        if round > 0 {
            up.push([floor, ours]);
            down.push([news_floor, news_ours]);
        }
    }
    line("a message of 100 workers to the master", Unit::Short, &up, Aim::Ratio(0.2));
    line("a delivery of a broadcast to 100", Unit::Short, &down, Aim::Ratio(0.1));
    counted.app.end().await;
}

/// The same to every worker; waits for those without room.
async fn broadcast(bus: &Bus, count: u64) -> Duration {
    let payload = Bytes::from(vec![b'x'; SMALL]);
    let begin = now();
    for _ in 0..count {
        let delivery = bus.broadcast("news", payload.clone()).expect("it is short");
        for (worker, _) in delivery.refused {
            bus.send(worker, "news", payload.clone(), SOON).await.expect("there is room soon");
        }
    }
    for slot in 0..MANY {
        expect_count(bus, SlotIndex(slot), count).await;
    }
    begin.elapsed()
}

/// What a worker that takes no messages costs, whatever is sent to it.
async fn memory(rounds: usize) {
    let mut grown = Pair::default();
    for _ in 0..rounds.min(3) {
        let counted = Counted::started(1).await;
        let (bus, slot) = (counted.bus(), SlotIndex(0));
        bus.try_send(slot, "sulk", "").expect("there is room");
        let id: WorkerId = counted.app.master().snapshot().workers[0].id.expect("it runs");
        let (before, payload) = (resident(), Bytes::from(vec![b'x'; 1000]));
        let mut refused = 0;
        while refused < 100_000 {
            refused += u32::from(bus.try_send(id, "news", payload.clone()).is_err());
            if refused == 0 {
                tokio::task::yield_now().await;
            }
        }
        grown.push([0.0, (resident() - before) / 1024.0]);
        counted.app.end().await;
    }
    line("memory for a worker that takes none", Unit::Memory, &grown, Aim::AtMost(4096.0));
}

/// This process's resident set in bytes: the second field of proc_pid_statm(5), in pages.
fn resident() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("there is /proc");
    let pages: f64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number");
    pages * 4096.0
}

fn per_message(time: Duration, count: u64) -> f64 {
    time.as_secs_f64() / count as f64
}
