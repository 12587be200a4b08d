//! What `demo`, `run` and `up` have in common: a supervisor in the foreground, its story on stderr, an exit status.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use drover_master::config::{HttpSettings, ListenAddr};
use drover_master::control::ControlPath;
use drover_master::http::{AdminError, AdminServer, AdminSpec, ControlToken};
use drover_master::keeper::Kept;
use drover_master::supervisor::{End, Supervisor, SupervisorBuilder, SupervisorEnd};
use drover_master::{EventKind, EventLog, InheritedSockets, Outcome, Phase, Signals, flush_output, turns};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;

use super::{service_manager, threads};
use crate::args::{AdminArgs, Global};
use crate::exit_status::ExitStatus;
use crate::output::live::{self, LiveLine};
use crate::output::message::{self, AppFailure, LAST_LINES};
use crate::output::start_report::{self, StartReport};
use crate::output::story::Story;
use crate::output::termination_log;

/// How long after the last app was ready the pages of the start are given back. Sooner, what the start still has to tell would bring
/// many of them back; later, they only stay longer.
const START_IS_OVER: Duration = Duration::from_secs(2);

/// How soon orphans are looked for again where an ended worker hides them. Only a worker whose own processes are still being ended does so
/// for long.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Where a master serves: at the socket that was named, else by its name.
pub(super) fn control_path(global: &Global, name: String) -> ControlPath {
    global.socket.clone().map_or(ControlPath::Named(name), ControlPath::Given)
}

/// The same of a master in the background, which is to outlive the login that starts it.
pub(super) fn lasting_path(global: &Global, name: String) -> ControlPath {
    global.socket.clone().map_or(ControlPath::Lasting(name), ControlPath::Given)
}

/// The sockets that a service manager has handed to this process.
pub(super) fn inherited() -> Result<InheritedSockets, ExitStatus> {
    InheritedSockets::from_environment().map_err(|error| {
        message::error(&error);
        ExitStatus::Failed
    })
}

/// What is to be served over HTTP, by the arguments.
pub(super) fn admin(args: &AdminArgs) -> Result<Option<AdminSpec>, ExitStatus> {
    let Some(listen) = args.http.clone() else { return Ok(None) };
    let spec = AdminSpec::new(listen);
    let Some(file) = &args.http_token else { return Ok(Some(spec)) };
    with_token(spec, file).map(Some)
}

/// The same, by the file; relative paths in it are seen from `home`.
pub(super) fn admin_of(
    settings: Option<&HttpSettings>,
    home: &Path,
) -> Result<Option<AdminSpec>, ExitStatus> {
    let Some(settings) = settings else { return Ok(None) };
    let spec =
        settings.hosts.iter().fold(AdminSpec::new(settings.listen.clone()), |spec, host| spec.host(host));
    match &settings.control_token_file {
        Some(file) => with_token(spec, &home.join(file)).map(Some),
        None => Ok(Some(spec)),
    }
}

fn with_token(spec: AdminSpec, file: &Path) -> Result<AdminSpec, ExitStatus> {
    match ControlToken::read(file) {
        Ok(token) => Ok(spec.control_token(token)),
        Err(error) => {
            message::error(&error);
            Err(ExitStatus::Usage)
        }
    }
}

