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
    let config = config::parse(FILE).unwrap();
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

    fn notes(&self, words: &[&str]) {
        for words in words {
            assert!(
                self.notes.iter().any(|note| note.contains(words)),
                "{words} is not in {:#?}",
                self.notes
            );
        }
    }
}

#[test]
fn the_one_above_is_always_the_more_patient_one() {
    let made = exported(ExportTarget::Systemd, 1);
    made.has(&[
        "Type=notify-reload",
        "ExecStart=/usr/bin/drover up -f \"/srv/my shop/drover.toml\" --profile live",
        "KillMode=mixed",
        "TimeoutStopSec=52s",
        "RuntimeDirectory=my-shop",
        "Environment=XDG_RUNTIME_DIR=/run/my-shop",
    ]);
    made.notes(&[
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
        "name: my-shop",
        "image: \"shop:1\"",
        r#"command: ["drover", "up", "--profile", "live"]"#,
        "init: false",
        "stop_grace_period: 52s",
        r#"test: ["CMD", "drover", "healthcheck"]"#,
        "start_period: 60s",
        r#"- "8080:8080""#,
    ]);
    assert!(!made.text.contains("9000") && !made.text.contains("replicas"), "{}", made.text);
    made.notes(&[
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
        r#"command: ["drover", "up", "--profile", "live"]"#,
        "containerPort: 8080",
        "- name: http",
        "readinessProbe:",
        r#"command: ["drover", "healthcheck"]"#,
        "failureThreshold: 13",
    ]);
    made.notes(&["app `web` serves on for 2s once its pod is told to end", "stop.pre_delay = \"5s\""]);
}
