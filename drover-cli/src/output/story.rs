//! What happens, told line by line.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use drover_master::config::{Kind, Stdin};
use drover_master::supervisor::{Supervisor, SupervisorHandle};
use drover_master::{
    Event, EventKind, EventStream, ExitReason, FAILED_START, Outcome, Phase, Protocol, Stream, write_output,
};
use drover_proto::latest as wire;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{clock, message};

/// Tells the events of a supervisor on stderr while it runs.
#[derive(Debug)]
pub(crate) struct Story {
    teller: JoinHandle<()>,
    over: oneshot::Sender<()>,
}

/// How long the last lines may take to be handed over.
const LAST_LINES: Duration = Duration::from_secs(1);

impl Story {
    /// Begins to tell.
    pub(crate) fn begin(supervisor: &Supervisor, hints: &[String]) -> Self {
        let handle = supervisor.handle();
        let events = handle.events().since(0);
        let (over, is_over) = oneshot::channel();
        let control = supervisor.control_path().map(|path| path.display().to_string());
        let hints = hints.to_vec();
        let teller = tokio::spawn(async move {
            if let Some(control) = control {
                say(&format!("control socket {control}")).await;
            }
            // Its handle is let go of with the teller, before the supervisor is.
            let teller = Teller { supervisor: handle, hints, ready: HashSet::new(), hinted: HashSet::new() };
            teller.tell(events, is_over).await;
        });
        Self { teller, over }
    }

    /// Tells what is left, and ends.
    pub(crate) async fn end(self) {
        let _ = self.over.send(());
        let _ = tokio::time::timeout(LAST_LINES, self.teller).await;
    }
}

struct Teller {
    supervisor: SupervisorHandle,
    hints: Vec<String>,
    /// The apps of which a worker has become ready.
    ready: HashSet<Arc<str>>,
    /// The apps of which it was told that their input may have ended them.
    hinted: HashSet<Arc<str>>,
}

/// A program that reads its standard input, and finds it at its end, leaves sooner than this.
const AT_ONCE: Duration = Duration::from_millis(500);

impl Teller {
    async fn tell(mut self, mut events: EventStream, mut is_over: oneshot::Receiver<()>) {
        loop {
            let next = tokio::select! {
                biased;
                next = events.next() => next,
                _ = &mut is_over => break,
            };
            match next {
                Ok(event) => self.event(&event).await,
                Err(missed) => say(&missed.to_string()).await,
            }
        }
        while let Some(Ok(event)) = events.try_next() {
            self.event(&event).await;
        }
    }

    async fn event(&mut self, event: &Event) {
        let app = &event.app;
        if event.worker.is_some() && event.phase == Phase::Started {
            self.ready.insert(Arc::clone(app));
        }
        // An app that completed while it was started is not ready for anything.
        if matches!(event.kind, EventKind::AppStarted) && !self.ready.contains(app) {
            return;
        }
        let Some(line) = line(event) else { return };
        say(&line).await;
        if self.left_without_input(event) && self.hinted.insert(Arc::clone(app)) {
            let hint = "stdin = \"open\" in drover.toml, or run --stdin open";
            say(&format!(
                "  it exited at once; if it leaves at the end of its standard input, keep that open: {hint}"
            ))
            .await;
        }
        if let (EventKind::AppStarted, Some(master)) =
            (&event.kind, self.supervisor.masters().into_iter().find(|master| master.spec().name == **app))
        {
            for (name, addr) in master.snapshot().listeners {
                say(&format!("{app} listens on {name}={addr}")).await;
                for hint in std::mem::take(&mut self.hints) {
                    say(&hint.replace("ADDR", &addr.to_string())).await;
                }
            }
        }
    }
}

impl Teller {
    /// Whether a service whose standard input is at its end from the start has left with success, as soon as it was there.
    fn left_without_input(&self, event: &Event) -> bool {
        let EventKind::Exited { exit } = &event.kind else { return false };
        let is_sudden = exit.reason == ExitReason::NormalExit
            && exit.during == Phase::Starting
            && exit.uptime < AT_ONCE
            && exit.asked_by.is_none();
        is_sudden
            && self.supervisor.masters().iter().any(|master| {
                let spec = master.spec();
                spec.name == *event.app
                    && (spec.stdin == Stdin::Null, spec.kind, spec.protocol)
                        == (true, Kind::Service, Protocol::None)
            })
    }
}

