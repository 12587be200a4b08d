//! `drover reload` and `drover restart --surge`: new workers in the place of old ones, with a verdict.

use nix::sys::signal::{SIGHUP, SIGINT};
use serde_json::Value;

use crate::harness::{Ended, Home, Running, events_of, is_running};

/// A worker that says its version, and can be told to leave. The file is what a test replaces.
const GOOD: &str = "#!/bin/sh\nexec sleep 1000\n";

/// A version that has something against serving.
const BAD: &str = "#!/bin/sh\necho no database >&2\nexit 3\n";

/// A version that is never ready: no port is opened, and `start.min_uptime` of the test is long.
const SLOW: &str = "#!/bin/sh\ntrap 'sleep 1; exit 0' TERM\necho trapped\nwhile :; do sleep 0.05; done\n";

fn started(home: &Home, workers: usize, more: &str) -> Running {
    home.script("worker", GOOD);
    let master = home.up(&format!(
        "[app.web]\ncommand = [\"./worker\"]\nworkers = {workers}\nstart.min_uptime = \"50ms\"\n{more}\n"
    ));
    master.says("web is running");
    master
}

/// Replaces the program as a deployment does: running processes keep theirs.
fn deploy(home: &Home, text: &str) {
    home.script("worker.new", text);
    std::fs::rename(home.path("worker.new"), home.path("worker")).expect("a file can be replaced");
}

fn rows(home: &Home) -> Vec<Value> {
    home.status()["apps"][0]["workers"].as_array().expect("a list").clone()
}

fn pids(home: &Home) -> Vec<u64> {
    rows(home).iter().filter_map(|row| row["pid"].as_u64()).collect()
}

fn is_over(ended: &Ended, code: i32, out: &str) {
    assert_eq!(ended.code, Some(code), "{ended:#?}");
    assert!(ended.stdout.starts_with(out), "{ended:#?}");
}

#[test]
fn all_workers_are_replaced_and_each_line_has_both_processes() {
    let home = Home::new();
    let master = started(&home, 2, "");
    let old = pids(&home);
    let ended = home.run(&["reload", "web"]);
    is_over(&ended, 0, "web: generation 2, 2 workers replaced in ");
    let new = pids(&home);
    for (slot, (old, new)) in old.iter().zip(&new).enumerate() {
        assert!(ended.stderr.contains(&format!("web/{slot} replaced, pid {old} → {new}")), "{ended:#?}");
        assert!(!is_running((*old).try_into().expect("a pid")));
    }
    assert_eq!(new.len(), 2);
    assert!(ended.errors().is_empty(), "{ended:#?}");
    assert!(!ended.stderr.contains('\r'), "no terminal, no line that is written again: {ended:#?}");
    let quiet = home.run(&["-q", "reload", "w*"]);
    is_over(&quiet, 0, "web: generation 3, 2 workers replaced in ");
    assert_eq!(quiet.stderr, "");
    home.down(master);
}

/// A program that reads its configuration again by SIGHUP, and ends if it can't; it is ready when it says so by descriptor 7, as s6
/// has it.
const RELOADS_ITSELF: &str = "#!/bin/sh\ntrap '[ -e bad ] && echo bad configuration >&2 && exit 3' HUP\necho >&7\nwhile :; do sleep 0.05; done\n";

#[test]
fn workers_that_reload_themselves_by_a_signal_stay_and_one_that_fails_spares_the_others() {
    let home = Home::new();
    home.script("worker", RELOADS_ITSELF);
    let master = home
        .up("[app.web]\ncommand = [\"./worker\"]\nworkers = 2\nprotocol = \"notify\"\nnotify_fd = 7\n\
         reload = { signal = \"HUP\" }\nstart.min_uptime = \"300ms\"\n");
    master.says("web is running");
    let old = pids(&home);
    is_over(&home.run(&["reload", "web"]), 0, "web: 2 workers reloaded themselves in ");
    assert_eq!(pids(&home), old);
    std::fs::write(home.path("bad"), "").expect("a file can be written");
    let ended = home.run(&["reload", "web"]);
    ended.failed(1, &["app `web`: not reloaded: worker 0 exited with code 3"]);
    assert!(ended.stderr.contains("bad configuration"), "{ended:#?}");
    assert_eq!(pids(&home).last(), old.last(), "the other one was not told");
    home.run(&["reload", "web", "--canary", "1"]).failed(3, &["there can be no canary"]);
    home.down(master);
}

