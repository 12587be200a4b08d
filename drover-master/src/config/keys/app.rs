//! The keys of an app itself: what is run, how often, in which surroundings, and its place among others.

use std::ffi::OsString;

use super::cron::{CronSchedule, ZoneName};
use super::field::{Computed, Lens};
use super::form::Form;
use super::key::{Key, Pointless, keys};
use super::kind::Maybe;
use super::number::Time;
use super::parts::{HEARTBEAT, LIMITS, LOGS, RELOAD, SUSPEND};
use super::shown;
use super::table::OrFalse;
use super::text::{AccountName, CommandLine, DirectoryPath, Flag, Mask, StandardInput, Variables};
use super::watch::WATCH;
use super::whole::Whole;
use super::words::{ACCESSES, APP_KINDS, OVERLAPS, PROTOCOLS};
use super::workers::Workers;
use crate::config::{AppSpec, Command, Kind, Limits, Protocol, Stdin};

pub(super) static KEYS: &[Key<AppSpec>] = keys! { AppSpec;
    "command" Reload (&COMMAND)
        "The program and its arguments. No shell is involved; a text is split into words as a shell would, without expansion. In arguments, `{slot}` becomes the worker's slot, `{9000+slot}` the sum, and `{{slot}}` becomes `{slot}`.";
    "workers" Live (&Workers)
        "How many workers to run. `auto`: one for each CPU that the CPU quota allows, also when that changes. Default of a oneshot: 1.";
    "sockets" Reload (&SOCKETS)
        "Names of the sockets that the workers receive, in this order."
        .told_as(|app| {
            let shown = app.listeners.iter().map(|listener| format!("{}={}", listener.name, listener.addr));
            let shown = shown.collect::<Vec<_>>().join(", ");
            Some(shown).filter(|text| !text.is_empty())
        });
    "stdin" Reload (stdin: StandardInput)
        "The workers' standard input: `null`; `open`, a pipe that never ends; or `socket:NAME`, one of the app's sockets."
        .where_(|app| app.stdin != Stdin::Null);
    "protocol" Reload (protocol: PROTOCOLS)
        "How workers talk to the master. `none`: any program. `notify`: sd_notify(3), or a newline on `notify_fd`. `drover`: drover.v1.";
    "notify_fd" Reload (notify_fd: Maybe(Whole(3, 255)))
        "The descriptor on which a worker writes a newline when it is ready, as s6 has it; above those of its sockets. Only with `protocol = \"notify\"`. Default: by sd_notify(3)."
        .needing(|app| {
            let fault = "has no meaning without the protocol that it belongs to";
            (app.protocol != Protocol::Notify).then_some((fault, SET_NOTIFY))
        });
    "notify_access" Reload (notify_access: ACCESSES)
        "Which processes of a worker may speak for it by sd_notify(3). `main`: its main process; READY=1 and STATUS= also a `systemd-notify`. `all`: every process of its tree. Only with `protocol = \"notify\"`, and not with `notify_fd`."
        .needing(|app| {
            let fault = "has no meaning without the socket of sd_notify(3)";
            match (app.protocol, app.notify_fd) {
                (Protocol::Notify, None) => None,
                (Protocol::Notify, Some(_)) => {
                    Some((fault, "leave it out; with `notify_fd` whoever holds that may speak"))
                }
                _ => Some((fault, SET_NOTIFY)),
            }
        });
    "kind" Restart (kind: APP_KINDS)
        "What the app is for. `service`: it serves until it is told to stop. `oneshot`: it does one thing and exits, and is ready once it has exited. `cron`: it runs whenever its `schedule` says."
        .because("its workers are ready, and its end is judged, by other rules");
    "schedule" Live (cron.schedule: Maybe(CronSchedule))
        "When a run is due: five fields as in crontab (minute, hour, day of the month, month, day of the week), a nickname such as `@hourly`, or `@every 90s`. Only with `kind = \"cron\"`, which needs it."
        .needing(of_cron);
    "timezone" Live (cron.timezone: ZoneName)
        "Whose time `schedule` is read in: `local`, `UTC`, or a name such as `Europe/Berlin`. Default: `local`. Only with `kind = \"cron\"`."
        .needing(of_cron);
    "overlap" Live (cron.overlap: OVERLAPS)
        "What becomes of a run that is due while the one before it is under way. `skip`: it is skipped. `queue`: it begins when that has ended; one waits at the most. `replace`: that is stopped first. Only with `kind = \"cron\"`."
        .needing(of_cron);
    "catch_up" Live (cron.catch_up: Flag)
        "Whether one run makes up for those that fell due while the master was stopped or the machine asleep. Only with `kind = \"cron\"`."
        .needing(of_cron);
    "essential" Live (essential: Flag)
        "Whether all apps stop when this one ends by itself."
        .where_(|app| app.essential);
    "depends_on" Live (&DEPENDS_ON)
        "Apps that must be there before this one starts, and that stop only after it. `ready`: every worker is ready. `completed`: exited with success.";
    "heartbeat" Live (heartbeat: OrFalse(HEARTBEAT, "heartbeat = { interval = \"5s\", misses = 3 }"))
        "How often the master asks a worker of the protocol for a sign of life; `false`: never."
        .needing(|app| {
            let fault = "has no meaning for a worker that does not speak `drover`";
            let help = "leave it out, or set `protocol = \"drover\"`";
            (app.protocol != Protocol::Drover).then_some((fault, help))
        })
        .told_as(|app| {
            let shown = app.heartbeat.as_ref().and_then(shown::heartbeat);
            Some(shown.unwrap_or_else(|| "none".to_owned()))
        });
    // Told to a worker when it starts.
    "watchdog" Reload (watchdog: Maybe(Time::SOME))
        "How often a ready worker must say that it makes progress; one that does not is ended. Default: never. Too short ends a worker that is busy for a moment, too long finds a hung one late. Not with `protocol = \"none\"`."
        .needing(|app| match (app.protocol, app.notify_fd) {
            (Protocol::None, _) => Some((
                "has no meaning for a worker without a protocol",
                "leave it out, or set `protocol = \"notify\"`, if it says WATCHDOG=1",
            )),
            (_, Some(_)) => Some((
                "has no meaning with `notify_fd`, which only tells of readiness",
                "leave one of them out",
            )),
            (Protocol::Notify | Protocol::Drover, None) => None,
        });
    "reload" Live (reload: Maybe(RELOAD))
        "The signal that makes a worker read its configuration again: `drover reload` then sends it to one worker after the other. Default: a reload replaces the workers."
        .needing(|app| {
            let fault = "has no meaning for workers of the protocol, which are replaced";
            (app.protocol == Protocol::Drover).then_some((fault, "leave it out"))
        });
    "suspend" Live (suspend: Maybe(SUSPEND))
        "The signals that make a worker without a protocol pause and go on."
        .needing(|app| {
            let fault = "has no meaning for a worker of the protocol, which is told";
            (app.protocol == Protocol::Drover).then_some((fault, SET_NONE))
        })
        .told_as(|app| {
            let signals = app.suspend?;
            Some(format!("by {}, resumed by {}", signals.signal, signals.resume_signal))
        });
    "watch" Live (watch: OrFalse(WATCH, "watch = { paths = [\"src\"] }"))
        "The files of which a change restarts or reloads the app while you work on it; `true` watches its directory.";
    "env_clear" Reload (command.env_clear: Flag)
        "Whether workers start from an empty environment instead of the master's."
        .where_(|app| app.command.env_clear);
    "cwd" Reload (command.cwd: Maybe(DirectoryPath))
        "The workers' working directory. Default: the directory of this file.";
    "umask" Reload (command.umask: Maybe(Mask))
        "The workers' file mode creation mask, in octal digits, at most 0777. Default: the master's.";
    "user" Reload (command.user: Maybe(AccountName))
        "The user to run workers as, a name or an id. Default: the master's.";
    "group" Reload (command.group: Maybe(AccountName))
        "The group to run workers as, a name or an id. Default: the user's.";
    "env" Reload (command.env: Variables)
        "Variables to add to the workers' environment. In values, `{slot}` and `{9000+slot}` become numbers, as in `command`."
        .secret();
    // What they hold is in `env` once they have been read.
    "env_file" Reload (&ENV_FILE)
        "Files with KEY=VALUE lines, as systemd's EnvironmentFile, relative to this file's directory; a later one overrides an earlier one, and `env` overrides all."
        .secret();
    "logs" Reload (logs: Maybe(LOGS))
        "Files for what the workers print, or the system's journal, besides the master's own output. A disk or journal that is too slow costs lines, which are counted there, and never holds up a worker for long. Default: none.";
    "limits" Reload (command.limits: LIMITS)
        "Resource limits of the workers. A limit that is not named is inherited from the master."
        .where_(|app| app.command.limits != Limits::default());
};

