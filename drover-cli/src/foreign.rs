//! Verbs of other programs, answered with ours: people type what their fingers know.

/// A word of pm2, systemctl, supervisorctl or docker compose, and what does that here. None of them is a verb of ours.
const WORDS: &[(&[&str], &str)] = &[
    (&["tail", "maintail", "journalctl", "log", "fg"], "`drover logs -f` shows what workers print"),
    (&["attach"], "`drover logs -f` shows what workers print; their stdin is not connected to a terminal"),
    (&["monit", "dash", "dashboard", "stats"], "`drover top` shows what workers use"),
    (
        &[
            "daemon-reload",
            "update",
            "startorreload",
            "startorrestart",
            "startorgracefulreload",
            "create",
            "add",
        ],
        "`drover apply` makes the running apps match drover.toml",
    ),
    (&["reread"], "`drover diff` shows what has changed in drover.toml"),
    (
        &["gracefulreload", "reload-or-restart", "try-reload-or-restart", "force-reload", "redeploy"],
        "`drover reload` replaces workers by new ones without a gap",
    ),
    (&["try-restart", "condrestart"], "`drover restart NAME` restarts apps and workers"),
    (
        &["rm", "delete", "del", "remove"],
        "remove the app from drover.toml, then `drover apply`; `drover stop NAME` only stops it",
    ),
    (
        &["kill", "sendsignal"],
        "`drover signal KILL NAME` sends a signal to workers, and `drover down --now` kills everything",
    ),
    (
        &["shutdown", "quit", "exit", "halt", "poweroff"],
        "`drover down` ends everything gracefully, the master too",
    ),
    (
        &["enable", "disable", "startup", "unstartup", "mask", "unmask", "link"],
        "`drover up` is started at boot by a service manager: docs/guides/systemd.md has the unit",
    ),
    (
        &["save", "dump", "resurrect", "set", "get", "edit"],
        "what runs is written in drover.toml: edit it, then `drover apply`",
    ),
    (&["reset-failed", "clear"], "`drover reset NAME` forgets what failed before, and tries it again"),
    (
        &["flush"],
        "what workers print is kept within bounds by itself, and `drover logs -n 100` shows the newest",
    ),
    (
        &["exec"],
        "`drover describe NAME` tells the pid of each worker and how it is run; workers are processes of this machine, so a shell reaches them",
    ),
    (
        &["show", "info", "inspect", "desc", "state"],
        "`drover describe NAME` shows everything about apps and workers",
    ),
    (
        &["jlist", "prettylist", "pid", "id", "avail", "list-units", "processes", "show-processes"],
        "`drover status --json` shows apps, workers and their pids",
    ),
    (
        &["is-active", "is-failed", "ping", "health"],
        "`drover healthcheck` tells by its exit code whether everything is ready",
    ),
    (&["pause", "freeze"], "`drover suspend NAME` drains workers and keeps their processes"),
    (&["unpause", "thaw"], "`drover resume NAME` lets suspended workers work again"),
    (&["reloadlogs", "logrotate"], "`drover reopen-logs` opens log files again after a rotation"),
    (&["history"], "`drover events` shows what happened"),
    (&["cat", "convert", "conf"], "`drover config` shows what drover.toml means"),
    (&["check", "verify", "lint", "test"], "`drover validate` checks drover.toml"),
    (&["ecosystem", "generate", "new"], "`drover init` writes a drover.toml to begin with"),
    (&["trigger", "msg"], "`drover send NAME TOPIC` sends a message to workers"),
];

/// What to type instead of a word of another program.
pub(crate) fn answer(word: &str) -> Option<String> {
    let small = word.to_ascii_lowercase();
    let (_, instead) = WORDS.iter().find(|(words, _)| words.contains(&&*small))?;
    Some(format!("`{word}` is not a verb of Drover: {instead}"))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use clap::Parser as _;

    use super::*;
    use crate::args::Cli;

    #[test]
    fn each_foreign_word_is_answered_with_a_command_that_can_be_typed_and_is_none_itself() {
        let mut seen = HashSet::new();
        for (words, instead) in WORDS {
            let commands: Vec<&str> = instead.split('`').filter(|part| part.starts_with("drover ")).collect();
            assert!(!commands.is_empty(), "{instead}");
            for command in commands {
                Cli::try_parse_from(command.split(' ')).unwrap_or_else(|error| panic!("{command}: {error}"));
            }
            for word in *words {
                assert!(seen.insert(*word), "{word} is there twice");
                let verb = Cli::try_parse_from(["drover", word]).map(drop).unwrap_err();
                assert_eq!(verb.kind(), clap::error::ErrorKind::InvalidSubcommand, "{word} is a verb");
            }
        }
        assert!(seen.len() > 50);
        let told = answer("startOrReload").unwrap();
        assert!(told.starts_with("`startOrReload` is not a verb of Drover: `drover apply`"), "{told}");
        assert_eq!(answer("statsu"), None);
    }
}
