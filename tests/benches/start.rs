//! Starts: from the first to the last process that exists, or is ready.

use std::fs::File;
use std::io::Read;

use drover_e2e::floor::{Floor, stop};
use nix::unistd::pipe;

use crate::library::{self, App};
use crate::report::{Aim, Unit, line};
use crate::sample::{in_turns, timed};
use crate::{PLAIN, SDK_WORKER};

/// How many workers of the library.
const SDK_WORKERS: usize = 20;

/// Until every process exists.
pub(crate) async fn plain(count: usize, rounds: usize) {
    let [program, argument] = PLAIN;
    let floor = Floor::new(program, [argument]);
    let bare = async || {
        let (children, took) = timed(|| (0..count).map(|_| floor.spawn()).collect::<Vec<_>>());
        stop(children);
        took
    };
    let drover = async || {
        let (app, took) = App::start(library::plain(count), library::is_spawned).await;
        app.kill().await;
        took
    };
    let pair = in_turns(rounds, bare, drover).await;
    line(&format!("start of {count} plain workers"), Unit::Time, &pair, Aim::Ratio(1.5));
}

/// Until every worker of the library is ready.
pub(crate) async fn sdk(rounds: usize) {
    let bare = async || {
        let (reader, writer) = pipe().expect("there are descriptors");
        let floor = Floor::with_stdout(SDK_WORKER, [""; 0], writer);
        let (children, took) = timed(|| {
            let children: Vec<_> = (0..SDK_WORKERS).map(|_| floor.spawn()).collect();
            let mut said = [0; SDK_WORKERS * "ready\n".len()];
            File::from(reader).read_exact(&mut said).expect("each says that it is ready");
            children
        });
        stop(children);
        took
    };
    let drover = async || {
        let (app, took) = App::start(library::sdk(SDK_WORKERS), library::is_ready).await;
        app.kill().await;
        took
    };
    let pair = in_turns(rounds, bare, drover).await;
    line(&format!("start of {SDK_WORKERS} SDK workers"), Unit::Time, &pair, Aim::Ratio(2.0));
}
