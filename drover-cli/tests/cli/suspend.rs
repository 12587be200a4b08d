//! `drover suspend` and `resume`: workers that rest and go on.

use crate::harness::{Home, body, eventually, get, request};

fn pids(home: &Home) -> Vec<u64> {
    let status = home.status();
    let rows = status["apps"][0]["workers"].as_array().expect("a list");
    rows.iter().filter_map(|row| row["pid"].as_u64()).collect()
}

#[test]
fn a_suspended_worker_takes_nothing_and_keeps_its_slot_and_others_answer() {
    let home = Home::new();
    let (demo, addr) = home.demo(&["-n", "2"]);
    let old = pids(&home);
    let ended = home.run(&["suspend", "demo/0"]);
    assert_eq!((ended.code, ended.stdout), (Some(0), format!("demo/0 suspended, pid {}\n", old[0])));
    home.worker("demo", 0, "stopped");
    assert_eq!(pids(&home), old);
    for _ in 0..10 {
        assert!(get(&addr, "/").contains(&old[1].to_string()), "only one of them takes requests");
    }
    assert_eq!(home.run(&["suspend", "demo/0"]).code, Some(0));
    home.run(&["reload", "demo"]).failed(3, &["workers of it are suspended"]);
    let ended = home.run(&["resume", "demo/0"]);
    assert!(ended.stdout.starts_with("demo/0 resumed, pid "), "{ended:#?}");
    home.worker("demo", 0, "started");
    assert_eq!(home.run(&["wait", "demo", "--for", "ready"]).code, Some(0));
    home.down(demo);
}

#[test]
fn a_whole_app_is_suspended_and_a_client_waits_until_it_is_resumed() {
    let home = Home::new();
    let (demo, addr) = home.demo(&["-n", "2"]);
    assert_eq!(home.run(&["suspend", "demo"]).stdout, "demo suspended\n");
    home.worker("demo", 1, "stopped");
    let waiting = request(&addr, "/");
    assert_eq!(home.run(&["resume", "demo"]).stdout, "demo resumed\n");
    assert!(body(waiting).contains("worker "));
    home.down(demo);
}

#[test]
fn a_plain_program_is_suspended_by_the_signals_of_the_file() {
    let home = Home::new();
    let master = home
        .up("[app.web]\ncommand = [\"sleep\", \"1000\"]\nworkers = 1\nstart.min_uptime = \"50ms\"\n\
         suspend = { signal = \"STOP\", resume_signal = \"CONT\" }\n");
    master.says("web is running");
    let pid = pids(&home)[0];
    let state = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
        stat.rsplit(") ").next().and_then(|rest| rest.chars().next())
    };
    assert_eq!(home.run(&["suspend", "web/0"]).stdout, format!("web/0 suspended, pid {pid}\n"));
    eventually("it stands still", || (state() == Some('T')).then_some(()));
    assert_eq!(home.run(&["resume", "web/0"]).stdout, format!("web/0 resumed, pid {pid}\n"));
    eventually("it goes on", || (state() != Some('T')).then_some(()));
    home.down(master);
}

#[test]
fn what_can_not_be_suspended_is_told() {
    let home = Home::new();
    let master =
        home.up("[app.web]\ncommand = [\"sleep\", \"1000\"]\nworkers = 1\nstart.min_uptime = \"50ms\"\n");
    master.says("web is running");
    home.run(&["suspend", "web"]).failed(3, &["can't be suspended"]);
    home.run(&["suspend", "mail"]).failed(4, &["there is no app `mail`"]);
    home.run(&["resume", "web/3"]).failed(4, &["there is no worker `web/3`"]);
    // It runs already.
    assert_eq!(home.run(&["resume", "web"]).code, Some(0));
    assert_eq!(home.run(&["stop", "web"]).code, Some(0));
    home.run(&["resume", "web"]).failed(3, &["does not run"]);
    home.down(master);
}
