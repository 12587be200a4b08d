//! What takes long is told of: what it waits for, by which process, and for how much longer.

use nix::sys::signal::SIGKILL;

use crate::harness::{Home, eventually, signal};

#[test]
fn a_reload_that_waits_for_old_workers_says_for_which_and_how_long_and_status_does_too() {
    let home = Home::new();
    let script = "trap : TERM; echo > up$DROVER_WORKER_ID; while :; do sleep 0.1; done";
    let master = home.up(&format!(
        "[app.web]\ncommand = [\"sh\", \"-c\", \"{script}\"]\nworkers = 1\nstart.min_uptime = \"10ms\"\n\
         stop.drain_timeout = \"10m\"\nupdate.max_generations = 2\n"
    ));
    master.says("web is running");
    eventually("the worker traps its signal", || home.path("up1").exists().then_some(()));
    let old = home.worker("web", 0, "started")["pid"].as_u64().expect("it has a process") as u32;
    let first = home.start(&["reload", "web"]);
    first.says(&format!("still waiting: web/0, pid {old}, is quitting, 9 min"));
    first.says("the old workers of the last change still drain");
    let second = home.start(&["reload", "web"]);
    second.says("a reload waits until old workers are gone, since no more than 2 generations may live");
    let status = home.run(&["status"]).stdout;
    assert!(status.contains("no more than 2 generations") && status.contains(" left"), "{status}");
    // The second one waits for the worker of the first then.
    eventually("the worker of the first traps its signal", || home.path("up2").exists().then_some(()));
    signal(old, SIGKILL);
    assert_eq!(first.end().code, Some(0));
    let newer = home.until("the worker of the first reload drains", |status| {
        let rows = status["apps"][0]["workers"].as_array()?;
        let leaving = rows.iter().find(|row| row["role"] == "leaving")?;
        Some(leaving["pid"].as_u64()? as u32)
    });
    signal(newer, SIGKILL);
    assert_eq!(second.end().code, Some(0));
    assert_eq!(home.run(&["stop", "web", "--now"]).code, Some(0));
    home.down(master);
}

#[test]
fn a_start_in_the_background_says_what_it_waits_for() {
    let home = Home::new();
    home.write(
        "drover.toml",
        "version = 1\n[app.web]\ncommand = [\"sleep\", \"1000\"]\nprotocol = \"notify\"\nworkers = 1\nstart.timeout = \"10m\"\n\
         start.max_timeout = \"20m\"\n[app.front]\ncommand = [\"sleep\", \"1000\"]\nworkers = 1\ndepends_on = { web = \"ready\" }\n",
    );
    let up = home.start(&["up", "-d"]);
    up.says("still waiting: web/0, pid ");
    up.says("is not ready yet, 9 min");
    up.says("still waiting: front waits for web, which is starting");
    let down = home.run(&["down"]);
    assert_eq!(down.code, Some(0), "{down:#?}");
    assert_eq!(up.end().code, Some(1));
}

#[test]
fn an_apply_and_a_wait_say_what_they_wait_for() {
    let home = Home::new();
    let web = "[app.web]\ncommand = \"sleep 1000\"\nworkers = 1\n";
    let master = home.up(web);
    master.says("web is running");
    home.write(
        "drover.toml",
        &format!(
            "version = 1\n{web}[app.slow]\ncommand = \"sleep 1000\"\nprotocol = \"notify\"\nworkers = 1\n\
             start.timeout = \"10m\"\nstart.max_timeout = \"20m\"\n"
        ),
    );
    let stopped = home.start(&["wait", "web", "--for", "stopped"]);
    let apply = home.start(&["apply"]);
    apply.says("still waiting: slow/0, pid ");
    apply.says("is not ready yet, 9 min");
    let ready = home.start(&["wait", "slow"]);
    ready.says("still waiting: slow/0, pid ");
    stopped.says("still waiting: web is running");
    home.down(master);
    assert!(matches!(apply.end().code, Some(1 | 6)));
    assert!(matches!(ready.end().code, Some(3 | 6)));
    assert_eq!(stopped.end().code, Some(0));
}
