//! Thousands of workers in one app: started, listed, stopped. Told per 1,000, so that it can be read whether the cost of one
//! grows with their number.

use std::time::{Duration, SystemTime};

use drover_e2e::floor::{Floor, stop};
use drover_e2e::harness::of_app;
use drover_master::Output;
use drover_master::control::ControlPath;
use drover_master::supervisor::Supervisor;
use nix::sys::resource::{Resource, getrlimit};
use serde_json::Value;

use crate::library::{self, is_spawned, nth, since};
use crate::options::Options;
use crate::program::status;
use crate::report::{Aim, Unit, line, skipped};
use crate::sample::{Pair, now, timed};
use crate::{PLAIN, app};

const COUNTS: [usize; 3] = [1000, 5000, 10_000];
const QUICK_COUNTS: [usize; 3] = [500, 1000, 2000];

/// What the bench itself and the rest of the machine may need besides.
const SPARE: u64 = 1000;

/// What a `sleep` takes of memory, with all that the kernel keeps of it, in KB; generous.
const WORKER_KB: u64 = 400;

/// What each step took, in seconds per 1,000 workers.
struct Costs {
    start: f64,
    list: f64,
    stop: f64,
}

pub(crate) async fn all(options: &Options) {
    let counts = if options.is_quick() { QUICK_COUNTS } else { COUNTS };
    for count in counts {
        if let Err(why) = can_hold(count as u64) {
            skipped(&format!("{count} plain workers"), &why);
            continue;
        }
        let (mut start, mut list, mut stop) = (Pair::default(), Pair::default(), Pair::default());
        for _ in 0..options.rounds(2) {
            let (floor, drover) = (bare(count), drover(count).await);
            start.push([floor.start, drover.start]);
            list.push([floor.list, drover.list]);
            stop.push([floor.stop, drover.stop]);
        }
        let what = |step| format!("{step}, per 1,000, with {count}");
        line(&what("start"), Unit::Time, &start, Aim::Ratio(1.5));
        line(&what("list (status --json)"), Unit::Time, &list, Aim::None);
        line(&what("stop"), Unit::Time, &stop, Aim::Ratio(2.0));
    }
}

fn bare(count: usize) -> Costs {
    let [program, argument] = PLAIN;
    let floor = Floor::new(program, [argument]);
    let (children, start) = timed(|| (0..count).map(|_| floor.spawn()).collect::<Vec<_>>());
    let ((), stop) = timed(|| stop(children));
    let per_thousand = per_thousand(count);
    // There is nobody to ask.
    Costs { start: per_thousand(start), list: f64::NAN, stop: per_thousand(stop) }
}

async fn drover(count: usize) -> Costs {
    let dir = tempfile::tempdir().expect("there is room for a directory");
    let socket = dir.path().join("control.sock");
    // With a pipe or two for each worker the limit of open files would be reached before any other.
    let described = library::plain(count).output(Output::Inherit);
    let supervisor = Supervisor::builder().app(described).control(ControlPath::Given(socket.clone())).build();
    let supervisor = supervisor.expect("the description can be meant");
    let handle = supervisor.handle();
    let mut events = handle.events().since(0);
    let begin = SystemTime::now();
    let mut running = tokio::spawn(supervisor.run());
    let last = tokio::select! {
        last = nth(&mut events, count, is_spawned) => last,
        end = &mut running => panic!("the start fails: {end:?}"),
    };
    let start = since(begin, &last);
    nth(&mut events, 1, |event| event.name() == "app_started").await;

    let begin = now();
    let listing = tokio::task::spawn_blocking(move || status(&socket, &["--json"]));
    let listed = listing.await.expect("asking does not panic").expect("everything is ready");
    let list = begin.elapsed();
    let listed: Value = serde_json::from_str(&listed).expect("it is JSON");
    let workers = listed["apps"][0]["workers"].as_array().expect("the workers are a list");
    assert_eq!(workers.iter().filter(|worker| worker["pid"].is_u64()).count(), count);

    let begin = now();
    handle.shutdown().await;
    drop(handle);
    running.await.expect("the supervisor does not panic").expect("it could serve");
    let stop = begin.elapsed();
    assert_eq!(of_app(&app()), [0; 0], "workers are left behind");
    let per_thousand = per_thousand(count);
    Costs { start: per_thousand(start), list: per_thousand(list), stop: per_thousand(stop) }
}

/// Seconds for 1,000 of this many.
fn per_thousand(count: usize) -> impl Fn(Duration) -> f64 {
    move |took| took.as_secs_f64() * 1000.0 / count as f64
}

/// Whether the machine has room for this many processes at once, or what it lacks.
fn can_hold(count: u64) -> Result<(), String> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let limit = |resource| getrlimit(resource).map_or(u64::MAX, |(soft, _)| soft);
    // The number after the slash in /proc/loadavg is that of all threads.
    let running = read("/proc/loadavg").split(['/', ' ']).nth(4).and_then(number).unwrap_or(0);
    let free_kb = read("/proc/meminfo")
        .lines()
        .find_map(|line| number(line.strip_prefix("MemAvailable:")?.trim_end_matches(" kB")))
        .unwrap_or(u64::MAX);
    let bounds = [
        ("open files (ulimit -Hn)", limit(Resource::RLIMIT_NOFILE), count + SPARE),
        ("processes (ulimit -u)", limit(Resource::RLIMIT_NPROC), count + running + SPARE),
        (
            "kernel.pid_max",
            number(&read("/proc/sys/kernel/pid_max")).unwrap_or(u64::MAX),
            count + running + SPARE,
        ),
        ("KB of free memory", free_kb, count * WORKER_KB),
    ];
    match bounds.iter().find(|(_, have, need)| have < need) {
        Some((what, have, need)) => Err(format!("{have} {what}, {need} needed")),
        None => Ok(()),
    }
}
