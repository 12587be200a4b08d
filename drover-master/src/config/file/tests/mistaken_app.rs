//! Every wrong line of an app.

use super::{said, said_of_web, web};

#[test]
fn every_wrong_line_of_an_app_is_told() {
    const OCTAL: &str = "write octal digits in quotes, for example `\"0027\"`";
    const UNITS: &str = "units are ms, s, m, h and d";
    for (line, expected) in [
        ("worker = 4", "1: unknown key `worker` in app.web; did you mean `workers`?"),
        ("whatever = 4", "1: unknown key `whatever` in app.web"),
        (
            "replicas = 4",
            "1: unknown key `replicas` in app.web; here it is `workers`, for example `workers = 4`",
        ),
        (
            "kill_timeout = 5000",
            "1: unknown key `kill_timeout` in app.web; here it is `stop.drain_timeout`, for example `stop.drain_timeout = \"20s\"`",
        ),
        ("cron_restart = '@daily'", "1: unknown key `cron_restart` in app.web; it is not supported yet"),
        (
            "restart = 'unless-stopped'",
            "11: unknown word `unless-stopped` for app.web.restart; here it is `always`",
        ),
        ("restart.policy = 'no'", "18: unknown word `no` for app.web.restart.policy; here it is `never`"),
        ("\"\\u001b[2J\" = 4", "1: unknown key `\\u{1b}[2J` in app.web"),
        ("start.tiemout = '1s'", "7: unknown key `tiemout` in app.web.start; did you mean `timeout`?"),
        ("env.A = 8080", "9: app.web.env.A is an integer, not a string; quote it: `A = \"8080\"`"),
        ("env.A = true", "9: app.web.env.A is a boolean, not a string; quote it: `A = \"true\"`"),
        ("env.A = 1_0.50", "9: app.web.env.A is a float, not a string; quote it: `A = \"1_0.50\"`"),
        ("env.A = []", "9: app.web.env.A is an array, not a string"),
        ("env.A.B = ''", "5: app.web.env.A is a table, not a string"),
        ("env.A = \"\\u0000\"", "9: app.web.env.A contains a NUL character"),
        (
            "env.'A=B' = ''",
            "5: app.web.env.\"A=B\" cannot be the name of a variable; a name is not empty and has no `=`",
        ),
        ("env = ['A=B']", "7: app.web.env is an array, not a table; write `env = { NAME = \"value\" }`"),
        ("env_clear = 1", "13: app.web.env_clear is an integer, not a boolean"),
        ("user = ''", "8: app.web.user is empty"),
        (
            "user = true",
            "8: app.web.user is a boolean, not a name or an id; write for example `\"www-data\"`",
        ),
        ("group = -1", "9: app.web.group is -1, but must be 0 to 4294967294"),
        ("env_file = ''", "12: app.web.env_file is empty"),
        (
            "env_file = 1",
            "12: app.web.env_file is an integer, not a path or an array of paths; write for example `\"web.env\"`",
        ),
        ("env_file = ['a', 1]", "18: app.web.env_file holds 1, which is not a path"),
        ("limits.nofiles = 3", "8: unknown key `nofiles` in app.web.limits; did you mean `nofile`?"),
        (
            "limits.nofile = '64k'",
            "17: app.web.limits.nofile is a string, not an integer; write for example `4096`, or `\"unlimited\"`",
        ),
        (
            "limits.nofile = -1",
            "17: app.web.limits.nofile is -1, below zero; write for example `4096`, or `\"unlimited\"`",
        ),
        (
            "limits.stack = 8",
            "16: app.web.limits.stack is a number without a unit; write for example `\"8MiB\"`; units are B, KiB, MiB, \
             GiB and TiB",
        ),
        (
            "limits.stack = '8M'",
            "16: app.web.limits.stack has the unknown unit `M`; use a whole number and one of the units B, KiB, MiB, GiB \
             and TiB; kB, MB, GB and TB count by 1000",
        ),
        (
            "limits.stack = []",
            "16: app.web.limits.stack is an array, not a size; write for example `\"64MiB\"`, or `\"unlimited\"`",
        ),
        (
            "limits.cpu = '1500ms'",
            "14: app.web.limits.cpu has a part of a second, which can't be limited; use whole seconds",
        ),
        (
            "limits.nofile = { soft = 9, hard = 8 }",
            "26: app.web.limits.nofile.soft is above app.web.limits.nofile.hard",
        ),
        (
            "limits.nofile = { hard = 8 }",
            "8: missing key `soft` in app.web.limits.nofile; say what holds, for example `{ soft = …, hard = … }`",
        ),
        ("limits.nice = 20", "15: app.web.limits.nice is 20, but must be -20 to 19"),
        (
            "limits.oom_score_adj = -1001",
            "24: app.web.limits.oom_score_adj is -1001, but must be -1000 to 1000",
        ),
        ("cwd = ''", "7: app.web.cwd is empty"),
        ("cwd = 1979-05-27", "7: app.web.cwd is a date, not a string"),
        ("workers = 0", "11: app.web.workers is 0, but must be 1 to 100000"),
        ("workers = -1", "11: app.web.workers is -1, but must be 1 to 100000"),
        ("workers = 100001", "11: app.web.workers is 100001, but must be 1 to 100000"),
        (
            "workers = '4'",
            "11: app.web.workers is neither a number nor `\"auto\"`; write it without the quotes",
        ),
        (
            "workers = 'all'",
            "11: app.web.workers is neither a number nor `\"auto\"`; write for example `4`, or `\"auto\"` for one on each CPU",
        ),
        (
            "workers = 1.5",
            "11: app.web.workers is a float, not an integer; write for example `4`, or `\"auto\"` for one on each CPU",
        ),
        (
            "sockets = 'http'",
            "11: app.web.sockets is a string, not an array of socket names; write `[\"http\"]`",
        ),
        ("sockets = [1]", "12: app.web.sockets holds 1, which is not a socket's name"),
        ("sockets = ['a']", "12: unknown socket `a` in app.web.sockets; add `[sockets.a]` with its `listen`"),
        ("protocol = 'drovr'", "12: unknown word `drovr` for app.web.protocol; did you mean `drover`?"),
        (
            "protocol = 'http'",
            "12: unknown word `http` for app.web.protocol; write `none`, `notify` or `drover`",
        ),
        (
            "watchdog = '1s'",
            "1: app.web.watchdog has no meaning for a worker without a protocol; leave it out, or set `protocol = \"notify\"`, if it says WATCHDOG=1",
        ),
        (
            "notify_fd = 3",
            "1: app.web.notify_fd has no meaning without the protocol that it belongs to; leave it out, or set `protocol = \"notify\"`",
        ),
        (
            "notify_access = 'all'",
            "1: app.web.notify_access has no meaning without the socket of sd_notify(3); leave it out, or set `protocol = \"notify\"`",
        ),
        (
            "reload = {}",
            "1: missing key `signal` in app.web.reload; name it, for example `reload = { signal = \"HUP\" }`",
        ),
        (
            "reload.signal = 'KILL'",
            "17: app.web.reload.signal is KILL, which no program can catch; name one that a program can act on; SIGKILL follows by itself after `term_timeout`",
        ),
        (
            "reload = { signal = 'HUP', wait = true }",
            "35: app.web.reload.wait is true, but such a worker can't say that it has reloaded; leave it out, or set `protocol = \"notify\"` without `notify_fd`",
        ),
        ("umask = 23", &format!("9: app.web.umask is an integer, not a string; {OCTAL}")),
        ("umask = '0028'", &format!("9: app.web.umask is not a file mode from 0 to 0777: `0028`; {OCTAL}")),
        ("umask = '1000'", &format!("9: app.web.umask is not a file mode from 0 to 0777: `1000`; {OCTAL}")),
        ("umask = '+27'", &format!("9: app.web.umask is not a file mode from 0 to 0777: `+27`; {OCTAL}")),
        ("umask = ''", &format!("9: app.web.umask is not a file mode from 0 to 0777: ``; {OCTAL}")),
        (
            "start.timeout = 45",
            &format!(
                "17: app.web.start.timeout is a number without a unit; write for example `\"45s\"`; {UNITS}"
            ),
        ),
        (
            "start.timeout = '45'",
            &format!(
                "17: app.web.start.timeout has no unit after `45`; write for example `\"45s\"`; {UNITS}"
            ),
        ),
        (
            "start.timeout = 1.5",
            "17: app.web.start.timeout is a float, not a duration; write for example `\"30s\"` or `\"1h30m\"`",
        ),
        ("start.timeout = '5min'", &format!("17: app.web.start.timeout has the unknown unit `min`; {UNITS}")),
        ("start.timeout = '0s'", "17: app.web.start.timeout must be more than zero"),
        (
            "start.timeout = '301s'",
            "17: app.web.start.timeout (5m1s) is longer than app.web.start.max_timeout (5m, the default); \
             raise `max_timeout` or lower `timeout`",
        ),
        (
            "start.max_timeout = '20s'",
            "21: app.web.start.timeout (30s, the default) is longer than app.web.start.max_timeout (20s); \
             raise `max_timeout` or lower `timeout`",
        ),
        ("start.parallel = 0", "18: app.web.start.parallel is 0, but must be 1 to 100000"),
        (
            "start.parallel = '2'",
            "18: app.web.start.parallel is a string, not an integer; write it without the quotes",
        ),
        ("stop.signal = 'TREM'", "15: unknown signal `TREM` for app.web.stop.signal; did you mean `TERM`?"),
        ("stop.signal = 'term'", "15: unknown signal `term` for app.web.stop.signal; did you mean `TERM`?"),
        (
            "stop.signal = '15'",
            "15: unknown signal `15` for app.web.stop.signal; write for example `TERM`, `INT` or `QUIT`",
        ),
        (
            "stop.signal = 'SIGKILL'",
            "15: app.web.stop.signal is SIGKILL, which no program can catch; name one that a program can act on; \
             SIGKILL follows by itself after `term_timeout`",
        ),
        (
            "restart = 'onfailure'",
            "11: unknown word `onfailure` for app.web.restart; did you mean `on-failure`?",
        ),
        (
            "restart = true",
            "11: app.web.restart is a boolean, not a policy or a table; write for example `restart = \"on-failure\"`",
        ),
        (
            "restart.policy = 'x'",
            "18: unknown word `x` for app.web.restart.policy; write `always`, `on-failure` or `never`",
        ),
        (
            "restart.backoff.factor = 0.9",
            "26: app.web.restart.backoff.factor is 0.9, but must be a finite number of at least 1",
        ),
        (
            "restart.backoff.factor = inf",
            "26: app.web.restart.backoff.factor is inf, but must be a finite number of at least 1",
        ),
        ("restart.backoff.factor = '2'", "26: app.web.restart.backoff.factor is a string, not a number"),
        ("restart.backoff.jitter = 1.1", "26: app.web.restart.backoff.jitter is 1.1, but must be 0 to 1"),
        (
            "restart.backoff.jitter = nan",
            "26: app.web.restart.backoff.jitter is NaN, but must be a finite number of at least 0",
        ),
        (
            "restart.backoff = { initial = '2s', max = '1s' }",
            "31: app.web.restart.backoff.initial (2s) is longer than app.web.restart.backoff.max (1s); \
             raise `max` or lower `initial`",
        ),
        ("restart.limit.count = 0", "23: app.web.restart.limit.count is 0, but must be 1 to 100000"),
        ("restart.limit.within = '0s'", "24: app.web.restart.limit.within must be more than zero"),
        (
            "stop.pre_delay = 5",
            "18: app.web.stop.pre_delay is a number without a unit; write for example `\"5s\"`; units are ms, s, m, h and d",
        ),
        (
            "depends_on = { db = 'ready' }",
            "16: unknown app `db` in app.web.depends_on; add `[app.db]` with its `command`",
        ),
        (
            "depends_on = ['db']",
            "14: app.web.depends_on is an array, not a table; write `depends_on = { db = \"ready\" }`, or `\"completed\"`",
        ),
        (
            "depends_on = 'db'",
            "14: app.web.depends_on is a string, not a table; write `depends_on = { db = \"ready\" }`, or `\"completed\"`",
        ),
        ("depends_on = { web = 'ready' }", "16: app `web` waits for itself; remove it"),
        ("kind = 'one-shot'", "8: unknown word `one-shot` for app.web.kind; did you mean `oneshot`?"),
        ("essential = 'yes'", "13: app.web.essential is a string, not a boolean"),
        ("restart.start_limit = 3", "23: app.web.restart.start_limit is an integer, not a table"),
        (
            "restart.start_limit.cont = 3",
            "21: unknown key `cont` in app.web.restart.start_limit; did you mean `count`?",
        ),
        (
            "restart.limit.then = 'stop'",
            "22: unknown word `stop` for app.web.restart.limit.then; did you mean `stop-app`?",
        ),
        (
            "restart.fatal_codes = [256]",
            "24: app.web.restart.fatal_codes holds 256, which is not an exit code from 0 to 255",
        ),
        (
            "restart.success_codes = 0",
            "25: app.web.restart.success_codes is an integer, not an array of exit codes",
        ),
        (
            "restart.fatal_codes = [0]",
            "24: exit code 0 is fatal and a success in app.web.restart; \
             0 is a success unless `success_codes` says otherwise",
        ),
        (
            "restart = { success_codes = [0, 7], fatal_codes = [7] }",
            "52: exit code 7 is fatal and a success in app.web.restart; keep it in one of the two lists",
        ),
    ] {
        assert_eq!(said_of_web(line), expected, "{line}");
    }
}

