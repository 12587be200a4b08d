//! A killed worker is back.

use std::num::NonZeroU32;
use std::time::{Duration, SystemTime};

use drover_e2e::floor::{Floor, stop};
use drover_e2e::harness::signal;
use drover_master::config::{Backoff, FailureLimit, RestartPolicy, StartPolicy};
use nix::sys::signal::SIGKILL;

use crate::PLAIN;
use crate::library::{self, App, is_ready, is_spawned, since};
use crate::report::{Aim, Unit, line};
use crate::sample::{in_turns, timed};

/// How many workers there are; they are killed in turns.
const WORKERS: usize = 10;

/// From SIGKILL until the successor's process exists.
pub(crate) async fn killed(kills: usize) {
    let [program, argument] = PLAIN;
    let floor = Floor::new(program, [argument]);
    let mut children: Vec<_> = (0..WORKERS).map(|_| floor.spawn()).collect();
    let mut next = 0;
    let bare = async || {
        next = (next + 1) % WORKERS;
        let child = &mut children[next];
        timed(|| {
            child.signal(SIGKILL);
            child.until_reaped();
            *child = floor.spawn();
        })
        .1
    };

    // Ready at once, and back at once, however often.
    let ready = StartPolicy { min_uptime: Duration::from_millis(1), ..StartPolicy::default() };
    let backoff = Backoff { initial: Duration::ZERO, ..Backoff::default() };
    // As many as a description may have: more crashes than a run has.
    let count = NonZeroU32::new(100_000).expect("it is not zero");
    let limit = FailureLimit { count, ..FailureLimit::default() };
    let back = RestartPolicy { backoff, limit, ..RestartPolicy::default() };
    let described = library::plain(WORKERS).start_policy(ready).restart_policy(back);
    let (mut app, _) = App::start(described, is_ready).await;
    let mut slot = 0;
    let drover = async || {
        slot = (slot + 1) % WORKERS;
        let pid = app.master.snapshot().workers[slot].pid.expect("every worker is ready");
        let begin = SystemTime::now();
        signal(pid, SIGKILL);
        let back = app.until(is_spawned).await;
        app.until(is_ready).await;
        since(begin, &back)
    };
    let pair = in_turns(kills, bare, drover).await;
    app.kill().await;
    stop(children);
    line("a killed worker is back", Unit::Time, &pair, Aim::Ratio(2.0));
}
