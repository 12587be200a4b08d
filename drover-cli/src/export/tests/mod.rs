//! What each target gets, whole.

use drover_master::config::file as config;

use super::{Export, ExportTarget, Exported};

const FILE: &str = r#"version = 1
[sockets.http]
listen = "0.0.0.0:8080"
[sockets.admin]
listen = "127.0.0.1:9000"
[sockets.local]
listen = "unix:/run/a.sock"
[app.db]
command = "db"
[app.web]
command = "web"
protocol = "drover"
sockets = ["http", "admin", "local"]
stop = { drain_timeout = "30s", pre_delay = "2s" }
depends_on = { db = "ready" }
"#;

fn exported(target: ExportTarget, replicas: u32) -> Exported {
    exported_of(FILE, target, replicas)
}

fn exported_of(file: &str, target: ExportTarget, replicas: u32) -> Exported {
    let config = config::parse(file).unwrap();
    let export = Export {
        command: "drover export it".into(),
        config: &config,
        name: "My_Shop".into(),
        file: "/srv/my shop/drover.toml".into(),
        program: "/usr/bin/drover".into(),
        profile: Some("live".into()),
        image: "shop:1".into(),
        replicas,
    };
    let first = export.to(target);
    assert_eq!(first.text, export.to(target).text);
    assert!(first.text.starts_with("# Made by `drover export it`.\n"), "{}", first.text);
    first
}

impl Exported {
    fn has(&self, lines: &[&str]) {
        for line in lines {
            assert!(
                self.text.lines().any(|there| there.trim_start() == *line),
                "{line} is not in\n{}",
                self.text
            );
        }
    }

    /// That each of these is in what is said on stderr.
    fn says(&self, words: &[&str]) {
        let caveats = self.caveats.iter().map(|caveat| &caveat.text);
        let said: Vec<_> = self.sums.iter().chain(caveats).chain(&self.hints).collect();
        for words in words {
            assert!(said.iter().any(|line| line.contains(words)), "{words} is not in {said:#?}");
        }
    }

    /// The keys that there is a warning about.
    fn warned(&self) -> Vec<&str> {
        self.caveats.iter().map(|caveat| caveat.key.as_str()).collect()
    }
}

#[test]
fn the_one_above_is_always_the_more_patient_one() {
    let made = exported(ExportTarget::Systemd, 1);
    made.has(&[
        "Type=notify-reload",
        "ExecStart=/usr/bin/drover up -f \"/srv/my shop/drover.toml\" --profile live",
        "KillMode=mixed",
        "RestartPreventExitStatus=2",
        "TimeoutStopSec=52s",
    ]);
    made.says(&[
        "app `web`: pre_delay 2s + drain 30s + quit 5s + term 5s = 42s",
        "app `db`: drain 20s + term 5s = 25s, 67s with web, stopped before it",
        "master.shutdown_timeout 45s + pre_delay 2s + 5s = TimeoutStopSec 52s",
        "workers may take 67s and the master waits 45s, so some are killed: raise master.shutdown_timeout to 72s",
        "/etc/systemd/system/my-shop.service",
    ]);
}

