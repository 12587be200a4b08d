//! Three apps in one program, each with a master, workers and a port of its own: two workers of foo, two of bar, four of
//! baz.
//!
//! This is the main context: it makes the masters, shows every 2 s how the workers are, and waits for the end of all. What a
//! worker does is in `worker.rs`; `drover.toml` beside it is the same three apps for `drover up`.

#![expect(clippy::print_stdout, reason = "the example shows on the terminal what happens")]
#![expect(clippy::disallowed_names, reason = "foo, bar and baz are the apps' own names")]

use std::env;
use std::pin::pin;
use std::time::Duration;

use drover_examples::Failure;
use drover_master::{Command, Master, Signals, StartError};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let foo = master("foo", 2, "FOO_LISTEN", "127.0.0.1:8081")?;
    let bar = master("bar", 2, "BAR_LISTEN", "127.0.0.1:8082")?;
    let baz = master("baz", 4, "BAZ_LISTEN", "127.0.0.1:8083")?;

    let mut lives = pin!(live([&foo, &bar, &baz]));
    let mut display = tokio::time::interval(Duration::from_secs(2));
    loop {
        tokio::select! {
            ended = &mut lives => return ended,
            _ = display.tick() => {
                for snapshot in [foo.snapshot(), bar.snapshot(), baz.snapshot()] {
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
    let worker = env::current_exe()?.with_file_name("multi-app-cluster-worker");
    let address = env::var(variable).unwrap_or_else(|_| address.to_owned());
    let master = Master::builder(app, Command::new(worker).arg(app))
        .workers(workers)
        .listen(app, &address)
        .signals(Signals::shutdown())
        .build()?;
    Ok(master)
}

/// Starts the apps side by side and waits until all have ended. One that can't start takes the others with it.
async fn live(masters: [&Master; 3]) -> Result<(), Failure> {
    let [foo, bar, baz] = masters;
    match tokio::try_join!(foo.start(), bar.start(), baz.start()) {
        Ok(_) => {
            for master in masters {
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
            tokio::try_join!(foo.shutdown(), bar.shutdown(), baz.shutdown())?;
            return Err(Failure::of_start(error));
        }
    }

    let (foo_end, bar_end, baz_end) = tokio::try_join!(foo.wait(), bar.wait(), baz.wait())?;
    let ends = [("foo", foo_end), ("bar", bar_end), ("baz", baz_end)];
    for (app, outcome) in &ends {
        println!("{app} {outcome}");
    }
    if let Some((app, outcome)) = ends.iter().find(|(_, outcome)| !outcome.is_success()) {
        return Err(Failure::new(format!("{app} {outcome}")));
    }
    Ok(())
}
