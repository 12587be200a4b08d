//! Apps of a file in order: `depends_on`, `kind`, `essential`, and the master's strategy.

use crate::harness::Home;

const IN_ORDER: &str = r#"
[app.web]
command = ["sh", "-c", "cat migrated; exec sleep 1000"]
workers = 1
depends_on = { migrate = "completed" }
[app.migrate]
command = ["sh", "-c", "sleep 0.2; echo done > migrated"]
workers = 1
kind = "oneshot"
[app.other]
command = "sleep 1000"
workers = 1
"#;

#[test]
fn an_app_starts_when_what_it_depends_on_is_done() {
    let home = Home::new();
    let master = home.up(IN_ORDER);
    master.says("web is running");
    let ended = home.down(master);
    assert_eq!(ended.stdout, "web/0 | done\n", "{ended:#?}");
}

#[test]
fn only_an_app_means_what_it_depends_on_too() {
    let home = Home::new();
    home.write("drover.toml", &format!("version = 1\n{IN_ORDER}"));
    let master = home.start(&["up", "--only", "web"]);
    master.says("web is running");
    let names = home.run(&["status", "-q"]).stdout;
    assert_eq!(names, "web/0\nmigrate/0\n");
    home.down(master);
}

#[test]
fn the_end_of_an_essential_app_is_the_end_of_all() {
    let home = Home::new();
    let master = home
        .up("[app.main]\ncommand = [\"sh\", \"-c\", \"sleep 1.2\"]\nworkers = 1\nrestart = \"on-failure\"\nessential = true\n\
         [app.beside]\ncommand = \"sleep 1000\"\nworkers = 1\n");
    let ended = master.end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(
        ended.stderr.contains("beside stops, asked by the end of main, which is essential"),
        "{ended:#?}"
    );
}

#[test]
fn a_failed_app_is_started_again_by_the_strategy() {
    let home = Home::new();
    let master = home.up("[master]\nstrategy = \"one-for-one\"\nintensity = 5\nperiod = \"1m\"\n[app.a]\n\
         command = \"sleep 1000\"\nworkers = 1\nrestart = \"never\"\n");
    master.says("a is running");
    let first = home.worker("a", 0, "started");
    crate::harness::signal(u32::try_from(first["pid"].as_u64().unwrap()).unwrap(), nix::sys::signal::SIGKILL);
    home.until("another worker", |status| {
        let worker = &status["apps"][0]["workers"][0];
        (worker["phase"] == "started" && worker["pid"] != first["pid"]).then_some(())
    });
    home.down(master);
}

#[test]
fn an_end_that_takes_longer_than_the_whole_may_take_is_a_failure_of_up_and_down() {
    let home = Home::new();
    let master = home
        .up("[master]\nshutdown_timeout = \"300ms\"\n[app.deaf]\nworkers = 1\nstart.min_uptime = \"0s\"\n\
         command = [\"sh\", \"-c\", \"trap '' TERM; echo deaf; while :; do sleep 0.05; done\"]\n");
    master.prints("deaf");
    home.run(&["down"]).failed(1, &["shutdown timeout"]);
    let ended = master.end();
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert!(ended.stderr.contains("error: ") && ended.stderr.contains("shutdown timeout"), "{ended:#?}");
}

#[test]
fn an_app_that_was_not_started_is_told_with_what_it_needed() {
    let home = Home::new();
    let config = "version = 1\n[app.db]\ncommand = \"false\"\nworkers = 1\nrestart = \"never\"\n[app.web]\n\
                  command = \"sleep 1000\"\nworkers = 1\ndepends_on = { db = \"ready\" }\n";
    home.write("drover.toml", config);
    let ended = home.run(&["up", "--keep-going"]);
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    let told = "error: app `web` was not started: `db`, which it depends on, failed";
    assert!(ended.stderr.contains(told), "{ended:#?}");
}

#[test]
fn a_strategy_that_was_used_too_often_is_why_everything_ended() {
    let home = Home::new();
    let master = home.up("[master]\nstrategy = \"one-for-one\"\nintensity = 0\n[app.a]\nworkers = 1\n\
         start.min_uptime = \"0s\"\ncommand = [\"sh\", \"-c\", \"sleep 0.2; exit 3\"]\nrestart = \"never\"\n");
    let ended = master.end();
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert!(ended.stderr.contains("everything was stopped: app a failed for good"), "{ended:#?}");
}

#[test]
fn a_oneshot_has_one_worker_unless_more_are_asked_for() {
    let home = Home::new();
    let master = home.up("[app.once]\ncommand = [\"sh\", \"-c\", \"echo once\"]\nkind = \"oneshot\"\n\
         [app.thrice]\ncommand = [\"sh\", \"-c\", \"echo again\"]\nkind = \"oneshot\"\nworkers = 3\n");
    let ended = master.end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let count = |line: &str| ended.stdout.lines().filter(|printed| printed.ends_with(line)).count();
    assert_eq!((count("once"), count("again")), (1, 3), "{ended:#?}");
}

#[test]
fn the_status_tells_what_an_app_waits_for() {
    let home = Home::new();
    let master = home
        .up("[app.web]\ncommand = \"sleep 1000\"\nworkers = 1\ndepends_on = { work = \"completed\" }\n\
         [app.work]\ncommand = [\"sh\", \"-c\", \"echo begun; sleep 1000\"]\nkind = \"oneshot\"\n");
    master.prints("begun");
    let ended = home.run(&["status", "web"]);
    assert!(ended.stdout.contains("web not started, 0 of 1 ready, waits for work"), "{ended:#?}");
    let status = home.status();
    let apps = status["apps"].as_array().expect("a list");
    let web = apps.iter().find(|app| app["name"] == "web").expect("it is told");
    assert_eq!(web["waits_for"][0], "work");
    home.down(master);
}