#[test]
fn every_wrong_command_is_told() {
    const EXAMPLE: &str = "say what to run, for example `[\"node\", \"server.js\"]`";
    for (command, expected) in [
        ("[]", &*format!("app.web.command is empty; {EXAMPLE}")),
        ("''", &format!("app.web.command is empty; {EXAMPLE}")),
        ("' # nothing'", &format!("app.web.command is empty; {EXAMPLE}")),
        ("['']", &format!("app.web.command has an empty program name; {EXAMPLE}")),
        ("3", "app.web.command is an integer, not an array of strings or a string"),
        ("\"a\\u0000b\"", "app.web.command contains a NUL character"),
        (
            "\"echo 'a\"",
            "app.web.command has a quote that is not closed, or ends in a backslash; \
             write it as an array, which needs no quoting: `[\"program\", \"argument\"]`",
        ),
    ] {
        let text = format!("version = 1\n[app.web]\ncommand = {command}\n");
        assert_eq!(said(&text), format!("line 3, column 11: {expected}"), "{command}");
    }
    for (command, expected) in [
        ("[1]", "12: app.web.command holds 1, which is not a string"),
        ("['a', \"b\\u0000\"]", "17: app.web.command contains a NUL character"),
    ] {
        let text = format!("version = 1\n[app.web]\ncommand = {command}\n");
        assert_eq!(said(&text), format!("line 3, column {expected}"), "{command}");
    }
}

