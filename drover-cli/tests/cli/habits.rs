//! What people type by habit, of other programs: it is there, and does what it does there.

use std::process::Command;

use nix::sys::signal::Signal;

use crate::harness::{Home, Running};

/// Two apps, each of which prints to both of its streams.
const TWO: &str = "[app.web]\ncommand = [\"sh\", \"-c\", \"echo out; echo err >&2; exec sleep 1000\"]\nworkers = 1\nstart.min_uptime = \"50ms\"\n\
                   [app.mail]\ncommand = [\"sh\", \"-c\", \"echo mail; exec sleep 1000\"]\nworkers = 1\nstart.min_uptime = \"50ms\"\n\
                   depends_on = { web = \"ready\" }\n";

fn two(home: &Home) -> Running {
    let master = home.up(TWO);
    master.says("mail is running");
    for line in ["web/0 | out", "web/0 | err", "mail/0 | mail"] {
        crate::harness::eventually(line, || home.run(&["logs"]).stdout.contains(line).then_some(()));
    }
    master
}

#[test]
fn help_and_version_are_verbs_too() {
    let home = Home::new();
    let help = home.run(&["help", "reload"]);
    assert!(help.code == Some(0) && help.stdout.contains("--canary"), "{help:#?}");
    assert_eq!(home.run(&["help", "reloadd"]).code, Some(2));
    let own = format!("drover {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(home.run(&["version"]).stdout, own);
    let (demo, _) = home.demo(&["-n", "1"]);
    let both = home.run(&["version"]).stdout;
    assert!(
        both.starts_with(&own) && both.contains(&format!("master {} (", env!("CARGO_PKG_VERSION"))),
        "{both}"
    );
    home.down(demo);
}

#[test]
fn logs_are_shown_by_their_stream_time_and_number() {
    let home = Home::new();
    let master = two(&home);
    let logs = |args: &[&str]| {
        let ended = home.run(&[&["logs"], args].concat());
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        ended.stdout
    };
    assert_eq!(logs(&["--err"]), "web/0 | err\n");
    assert_eq!(logs(&["--stream", "out", "web"]), "web/0 | out\n");
    assert_eq!(logs(&["--tail", "1", "--err"]), "web/0 | err\n");
    assert_eq!(logs(&["--lines", "1", "mail"]), "mail/0 | mail\n");
    assert_eq!(logs(&["--since", "1h"]).lines().count(), 3);
    assert_eq!(logs(&["--until", "1h"]), "");
    assert_eq!(logs(&["--since", "9999-01-01"]), "");
    let timed = logs(&["-t", "mail"]);
    let (time, rest) = timed.split_once(' ').expect("a time");
    assert!(time.len() == 24 && time.ends_with('Z') && rest == "mail/0 | mail\n", "{timed}");
    home.run(&["logs", "--since", "5"]).failed(2, &["expected how long ago, such as 5m"]);
    home.run(&["logs", "--tail", "x"]).failed(2, &["expected a whole number"]);
    home.run(&["reload", "web", "--canary", "25%"]).failed(2, &["a percentage is for --max-surge"]);
    // Those that are there, and then those that come.
    let follow = home.start(&["logs", "-f", "-n", "1", "--stream", "out", "web"]);
    follow.prints("web/0 | out");
    assert_eq!(home.run(&["restart", "web/0"]).code, Some(0));
    crate::harness::eventually("another line", || {
        (home.run(&["logs", "--stream", "out", "web"]).stdout.lines().count() == 2).then_some(())
    });
    home.down(master);
    assert_eq!(follow.end().stdout, "web/0 | out\nweb/0 | out\n");
}

#[test]
fn events_are_shown_by_app_time_and_number() {
    let home = Home::new();
    let master = two(&home);
    let events = |args: &[&str]| {
        let ended = home.run(&[&["events", "--json"], args].concat());
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        crate::harness::events_of(&ended.stdout)
    };
    let all = events(&[]);
    let of_mail = events(&["mail"]);
    assert!(!of_mail.is_empty() && of_mail.iter().all(|event| event["app"] == "mail"), "{of_mail:?}");
    assert!(of_mail.len() < all.len());
    assert_eq!(events(&["-n", "2"]), all[all.len() - 2..]);
    assert_eq!(events(&["--tail", "1", "mail"]), of_mail[of_mail.len() - 1..]);
    assert_eq!(events(&["--since", "1h"]).len(), all.len());
    assert!(events(&["--since", "9999-01-01"]).is_empty());
    home.run(&["events", "nosuch"]).failed(4, &["`nosuch`"]);
    home.run(&["events", "--since", "soon"]).failed(2, &["such as 5m", "or an event's number"]);
    let follow = home.start(&["events", "-f", "-n", "1", "web"]);
    follow.prints("app started");
    assert_eq!(home.run(&["restart", "web"]).code, Some(0));
    follow.prints("exited");
    home.down(master);
    assert_eq!(follow.end().code, Some(0));
}

#[test]
fn list_shows_every_master_and_top_what_workers_use() {
    let home = Home::new();
    let none = Running::start(&mut home.bare(&["list"])).end();
    assert_eq!((none.code, none.stdout.as_str()), (Some(0), ""), "{none:#?}");
    // At the place where masters are found.
    let demo = Running::start(&mut home.bare(&["demo", "-l", "127.0.0.1:0", "-n", "2", "--name", "shop"]));
    demo.says("demo is running");
    let bare = |args: &[&str]| Running::start(&mut home.bare(args)).end();
    let list = bare(&["list"]);
    let row = list.stdout.lines().find(|line| line.trim_start().starts_with("shop ")).expect("its row");
    assert!(row.contains("2 of 2") && row.contains("shop.sock"), "{list:#?}");
    let json: serde_json::Value = serde_json::from_str(&bare(&["list", "--json"]).stdout).expect("JSON");
    let own =
        json.as_array().expect("a list").iter().find(|master| master["name"] == "shop").expect("it is there");
    assert_eq!((&own["apps"][0], &own["ready"]), (&"demo".into(), &2.into()));
    let top = bare(&["top"]);
    assert_eq!(top.code, Some(0), "{top:#?}");
    let row = top.stdout.lines().find(|line| line.trim_start().starts_with("demo/1")).expect("its row");
    assert!(row.contains('%') && row.contains("iB"), "{top:#?}");
    assert_eq!(bare(&["-s", own["socket"].as_str().expect("a path"), "down"]).code, Some(0));
    assert_eq!(demo.end().code, Some(0));
}

#[test]
fn reload_without_a_name_is_of_every_app_that_runs() {
    let home = Home::new();
    let master = home.up(&format!("{TWO}[app.once]\ncommand = \"true\"\nkind = \"oneshot\"\n"));
    master.says("mail is running");
    home.until("the oneshot", |status| (status["apps"][2]["phase"] == "shut_down").then_some(()));
    let ended = home.run(&["reload", "--soak", "0s"]);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    for app in [0, 1] {
        assert_eq!(home.status()["apps"][app]["generation"], 2);
    }
    home.run(&["reload", "--promote"]).failed(3, &["no reload is under way"]);
    home.down(master);
}

#[test]
fn diff_tells_by_its_exit_code_as_git_does_and_validate_takes_a_name() {
    let home = Home::new();
    let master = home.up(TWO);
    master.says("mail is running");
    assert_eq!(home.run(&["diff", "--exit-code"]).code, Some(0));
    let file =
        home.write("drover.toml", &format!("version = 1\n{}", TWO.replace("mail; exec", "post; exec")));
    assert_eq!((home.run(&["diff"]).code, home.run(&["diff", "--exit-code"]).code), (Some(0), Some(1)));
    assert_eq!(home.run(&["validate", file.to_str().expect("a path")]).code, Some(0));
    home.run(&["validate", "nothing.toml"]).failed(2, &["no such file: nothing.toml"]);
    home.run(&["validate", "a.toml", "-f", "b.toml"]).failed(2, &["cannot be used with"]);
    home.down(master);
}

#[test]
fn init_writes_a_file_that_runs_and_leaves_one_alone() {
    let home = Home::new();
    assert_eq!(home.run(&["init"]).code, Some(0));
    assert_eq!(home.run(&["validate", "--strict"]).code, Some(0));
    home.run(&["init"]).failed(1, &["already exists"]);
    let master = home.start(&["up"]);
    master.says("web is running");
    home.down(master);
    assert_eq!(home.run(&["init", "-f", "own.toml", "--", "sleep", "7 5"]).code, Some(0));
    let config = home.run(&["config", "-f", "own.toml"]).stdout;
    assert!(config.contains("command = [\"sleep\", \"7 5\"]"), "{config}");
}

#[test]
fn init_writes_what_a_running_master_has() {
    let home = Home::new();
    let master = home.start(&["run", "-n", "2", "--", "sleep", "75000"]);
    home.worker("sleep", 1, "started");
    home.run(&["init", "--from-running", "nosuch"]).failed(4, &["nosuch"]);
    let made = home.run(&["init", "--from-running"]);
    assert_eq!(made.code, Some(0), "{made:#?}");
    home.run(&["init", "--from-running"]).failed(1, &["already exists"]);
    home.down(master);
    let text = std::fs::read_to_string(home.path("drover.toml")).unwrap();
    assert!(text.contains("command = [\"sleep\", \"75000\"]\nworkers = 2\n"), "{text}");
    assert!(!text.contains("drain_timeout"), "{text}");
    let again = home.start(&["up"]);
    home.worker("sleep", 1, "started");
    home.down(again);
}

#[test]
fn bash_completes_the_names_of_what_runs() {
    let home = Home::new();
    let (demo, _) = home.demo(&["-n", "2"]);
    home.write("drover.bash", &home.run(&["completion", "bash"]).stdout);
    let program = env!("CARGO_BIN_EXE_drover");
    let socket = home.socket().display().to_string();
    let ask = format!(
        "source ./drover.bash; COMP_WORDS=({program} -s {socket} stop de); COMP_CWORD=4; \
         $(complete -p drover | sed 's/.*-F \\([^ ]*\\).*/\\1/') drover de stop; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    );
    // A shell does not wait long for names, and a machine may be busy for a moment.
    crate::harness::eventually("the names", || {
        let mut bash = Command::new("bash");
        let ended = Running::start(bash.args(["--norc", "-c", &ask]).current_dir(home.dir())).end();
        let has = |name: &&str| ended.stdout.lines().any(|line| line == *name);
        ["demo", "demo/0", "demo/1"].iter().all(has).then_some(())
    });
    for shell in ["zsh", "fish"] {
        assert!(home.run(&["completion", shell]).stdout.contains("drover complete-names"), "{shell}");
    }
    let zsh = home.run(&["completion", "zsh"]).stdout;
    assert!(zsh.contains(":_drover_names'"), "{zsh}");
    // One that can't answer does not hold up whoever types.
    demo.signal(Signal::SIGSTOP);
    let none = home.run(&["complete-names"]);
    assert_eq!((none.code, &*none.stdout, &*none.stderr), (Some(0), "", ""));
    demo.signal(Signal::SIGCONT);
    home.down(demo);
}

#[test]
fn a_word_of_another_program_is_answered_with_ours() {
    let home = Home::new();
    for (word, verb) in
        [("tail", "drover logs -f"), ("daemon-reload", "drover apply"), ("monit", "drover top")]
    {
        let ended = home.run(&[word, "web", "--now"]);
        ended.failed(2, &[word, verb]);
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:#?}");
    }
}

#[test]
fn healthcheck_says_by_its_exit_code_whether_everything_is_ready() {
    let home = Home::new();
    assert_eq!(home.run(&["healthcheck"]).code, Some(1));
    let master = home.up(&format!("{TWO}[app.once]\ncommand = \"true\"\nkind = \"oneshot\"\n"));
    master.says("mail is running");
    home.until("the oneshot", |status| (status["apps"][2]["phase"] == "shut_down").then_some(()));
    let ended = home.run(&["healthcheck"]);
    assert_eq!((ended.code, &*ended.stdout, &*ended.stderr), (Some(0), "", ""), "{ended:#?}");
    assert_eq!(home.run(&["stop", "mail"]).code, Some(0));
    home.run(&["healthcheck"]).failed(1, &["`mail`"]);
    assert_eq!(home.run(&["healthcheck", "web"]).code, Some(0));
    home.run(&["healthcheck", "nosuch"]).failed(1, &["`nosuch`"]);
    home.down(master);
}

#[test]
fn blame_tells_what_the_start_waited_for() {
    let home = Home::new();
    let master = home.up(TWO);
    master.says("mail is running");
    let ended = home.run(&["blame", "--json"]);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let blame: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(blame["chain"], serde_json::json!(["web", "mail"]), "{blame}");
    let mail =
        blame["apps"].as_array().expect("a list").iter().find(|app| app["name"] == "mail").expect("it");
    assert_eq!(mail["depends_on"], serde_json::json!(["web"]));
    assert!(mail["workers"][0]["took_ms"].is_u64() && mail["took_ms"].is_u64(), "{mail}");
    let text = home.run(&["blame"]).stdout;
    assert!(text.starts_with("everything was ready after ") && text.contains("web/0"), "{text}");
    home.down(master);
}
