//! What happens, told line by line.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use drover_master::config::{Kind, Stdin};
use drover_master::supervisor::{Supervisor, SupervisorHandle};
use drover_master::{
    Event, EventKind, EventStream, ExitReason, FAILED_START, Missed, Outcome, Phase, Protocol, Stream,
    write_output,
};
use drover_proto::latest as wire;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{clock, message, word};

/// Tells the events of a supervisor on stderr while it runs.
#[derive(Debug)]
pub(crate) struct Story {
    task: JoinHandle<()>,
    over: oneshot::Sender<()>,
}

/// How long the last lines may take to be handed over.
const LAST_LINES: Duration = Duration::from_secs(1);

impl Story {
    /// Begins to tell what comes after the event of this number: what a master told that has crashed is not told again.
    pub(crate) fn begin(supervisor: &Supervisor, told: u64, hints: &[String]) -> Self {
        let handle = supervisor.handle();
        let events = handle.events().since(told);
        let (over, is_over) = oneshot::channel();
        let control = supervisor.control_path().map(|path| path.display().to_string());
        let hints = hints.to_vec();
        let task = tokio::spawn(async move {
            // Its handle is dropped with the narrator, before the supervisor is.
            let mut narrator = Narrator::new(handle, hints);
            if let Some(control) = control {
                narrator.say(&format!("control socket {control}"));
            }
            narrator.tell(events, is_over).await;
        });
        Self { task, over }
    }

    /// Tells what is left, and ends.
    pub(crate) async fn end(self) {
        let _ = self.over.send(());
        let _ = tokio::time::timeout(LAST_LINES, self.task).await;
    }
}

struct Narrator {
    supervisor: SupervisorHandle,
    hints: Vec<String>,
    /// The apps of which a worker has become ready.
    ready: HashSet<Arc<str>>,
    /// The apps of which it was told that their input may have ended them.
    hinted: HashSet<Arc<str>>,
    /// What stands before a line: coloured or not, which does not change while it runs.
    prefix: &'static str,
    /// Lines that are not handed over yet.
    lines: String,
}

/// This much is handed over at once, though more may have happened by then: a write of the output's thread is not longer.
const AT_MOST: usize = 32 * 1024;

/// A program that reads its standard input, and finds it at its end, leaves sooner than this.
const AT_ONCE: Duration = Duration::from_millis(500);

impl Narrator {
    fn new(supervisor: SupervisorHandle, hints: Vec<String>) -> Self {
        let prefix = if message::is_coloured() { "\x1b[2mdrover:\x1b[0m" } else { "drover:" };
        let (ready, hinted) = (HashSet::new(), HashSet::new());
        Self { supervisor, hints, ready, hinted, prefix, lines: String::new() }
    }

    async fn tell(mut self, mut events: EventStream, mut is_over: oneshot::Receiver<()>) {
        loop {
            let next = tokio::select! {
                biased;
                next = events.next() => next,
                _ = &mut is_over => break,
            };
            self.take(next);
            self.hand_over_all(&mut events).await;
        }
        self.hand_over_all(&mut events).await;
    }

    /// Tells all that has happened by now, in as few writes as possible: each wakes the thread that writes.
    async fn hand_over_all(&mut self, events: &mut EventStream) {
        while let Some(next) = events.try_next() {
            self.take(next);
            if self.lines.len() >= AT_MOST {
                self.hand_over().await;
            }
        }
        self.hand_over().await;
    }

    async fn hand_over(&mut self) {
        if !self.lines.is_empty() {
            write_output(Stream::Stderr, std::mem::take(&mut self.lines).into_bytes()).await;
        }
    }

    fn take(&mut self, next: Result<Arc<Event>, Missed>) {
        match next {
            Ok(event) => self.event(&event),
            Err(missed) => self.say(&missed.to_string()),
        }
    }

    fn say(&mut self, text: &str) {
        let _ = writeln!(self.lines, "{} {text}", self.prefix);
    }

