//! Which request is accepted, ignored, joined or refused: two pure tables.
//!
//! Of the app as a whole, by what it is doing:
//!
//! ```text
//!               start     shutdown   hurry     kill
//! idle          accept    ignore     ignore    ignore
//! starting      join      accept     accept    accept
//! started       ignore    accept     accept    accept
//! stopping      deny      join       accept    accept
//! killing       deny      join       join      join
//! ```
//!
//! Of a slot of an app that runs, by what is in it. Of an app that is idle or ending a start and a restart are refused; a
//! stop is ignored where nothing is left, else it joins.
//!
//! ```text
//!               start     stop       restart   suspend   resume
//! vacant        accept    ignore     accept    ignore    ignore
//! pending       accept    accept     accept    accept    join
//! scheduled     accept    accept     accept    accept    ignore
//! starting      join      accept     accept    accept    join
//! ready         ignore    accept     accept    accept    ignore
//! suspending    accept    accept     accept    join      accept
//! suspended     accept    accept     accept    ignore    accept
//! restarting    join      accept     join      deny      join
//! leaving       deny      join       deny      ignore    deny
//! ```
//!
//! A suspension and a resumption of an app that is idle or ending are refused like a start.
//! A stop of a slot pre-empts the restart that is under way there; nothing pre-empts a stop but the end of the app.

use crate::ids::{SlotIndex, WorkerId};

/// What an app is doing, as far as requests are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Doing {
    /// Nothing: never started, or ended.
    Idle,
    /// Waiting for all workers to be ready.
    Starting,
    /// Running.
    Started,
    /// Ending gracefully.
    Stopping,
    /// Ending by force.
    Killing,
}

/// A request to change an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum Request {
    /// Start all workers and wait until they are ready.
    Start,
    /// Drain, leave.
    Shutdown,
    /// End now what is not gone yet, by SIGTERM; a second time by SIGKILL.
    Hurry,
    /// SIGKILL, now.
    Kill,
}

/// The gate's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It is carried out; what it pre-empts is answered as interrupted.
    Accept,
    /// It is so already: done at once.
    Ignore,
    /// The same is under way: answered with it.
    Join,
    /// It can't be done now.
    Deny(DenyReason),
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum DenyReason {
    /// A start came while the app is ending.
    #[error("the app is shutting down; wait for its end, then start it")]
    ShuttingDown,
    /// A worker was meant, of an app that does not run.
    #[error(
        "the app does not run, so none of its workers can be started individually; start the app by its own name"
    )]
    NotRunning,
    /// A start or restart came while the worker is being stopped.
    #[error("worker {slot} is being stopped; wait for its end, then start it")]
    SlotStopping {
        /// Which one.
        slot: SlotIndex,
    },
    /// A suspension came while the worker makes room for another.
    #[error("worker {slot} is being restarted; wait until it is ready, then suspend it")]
    SlotRestarting {
        /// Which one.
        slot: SlotIndex,
    },
    /// Workers that nobody can tell to take no work.
    #[error(
        "workers of this app can't be suspended: they don't speak the protocol, and no signals for it are configured (app.suspend)"
    )]
    CantSuspend,
    /// There is no such place.
    #[error("there is no worker {slot} among the {count} of the app")]
    NoSuchSlot {
        /// Which one was meant.
        slot: SlotIndex,
        /// How many there are.
        count: u32,
    },
    /// The worker has ended, or never was.
    #[error("there is no living worker with the id {id}")]
    NoSuchWorker {
        /// Which one was meant.
        id: WorkerId,
    },
    /// A change of the number of workers came while the app starts.
    #[error("the app is starting; wait until it has started")]
    Starting,
    /// More workers than there may be, or none.
    #[error("an app has 1 to {max} workers; to have none, stop it")]
    Count {
        /// The bound.
        max: u32,
    },
    /// Nothing is held that could be promoted or aborted.
    #[error("no reload is under way")]
    NoRollout,
    /// What fails is on its way back already.
    #[error("the reload has failed and is being rolled back; wait for that, then reload again")]
    RollingBack,
    /// Workers are being replaced.
    #[error("its workers are being replaced; wait until that is done, or abort it")]
    Reloading,
    /// Something else changes the app.
    #[error("another operation changes the app; wait until it is done")]
    Changing,
    /// Too many of those that were replaced are still there.
    #[error("workers that were replaced earlier still drain; wait until they are gone")]
    Draining,
    /// A reload waits for somebody to decide.
    #[error("a reload is held; promote or abort it first")]
    HeldReload,
    /// Its workers stay, so none of them can be a canary.
    #[error("workers of this app reload themselves by a signal (app.reload), so there can be no canary")]
    ReloadsItself,
    /// A oneshot has nothing that could be replaced.
    #[error("the app is a oneshot; it does not serve, so it can't be reloaded")]
    Oneshot,
    /// A cron has one run at a time, which ends by itself.
    #[error(
        "the app is a cron: its runs come one at a time and end by themselves, so it is neither scaled nor reloaded; `apply` takes a changed description"
    )]
    Cron,
    /// A oneshot has one piece of work, and takes no other.
    #[error(
        "the app is a oneshot; it takes no new work that it could be kept from, so it can't be suspended; stop it instead"
    )]
    SuspendOneshot,
    /// Workers take no work by request, and new ones would.
    #[error("workers of it are suspended; resume them first")]
    Suspended,
    /// A slot with a queue of its own is to go, and those who wait in it would be reset.
    #[error("connections wait in the queue of worker {slot}, which takes none now; resume or start it first")]
    Queued {
        /// Which one.
        slot: SlotIndex,
    },
    /// A worker that was replaced ends on its own.
    #[error("worker {id} was replaced and drains; it leaves on its own")]
    Leaving {
        /// Which one.
        id: WorkerId,
    },
    /// A signal needs a process.
    #[error("there is no process to be signalled")]
    NoProcess,
}

