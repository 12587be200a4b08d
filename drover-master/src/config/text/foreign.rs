//! The words of other process managers: what a key of pm2, supervisord, circus, compose or systemd is called here.

/// What to write instead of a key that another tool has, in the table at `path`.
pub(crate) fn answer(path: &str, key: &str) -> Option<ForeignAnswer> {
    let key: String = key.chars().filter(|c| !matches!(c, '_' | '-')).collect::<String>().to_lowercase();
    table_at(path)?.iter().find(|(words, _)| words.contains(&key.as_str())).map(|(_, answer)| *answer)
}

/// What a foreign word is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ForeignAnswer {
    /// This key of ours, seen from the same table; the text says how it is written.
    Key(&'static str, &'static str),
    /// No key: a sentence.
    Advice(&'static str),
}

impl ForeignAnswer {
    /// The sentence for people.
    pub(crate) fn text(self) -> String {
        match self {
            Self::Key(key, example) => format!("here it is `{key}`, for example `{example}`"),
            Self::Advice(sentence) => sentence.to_owned(),
        }
    }

    /// The key of the same table that the foreign word stands for.
    pub(crate) fn key(self) -> Option<&'static str> {
        match self {
            Self::Key(key, _) => Some(key),
            Self::Advice(_) => None,
        }
    }
}

