//! Two apps that are reloaded while they run: after 5 s the one worker of foo and the four of bar are replaced by new ones,
//! which greet with another word. Requests that are under way are finished, no connection is refused, and foo is never
//! without a worker: the new one is ready before the old one leaves.
//!
//! This is the main context: it makes the masters, shows every 2 s how the workers are, reloads, and waits for the end of
//! both. What a worker does is in `worker.rs`; `drover.toml` beside it is the same two apps for `drover up`.

#![expect(clippy::print_stdout, reason = "the example shows on the terminal what happens")]
#![expect(clippy::disallowed_names, reason = "foo and bar are the apps' own names")]

use std::env;
use std::pin::pin;
use std::time::Duration;

use drover_examples::Failure;
use drover_master::{Command, Master, OperateError, Reload, Signals, StartError};

/// When the apps are reloaded, counted from when all workers are ready.
const RELOAD_AFTER: Duration = Duration::from_secs(5);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let foo = master("foo", 1, "FOO_LISTEN", "127.0.0.1:8087")?;
    let bar = master("bar", 4, "BAR_LISTEN", "127.0.0.1:8088")?;

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

/// The master of one app. Each hears Ctrl-C for itself, and a SIGHUP reloads it too.
fn master(app: &str, workers: u32, variable: &str, address: &str) -> Result<Master, Failure> {
    // `cargo build` puts both binaries side by side.
    let worker = env::current_exe()?.with_file_name("graceful-reload-worker");
    let address = env::var(variable).unwrap_or_else(|_| address.to_owned());
    let master = Master::builder(app, Command::new(worker).arg(app))
        .workers(workers)
        .listen(app, &address)
        .signals(Signals::shutdown().reload_on_hangup())
        .build()?;
    Ok(master)
}

/// Starts the apps side by side, reloads them, and waits until both have ended.
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
            tokio::time::sleep(RELOAD_AFTER).await;
            tokio::try_join!(reload(foo), reload(bar)).map_err(Failure::from)
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

/// Reloads one app by another description, and says what came of it.
async fn reload(master: &Master) -> Result<(), OperateError> {
    let mut spec = (*master.spec()).clone();
    let app = spec.name.clone();
    spec.command = spec.command.env("GREETING", "Good evening");
    match master.reload(Reload::to(spec)).await {
        Ok(()) => println!("{app} reloaded, generation {}", master.snapshot().status.generation),
        // The old workers serve as before.
        Err(OperateError::RolledBack { failure, .. }) => println!("{app} not reloaded: {failure}"),
        // Ctrl-C came first; who ends is not reloaded any more.
        Err(OperateError::Interrupted { .. } | OperateError::Denied { .. }) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}