/// Runs to the end.
pub(super) async fn run(
    global: &Global,
    builder: SupervisorBuilder,
    control: ControlPath,
    admin: Option<AdminSpec>,
    kept: Option<&Kept>,
    hints: &[String],
) -> ExitStatus {
    if let Err(told) = threads::can_be_made() {
        message::error_text(&told);
        return ExitStatus::Failed;
    }
    message::never_wait();
    if let Some(kept) = kept {
        message::die_of_panics();
        service_manager::say_by(kept);
    }
    drover_master::restore_child_signal();
    reap_orphans();
    if let Err(error) = drover_master::raise_nofile() {
        message::error(&error);
    }
    turns::arm();
    let signals = Signals::for_a_supervisor();
    let builder =
        if service_manager::is_there() { builder.reload_witness(service_manager::Reloads) } else { builder };
    let builder = match service_manager::keeps_sockets() {
        true => builder.socket_store(service_manager::KeptSockets),
        false => builder,
    };
    let builder = match kept {
        Some(kept) => builder.kept(kept),
        None => builder,
    };
    let supervisor = match builder.control(control).signals(signals).build() {
        Ok(supervisor) => supervisor,
        Err(error) => {
            message::error(&error);
            return ExitStatus::Failed;
        }
    };
    let opened = admin.map(|admin| match kept {
        Some(kept) => AdminServer::open_kept(admin, kept),
        None => AdminServer::open(admin),
    });
    let mut admin = match opened.transpose() {
        Ok(admin) => admin,
        // It was there once. That it can't be now does not justify ending what runs.
        Err(error) if kept.is_some_and(Kept::is_successor) => {
            message::error(&error);
            None
        }
        Err(error) => {
            message::error(&error);
            return match error {
                AdminError::NotLocal { .. } => ExitStatus::Usage,
                _ => ExitStatus::Failed,
            };
        }
    };
    if let Some(admin) = &mut admin {
        if let Err(error) = admin.serve(supervisor.handle()) {
            message::error(&error);
            return ExitStatus::Failed;
        }
        if !global.quiet {
            message::note(&format!("metrics, health and a page for people are at {}", place(admin.addr())));
        }
    }
    let events = supervisor.handle().events().clone();
    let told = if kept.is_some_and(Kept::is_successor) { events.last_seq() } else { 0 };
    let start = tell_start(&supervisor, kept);
    let watchdog = service_manager::feed_watchdog();
    let line =
        LiveLine::begin(global.quiet).map(|line| tokio::spawn(live::follow(line, supervisor.handle())));
    let story = (!global.quiet).then(|| Story::begin(&supervisor, told, hints));
    let ended = supervisor_run(supervisor).await;
    // Up to here it has told that nothing is ready any more.
    drop(admin);
    start.abort();
    service_manager::say("STOPPING=1\nSTATUS=every app has ended");
    watchdog.iter().for_each(JoinHandle::abort);
    if let Some(line) = line {
        line.abort();
        let _ = line.await;
    }
    if let Some(story) = story {
        story.end().await;
    }
    // What is said below stands after all that happened.
    flush_output(LAST_LINES).await;
    let status = match ended {
        Ok(SupervisorEnd { end, failures, not_started, why, .. }) => {
            for failure in &failures {
                message::start_failure(failure);
            }
            for app in &not_started {
                message::error(app);
            }
            if end == End::Failed {
                for failure in app_failures(&events) {
                    message::app_failure(&failure);
                }
            }
            match (end, why) {
                (End::TimedOut, _) => message::error_text(end.sentence()),
                (End::Hurried | End::Killed, _) if !global.quiet => message::note(end.sentence()),
                // Nobody asked for it: a strategy that was used too often, or an essential app.
                (End::Failed | End::Completed, Some(why)) => {
                    let text = format!("everything was stopped: {why}");
                    termination_log::keep(&text);
                    if !global.quiet {
                        message::note(&text);
                    }
                }
                _ => {}
            }
            exit_status(end)
        }
        Err(status) => status,
    };
    if let Some(kept) = kept {
        kept.leave(status as u8);
    }
    status
}

/// Where a browser finds it.
fn place(addr: &ListenAddr) -> String {
    match addr {
        ListenAddr::Tcp(addr) => format!("http://{addr}/"),
        other => other.to_string(),
    }
}

