//! The table of `drover status`.

use std::fmt::Write as _;

use anstyle::Style;
use comfy_table::{Table, presets};
use drover_proto::latest::{AppStatus, StatusReply};

use super::clock::uptime;
use super::look::{StatusLook, style};
use super::status_column::StatusColumn;
use super::{runs, word, worker_rows};

/// Everything there is, for people.
pub(crate) fn status(reply: &StatusReply, look: &StatusLook<'_>) -> String {
    let master = reply.master.clone().unwrap_or_default();
    let mut from = if master.file.is_empty() { String::new() } else { format!(", from {}", master.file) };
    if !master.profile.is_empty() {
        let _ = write!(from, ", profile {}", master.profile);
    }
    let (pid, version, up) = (master.pid, &master.version, uptime(master.uptime_ms));
    let keeper = match (master.keeper, master.is_protected) {
        (0, _) => String::new(),
        (keeper, true) => format!(", keeper pid {keeper}"),
        (keeper, false) => format!(", keeper pid {keeper} is gone"),
    };
    let mut text = format!("master pid {pid}{keeper}, version {version}, up {up}{from}\n");
    for app in &reply.apps {
        let _ = writeln!(text, "\n{}", headline(app, look.colour));
        text.push_str(&worker_rows::of(app, look));
    }
    text
}

/// Masters, one a line.
pub(crate) fn masters(rows: &[[String; 8]]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["MASTER", "PID", "KEEPER", "APPS", "READY", "UPTIME", "FILE", "SOCKET"]);
    for row in rows {
        table.add_row(row);
    }
    table.trim_fmt()
}

/// What workers use: the part of a CPU in percent, and memory in bytes, by their process.
pub(crate) fn usage(reply: &StatusReply, of: impl Fn(u32) -> Option<(f64, u64)>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["WORKER", "STATE", "PID", "CPU", "MEMORY", "UPTIME", "RESTARTS"]);
    for (app, worker) in reply.apps.iter().flat_map(|app| app.workers.iter().map(move |worker| (app, worker)))
    {
        let usage = of(worker.pid);
        let cell = |column| worker_rows::cell(column, app, worker, usage);
        table.add_row([
            cell(StatusColumn::Worker),
            cell(StatusColumn::State),
            cell(StatusColumn::Pid),
            cell(StatusColumn::Cpu),
            cell(StatusColumn::Memory),
            cell(StatusColumn::Uptime),
            cell(StatusColumn::Restarts),
        ]);
    }
    table.trim_fmt()
}

/// Names only: one worker a line.
pub(crate) fn names(reply: &StatusReply) -> String {
    reply
        .apps
        .iter()
        .flat_map(|app| app.workers.iter().map(move |worker| (app, worker)))
        .filter(|(_, worker)| worker.role().is_occupant())
        .map(|(app, worker)| format!("{}/{}\n", app.name, worker.slot))
        .collect()
}

/// An app in one line.
pub(crate) fn headline(app: &AppStatus, colour: bool) -> String {
    let style = if colour { style(app.phase()) } else { Style::new() };
    let word = word::of_app(app);
    let mut line = format!("{} {style}{word}{style:#}", app.name);
    if let Some(cron) = &app.cron {
        let _ = write!(line, ", {}", runs::summary(app, cron, runs::now_ms()));
    } else if word != word::COMPLETED {
        // Of what has done its work nothing is missing.
        let _ = write!(line, ", {} of {} ready", app.ready, app.desired);
    }
    if !app.waits_for.is_empty() {
        let _ = write!(line, ", waits for {}", app.waits_for.join(", "));
    }
    match &*app.operation {
        "" => {}
        "canary" => line.push_str(", a canary waits: promote or abort the reload"),
        "paused reload" => line.push_str(", the reload is paused: promote or abort it"),
        operation => {
            let _ = write!(line, ", {operation} under way");
        }
    }
    if !app.queued.is_empty() {
        let _ = write!(line, ", {}", app.queued);
    }
    if !app.outcome.is_empty() && word != word::COMPLETED {
        let _ = write!(line, ", {}", app.outcome);
    }
    for listener in &app.listeners {
        let _ = write!(line, ", {listener}");
    }
    line
}

#[cfg(test)]
mod tests {
    use drover_proto::latest::{Phase, WorkerRole, WorkerStatus};

    use super::*;

    fn reply() -> StatusReply {
        let worker =
            |slot, phase: Phase, pid| WorkerStatus { slot, phase: phase.into(), pid, ..Default::default() };
        StatusReply {
            apps: vec![AppStatus {
                name: "web".into(),
                phase: Phase::Started.into(),
                desired: 2,
                ready: 1,
                workers: vec![worker(0, Phase::Started, 4711), worker(1, Phase::BackingOff, 0)],
                ..Default::default()
            }],
            ..Default::default()
        }
    }

    fn shown(reply: &StatusReply, colour: bool) -> String {
        status(reply, &StatusLook { colour, width: None, usage: &|_| None })
    }

    #[test]
    fn an_unready_worker_is_shown_as_such() {
        let mut reply = reply();
        reply.apps[0].workers[0].unready = "GET / answered 503".into();
        let plain = shown(&reply, false);
        assert!(plain.contains(" web/0   not ready    4711"), "{plain}");
    }

    #[test]
    fn the_table_shows_each_worker_in_a_line_and_colours_change_no_column() {
        let plain = shown(&reply(), false);
        assert!(plain.contains("web running, 1 of 2 ready"), "{plain}");
        assert!(
            plain
                .lines()
                .any(|line| line.contains("web/0") && line.contains("ready") && line.contains("4711"))
        );
        assert!(!plain.contains('\x1b'));
        let coloured = shown(&reply(), true);
        assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), plain);
        assert!(coloured.contains('\x1b'));
    }

    #[test]
    fn an_app_that_is_called_as_a_state_keeps_its_name_as_it_is() {
        let mut reply = reply();
        reply.apps[0].name = "ready".into();
        let coloured = shown(&reply, true);
        assert!(coloured.contains(" ready/0  \x1b[32mready\x1b[0m        4711"), "{coloured:?}");
    }

    #[test]
    fn names_are_one_a_line() {
        assert_eq!(names(&reply()), "web/0\nweb/1\n");
    }

    #[test]
    fn those_that_share_a_slot_are_told_apart_and_have_one_name() {
        let mut reply = reply();
        let other = |role: WorkerRole, pid| WorkerStatus {
            role: role.into(),
            phase: Phase::Starting.into(),
            pid,
            ..Default::default()
        };
        let app = &mut reply.apps[0];
        app.operation = "reload".into();
        app.workers.splice(1..1, [other(WorkerRole::Incoming, 4712), other(WorkerRole::Leaving, 4713)]);
        let text = shown(&reply, false);
        assert!(text.contains("1 of 2 ready, reload under way"), "{text}");
        for words in [["web/0 ↑ new", "4712"], ["web/0 ↓ old", "4713"]] {
            assert!(text.lines().any(|line| words.iter().all(|word| line.contains(word))), "{text}");
        }
        assert_eq!(names(&reply), "web/0\nweb/1\n");
        reply.apps[0].operation = "canary".into();
        assert!(shown(&reply, false).contains("promote or abort"));
    }
}
