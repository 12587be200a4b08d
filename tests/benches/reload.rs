//! All workers are replaced under a steady load: how long it takes, and what clients see of it.

use std::net::SocketAddr;
use std::time::Duration;

use drover_e2e::harness::is_running;
use drover_e2e::load::client::Kind;
use drover_e2e::load::generator::{self, Load};
use drover_e2e::load::notes::Notes;
use drover_e2e::load::service::Service;
use drover_e2e::load::tally::Tally;
use drover_e2e::load::waits::Waits;
use drover_e2e::say;

use crate::load::{WORKERS, setup};
use crate::nginx::Nginx;
use crate::options::Options;
use crate::prefork::Prefork;
use crate::program::cpu_seconds;
use crate::report::{Aim, Unit, line, skipped};
use crate::sample::{Pair, now};

/// Requests a second, each of which takes a worker 200 ms: so 200 are under way.
const RATE: u32 = 1000;

/// A replacement begins each so often, so that the load is steady again before the next.
const EACH: Duration = Duration::from_secs(1);

/// The operation as a command.
const RELOAD: &[&str] = &["reload", "{app}", "--max-surge", "100%", "--soak", "0s"];

/// How often is looked whether the old workers have ended.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// How often the sides take turns.
const TURNS: usize = 3;

/// What one side showed.
#[derive(Debug, Default)]
struct Side {
    took: Vec<Duration>,
    /// What of that is neither the start of the workers nor their drain.
    own: Vec<f64>,
    resting: Tally,
    operated: Tally,
    /// The CPU time that the master had while it was operated, and how long that was, in seconds.
    cpu: (f64, f64),
}

/// Whether no request was lost.
pub(crate) async fn all(options: &Options) -> bool {
    let rounds = options.rounds(5);
    let prefork = Prefork::start(WORKERS).await;
    let service = Service::start(setup("", "")).await;
    let operate = async || {
        let old = service.observed().serving;
        let said = service.run(RELOAD).await;
        assert_eq!(said.code, Some(0), "{}\n{}", said.stderr, service.log());
        // The command does not wait for the last drain, as the floor does.
        while old.keys().any(|pid| is_running(*pid)) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let nginx = Nginx::start(WORKERS, prefork.addr()).await;
    let (mut floor, mut drover, mut beside) = (Side::default(), Side::default(), Side::default());
    for _ in 0..TURNS {
        floor
            .turn(prefork.addr(), prefork.pid(), Some(prefork.notes()), rounds, async || {
                prefork.reload().await
            })
            .await;
        drover.turn(service.addr(), service.master().await, Some(service.notes()), rounds, operate).await;
        if let Some(nginx) = &nginx {
            beside.turn(nginx.addr(), nginx.pid(), None, rounds, async || nginx.reload().await).await;
        }
    }
    drop(nginx);
    prefork.end().await;
    service.end().await;

    let what = format!("reload of all {WORKERS}");
    let mut took = Pair::default();
    for (floor, drover) in floor.took.iter().zip(&drover.took) {
        took.push([floor.as_secs_f64(), drover.as_secs_f64()]);
    }
    // Start and drain are what the floor waits for too.
    line(&what, Unit::Time, &took, Aim::Above(f64::from(WORKERS) * 0.005));
    line(&what, Unit::Time, &took, Aim::AtMost(0.3));
    let mut own = Pair::default();
    for (floor, drover) in floor.own.iter().zip(&drover.own) {
        own.push([*floor, *drover]);
    }
    line(&format!("{what}: but start and drain"), Unit::Time, &own, Aim::AtMost(f64::from(WORKERS) * 0.005));
    let mut pair = Pair::default();
    pair.push([floor.more_at_p99(), drover.more_at_p99()]);
    line(&format!("{what}: more at p99"), Unit::Time, &pair, Aim::AtMost(0.0005));
    let mut pair = Pair::default();
    pair.push([floor.cpu_percent(), drover.cpu_percent()]);
    line(&format!("{what}: CPU of the master"), Unit::Percent, &pair, Aim::AtMost(1.0));
    let mut sides = vec![("floor", &floor), ("Drover", &drover)];
    if beside.took.is_empty() {
        skipped("nginx -s reload", "it is not installed");
    } else {
        let mut took = Pair::default();
        beside.took.iter().for_each(|one| took.push([one.as_secs_f64(), f64::NAN]));
        line("nginx -s reload, in the floor's column", Unit::Time, &took, Aim::None);
        sides.push(("nginx", &beside));
    }
    for (name, side) in sides {
        say(&format!("  {name}, at rest: {:#}", side.resting));
        say(&format!("  {name}, operated: {:#}", side.operated));
    }
    drover.resting.failed() + drover.operated.failed() == 0
}

impl Side {
    /// A steady load, first alone and then with so many operations.
    async fn turn(
        &mut self,
        addr: SocketAddr,
        master: u32,
        notes: Option<&Notes>,
        rounds: usize,
        operate: impl AsyncFn(),
    ) {
        let load = || Load::steady(generator::Service::at(addr), Kind::Slow, RATE);
        // Not counted: what comes first finds cold caches.
        lasting(load(), 1).await;
        self.resting.add(&lasting(load(), rounds).await);
        let under = load();
        let (begin, cpu_before) = (now(), cpu_seconds(master));
        let mut seconds = tokio::time::interval(EACH);
        // The first tick comes at once.
        seconds.tick().await;
        for _ in 0..rounds {
            let noted = notes.map_or(0, |notes| notes.timeline().len());
            let begin = now();
            operate().await;
            let took = begin.elapsed();
            self.took.push(took);
            if let Some(notes) = notes {
                let Waits { start, drain } = Waits::of(&notes.timeline()[noted..]);
                // Less than nothing where the first leave while the last start.
                self.own.push(took.as_secs_f64() - (start + drain).as_secs_f64());
            }
            seconds.tick().await;
        }
        self.cpu.0 += cpu_seconds(master) - cpu_before;
        self.cpu.1 += begin.elapsed().as_secs_f64();
        self.operated.add(&under.end().await);
    }

    /// How much longer a request takes at p99 than at rest, in seconds.
    fn more_at_p99(&self) -> f64 {
        let p99 = |tally: &Tally| tally.latency(Kind::Slow).quantile(0.99).as_secs_f64();
        p99(&self.operated) - p99(&self.resting)
    }

    /// The part of a CPU that the master had.
    fn cpu_percent(&self) -> f64 {
        100.0 * self.cpu.0 / self.cpu.1
    }
}

/// What a load counts in so many rounds.
async fn lasting(load: Load, rounds: usize) -> Tally {
    let rounds = u32::try_from(rounds).expect("rounds are few");
    load.until(u64::from(RATE * rounds), EACH * rounds * 3).await;
    load.end().await
}