/// Says to whoever started this, in the background or as a service, where it serves and when every app is ready.
fn tell_start(supervisor: &Supervisor, kept: Option<&Kept>) -> JoinHandle<()> {
    if let Some(path) = supervisor.control_path() {
        let socket = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        start_report::say(&StartReport::Serves { socket, is_kept: kept.is_some() });
    }
    let handle = supervisor.handle();
    let mut events = handle.events().since(0);
    let mut waited_for = handle.masters();
    let count = waited_for.len();
    let crash = kept.and_then(Kept::crash);
    if let Some(crash) = crash {
        // They were started by the master before.
        waited_for.clear();
        service_manager::ready(&format!("another master goes on: {crash}"));
    } else {
        service_manager::say("STATUS=starting");
    }
    tokio::spawn(async move {
        while !waited_for.is_empty() {
            match events.next().await {
                Ok(event) if is_there(&event.kind) => {
                    waited_for.retain(|master| master.spec().name != *event.app)
                }
                Ok(_) => {}
                // What was missed is seen by how it stands now.
                Err(_) => waited_for.retain(|master| master.snapshot().status.phase != Phase::Started),
            }
        }
        if crash.is_none() {
            let are = if count == 1 { "app is" } else { "apps are" };
            service_manager::ready(&format!("{count} {are} ready"));
        }
        start_report::say(&StartReport::Ready);
        // Most of the command is for its start: arguments, the file, what other verbs need.
        tokio::time::sleep(START_IS_OVER).await;
        drover_master::release_startup_pages();
    })
}

/// Whether an app is ready by this event, or has done its work.
fn is_there(kind: &EventKind) -> bool {
    match kind {
        EventKind::AppStarted => true,
        EventKind::AppEnded { outcome } => matches!(**outcome, Outcome::Completed),
        _ => false,
    }
}

/// As PID 1, the parent of every orphan of the container, reaps them. It never touches a worker.
fn reap_orphans() {
    if std::process::id() != 1 {
        return;
    }
    match signal(SignalKind::child()) {
        Ok(mut ended) => drop(tokio::spawn(async move {
            while ended.recv().await.is_some() {
                while is_more_to_reap() {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
            }
        })),
        Err(error) => message::error(&error),
    }
}

/// Whether there may be orphans behind a worker that has ended and is reaped by its master.
fn is_more_to_reap() -> bool {
    match drover_master::reap_strangers() {
        Ok(_) => false,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => true,
        Err(error) => {
            message::error(&error);
            false
        }
    }
}

async fn supervisor_run(supervisor: Supervisor) -> Result<SupervisorEnd, ExitStatus> {
    let ended = supervisor.run().await;
    termination_log::forget();
    ended.map_err(|error| {
        message::error(&error);
        ExitStatus::Failed
    })
}

fn app_failures(events: &EventLog) -> Vec<AppFailure> {
    let mut stream = events.since(0);
    let (mut failures, mut last_exits) = (Vec::new(), HashMap::new());
    // What is no longer kept was long before the end.
    while let Some(next) = stream.try_next() {
        let Ok(event) = next else { continue };
        match &event.kind {
            EventKind::Exited { exit } if event.phase == Phase::Failed => {
                let slot = event.worker.map(|worker| worker.slot);
                last_exits.insert(Arc::clone(&event.app), slot.map(|slot| (slot, Arc::clone(exit))));
            }
            // A strategy, or somebody, brought it back: what was is not how it ended.
            EventKind::AppStarting => failures.retain(|failure: &AppFailure| failure.app != event.app),
            EventKind::AppEnded { outcome } => {
                if let Outcome::Failed { reason, .. } = **outcome {
                    let last = last_exits.remove(&event.app).flatten();
                    failures.push(AppFailure { app: Arc::clone(&event.app), reason: reason.text(), last });
                }
            }
            _ => {}
        }
    }
    failures
}

fn exit_status(end: End) -> ExitStatus {
    match end {
        End::Completed | End::ShutDown => ExitStatus::Done,
        End::Hurried => ExitStatus::Interrupted,
        End::Killed => ExitStatus::Killed,
        _ => ExitStatus::Failed,
    }
}