async fn say(text: &str) {
    let (on, off) = if message::is_coloured() { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
    write_output(Stream::Stderr, format!("{on}drover:{off} {text}\n").into_bytes()).await;
}

/// The line of an event; none for what is told by another one.
fn line(event: &Event) -> Option<String> {
    let who = match event.worker {
        Some(worker) => format!("{}/{}", event.app, worker.slot),
        None if event.app.is_empty() => "master".to_owned(),
        None => event.app.to_string(),
    };
    let pid = event.worker.and_then(|worker| worker.pid);
    Some(match &event.kind {
        // A worker that ends closes its connection first; one that lives on without it misses a deadline, which is told.
        EventKind::Spawned | EventKind::Handshaken | EventKind::Disconnected => return None,
        EventKind::Entered { .. } => match (event.phase, pid) {
            (Phase::Starting, Some(pid)) => format!("{who} {} (pid {pid})", event.phase),
            // Of one that is to leave as of one that is suspended.
            (Phase::Stopped, _) => format!("{who} DRAINED"),
            _ => format!("{who} {}", event.phase),
        },
        EventKind::Exited { exit } => match event.phase {
            Phase::ShutDown if exit.asked_by.is_some() => format!("{who} STOPPED {exit}"),
            Phase::ShutDown => {
                let exit = exit.to_string();
                format!("{who} COMPLETED {}", exit.strip_suffix(" while starting").unwrap_or(&exit))
            }
            phase => format!("{who} {phase} {exit}"),
        },
        EventKind::AppStarted => format!("{who} is started: every worker is ready"),
        EventKind::AppStarting => format!("{who} starts"),
        // Why a start failed is told once, at the end, with the worker's last words.
        EventKind::AppStopping { by } if **by == *FAILED_START => return None,
        EventKind::AppEnded { outcome } if matches!(**outcome, Outcome::StartFailed(_)) => return None,
        EventKind::AppStopping { by } => format!("{who} stops, asked by {by}"),
        EventKind::AppEnded { outcome } => format!("{who} {outcome}"),
        EventKind::RestartScheduled { after, attempt } if after.is_zero() => {
            format!("{who} is tried again at once (try {attempt})")
        }
        EventKind::RestartScheduled { after, attempt } => {
            format!("{who} is tried again in {after:.1?} (try {attempt})")
        }
        EventKind::GaveUp { reason } => format!("{who} is given up: {}", reason.text()),
        EventKind::DeadlineMissed { missed } => format!("{who} is overdue: {missed}"),
        EventKind::FileDiffers { told } => told.to_string(),
        EventKind::Unkillable => format!("{who} does not end: {}", event.kind.detail()),
        EventKind::OutOfOrder { .. }
        | EventKind::HandshakeRefused { .. }
        | EventKind::ProtocolBroken { .. } => {
            format!("{who} breaks the protocol: {}", event.kind.detail())
        }
        kind => match kind.detail() {
            detail if detail.is_empty() => format!("{who} {}", event.name()),
            detail => format!("{who} {}: {detail}", event.name()),
        },
    })
}

/// The line of an event that was asked for: number, time of day, who, what.
pub(crate) fn event_line(event: &wire::Event) -> String {
    let who = match event.slot {
        Some(slot) => format!("{}/{slot}", event.app),
        None if event.app.is_empty() => "master".to_owned(),
        None => event.app.clone(),
    };
    let id = if event.worker == 0 { String::new() } else { format!(" @{} pid {}", event.worker, event.pid) };
    let detail = if event.detail.is_empty() { String::new() } else { format!(": {}", event.detail) };
    format!("{:>6} {} {who}{id} {}{detail}", event.seq, clock::time_of_day(event.time_ms), event.name)
}