    fn event(&mut self, event: &Event) {
        let app = &event.app;
        if event.worker.is_some() && event.phase == Phase::Started {
            self.ready.insert(Arc::clone(app));
        }
        // An app that completed while it was started is not ready for anything.
        if matches!(event.kind, EventKind::AppStarted) && !self.ready.contains(app) {
            return;
        }
        let Some(line) = line(event) else { return };
        self.say(&line);
        if self.left_without_input(event) && self.hinted.insert(Arc::clone(app)) {
            let hint = "stdin = \"open\" in drover.toml, or run --stdin open";
            self.say(&format!(
                "  it exited at once; if it exits when its standard input ends, keep that open: {hint}"
            ));
        }
        if let (EventKind::AppStarted, Some(master)) =
            (&event.kind, self.supervisor.masters().into_iter().find(|master| master.spec().name == **app))
        {
            for (name, addr) in master.snapshot().listeners {
                self.say(&format!("{app} listens on {name}={addr}"));
                for hint in std::mem::take(&mut self.hints) {
                    self.say(&hint.replace("ADDR", &addr.to_string()));
                }
            }
        }
    }

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

/// The line of an event; none if another event says it.
fn line(event: &Event) -> Option<String> {
    let who = match event.worker {
        Some(worker) => format!("{}/{}", event.app, worker.slot),
        None if event.app.is_empty() => "master".to_owned(),
        None => event.app.to_string(),
    };
    let pid = event.worker.and_then(|worker| worker.pid);
    Some(match &event.kind {
        // A worker that ends closes its connection first; one that lives on without it misses a deadline, which has an event.
        EventKind::Spawned | EventKind::Handshaken | EventKind::Disconnected => return None,
        EventKind::Entered { .. } => match (event.phase, pid) {
            (Phase::Starting, Some(pid)) => format!("{who} {} (pid {pid})", event.phase.word()),
            _ => format!("{who} {}", event.phase.word()),
        },
        EventKind::Exited { exit } => match event.phase {
            Phase::ShutDown if exit.asked_by.is_some() => format!("{who} stopped: {exit}"),
            Phase::ShutDown => {
                let exit = exit.to_string();
                format!(
                    "{who} {}: {}",
                    word::COMPLETED,
                    exit.strip_suffix(" while starting").unwrap_or(&exit)
                )
            }
            phase => format!("{who} {}: {exit}", phase.word()),
        },
        EventKind::AppStarted => format!("{who} is running: every worker is ready"),
        EventKind::AppStarting => format!("{who} starts"),
        // The end shows once why a start failed, with the worker's last words.
        EventKind::AppStopping { by } if **by == *FAILED_START => return None,
        EventKind::AppEnded { outcome } if matches!(**outcome, Outcome::StartFailed(_)) => return None,
        EventKind::AppStopping { by } => format!("{who} stops, asked by {by}"),
        EventKind::AppEnded { outcome } => format!("{who} {outcome}"),
        EventKind::RestartScheduled { after, attempt } if after.is_zero() => {
            format!("{who} tries again at once (try {attempt})")
        }
        EventKind::RestartScheduled { after, attempt } => {
            format!("{who} tries again in {after:.1?} (try {attempt})")
        }
        EventKind::GaveUp { reason } => format!("{who} is not tried again: {}", reason.text()),
        EventKind::DeadlineMissed { missed } => format!("{who} is overdue: {missed}"),
        EventKind::FileDiffers { told } => told.to_string(),
        // It was said when this master began, before there was anything to tell of.
        EventKind::MasterReplaced { .. } => return None,
        EventKind::Unkillable => format!("{who} does not end: {}", event.kind.detail()),
        EventKind::OutOfOrder { .. }
        | EventKind::HandshakeRefused { .. }
        | EventKind::ProtocolBroken { .. } => {
            format!("{who} breaks the protocol: {}", event.kind.detail())
        }
        kind => match kind.detail() {
            detail if detail.is_empty() => format!("{who} {}", word::of_event(event.name())),
            detail => format!("{who} {}: {detail}", word::of_event(event.name())),
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
    let id = match (event.worker, event.pid) {
        (0, _) => String::new(),
        // It has no process yet.
        (worker, 0) => format!(" @{worker}"),
        (worker, pid) => format!(" @{worker} pid {pid}"),
    };
    let detail = if event.detail.is_empty() { String::new() } else { format!(": {}", event.detail) };
    format!(
        "{:>6} {} {who}{id} {}{detail}",
        event.seq,
        clock::time_of_day(event.time_ms),
        word::of_event(&event.name)
    )
}