#[test]
fn a_version_that_fails_is_taken_back_and_its_last_words_are_told() {
    let home = Home::new();
    let master = started(&home, 2, "");
    let old = pids(&home);
    deploy(&home, BAD);
    let ended = home.run(&["reload", "web"]);
    ended.failed(8, &["app `web`: rolled back: new worker", "exited with code 3"]);
    assert!(ended.stderr.contains("no database"), "{ended:#?}");
    assert_eq!(pids(&home), old);
    assert_eq!(home.status()["apps"][0]["generation"], 1);
    let json = home.run(&["reload", "web", "--json"]);
    let verdict = events_of(&json.stdout).pop().expect("a verdict");
    assert_eq!((json.code, &verdict["verdict"]), (Some(8), &"rolled_back".into()), "{json:#?}");
    assert_eq!(verdict["last_words"][0], "no database");
    assert_eq!(json.stderr, "");
    home.down(master);
}

#[test]
fn a_canary_waits_until_it_is_promoted_or_aborted() {
    let home = Home::new();
    let master = started(&home, 3, "");
    let old = pids(&home);
    let ended = home.run(&["reload", "web", "--canary", "1"]);
    is_over(&ended, 0, "web: 1 new worker is ready, in ");
    assert!(ended.stdout.contains("`drover reload --promote web`"), "{ended:#?}");
    assert_eq!(home.status()["apps"][0]["operation"], "canary");
    assert!(home.run(&["status"]).stdout.contains("promote or abort"));
    is_over(&home.run(&["reload", "web", "--abort"]), 0, "web: generation 1 as before, in ");
    assert_eq!(home.status()["apps"][0]["operation"], Value::Null);
    assert_eq!(pids(&home)[1..], old[1..]);
    is_over(&home.run(&["reload", "web", "--canary", "2"]), 0, "web: 2 new workers are ready, in ");
    is_over(&home.run(&["reload", "web", "--promote"]), 0, "web: generation 3, 1 worker replaced in ");
    assert!(pids(&home).iter().all(|pid| !old.contains(pid)));
    home.run(&["reload", "web", "--promote"]).failed(3, &["no reload is under way"]);
    home.run(&["reload", "web", "--abort"]).failed(3, &["no reload is under way"]);
    home.down(master);
}

#[test]
fn a_reload_that_is_to_pause_stays_as_it_is_and_says_what_to_do() {
    let home = Home::new();
    let master = started(&home, 2, "update.on_failure = \"pause\"");
    let old = pids(&home);
    deploy(&home, BAD);
    let ended = home.run(&["reload", "web"]);
    ended.failed(1, &["the reload is paused", "`drover reload --promote web`"]);
    assert!(home.run(&["status"]).stdout.contains("the reload is paused"));
    deploy(&home, GOOD);
    is_over(&home.run(&["reload", "web", "--promote"]), 0, "web: generation 2, 2 workers replaced");
    assert!(pids(&home).iter().all(|pid| !old.contains(pid)));
    deploy(&home, BAD);
    home.run(&["reload", "web", "--on-failure", "rollback"]).failed(8, &["rolled back"]);
    home.down(master);
}

#[test]
fn what_can_not_be_reloaded_is_refused_before_anything_is_done() {
    let home = Home::new();
    for args in [
        &["web/0"][..],
        &["web@1"],
        &["web", "--canary", "0"],
        &["web", "--promote", "--abort"],
        &["web", "--promote", "--soak", "1s"],
        &["web", "--max-surge", "101%"],
        &["web", "--max-unavailable", "some"],
        &["web", "--soak", "1"],
    ] {
        let ended = home.run(&[&["reload"], args].concat());
        assert_eq!(ended.code, Some(2), "{args:?} {ended:#?}");
    }
    home.run(&["reload", "web/0"]).failed(2, &["`drover restart --surge web/0`"]);
    let master = started(&home, 1, "[app.job]\ncommand = [\"true\"]\nkind = \"oneshot\"");
    master.says("job completed");
    home.run(&["reload", "mail"]).failed(4, &["there is no app `mail`; there is web, job"]);
    home.run(&["reload", "job"]).failed(3, &["the app does not run"]);
    assert_eq!(home.run(&["stop", "web"]).code, Some(0));
    home.run(&["reload", "web"]).failed(3, &["the app does not run"]);
    home.run(&["restart", "--surge", "web/0"]).failed(3, &["the app does not run"]);
    home.down(master);
}

