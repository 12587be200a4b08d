//! What is counted: a master that dies makes nothing of it begin anew.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use super::home::{Home, number, workers_of};
use drover_e2e::harness::signal;
use nix::sys::signal::SIGKILL;

const TOML: &str = r#"
[master]
http = { listen = "unix:DIR/http.sock" }

[app.a]
command = ["sh", "-c", "echo one; echo two >&2; exec sleep 1000"]
workers = 2
start.min_uptime = "50ms"
restart = { backoff = { initial = "10ms" } }
"#;

/// By their names with all labels.
pub(super) type Series = BTreeMap<String, f64>;

/// All that only grows.
pub(super) fn counters(home: &Home) -> Series {
    let text = home.until("the metrics", || {
        let mut stream = UnixStream::connect(home.path("http.sock")).ok()?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        text.starts_with("HTTP/1.1 200").then_some(text)
    });
    let lines = text.lines().filter(|line| line.starts_with("drover_"));
    let series = lines.map(|line| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), value.parse::<f64>().unwrap())
    });
    let grows = |name: &str| {
        let family = name.split_once('{').map_or(name, |(family, _)| family);
        ["_total", "_count", "_sum", "_bucket"].iter().any(|end| family.ends_with(end))
    };
    series.filter(|(name, _)| grows(name)).collect()
}

/// Asks until what has to be counted is.
pub(super) fn counted(home: &Home, what: &[(&str, f64)]) -> Series {
    home.until(&format!("{what:?}"), || {
        let series = counters(home);
        what.iter().all(|(name, value)| series.get(*name) == Some(value)).then_some(series)
    })
}

/// What was counted before is there, and nothing that did not happen.
fn have_gone_on(before: &Series, after: &Series) {
    for (name, value) in before {
        let now = after.get(name).unwrap_or_else(|| panic!("{name} is gone"));
        // What workers that have just left have printed may come later.
        let may_grow =
            ["drover_worker_cpu", "drover_events", "drover_log"].iter().any(|of| name.starts_with(of));
        assert!(now == value || now > value && may_grow, "{name} was {value} and is {now}");
    }
}

const KILLED: &str = r#"drover_worker_restarts_total{app="a",slot="0",reason="external_signal"}"#;
const STARTS: &str = r#"drover_worker_start_seconds_count{app="a"}"#;
const RELOADS: &str = r#"drover_reload_duration_seconds_count{app="a"}"#;
const LINES: &str = r#"drover_log_lines_total{app="a"}"#;
const BYTES: &str = r#"drover_log_printed_bytes_total{app="a"}"#;

#[test]
fn whatever_is_counted_goes_on_with_the_next_master() {
    let home = Home::up("counts", TOML);
    let status = home.until_ready("a", 2);
    counted(&home, &[(LINES, 4.0)]);
    signal(number(&workers_of(&status, "a")[0]["pid"]), SIGKILL);
    let printed = [(LINES, 6.0), (BYTES, 24.0)];
    let mut before = counted(&home, &[(KILLED, 1.0), (STARTS, 3.0), printed[0], printed[1]]);
    home.crash();
    have_gone_on(&before, &counters(&home));
    counted(&home, &printed);
    home.run(&["reload", "a"]);
    before = counted(&home, &[(RELOADS, 1.0), (STARTS, 5.0), (LINES, 10.0), (BYTES, 40.0)]);
    home.run(&["upgrade"]);
    have_gone_on(&before, &counters(&home));
    counted(&home, &[(LINES, 10.0), (BYTES, 40.0)]);
    // More events than are left to the next master: what is older has been written down.
    for _ in 0..6 {
        home.run(&["scale", "a=20"]);
        home.run(&["scale", "a=2"]);
    }
    before = counted(&home, &[(RELOADS, 1.0), (STARTS, 113.0)]);
    assert!(before["drover_events_total"] > 512.0);
    for _ in 0..3 {
        home.crash();
        let after = counters(&home);
        have_gone_on(&before, &after);
        before = after;
    }
    let status = home.until_ready("a", 2);
    signal(number(&workers_of(&status, "a")[0]["pid"]), SIGKILL);
    counted(&home, &[(KILLED, 2.0), (STARTS, 114.0), (LINES, before[LINES] + 2.0)]);
    home.end();
}
