//! `drover send`: people and scripts on the bus.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use drover_e2e::harness::{Process, eventually};
use nix::sys::signal::SIGTERM;
use serde_json::Value;

/// A master of two workers that obey messages, reached at a socket.
struct Master {
    process: Process,
    socket: tempfile::TempDir,
}

impl Master {
    async fn of(worker: &str) -> Self {
        let socket = tempfile::tempdir().unwrap();
        let path = socket.path().join("control");
        let process = Process::start(Command::new(program!("drover_command")).arg("-s").arg(&path).args([
            "run",
            "-n",
            "2",
            "--name",
            "app",
            "--protocol",
            "drover",
            "--",
            worker,
        ]));
        let master = Self { process, socket };
        eventually("both are ready", || {
            master.drover(&["wait", "app", "--for", "ready"], None).status.success().then_some(())
        })
        .await;
        master
    }

    fn drover(&self, args: &[&str], stdin: Option<&[u8]>) -> Output {
        drover(&self.socket.path().join("control"), args, stdin)
    }

    async fn end(self) {
        self.process.signal(SIGTERM);
        let ended = self.process.end().await;
        assert_eq!(ended.code, Some(0), "{ended:#?}");
    }
}

fn drover(socket: &Path, args: &[&str], stdin: Option<&[u8]>) -> Output {
    let mut command = Command::new(program!("drover_command"));
    command.arg("-s").arg(socket).args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut writer = child.stdin.take().unwrap();
    writer.write_all(stdin.unwrap_or_default()).unwrap();
    drop(writer);
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn people_ask_workers_send_to_them_and_publish() {
    let master = Master::of(program!("worker_bus")).await;
    let asked = master.drover(&["send", "app/1", "echo", "hello", "--request"], None);
    assert_eq!((asked.status.code(), text(&asked.stdout)), (Some(0), "hello\n"), "{asked:?}");
    let asked = master.drover(&["send", "app", "echo", "-", "-r"], Some("größe\n".as_bytes()));
    let mut lines: Vec<&str> = text(&asked.stdout).lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["app/0: größe", "app/1: größe"], "{asked:?}");

    let sent = master.drover(&["send", "app", "news", "x"], None);
    assert_eq!((sent.status.code(), text(&sent.stdout)), (Some(0), ""), "{sent:?}");
    assert!(text(&sent.stderr).contains("sent to 2 workers"), "{sent:?}");
    let counted = master.drover(&["send", "app/0", "count", "--request", "--json"], None);
    let json: Value = serde_json::from_slice(&counted.stdout).unwrap();
    assert_eq!((&json["name"], &json["reply"], &json["error"]), (&"app/0".into(), &"1".into(), &Value::Null));

    let nobody = master.drover(&["send", "app", "prices", "1", "--publish"], None);
    assert!(nobody.status.success() && text(&nobody.stderr).contains("sent to 0 workers"), "{nobody:?}");
    master.drover(&["send", "app/0", "subscribe", "prices", "--request"], None);
    let one = master.drover(&["send", "app", "prices", "1", "--publish"], None);
    assert!(one.status.success() && text(&one.stderr).contains("sent to 1 worker"), "{one:?}");
    master.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_sent_says_why_and_ends_as_scripts_expect() {
    let master = Master::of(program!("worker_bus")).await;
    let large = vec![b'x'; 1024 * 1024 + 1];
    let long = "t".repeat(256);
    for (args, stdin, code, words) in [
        (&["send", "app/0", "nonsense", "--request"][..], None, 1, "`nonsense` is nothing this worker knows"),
        (&["send", "app/7", "t"], None, 4, "there is no worker `app/7`"),
        (&["send", "other", "t"], None, 4, "there is no app `other`"),
        (&["send", "app/0", "t", "-"], Some(&large[..]), 2, "at most 1048576 bytes"),
        (&["send", "app/0", &long], None, 1, "at most 255 bytes"),
        (&["send", "app/0", "t", "--publish"], None, 1, "the subscribers of an app, and `app/0` is none"),
        (&["send", "app/0", "t", "--publish", "--request"], None, 2, "cannot be used with"),
        (&["send", "app/0", "t", "--timeout", "1s"], None, 2, "--request"),
        (&["send", "app/0", "die", "--request"], None, 1, "gone before it replied"),
    ] {
        let refused = master.drover(args, stdin);
        assert_eq!(refused.status.code(), Some(code), "{args:?} {refused:?}");
        assert!(text(&refused.stderr).contains(words), "{args:?} {refused:?}");
    }
    master.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_take_no_messages_are_named() {
    let master = Master::of(program!("worker_good")).await;
    let one = master.drover(&["send", "app/0", "t"], None);
    assert_eq!(one.status.code(), Some(1), "{one:?}");
    assert!(text(&one.stderr).contains("app/0 takes no messages"), "{one:?}");
    let all = master.drover(&["send", "app", "t"], None);
    assert_eq!(all.status.code(), Some(3), "{all:?}");
    assert!(text(&all.stderr).contains("no worker of app is ready and takes messages"), "{all:?}");
    master.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_workers_send_to_a_master_that_takes_no_messages_is_shown_as_events() {
    let master = Master::of(program!("worker_bus")).await;
    let told = master.drover(&["send", "app/1", "tell", "größe\u{1b}[2J", "--request"], None);
    assert!(text(&told.stdout).contains("nobody answers for app"), "{told:?}");
    let events = master.drover(&["events", "--json"], None);
    let shown = text(&events.stdout).lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let messages: Vec<Value> = shown.filter(|event| event["event"] == "message").collect();
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert_eq!((&messages[0]["slot"], &messages[0]["detail"]), (&1.into(), &r"told: größe\u{1b}[2J".into()));

    // A flood does not drive out what happened to the app.
    master.drover(&["send", "app/0", "flood", "20000 64"], None);
    master.drover(&["send", "app/0", "count", "--request"], None);
    let events = master.drover(&["events", "--json"], None);
    let shown = text(&events.stdout);
    assert!(shown.contains(r#""event":"spawned""#), "{shown}");
    assert!(shown.lines().count() < 1000, "{shown}");
    master.end().await;
}
