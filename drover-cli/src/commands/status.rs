//! `drover status`: apps and workers.

use std::io::{self, IsTerminal};
use std::time::Duration;

use drover_master::control::{ClientError, ControlClient};
use drover_proto::latest::{AppStatus, Phase, StatusReply, WorkerStatus};

use super::interrupt::Interrupt;
use super::{find, refusal::report};
use crate::args::{Global, StatusArgs};
use crate::exit_status::ExitStatus;
use crate::output::look::StatusLook;
use crate::output::{json, message, table};
use crate::usage::Sample;

/// Moves the cursor home and clears to the end of the screen (ECMA-48 CUP, ED).
const HOME_AND_CLEAR: &str = "\x1b[H\x1b[J";

/// How often a watched status is shown again without any news: its uptimes grow all the same, and show whole seconds.
const REFRESH: Duration = Duration::from_secs(1);

pub(super) async fn run(global: &Global, args: &StatusArgs) -> ExitStatus {
    let mut client = match find::connect(global).await {
        Ok(client) => client,
        Err(status) => return status,
    };
    if args.watch {
        return watch(global, args, client).await;
    }
    let mut asked = client.status(&args.apps).await;
    while let Err(ClientError::Crashed { .. }) = asked {
        // The one that goes on can be asked as well; a keeper survives a bounded number of crashes.
        client = match find::connect(global).await {
            Ok(client) => client,
            Err(status) => return status,
        };
        asked = client.status(&args.apps).await;
    }
    match asked {
        Ok(reply) => {
            let mut usage = WorkerUsage::of_master(&client);
            let text = if args.json {
                usage.look(&reply);
                json::status(&reply, usage.last.used())
            } else {
                show(global, &reply, &mut usage)
            };
            match message::whole_result(&text) {
                ExitStatus::Done => judge(&reply),
                failed => failed,
            }
        }
        Err(error) => report(&error),
    }
}

fn show(global: &Global, reply: &StatusReply, usage: &mut WorkerUsage) -> String {
    if global.quiet {
        return table::names(reply);
    }
    usage.look(reply);
    let usage = |worker: &WorkerStatus| usage.of(worker);
    let (colour, width) = (message::is_stdout_coloured(), message::stdout_width());
    table::status(reply, &StatusLook { colour, width, usage: &usage })
}

/// What workers use, by looks at their processes.
#[derive(Debug)]
struct WorkerUsage {
    /// The number that the master's process has here.
    master: Option<u32>,
    before: Sample,
    last: Sample,
}

impl WorkerUsage {
    fn of_master(client: &ControlClient) -> Self {
        Self { master: client.master_pid(), before: Sample::default(), last: Sample::default() }
    }

    /// Looks, once in a while. The processes of a master in another namespace have other numbers here, or none.
    fn look(&mut self, reply: &StatusReply) {
        let is_seen = self.master == reply.master.as_ref().map(|master| master.pid);
        if is_seen && self.last.is_older_than(REFRESH) {
            let workers = reply.apps.iter().flat_map(|app| &app.workers);
            self.before = std::mem::replace(&mut self.last, Sample::of(workers.map(|worker| worker.pid)));
        }
    }

    /// Since the last look; at the first one since the worker began.
    fn of(&self, worker: &WorkerStatus) -> Option<(f64, u64)> {
        self.last.usage_of_life(&self.before, worker.pid, Duration::from_millis(worker.uptime_ms))
    }
}

/// Every app and each of its workers is ready, or has ended as wished; anything else is "not ready" to a script.
fn judge(reply: &StatusReply) -> ExitStatus {
    let is_fine = |phase| matches!(phase, Phase::Started | Phase::ShutDown);
    // A worker on its way in or out does not count as missing.
    let is_ready = |worker: &WorkerStatus| is_fine(worker.phase()) && worker.unready.is_empty();
    let is_fine_or_other = |worker: &WorkerStatus| is_ready(worker) || !worker.role().is_occupant();
    // One that runs by a schedule is in order while that is on, whatever its slot has.
    let are_ready =
        |app: &AppStatus| app.workers.iter().all(is_fine_or_other) || app.cron.is_some() && app.ready > 0;
    let is_ready = |app: &AppStatus| is_fine(app.phase()) && are_ready(app);
    if reply.apps.iter().all(is_ready) { ExitStatus::Done } else { ExitStatus::NotReady }
}

/// What a watched status is shown on.
enum StatusScreen {
    /// Cleared for each.
    Terminal,
    /// A pipe or a file, of which only text is wanted: one after the other, with an empty line between two.
    Stream { is_first: bool },
}

impl StatusScreen {
    fn fill(&mut self, status: String) -> String {
        match self {
            Self::Terminal => format!("{HOME_AND_CLEAR}{status}"),
            Self::Stream { is_first } => {
                let gap = if std::mem::take(is_first) { "" } else { "\n" };
                format!("{gap}{status}")
            }
        }
    }
}

/// Shows the status again at every event, until the master ends or the user has seen enough.
async fn watch(global: &Global, args: &StatusArgs, mut client: ControlClient) -> ExitStatus {
    let mut interrupt = Interrupt::new();
    let mut usage = WorkerUsage::of_master(&client);
    let mut screen = if io::stdout().is_terminal() {
        StatusScreen::Terminal
    } else {
        StatusScreen::Stream { is_first: true }
    };
    let first = tokio::select! {
        reply = client.status(&args.apps) => reply,
        () = interrupt.pressed() => return ExitStatus::Done,
    };
    let mut reply = match first {
        Ok(reply) => reply,
        Err(error) => return report(&error),
    };
    let mut events = match client.events(reply.last_seq, true).await {
        Ok(events) => events,
        Err(error) => return report(&error),
    };
    loop {
        let shown = message::result(&screen.fill(show(global, &reply, &mut usage)));
        if shown.is_err() {
            return message::written(shown);
        }
        tokio::select! {
            next = events.next() => match next {
                Ok(Some(_)) => {}
                // The master has ended, and this was its last status.
                Ok(None) | Err(_) => return ExitStatus::Done,
            },
            // Uptimes grow without any event.
            () = tokio::time::sleep(REFRESH) => {}
            () = interrupt.pressed() => return ExitStatus::Done,
        }
        let next = tokio::select! {
            reply = events.status(&args.apps) => reply,
            () = interrupt.pressed() => return ExitStatus::Done,
        };
        reply = match next {
            Ok(reply) => reply,
            // The master has ended between its last event and this question.
            Err(ClientError::Closed | ClientError::Connection(_)) => return ExitStatus::Done,
            Err(error) => return report(&error),
        };
    }
}