#[test]
fn what_can_not_suspend_anything_is_told() {
    for (lines, expected) in [
        (
            "suspend = { signal = 'USR1' }",
            "missing key `resume_signal` in app.web.suspend; name both, for example `suspend = { signal = \"USR1\", resume_signal = \"USR2\" }`",
        ),
        (
            "suspend = { signal = 'KILL', resume_signal = 'CONT' }",
            "app.web.suspend.signal is KILL, which no program can catch; name one that a program can act on; SIGKILL follows by itself after `term_timeout`",
        ),
        (
            "protocol = 'drover'\nsuspend = { signal = 'STOP', resume_signal = 'CONT' }",
            "app.web.suspend has no meaning for a worker of the protocol, which is told; leave it out, or set `protocol = \"none\"`",
        ),
    ] {
        assert_eq!(said(&web(lines)).split_once(": ").unwrap().1, expected, "{lines}");
    }
}

#[test]
fn what_an_update_can_not_be_is_told() {
    const SHARE: &str =
        "write a number of workers, for example `2`, or a part of them, for example `\"25%\"`";
    for (line, expected) in [
        ("update.max_surge = '101%'", format!("app.web.update.max_surge is not a percentage from 0% to 100%: `101%`; {SHARE}")),
        (
            "update.max_surge = '2'",
            "app.web.update.max_surge is a string, not an integer or a percentage; write it without the quotes".into(),
        ),
        ("update.max_unavailable = -1", "app.web.update.max_unavailable is -1, but must be 0 to 100000".into()),
        (
            "update.max_unavailable = 0.5",
            format!("app.web.update.max_unavailable is a float, not an integer or a percentage; {SHARE}"),
        ),
        ("update.timeout = '0s'", "app.web.update.timeout must be more than zero".into()),
        (
            "update.soak = '11m'",
            "app.web.update.soak (11m) is longer than app.web.update.timeout (10m, the default); raise `timeout` or lower `soak`".into(),
        ),
        ("update.max_generations = 1", "app.web.update.max_generations is 1, but must be 2 to 100".into()),
        ("update.max_surg = 1", "unknown key `max_surg` in app.web.update; did you mean `max_surge`?".into()),
    ] {
        let told = said(&web(line));
        assert_eq!(told.split_once(": ").unwrap().1, expected, "{line}");
    }
}

#[test]
fn what_can_not_be_watched_is_told() {
    for (lines, expected) in [
        (
            "watch.ignore = ['src/[a']",
            "app.web.watch.ignore holds `src/[a`, which is not a glob: invalid range pattern",
        ),
        ("watch.paths = ''", "app.web.watch.paths is empty"),
        ("watch.paths = ['']", "app.web.watch.paths holds an empty path; write `.` for the directory itself"),
        (
            "watch = 'src'",
            "app.web.watch is a string, not a table or `false`; write for example `watch = { paths = [\"src\"] }`",
        ),
        (
            "watch.action = 'reboot'",
            "unknown word `reboot` for app.web.watch.action; write `restart` or `reload`",
        ),
        (
            "watch.action = 'reload'\nkind = 'oneshot'",
            "app.web.watch.action is `reload`, but a oneshot can't be reloaded: it ends by itself; leave it out: a change starts it again",
        ),
    ] {
        let said = said_of_web(lines);
        assert!(said.ends_with(expected), "{lines}: {said}");
    }
}
