//! Debian's Prometheus: it scrapes a master, and reads the rules and the dashboard that are shipped.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use super::{PATIENCE, Site, end, get, program, shipped, until};

fn promtool(args: &[&str], dir: &Path) -> Option<Output> {
    let promtool = program("promtool")?;
    Some(Command::new(promtool).args(args).current_dir(dir).output().unwrap())
}

fn succeeds(args: &[&str], dir: &Path) {
    let Some(output) = promtool(args, dir) else { return };
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{args:?}: {out}{err}");
}

#[test]
fn the_rules_that_are_shipped_are_valid_and_fire_when_they_should() {
    let dir = shipped("");
    succeeds(&["check", "config", "--syntax-only", "prometheus.yml"], &dir);
    succeeds(&["check", "rules", "drover-rules.yml"], &dir);
    succeeds(&["test", "rules", "drover-rules.test.yml"], &dir);
}

/// Every query of the dashboard, with Grafana's own variables filled in.
fn queries(dashboard: &Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let annotations = dashboard["annotations"]["list"].as_array().unwrap();
    let all = targets.chain(annotations).map(|of| of["expr"].as_str().unwrap());
    all.map(|query| query.replace("$__rate_interval", "1m").replace("$instance", ".*").replace("$app", ".*"))
        .collect()
}

#[test]
fn the_dashboard_that_is_shipped_asks_what_prometheus_understands_and_a_master_tells() {
    let dashboard: Value =
        serde_json::from_str(&fs::read_to_string(shipped("grafana-dashboard.json")).unwrap()).unwrap();
    let queries = queries(&dashboard);
    assert!(queries.len() >= 15, "{queries:?}");
    let dir = tempfile::tempdir().unwrap();
    let rules: String = queries
        .iter()
        .enumerate()
        .map(|(number, query)| {
            format!("      - record: query:{number}\n        expr: {}\n", Value::from(query.as_str()))
        })
        .collect();
    fs::write(dir.path().join("queries.yml"), format!("groups:\n  - name: dashboard\n    rules:\n{rules}"))
        .unwrap();
    succeeds(&["check", "rules", "queries.yml"], dir.path());

    // Each series that it asks for is one that a master has.
    let site = Site::new();
    let (_, metrics) = get(&site.addr, "/metrics");
    let rules = fs::read_to_string(shipped("drover-rules.yml")).unwrap();
    for text in queries.iter().map(String::as_str).chain([rules.as_str()]) {
        for series in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            let Some(name) = series.strip_prefix("drover_") else { continue };
            let family =
                ["_total", "_bucket"].iter().fold(name, |name, end| name.strip_suffix(end).unwrap_or(name));
            let known = format!("# TYPE drover_{family}");
            assert!(metrics.lines().any(|line| line.starts_with(&known)), "there is no {series}: {text}");
        }
    }
}

#[test]
fn the_metrics_are_as_promtool_wants_them() {
    let Some(promtool) = program("promtool") else { return };
    let site = Site::new();
    let (status, metrics) = get(&site.addr, "/metrics");
    assert_eq!(status, 200);
    fs::write(site.path("metrics"), &metrics).unwrap();
    let mut command = Command::new(promtool);
    command.args(["check", "metrics"]).stdin(File::open(site.path("metrics")).unwrap());
    let output = command.output().unwrap();
    // It ends with 3 where it only finds a name not to its taste.
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}{metrics}");
}

/// A Prometheus that scrapes one master every second.
struct Prometheus {
    child: Child,
    addr: String,
}

impl Prometheus {
    fn of(site: &Site) -> Option<Self> {
        let binary = program("prometheus")?;
        let config = format!(
            "global:\n  scrape_interval: 1s\nscrape_configs:\n  - job_name: drover\n    static_configs:\n      - targets: [\"{}\"]\n",
            site.addr
        );
        fs::write(site.path("prometheus.yml"), config).unwrap();
        let log = File::create(site.path("prometheus.log")).unwrap();
        let mut command = Command::new(binary);
        command.arg(format!("--config.file={}", site.path("prometheus.yml").display()));
        command.arg(format!("--storage.tsdb.path={}", site.path("data").display()));
        command.arg("--web.listen-address=127.0.0.1:0").stdin(Stdio::null());
        let child = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let mut prometheus = Self { child, addr: String::new() };
        prometheus.addr = until("Prometheus's address", || {
            let log = fs::read_to_string(site.path("prometheus.log")).ok()?;
            let (_, after) = log.split_once("msg=\"Listening on\" address=")?;
            Some(after.split_once('\n')?.0.to_owned())
        });
        Some(prometheus)
    }

    /// The only value of a query that has no characters which would have to be escaped.
    fn value(&self, query: &str) -> Option<f64> {
        let (status, body) = get(&self.addr, &format!("/api/v1/query?query={query}"));
        let answer: Value = serde_json::from_str(&body).ok().filter(|_| status == 200)?;
        answer["data"]["result"][0]["value"][1].as_str()?.parse().ok()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        end(&mut self.child, PATIENCE);
    }
}

#[test]
fn prometheus_scrapes_a_master_and_sees_a_worker_come_back() {
    let site = Site::new();
    let Some(prometheus) = Prometheus::of(&site) else { return };
    until("a scrape", || prometheus.value("drover_workers_ready").filter(|ready| *ready == 2.0));
    let pid = site.app()["workers"][1]["pid"].as_u64().unwrap();
    drover_e2e::harness::signal(u32::try_from(pid).unwrap(), nix::sys::signal::SIGKILL);
    until("the restart", || prometheus.value("sum(drover_worker_restarts_total)").filter(|sum| *sum == 1.0));
    assert_eq!(prometheus.value("sum(drover_worker_exits_total)"), Some(1.0));
    assert_eq!(prometheus.value("up"), Some(1.0));
}
