//! Whole files, right and wrong.

mod arbitrary;
mod foreign;
mod generated;
mod loaded;
mod mistaken;
mod related;
mod rendered;
mod schema;
mod valid;

use toml_edit::Document;

use super::root;
use crate::config::text::mistake::Mistakes;

/// What is said of a text, one mistake a line.
fn said(text: &str) -> String {
    super::parse(text).expect_err(text).to_string()
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
restart = "never"
"#;

/// A file with one app, `web`, that has these lines and a command.
pub(super) fn web(lines: &str) -> String {
    format!("version = 1\n[app.web]\ncommand = [\"web\"]\n{lines}\n")
}