/// What is in a slot, as far as requests are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occupancy {
    /// Nothing, and nothing follows: stopped, completed or given up.
    Vacant,
    /// Nothing yet: queued, or between two tries.
    Pending,
    /// Nothing: its next run is due later.
    Scheduled,
    /// A worker that is not ready yet.
    Starting,
    /// A worker that is ready.
    Ready,
    /// A worker that drains and will stay.
    Suspending,
    /// A worker that takes no work; or none, until somebody resumes it.
    Suspended,
    /// A worker that leaves, so that another takes its place.
    Restarting,
    /// A worker that leaves for good.
    Leaving,
}

impl Occupancy {
    const fn is_empty(self) -> bool {
        matches!(self, Self::Vacant | Self::Pending | Self::Scheduled)
    }
}

/// A request to change some slots of an app that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum SlotRequest {
    /// Have a worker there that is ready.
    Start,
    /// Have none there, until it is started again.
    Stop,
    /// Have another one there.
    Restart,
    /// Have the one there take no work, and stay.
    Suspend,
    /// Have the one there take work again.
    Resume,
}

impl SlotRequest {
    /// The word of the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
        }
    }
}

/// Answers a request.
pub const fn admit(doing: Doing, request: Request) -> Admission {
    match (doing, request) {
        (Doing::Idle, Request::Start) => Admission::Accept,
        (Doing::Idle, Request::Shutdown | Request::Hurry | Request::Kill) => Admission::Ignore,
        (Doing::Starting, Request::Start) => Admission::Join,
        (Doing::Started, Request::Start) => Admission::Ignore,
        (Doing::Starting | Doing::Started, Request::Shutdown | Request::Hurry | Request::Kill) => {
            Admission::Accept
        }
        (Doing::Stopping | Doing::Killing, Request::Start) => Admission::Deny(DenyReason::ShuttingDown),
        (Doing::Stopping, Request::Shutdown) => Admission::Join,
        (Doing::Stopping, Request::Hurry | Request::Kill) => Admission::Accept,
        (Doing::Killing, Request::Shutdown | Request::Hurry | Request::Kill) => Admission::Join,
    }
}