/// Words in lower case without `_` and `-`, so that each stands for all its spellings.
pub(crate) type Foreign = &'static [(&'static [&'static str], ForeignAnswer)];

fn table_at(path: &str) -> Option<Foreign> {
    let Some((top, rest)) = path.split_once('.') else {
        return path.is_empty().then_some(ROOT);
    };
    // A name of the user's choice may be quoted, and hold dots then.
    let name = match rest.strip_prefix('"') {
        Some(inside) => inside.find('"').map_or(rest.len(), |end| end + 2),
        None => rest.find('.').unwrap_or(rest.len()),
    };
    match (top, rest[name..].trim_start_matches('.')) {
        ("app", "") => Some(APP),
        ("app", "stop") => Some(STOP),
        ("app", "restart") => Some(RESTART),
        ("app", "start") => Some(START),
        ("sockets", "") => Some(SOCKET),
        _ => None,
    }
}

use ForeignAnswer::{Advice, Key};

pub(crate) const ROOT: Foreign = &[
    (
        &["apps", "service", "services", "program", "programs", "process", "processes", "watcher", "unit"],
        Key("app", "[app.web]"),
    ),
    (&["socket", "listen", "listeners"], Key("sockets", "[sockets.http]")),
    (&["name"], Advice("the master's name is `name` in `[master]`")),
];

pub(crate) const APP: Foreign = &[
    (
        &["cmd", "exec", "script", "execstart", "entrypoint", "run", "executable"],
        Key("command", "command = [\"node\", \"server.js\"]"),
    ),
    (
        &["args", "arguments", "interpreter"],
        Advice("all of it stands in `command`: `[\"node\", \"server.js\"]`"),
    ),
    (
        &["instances", "numprocs", "numprocesses", "replicas", "processes", "concurrency", "scale"],
        Key("workers", "workers = 4"),
    ),
    (
        &["execmode"],
        Advice("leave it out: workers share the app's `sockets`; without any, each one runs by itself"),
    ),
    (&["autorestart", "respawn", "restartpolicy"], Key("restart", "restart = \"always\"")),
    (
        &["maxrestarts", "startretries", "maxretry", "startlimitburst"],
        Key("restart.limit", "restart.limit = { count = 10, within = \"5m\" }"),
    ),
    (
        &["restartdelay", "restartsec", "expbackoffrestartdelay"],
        Key("restart.backoff", "restart.backoff = { initial = \"1s\" }"),
    ),
    (
        &["exitcodes", "successexitstatus", "stopexitcodes"],
        Key("restart.success_codes", "restart.success_codes = [0, 143]"),
    ),
    (&["restartpreventexitstatus"], Key("restart.fatal_codes", "restart.fatal_codes = [78]")),
    (&["minuptime", "startsecs"], Key("start.min_uptime", "start.min_uptime = \"1s\"")),
    (&["listentimeout", "timeoutstartsec", "starttimeout"], Key("start.timeout", "start.timeout = \"30s\"")),
    (
        &["waitready"],
        Advice("to have the app say when it is ready, set `protocol = \"notify\"` or `\"drover\"`"),
    ),
    (
        &[
            "killtimeout",
            "stopgraceperiod",
            "stopwaitsecs",
            "timeoutstopsec",
            "gracefultimeout",
            "stoptimeout",
        ],
        Key("stop.drain_timeout", "stop.drain_timeout = \"20s\""),
    ),
    (&["stopsignal", "killsignal"], Key("stop.signal", "stop.signal = \"TERM\"")),
    (&["directory", "workingdir", "workingdirectory", "chdir", "dir"], Key("cwd", "cwd = \"/srv/app\"")),
    (&["environment", "envs", "envvars"], Key("env", "env = { PORT = \"8080\" }")),
    (&["environmentfile", "envfiles"], Key("env_file", "env_file = \"web.env\"")),
    (&["uid", "runas"], Key("user", "user = \"www-data\"")),
    (&["gid"], Key("group", "group = \"www-data\"")),
    (&["maxmemoryrestart", "memorymax"], Key("recycle.rss", "recycle.rss = \"512MiB\"")),
    (&["maxrequests"], Key("recycle.requests", "recycle.requests = 10000")),
    (&["healthcheck", "livenessprobe"], Key("health", "health.liveness = { tcp = \"127.0.0.1:8080\" }")),
    (&["readinessprobe", "probe"], Key("start.probe", "start.probe = { tcp = \"127.0.0.1:8080\" }")),
    (
        &["after", "requires", "wants", "bindsto", "priority", "dependson"],
        Key("depends_on", "depends_on = { db = \"ready\" }"),
    ),
    (
        &["port", "ports", "listen", "bind", "address", "socket", "usesockets"],
        Key("sockets", "sockets = [\"http\"]` beside `[sockets.http]` with its `listen"),
    ),
    (&["type"], Advice("`kind` is `service` or `oneshot`; its `protocol` is how it says that it is ready")),
    (&["oneshot"], Key("kind", "kind = \"oneshot\"")),
    (&["watchdogsec"], Key("watchdog", "watchdog = \"20s\"")),
    (&["limitnofile", "nofile", "maxopenfiles"], Key("limits.nofile", "limits.nofile = 4096")),
    (&["nice"], Key("limits.nice", "limits.nice = 5")),
    (&["oomscoreadjust", "oomscoreadj"], Key("limits.oom_score_adj", "limits.oom_score_adj = 500")),
    (&["ulimits"], Key("limits", "limits.nofile = 4096")),
    (&["name"], Advice("an app's name stands in the head of its table: `[app.web]`")),
    (
        &["autostart"],
        Advice("leave it out: `drover up` starts every app, and `drover up --only NAME` some of them"),
    ),
    (
        &[
            "stdoutlogfile",
            "stderrlogfile",
            "outfile",
            "errorfile",
            "logfile",
            "log",
            "standardoutput",
            "standarderror",
            "redirectstderr",
            "mergelogs",
        ],
        Key("logs", "logs = { dir = \"logs\" }"),
    ),
    (&["ignorewatch"], Key("watch", "watch = { ignore = [\"*.md\"] }")),
    (&["cronrestart"], Advice("it is not supported yet")),
    (
        &["image", "build", "containername", "volumes", "networks"],
        Advice("Drover runs programs, not containers: name the program in `command`"),
    ),
];

pub(crate) const STOP: Foreign = &[
    (
        &["timeout", "graceperiod", "gracefultimeout", "drain"],
        Key("drain_timeout", "drain_timeout = \"20s\""),
    ),
    (&["killtimeout", "kill"], Key("term_timeout", "term_timeout = \"5s\"")),
];

pub(crate) const START: Foreign = &[
    (&["startsecs", "uptime"], Key("min_uptime", "min_uptime = \"1s\"")),
    (&["readiness", "health"], Key("probe", "probe = { tcp = \"127.0.0.1:8080\" }")),
];

pub(crate) const RESTART: Foreign = &[
    (&["delay", "wait"], Key("backoff", "backoff = { initial = \"1s\" }")),
    (
        &["max", "maxretries", "maxattempts", "retries", "attempts"],
        Key("limit", "limit = { count = 10, within = \"5m\" }"),
    ),
    (&["condition", "when"], Key("policy", "policy = \"on-failure\"")),
];

pub(crate) const SOCKET: Foreign = &[(
    &["address", "addr", "bind", "host", "port", "path", "listenstream"],
    Key("listen", "listen = \"127.0.0.1:8080\""),
)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_foreign_word_is_known() {
        for (path, key, ours) in [
            ("app.web", "cmd", "command"),
            ("app.web", "ExecStart", "command"),
            ("app.\"a.b\"", "stop_grace_period", "stop.drain_timeout"),
            ("app.\"a.b\".stop", "timeout", "drain_timeout"),
            ("app.web", "stop-signal", "stop.signal"),
            ("app.web", "max_memory_restart", "recycle.rss"),
            ("sockets.http", "bind", "listen"),
            ("", "services", "app"),
        ] {
            assert_eq!(answer(path, key).and_then(ForeignAnswer::key), Some(ours), "{path} {key}");
        }
        for (path, key) in [("app.web", "workerz"), ("app.web.env", "cmd"), ("master", "cmd"), ("app", "cmd")]
        {
            assert_eq!(answer(path, key), None, "{path} {key}");
        }
    }
}