#[test]
fn a_container_has_drover_as_its_first_process() {
    let made = exported(ExportTarget::Compose, 1);
    made.has(&[
        "image: \"shop:1\"",
        r#"command: ["drover", "up", "--profile", "live"]"#,
        "init: false",
        "stop_grace_period: 52s",
        r#"test: ["CMD", "drover", "healthcheck"]"#,
        "start_period: 60s",
        r#"- "8080:8080""#,
    ]);
    assert!(!made.text.contains("9000") && !made.text.contains("replicas"), "{}", made.text);
    made.says(&[
        "docker compose -p my-shop up -d",
        "socket `admin` listens at 127.0.0.1:9000, which nobody outside",
        "socket `local` is /run/a.sock in the container",
    ]);
    exported(ExportTarget::Compose, 3).has(&["replicas: 3", r#"- "8080""#]);
}

#[test]
fn a_deployment_asks_drover_whether_it_is_ready() {
    let made = exported(ExportTarget::Kubernetes, 3);
    made.has(&[
        "replicas: 3",
        "terminationGracePeriodSeconds: 52",
        "terminationMessagePolicy: FallbackToLogsOnError",
        r#"command: ["drover", "up", "--profile", "live"]"#,
        "containerPort: 8080",
        "- name: http",
        "readinessProbe:",
        r#"command: ["drover", "healthcheck"]"#,
        "failureThreshold: 13",
        "kind: Service",
        "port: 8080",
        "targetPort: http",
        "kind: PodDisruptionBudget",
        "maxUnavailable: 1",
    ]);
    let alone = exported_of("version = 1\n[app.web]\ncommand = \"web\"\n", ExportTarget::Kubernetes, 1);
    assert!(!alone.text.contains("kind: Service") && !alone.text.contains("Budget"), "{}", alone.text);
    made.says(&["app `web` serves on for 2s once its pod is told to end", "stop.pre_delay = \"5s\""]);
}

#[test]
fn a_stack_replaces_tasks_one_by_one_and_rolls_back() {
    let made = exported(ExportTarget::Swarm, 3);
    made.has(&[
        "version: \"3.8\"",
        "replicas: 3",
        "order: start-first",
        "failure_action: rollback",
        "failure_action: pause",
        "monitor: 15s",
        "stop_grace_period: 52s",
        "start_period: 60s",
        // A pause of 30s and a fifth of it, and a start of 30s: 66s, asked every 5s.
        "retries: 15",
        "- target: 8080",
        "published: 8080",
    ]);
    assert!(!made.text.contains("9000"), "{}", made.text);
    made.says(&[
        "docker stack deploy -c my-shop.yaml my-shop",
        "app `web` serves on for 2s once its task is told to end",
    ]);
    let warned =
        ["master.shutdown_timeout", "sockets.admin.listen", "sockets.local.listen", "app.web.stop.pre_delay"];
    assert_eq!(made.warned(), warned);
    let patient = "version = 1\nmaster.shutdown_timeout = \"60s\"\n[app.web]\ncommand = \"web\"\nupdate.soak = \"20s\"\n";
    let made = exported_of(patient, ExportTarget::Swarm, 1);
    made.has(&["stop_grace_period: 65s", "monitor: 20s"]);
    made.says(&["stop_grace_period is 65s, and Swarm waits at most 60s", "moby/moby#36111"]);
    assert_eq!(exported_of(patient, ExportTarget::Kubernetes, 1).warned(), Vec::<&str>::new());
}

#[test]
fn what_is_otherwise_in_a_container_is_named() {
    let file = r#"version = 1
master.http.listen = "127.0.0.1:9180"
sockets.any.listen = "0.0.0.0:0"
sockets.old.listen = "0.0.0.0:80"
sockets.new.listen = "[::]:80"
sockets.lan.listen = "10.1.2.3:81"
[app.cache]
command = "redis-server --port 6390"
start.probe.tcp = "127.0.0.1:6390"
user = "redis"
cwd = "/srv/cache"
[app.node]
command = "node app.js"
env.PORT = "3000"
watch = true
logs = { dir = "log", journald = true }
limits = { nice = -5, rtprio = 3, oom_score_adj = -1 }
[app.migrate]
command = "migrate"
kind = "oneshot"
[app.report]
command = "report"
kind = "cron"
schedule = "@hourly"
"#;
    let alone = [
        "sockets.any.listen",
        "sockets.lan.listen",
        "master.http.listen",
        "app.node.logs.dir",
        "app.node.logs.journald",
        "app.node.watch",
        "app.node.limits.nice",
        "app.node.limits.rtprio",
        "app.node.limits.oom_score_adj",
    ];
    let several: Vec<&str> = alone.into_iter().chain(["app.migrate.kind", "app.report.kind"]).collect();
    for target in [ExportTarget::Compose, ExportTarget::Swarm, ExportTarget::Kubernetes] {
        assert_eq!(exported_of(file, target, 1).warned(), alone);
        let made = exported_of(file, target, 3);
        assert_eq!(made.warned(), several);
        let published = ["- \"80\"", "target: 80", "containerPort: 80"];
        let count = published.iter().map(|port| made.text.lines().filter(|line| line.contains(port)).count());
        assert_eq!(count.sum::<usize>(), 1, "{}", made.text);
        made.says(&[
            "socket `lan` listens at 10.1.2.3:81, an address that a container does not have",
            "the kernel chooses the port of socket `any`, so it can't be published",
            "metrics and health are served at 127.0.0.1:9180 in the container",
            "app `cache` opens port 6390 itself, so it is not published",
            "app `node` opens port 3000 itself, so it is not published",
            "app `cache` takes from the image: user `redis`, directory /srv/cache",
            "app `migrate` runs at the start in each of the 3 containers",
            "limits.nice of app `node` takes CAP_SYS_NICE",
        ]);
    }
    assert_eq!(exported_of(file, ExportTarget::Systemd, 1).warned(), Vec::<&str>::new());
}

#[test]
fn the_json_form_has_everything_that_is_said() {
    let made = exported(ExportTarget::Swarm, 1);
    let json = made.json(false);
    assert_eq!(json["target"], "swarm");
    assert_eq!(json["text"], made.text.as_str());
    assert_eq!(made.json(true)["text"], serde_json::Value::Null);
    assert_eq!(json["warnings"][0]["key"], "master.shutdown_timeout");
    assert_eq!(json["hints"].as_array().unwrap().len(), made.hints.len());
    let arithmetic = serde_json::json!({
        "apps": [
            { "app": "db", "pre_delay_ms": 0, "drain_ms": 20_000, "quit_ms": 0, "term_ms": 5000, "own_ms": 25_000,
              "whole_ms": 67_000, "after": ["web"] },
            { "app": "web", "pre_delay_ms": 2000, "drain_ms": 30_000, "quit_ms": 5000, "term_ms": 5000, "own_ms": 42_000,
              "whole_ms": 42_000, "after": [] },
        ],
        "workers_ms": 67_000, "master_ms": 45_000, "pre_delay_ms": 2000, "spare_ms": 5000,
        "grace_key": "stop_grace_period", "grace_ms": 52_000, "start_ms": 60_000,
    });
    assert_eq!(json["arithmetic"], arithmetic);
}