/// Answers a request that concerns one slot.
pub const fn admit_slot(
    doing: Doing,
    slot: SlotIndex,
    occupancy: Occupancy,
    request: SlotRequest,
) -> Admission {
    match (doing, request) {
        (Doing::Starting | Doing::Started, _) => {}
        (Doing::Idle, SlotRequest::Stop) => return Admission::Ignore,
        (Doing::Idle, _) => return Admission::Deny(DenyReason::NotRunning),
        (Doing::Stopping | Doing::Killing, SlotRequest::Stop) if occupancy.is_empty() => {
            return Admission::Ignore;
        }
        (Doing::Stopping | Doing::Killing, SlotRequest::Stop) => return Admission::Join,
        (Doing::Stopping | Doing::Killing, _) => return Admission::Deny(DenyReason::ShuttingDown),
    }
    match (occupancy, request) {
        (Occupancy::Vacant, SlotRequest::Start | SlotRequest::Restart)
        | (
            Occupancy::Pending | Occupancy::Scheduled,
            SlotRequest::Start | SlotRequest::Stop | SlotRequest::Restart | SlotRequest::Suspend,
        )
        | (
            Occupancy::Starting | Occupancy::Ready,
            SlotRequest::Stop | SlotRequest::Restart | SlotRequest::Suspend,
        )
        | (
            Occupancy::Suspending | Occupancy::Suspended,
            SlotRequest::Start | SlotRequest::Stop | SlotRequest::Restart | SlotRequest::Resume,
        )
        | (Occupancy::Restarting, SlotRequest::Stop) => Admission::Accept,
        (Occupancy::Vacant, SlotRequest::Stop | SlotRequest::Suspend | SlotRequest::Resume)
        | (Occupancy::Ready, SlotRequest::Start | SlotRequest::Resume)
        | (Occupancy::Scheduled, SlotRequest::Resume)
        | (Occupancy::Suspended | Occupancy::Leaving, SlotRequest::Suspend) => Admission::Ignore,
        (Occupancy::Starting | Occupancy::Restarting, SlotRequest::Start | SlotRequest::Resume)
        | (Occupancy::Pending, SlotRequest::Resume)
        | (Occupancy::Suspending, SlotRequest::Suspend)
        | (Occupancy::Restarting, SlotRequest::Restart)
        | (Occupancy::Leaving, SlotRequest::Stop) => Admission::Join,
        (Occupancy::Restarting, SlotRequest::Suspend) => Admission::Deny(DenyReason::SlotRestarting { slot }),
        (Occupancy::Leaving, SlotRequest::Start | SlotRequest::Restart | SlotRequest::Resume) => {
            Admission::Deny(DenyReason::SlotStopping { slot })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(name: &str) -> impl Iterator<Item = &'static str> {
        let text = include_str!("gate.rs");
        let row = text.lines().find_map(|line| line.strip_prefix(&format!("//! {name} ")));
        row.unwrap_or_else(|| panic!("no row {name}")).split_whitespace()
    }

    #[test]
    fn the_table_of_slots_in_the_module_text_is_the_table_of_the_code() {
        let slot = SlotIndex(3);
        let requests = [
            SlotRequest::Start,
            SlotRequest::Stop,
            SlotRequest::Restart,
            SlotRequest::Suspend,
            SlotRequest::Resume,
        ];
        for (name, occupancy) in [
            ("vacant", Occupancy::Vacant),
            ("pending", Occupancy::Pending),
            ("scheduled", Occupancy::Scheduled),
            ("starting", Occupancy::Starting),
            ("ready", Occupancy::Ready),
            ("suspending", Occupancy::Suspending),
            ("suspended", Occupancy::Suspended),
            ("restarting", Occupancy::Restarting),
            ("leaving", Occupancy::Leaving),
        ] {
            // The second row of that name, where there are two.
            let text = include_str!("gate.rs");
            let mut rows = text.lines().filter_map(|line| line.strip_prefix(&format!("//! {name} ")));
            let row = rows.next_back().unwrap();
            assert_eq!(row.split_whitespace().count(), requests.len());
            for (cell, request) in row.split_whitespace().zip(requests) {
                for doing in [Doing::Starting, Doing::Started] {
                    let admission = admit_slot(doing, slot, occupancy, request);
                    let denial = match occupancy {
                        Occupancy::Restarting => DenyReason::SlotRestarting { slot },
                        _ => DenyReason::SlotStopping { slot },
                    };
                    assert_eq!(admission, expected(cell, denial), "{name} {request:?}");
                }
                let is_stop = request == SlotRequest::Stop;
                let idle = if is_stop { Admission::Ignore } else { Admission::Deny(DenyReason::NotRunning) };
                assert_eq!(admit_slot(Doing::Idle, slot, occupancy, request), idle);
                let joins = if occupancy.is_empty() { Admission::Ignore } else { Admission::Join };
                let ending = if is_stop { joins } else { Admission::Deny(DenyReason::ShuttingDown) };
                for doing in [Doing::Stopping, Doing::Killing] {
                    assert_eq!(admit_slot(doing, slot, occupancy, request), ending);
                }
            }
        }
    }

    fn expected(cell: &str, denial: DenyReason) -> Admission {
        match cell {
            "accept" => Admission::Accept,
            "ignore" => Admission::Ignore,
            "join" => Admission::Join,
            "deny" => Admission::Deny(denial),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn the_table_in_the_module_text_is_the_table_of_the_code() {
        for (name, doing) in [
            ("idle", Doing::Idle),
            ("starting", Doing::Starting),
            ("started", Doing::Started),
            ("stopping", Doing::Stopping),
            ("killing", Doing::Killing),
        ] {
            let requests = [Request::Start, Request::Shutdown, Request::Hurry, Request::Kill];
            for (cell, request) in answers(name).zip(requests) {
                let expected = expected(cell, DenyReason::ShuttingDown);
                assert_eq!(admit(doing, request), expected, "{name} {request:?}");
            }
        }
    }
}