#[test]
fn who_does_not_wait_or_is_interrupted_leaves_the_reload_to_the_master() {
    let home = Home::new();
    let master = started(&home, 1, "stop.term_timeout = \"20s\"");
    is_over(&home.run(&["reload", "web", "--no-wait"]), 0, "web reloads\n");
    let is_of = |home: &Home, generation: u64| {
        home.until("the next generation", |status| {
            let app = &status["apps"][0];
            let rows = app["workers"].as_array()?.len();
            (app["generation"] == generation && rows == 1).then_some(())
        });
    };
    is_of(&home, 2);
    // Its drain takes a second: time enough to be interrupted in.
    deploy(&home, SLOW);
    is_over(&home.run(&["reload", "web"]), 0, "web: generation 3");
    deploy(&home, GOOD);
    let waiting = home.start(&["reload", "web"]);
    waiting.says("web/0 replaced");
    waiting.signal(SIGINT);
    let ended = waiting.end();
    assert_eq!(ended.code, Some(130), "{ended:#?}");
    assert!(ended.stderr.contains("the master continues"), "{ended:#?}");
    is_of(&home, 4);
    let late = home.run(&["reload", "web", "--soak", "20s", "--timeout", "200ms"]);
    late.failed(124, &["not done within 200ms"]);
    let shown = home.run(&["status"]).stdout;
    assert!(shown.contains("web/0 ↑ new") && shown.contains("reload under way"), "{shown}");
    assert_eq!(home.run(&["wait", "web", "--for", "ready"]).code, Some(0));
    assert_eq!(rows(&home).iter().filter(|row| row["role"] == "incoming").count(), 1);
    home.down(master);
}

#[test]
fn a_restart_beside_has_the_new_one_ready_before_the_old_one_leaves() {
    let home = Home::new();
    let master = started(&home, 2, "");
    let old = pids(&home);
    let ended = home.run(&["restart", "--surge", "web/1"]);
    let new = pids(&home);
    assert_eq!(ended.stdout, format!("web/1 restarted, pid {} → {}\n", old[1], new[1]));
    assert_eq!(new[0], old[0]);
    let names: Vec<(String, u64)> = home
        .events()
        .iter()
        .filter_map(|event| Some((event["event"].as_str()?.to_owned(), event["pid"].as_u64()?)))
        .collect();
    let at = |name: &str, pid| {
        names.iter().position(|event| *event == (name.to_owned(), pid)).expect("it is told")
    };
    assert!(at("replaced", new[1]) < at("exited", old[1]), "{names:?}");
    let each = home.run(&["restart", "--surge", "web/*"]);
    assert_eq!((each.code, each.stdout.lines().count()), (Some(0), 2), "{each:#?}");
    assert!(pids(&home).iter().all(|pid| !new.contains(pid)));
    let new = pids(&home);
    assert_eq!(home.run(&["restart", "--surge", "web"]).stdout, "web restarted\n");
    assert!(pids(&home).iter().all(|pid| !new.contains(pid)));
    home.run(&["restart", "--surge", "web/7"]).failed(4, &["there is no worker `web/7`"]);
    deploy(&home, BAD);
    let kept = pids(&home);
    home.run(&["restart", "--surge", "web/0"]).failed(1, &["exited with code 3"]);
    assert_eq!(pids(&home), kept);
    home.down(master);
}

#[test]
fn a_hangup_reloads_every_app_and_ends_nothing() {
    let home = Home::new();
    let master = started(
        &home,
        1,
        "[app.other]\ncommand = [\"sleep\", \"1000\"]\nworkers = 1\nstart.min_uptime = \"50ms\"",
    );
    master.says("other is running");
    master.signal(SIGHUP);
    master.says("web reload started: generation 1 to 2, asked by SIGHUP");
    for app in [0, 1] {
        home.until("the second generation", |status| (status["apps"][app]["generation"] == 2).then_some(()));
    }
    assert!(home.events().iter().all(|event| event["event"] != "file_differs"));
    home.down(master);
}

#[test]
fn a_hangup_says_when_the_file_differs_from_what_runs() {
    let home = Home::new();
    let web = "[app.web]\ncommand = [\"sleep\", \"1000\"]\nworkers = 1\nstart.min_uptime = \"50ms\"\n";
    let master = home.up(web);
    master.says("web is running");
    let file = home.write("drover.toml", &format!("version = 1\n{web}umask = \"077\"\n"));
    master.signal(SIGHUP);
    let told = format!(
        "{} differs from what runs, in app.web.umask; the new workers get the settings that run. To change them: `drover apply`",
        file.display()
    );
    master.says(&format!("drover: {told}\n"));
    let is_it = |event: &Value| {
        (&event["event"], &event["detail"]) == (&"file_differs".into(), &told.as_str().into())
    };
    assert_eq!(home.events().iter().filter(|event| is_it(event)).count(), 1);
    let reloaded = |generation: u64| {
        home.until("the end of the reload", |status| {
            let app = &status["apps"][0];
            (app["generation"] == generation && app["operation"].is_null()).then_some(())
        });
    };
    reloaded(2);
    assert_eq!(master.stderr.text().matches(&told).count(), 1, "it is said once");
    // An invalid file is reported too, and nothing of it takes effect.
    home.write("drover.toml", "version = 1\nbad = 1\n");
    master.signal(SIGHUP);
    master.says(&format!("drover: {} has mistakes now, and is not looked at", file.display()));
    reloaded(3);
    home.down(master);
}
