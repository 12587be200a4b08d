//! `drover reset`: a worker that was given up is tried again.

use crate::harness::Home;

#[test]
fn what_was_given_up_is_tried_again_and_its_restarts_are_forgotten() {
    let home = Home::new();
    home.script("worker", "#!/bin/sh\nexec sleep 1000\n");
    let master = home.up("[app.web]\ncommand = './worker'\nworkers = 2\nstart.min_uptime = '50ms'\n\
         restart = { limit = { count = 1, within = '5m' }, backoff = { initial = '10ms', max = '10ms' } }\n");
    master.says("web is running");
    home.script("worker", "#!/bin/sh\nexit 3\n");
    let worker = home.worker("web", 1, "started");
    let pid = worker["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).expect("a pid");
    crate::harness::signal(pid, nix::sys::signal::Signal::SIGKILL);
    home.worker("web", 1, "failed");
    home.script("worker", "#!/bin/sh\nexec sleep 1000\n");
    home.run(&["reset", "nosuch"]).failed(4, &["`nosuch`"]);
    let reset = home.run(&["reset", "web/1"]);
    assert_eq!((reset.code, &*reset.stdout), (Some(0), "web/1 reset\n"), "{reset:#?}");
    home.worker("web", 1, "started");
    assert_eq!(home.run(&["reset", "web"]).stdout, "web reset\n");
    assert_eq!(home.status()["apps"][0]["workers"][1]["restarts"], 0);
    assert!(home.events().iter().any(|event| event["event"] == "reset" && event["app"] == "web"));
    home.run(&["stop", "web"]);
    home.run(&["reset", "web"]).failed(3, &["web"]);
    home.down(master);
}
