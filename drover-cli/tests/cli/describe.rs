//! `drover describe`.

use serde_json::Value;

use crate::harness::Home;

const APP: &str = "[app.web]\ncommand = [\"sh\", \"-c\", \"echo last word >&2; exec sleep 1000\"]\nworkers = 2\n\
                   start.min_uptime = \"50ms\"\nstop.drain_timeout = \"7s\"\nenv = { TOKEN = \"s3cret\" }\n";

#[test]
fn an_app_is_shown_with_its_settings_and_the_past_of_its_workers() {
    let home = Home::new();
    let master = home.up(APP);
    master.says("web is running");
    assert_eq!(home.run(&["restart", "web/1"]).code, Some(0));
    let ended = home.run(&["describe", "web"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    for part in [
        "web running, 2 of 2 ready",
        "stop.drain_timeout",
        "7s",
        "web/0 ready, pid ",
        "ended by SIGTERM",
        "    last word\n",
    ] {
        assert!(ended.stdout.contains(part), "{part} is not in\n{}", ended.stdout);
    }
    assert!(!ended.stdout.contains("s3cret"), "{}", ended.stdout);
    assert!(ended.stdout.contains(" ago, at 20"), "when each end was: {}", ended.stdout);
    assert_eq!(home.run(&["scale", "web=1"]).code, Some(0));
    let gone = home.run(&["describe", "web/1"]);
    assert!(
        gone.stdout.starts_with("web/1 stopped") && gone.stdout.contains("ended by SIGTERM"),
        "{gone:#?}"
    );
    home.run(&["describe", "web/7"]).failed(4, &["no worker `web/7`"]);
    let worker = home.run(&["describe", "web/0"]);
    assert!(
        worker.stdout.starts_with("web/0 ready") && !worker.stdout.contains("drain_timeout"),
        "{worker:#?}"
    );
    home.run(&["describe", "mail"]).failed(4, &["no app `mail`"]);
    home.down(master);
}

#[test]
fn as_json_it_has_what_status_has_and_more() {
    let home = Home::new();
    let master = home.up(APP);
    master.says("web is running");
    assert_eq!(home.run(&["restart", "web/1"]).code, Some(0));
    let described: Value = serde_json::from_str(&home.run(&["describe", "web", "--json"]).stdout).unwrap();
    let (app, worker) = (&described["apps"][0], &described["workers"][1]);
    assert_eq!((&app["name"], &app["phase"], &app["desired"]), (&"web".into(), &"started".into(), &2.into()));
    assert_eq!(app["settings"]["stop.drain_timeout"], "7s");
    assert_eq!(
        (&worker["app"], &worker["slot"], &worker["phase"]),
        (&"web".into(), &1.into(), &"started".into())
    );
    assert_eq!(worker["history"][0]["signal"], "SIGTERM");
    assert_eq!(worker["history"][0]["stderr_tail"][0], "last word");
    home.down(master);
}
