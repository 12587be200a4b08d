//! Two apps that are scaled while they run: after 5 s foo goes from four workers to two, and bar from two to four, both at
//! the same time. Requests that are under way are finished, and no connection is refused.
//!
//! This is the main context: it makes the masters, shows every 2 s how the workers are, scales, and waits for the end of
//! both. What a worker does is in `worker.rs`; `drover.toml` beside it is the same two apps for `drover up`.

#![expect(clippy::print_stdout, reason = "the example shows on the terminal what happens")]
#![expect(clippy::disallowed_names, reason = "foo and bar are the apps' own names")]

use std::env;
use std::pin::pin;
use std::time::Duration;

use drover_examples::Failure;
use drover_master::{Command, Count, Master, OperateError, Signals, StartError};

/// When the apps are scaled, counted from when all workers are ready.
const SCALE_AFTER: Duration = Duration::from_secs(5);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let foo = master("foo", 4, "FOO_LISTEN", "127.0.0.1:8085")?;
    let bar = master("bar", 2, "BAR_LISTEN", "127.0.0.1:8086")?;

    let mut lives = pin!(live(&foo, &bar));
    let mut display = tokio::time::interval(Duration::from_secs(2));
    loop {
        tokio::select! {
            ended = &mut lives => return ended,
            _ = display.tick() => {
                for snapshot in [foo.snapshot(), bar.snapshot()] {
                    for worker in snapshot.workers {
                        println!("[{}-{}]: {}", snapshot.app, worker.slot, worker.phase);
                    }
                }
            }
        }
    }
}

/// The master of one app. Each hears Ctrl-C for itself.
fn master(app: &str, workers: u32, variable: &str, address: &str) -> Result<Master, Failure> {
    // `cargo build` puts both binaries side by side.
    let worker = env::current_exe()?.with_file_name("runtime-scaling-worker");
    let address = env::var(variable).unwrap_or_else(|_| address.to_owned());
    let master = Master::builder(app, Command::new(worker).arg(app))
        .workers(workers)
        .listen(app, &address)
        .signals(Signals::shutdown())
        .build()?;
    Ok(master)
}

/// Starts the apps side by side, scales them, and waits until both have ended.
async fn live(foo: &Master, bar: &Master) -> Result<(), Failure> {
    match tokio::try_join!(foo.start(), bar.start()) {
        Ok(_) => {
            for master in [foo, bar] {
                let (app, workers) = (&master.spec().name, master.spec().workers);
                if let Some(address) = master.listener_addr(app) {
                    println!("{app}: {workers} workers on http://{address}");
                }
            }
            println!("Ctrl-C ends them");
        }
        // Ctrl-C came before all were ready. They are ending, and `wait` tells when they have.
        Err(StartError::Interrupted { .. }) => {}
        Err(error) => {
            tokio::try_join!(foo.shutdown(), bar.shutdown())?;
            return Err(Failure::of_start(error));
        }
    }

    let (_, foo_end, bar_end) = tokio::try_join!(
        async {
            tokio::time::sleep(SCALE_AFTER).await;
            tokio::try_join!(scale(foo, 2), scale(bar, 4)).map_err(Failure::from)
        },
        async { foo.wait().await.map_err(Failure::from) },
        async { bar.wait().await.map_err(Failure::from) },
    )?;
    for (app, outcome) in [("foo", &foo_end), ("bar", &bar_end)] {
        println!("{app} {outcome}");
        if !outcome.is_success() {
            return Err(Failure::new(format!("{app} {outcome}")));
        }
    }
    Ok(())
}

/// Scales one app, and says so when it is done.
async fn scale(master: &Master, workers: u32) -> Result<(), OperateError> {
    match master.scale(Count::To(workers)).await {
        Ok(()) => println!("{} scaled to {workers} workers", master.spec().name),
        // Ctrl-C came first; who ends is not scaled any more.
        Err(OperateError::Interrupted { .. } | OperateError::Denied { .. }) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}