const COMMAND: Lens<AppSpec, Vec<OsString>, CommandLine> = Lens {
    of: |app: &AppSpec| {
        let Command { program, args, .. } = &app.command;
        std::iter::once(program).chain(args).cloned().collect()
    },
    set: |app, words: Vec<OsString>| {
        let mut words = words.into_iter();
        app.command.program = words.next().unwrap_or_default();
        app.command.args = words.collect();
    },
    kind: CommandLine,
};

const SOCKETS: Computed<AppSpec> = Computed {
    is_same: |old: &AppSpec, new| names_of_sockets(old) == names_of_sockets(new),
    take: |into, from| into.listeners.clone_from(&from.listeners),
    shown: names_of_sockets,
    form: || Form::Names,
};

const DEPENDS_ON: Computed<AppSpec> = Computed {
    is_same: |old: &AppSpec, new| old.depends_on == new.depends_on,
    take: |into, from| into.depends_on.clone_from(&from.depends_on),
    shown: |app| shown::dependencies(&app.depends_on),
    form: || Form::Conditions,
};

const ENV_FILE: Computed<AppSpec> =
    Computed { is_same: |_: &AppSpec, _| true, take: |_, _| {}, shown: |_| None, form: || Form::Paths };

const fn of_cron(app: &AppSpec) -> Option<Pointless> {
    match app.kind {
        Kind::Cron => None,
        _ => Some((
            "has no meaning for an app that does not run by a schedule",
            "leave it out, or set `kind = \"cron\"`",
        )),
    }
}

const SET_NOTIFY: &str = "leave it out, or set `protocol = \"notify\"`";
pub(super) const SET_NONE: &str = "leave it out, or set `protocol = \"none\"`";

fn names_of_sockets(app: &AppSpec) -> Option<String> {
    let names = app.listeners.iter().map(|listener| listener.name.as_str()).collect::<Vec<_>>().join(", ");
    Some(names).filter(|text| !text.is_empty())
}
