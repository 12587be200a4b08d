//! `drover scale`: more or fewer workers of a running master.

use crate::harness::Home;

fn app(command: &str) -> String {
    format!("[app.web]\ncommand = [\"sh\", \"-c\", {command:?}]\nworkers = 2\nstart.min_uptime = \"50ms\"\n")
}

fn desired(home: &Home) -> (u64, u64, usize) {
    let status = home.status();
    let web = &status["apps"][0];
    (
        web["desired"].as_u64().expect("a number"),
        web["ready"].as_u64().expect("a number"),
        web["workers"].as_array().expect("a list").len(),
    )
}

#[test]
fn an_app_is_scaled_to_by_more_and_by_less() {
    let home = Home::new();
    let master = home.up(&app("exec sleep 1000"));
    master.says("web is running");
    for (typed, line, count) in [
        ("web=5", "web scaled to 5 workers\n", 5),
        ("web=-2", "web scaled to 3 workers\n", 3),
        ("w*=+1", "web scaled to 4 workers\n", 4),
        ("web=1", "web scaled to 1 worker\n", 1),
        ("web=1", "web scaled to 1 worker\n", 1),
    ] {
        let ended = home.run(&["scale", typed]);
        assert_eq!(
            (ended.code, ended.stdout.as_str(), ended.stderr.as_str()),
            (Some(0), line, ""),
            "{typed}"
        );
        assert_eq!(
            desired(&home),
            (count, count, usize::try_from(count).expect("a small number")),
            "{typed}"
        );
    }
    let cpus = std::thread::available_parallelism().expect("it is known").get();
    home.run(&["scale", "web=auto"]);
    assert!(desired(&home).0 <= cpus as u64);
    home.down(master);
}

#[test]
fn a_growth_that_fails_changes_nothing_and_says_why() {
    let home = Home::new();
    let master = home.up(&app("if [ $DROVER_SLOT = 3 ]; then echo no seat >&2; exit 4; fi; exec sleep 1000"));
    master.says("web is running");
    let ended = home.run(&["scale", "web=4"]);
    ended.failed(1, &["app `web`: worker 3 exited with code 4"]);
    assert!(ended.stderr.contains("no seat"), "{ended:#?}");
    assert_eq!(home.run(&["wait", "web", "--for", "ready"]).code, Some(0));
    assert_eq!(desired(&home).0, 2);
    assert_eq!(home.run(&["scale", "web=3"]).code, Some(0));
    home.down(master);
}

#[test]
fn what_is_no_count_or_no_app_is_refused_before_anything_is_done() {
    let home = Home::new();
    for typed in ["web", "web=x", "web/0=2", "=3", "web="] {
        home.run(&["scale", typed]).failed(2, &["APP=COUNT"]);
    }
    let master = home.up(&app("exec sleep 1000"));
    master.says("web is running");
    home.run(&["scale", "web=0"]).failed(1, &["1 to 100000 workers", "stop it"]);
    home.run(&["scale", "web=3", "mail=2"]).failed(4, &["there is no app `mail`; there is web"]);
    home.run(&["scale", "web=3", "w*=2"]).failed(1, &["app `web` is given twice"]);
    assert_eq!(desired(&home), (2, 2, 2));
    home.down(master);
}

#[test]
fn who_does_not_wait_is_answered_at_once_and_the_scale_goes_on() {
    let home = Home::new();
    let master = home.up(&app("trap 'sleep 0.3; exit 0' TERM; echo up; while :; do sleep 0.05; done"));
    master.says("web is running");
    let ended = home.run(&["scale", "web=1", "--no-wait"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "web scales to 1 worker\n"));
    // Joins what is under way.
    assert_eq!(home.run(&["scale", "web=1"]).code, Some(0));
    assert_eq!(desired(&home), (1, 1, 1));
    home.down(master);
}
