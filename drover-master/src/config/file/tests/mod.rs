//! Whole files, right and wrong.

mod arbitrary;
mod foreign;
mod generated;
mod layered;
mod loaded;
mod mistaken;
mod mistaken_app;
mod related;
mod rendered;
mod scheduled;
mod schema;
mod valid;
mod valid_app;

use std::num::NonZeroU32;
use std::time::Duration;

use toml_edit::Document;

use super::{AppTable, parse, root};
use crate::config::text::mistake::Mistakes;
use crate::config::{AppSpec, Command, Kind, Protocol, RestartPolicy};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn nonzero(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

fn strings(strings: &[&str]) -> Vec<String> {
    strings.iter().map(|string| (*string).to_owned()).collect()
}

/// The one app of a file made by [`web`].
fn whole(lines: &str) -> AppTable {
    let text = web(lines);
    let mut config = parse(&text).unwrap_or_else(|error| panic!("{}", error.render("test", &text, false)));
    config.apps.remove(0)
}

/// As a master runs it.
fn app(lines: &str) -> AppSpec {
    whole(lines).spec
}

fn of(spec: AppSpec) -> AppTable {
    AppTable { spec, sockets: vec![], env_files: vec![], of_machine: vec!["start.parallel", "workers"] }
}

fn plain_app() -> AppTable {
    of(plain_spec())
}

fn plain_spec() -> AppSpec {
    AppSpec {
        follows_cpus: true,
        protocol: Protocol::None,
        heartbeat: None,
        restart: RestartPolicy::of(Kind::Service),
        ..AppSpec::new("web", Command::new("web"))
    }
}

/// What is said of a text, one mistake a line.
fn said(text: &str) -> String {
    parse(text).expect_err(text).to_string()
}

/// What is said of the fourth line of a file made by [`web`], without the place's line.
fn said_of_web(lines: &str) -> String {
    said(&web(lines)).replace("line 4, column ", "")
}

/// Every key that was asked for while a text was read, as a path with `*` for names of the user's choice.
pub(super) fn asked(text: &str) -> Vec<String> {
    let document = Document::parse(text).unwrap();
    let mut mistakes = Mistakes::new(text);
    root::read(document.as_table(), None, &mut mistakes);
    mistakes.asked
}

/// A file with every key that is read.
pub(super) const EVERY_KEY: &str = r#"
version = 1

[master]
name = "shop"
shutdown_timeout = "1m30s"
strategy = "rest-for-one"
intensity = 3
period = "1m"
http = { listen = "127.0.0.1:9900", hosts = ["ops.example.org"], control_token_file = "token" }

[defaults]
heartbeat = false

[sockets.http]
listen = "0.0.0.0:8080"
backlog = 4096
mode = "reuseport"

[sockets.admin]
listen = "unix:/run/shop/admin.sock"

[sockets.dns]
listen = "udp:0.0.0.0:53"

[app.web]
command = ["node", "server.js", "--port=a b"]
workers = 4
sockets = ["admin", "http"]
stdin = "socket:http"
protocol = "drover"
heartbeat = { interval = "2s", misses = 5 }
watchdog = "20s"
recycle = { age = "24h", rss = "512MiB", requests = 100_000, jitter = 0.25 }
logs = { dir = "/var/log/shop", journald = true, per = "worker", format = "json", timestamps = true, max_size = "1MiB", max_age = "1d", keep = 9, compress = true }
env = { NODE_ENV = "production", EMPTY = "" }
env_clear = true
cwd = "/srv/shop"
umask = "0027"
env_file = ["a.env", "/etc/b.env"]
user = "www-data"
group = 33

[app.web.health]
liveness = { http = "http://127.0.0.1:{9000+slot}/live", host = "a", status = [200], failures = 5, initial_delay = "1m" }
readiness = { exec = ["./ready"], interval = "5s", timeout = "3s", failures = 1, successes = 2 }

[app.web.limits]
nofile = 65536
as = "2GiB"
core = 0
cpu = "1h"
stack = { soft = "8MiB", hard = "unlimited" }
memlock = { soft = "1kB" }
nproc = "unlimited"
nice = -5
oom_score_adj = 500
required = false

[app.web.start]
timeout = "40s"
max_timeout = "10m"
min_uptime = "0s"
parallel = 2

[app.web.stop]
pre_delay = "500ms"
drain_timeout = "1h30m"
term_timeout = "0s"
signal = "SIGQUIT"
to = "group"

[app.web.restart]
policy = "always"
backoff = { initial = "1s", max = "1m", factor = 1.5, jitter = 1 }
limit = { count = 3, within = "90s", then = "stop-all" }
start_limit = { count = 5, within = "1m", then = "stop-app" }
reset_after = "2m"
success_codes = [0, 143]
fatal_codes = [78, 255]

[app.web.update]
max_surge = "25%"
max_unavailable = 1
soak = "10s"
order = "stop-first"
on_failure = "pause"
timeout = "1h"
max_generations = 2

[app."b.2"]
command = "redis-server --save '' \"a b\""
workers = "auto"
protocol = "none"
kind = "oneshot"
essential = true
depends_on = { web = "ready" }
stop.signal = "INT"
suspend = { signal = "USR1", resume_signal = "SIGUSR2" }
watch = { paths = ["src", "web.toml"], ignore = ["*.md"], debounce = "1s", action = "restart" }
restart = "never"

[app.report]
command = "./report"
kind = "cron"
schedule = "30 3 * * MON-FRI"
timezone = "UTC"
overlap = "replace"
catch_up = false
"#;

/// A file with one app, `web`, that has these lines and a command.
pub(super) fn web(lines: &str) -> String {
    format!("version = 1\n[app.web]\ncommand = [\"web\"]\n{lines}\n")
}
