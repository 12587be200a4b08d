//! Who of four workers takes a connection, and what taking turns costs: beside plain tokio, which takes no turns.

use std::net::SocketAddr;
use std::time::Duration;

use drover_e2e::accepts::Shares;
use drover_e2e::harness::App;
use nix::unistd::{SysconfVar, sysconf};

use crate::options::Options;
use crate::program::context_switches;
use crate::report::{Aim, Unit, line};
use crate::sample::{Pair, now};

const WORKERS: usize = 4;
const WORKER: &str = env!("CARGO_BIN_EXE_worker_accepts");

/// As many connections as tell one share from another, a millisecond each.
const CONNECTIONS: usize = 4000;

const BURST: usize = 10;

/// Clients that connect without a pause, and how often each does.
const CLIENTS: usize = 8;
const EACH: usize = 5000;

/// How long an idle worker is watched.
const WATCHED: Duration = Duration::from_secs(2);

/// What one kind of listener reaches.
struct Figures {
    apart: f64,
    bursts: f64,
    time: f64,
    cpu: f64,
    wakeups: f64,
}

pub(crate) async fn all(options: &Options) {
    let [mut apart, mut bursts, mut time, mut cpu, mut wakeups]: [Pair; 5] = Default::default();
    for _ in 0..options.rounds(3) {
        let [plain, fair] = [figures(true).await, figures(false).await];
        apart.push([plain.apart, fair.apart]);
        bursts.push([plain.bursts, fair.bursts]);
        time.push([plain.time, fair.time]);
        cpu.push([plain.cpu, fair.cpu]);
        wakeups.push([plain.wakeups, fair.wakeups]);
    }
    line("largest share of 4, in smallest: apart", Unit::Count, &apart, Aim::AtMost(1.3));
    line("largest share of 4, in smallest: bursts", Unit::Count, &bursts, Aim::AtMost(1.3));
    line("a connection at full load", Unit::Time, &time, Aim::None);
    line("CPU of the workers for it", Unit::Time, &cpu, Aim::None);
    line("wakeups of 4 idle workers, 2 s", Unit::Count, &wakeups, Aim::AtMost(0.0));
}

async fn figures(is_plain: bool) -> Figures {
    let workers = App::builder(WORKER).workers(4).listen("http", "127.0.0.1:0");
    let app = App::started(if is_plain { workers.env("E2E_PLAIN", "1") } else { workers }).await;
    let to = app.master().listener_addr("http").expect("it is open");
    let pids: Vec<u32> = (0..WORKERS).map(|slot| app.pid(slot)).collect();
    let apart = shares(to, CONNECTIONS, 1, Duration::from_millis(1)).await.max_to_min();
    let bursts = shares(to, CONNECTIONS, BURST, Duration::from_millis(10)).await.max_to_min();

    let (begin, used) = (now(), cpu_of(&pids));
    let clients: Vec<_> = (0..CLIENTS).map(|_| tokio::spawn(shares(to, EACH, 1, Duration::ZERO))).collect();
    for client in clients {
        client.await.expect("a client does not panic");
    }
    let per_connection = |seconds: f64| seconds / (CLIENTS * EACH) as f64;
    let (time, cpu) = (per_connection(begin.elapsed().as_secs_f64()), per_connection(cpu_of(&pids) - used));

    let before: u64 = pids.iter().map(|pid| context_switches(*pid)).sum();
    tokio::time::sleep(WATCHED).await;
    let wakeups = (pids.iter().map(|pid| context_switches(*pid)).sum::<u64>() - before) as f64;
    app.end().await;
    // Two digits are what can be told apart.
    let [apart, bursts] = [apart, bursts].map(|ratio| (ratio * 100.0).round() / 100.0);
    Figures { apart, bursts, time, cpu, wakeups }
}

async fn shares(to: SocketAddr, connections: usize, burst: usize, pause: Duration) -> Shares {
    let counting = tokio::task::spawn_blocking(move || {
        let mut shares = Shares::of(WORKERS);
        shares.count(to, connections, burst, pause).expect("every connection is answered");
        shares
    });
    counting.await.expect("counting does not panic")
}

/// The seconds of CPU that processes have used: fields 14 and 15 of proc_pid_stat(5).
fn cpu_of(pids: &[u32]) -> f64 {
    let ticks = sysconf(SysconfVar::CLK_TCK).ok().flatten().expect("the system has a clock") as f64;
    let of = |pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the worker is there");
        let fields = stat.rsplit(") ").next().expect("it has fields").split(' ');
        fields.skip(11).take(2).map(|ticks| ticks.parse::<f64>().expect("a number")).sum::<f64>()
    };
    pids.iter().map(of).sum::<f64>() / ticks
}
