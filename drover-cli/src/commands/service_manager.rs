//! What a master tells the service manager that started it, by `sd_notify(3)`. Without one, nothing.

use std::os::fd::BorrowedFd;
use std::sync::OnceLock;
use std::time::Duration;

use drover_master::keeper::Kept;
use drover_master::supervisor::ReloadWitness;
use drover_master::{SocketStore, notify_service_manager};
use nix::time::{ClockId, clock_gettime};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

/// The keeper: the process that the service manager has started, and listens to.
static KEEPER: OnceLock<Kept> = OnceLock::new();

/// From now on what is said is said by the keeper.
pub(super) fn say_by(kept: &Kept) {
    // Of one process there is one.
    let _ = KEEPER.set(kept.clone());
}

/// The pid that the service manager knows.
fn known_pid() -> u32 {
    KEEPER.get().map_or_else(std::process::id, Kept::keeper)
}

/// Says something.
pub(super) fn say(text: &str) {
    if let Some(kept) = KEEPER.get() {
        return kept.notify(text);
    }
    // Whoever set the variable and does not listen has no use for it.
    let _ = notify_service_manager(text, None);
}

/// Says something of a descriptor.
fn say_with(text: &str, fd: BorrowedFd<'_>) {
    match KEEPER.get() {
        Some(kept) => kept.notify_with(text, fd),
        None => drop(notify_service_manager(text, Some(fd))),
    }
}

/// Says that every app is ready, and which process is the service.
pub(super) fn ready(status: &str) {
    say(&format!("READY=1\nMAINPID={}\nSTATUS={status}", known_pid()));
}

/// Whether somebody listens.
pub(super) fn is_there() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some_and(|path| !path.is_empty())
}

/// Whether it keeps sockets from one run of the service to the next (`FileDescriptorStoreMax=`, `systemd.service(5)`; it says so since version 254).
pub(super) fn keeps_sockets() -> bool {
    is_there() && std::env::var("FDSTORE").is_ok_and(|most| most.parse().is_ok_and(|most: u32| most > 0))
}

/// Sockets that it keeps.
#[derive(Debug)]
pub(super) struct KeptSockets;

impl SocketStore for KeptSockets {
    fn keep(&self, name: &str, socket: BorrowedFd<'_>) {
        say_with(&format!("FDSTORE=1\nFDNAME={name}"), socket);
    }

    fn let_go(&self, name: &str) {
        say(&format!("FDSTOREREMOVE=1\nFDNAME={name}"));
    }
}

/// Tells of a reload by SIGHUP: systemd waits until a service of `Type=notify-reload` is ready again (`sd_notify(3)`).
#[derive(Debug)]
pub(super) struct Reloads;

impl ReloadWitness for Reloads {
    fn begun(&self) {
        // By it the service manager knows that this answers its own signal, and not an earlier one.
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from).unwrap_or_default();
        say(&format!("RELOADING=1\nMONOTONIC_USEC={}\nSTATUS=reloading", now.as_micros()));
    }

    fn over(&self, verdict: &str) {
        say(&format!("READY=1\nSTATUS={verdict}"));
    }
}

/// Says twice in each interval that the master makes progress, if it is asked to (`sd_watchdog_enabled(3)`). Its runtime is what makes progress:
/// a worker that hangs is the master's business.
pub(super) fn feed_watchdog() -> Option<JoinHandle<()>> {
    let number = |name| std::env::var(name).ok()?.parse::<u64>().ok();
    let is_meant = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(known_pid()));
    let every = number("WATCHDOG_USEC").filter(|every| is_meant && *every > 1)?;
    let mut ticks = tokio::time::interval(Duration::from_micros(every / 2));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    Some(tokio::spawn(async move {
        loop {
            ticks.tick().await;
            say("WATCHDOG=1");
        }
    }))
}
