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
    master.says("web is started");
    let ended = home.down(master);
    assert_eq!(ended.stdout, "web/0 | done\n", "{ended:#?}");
}

#[test]
fn only_an_app_means_what_it_depends_on_too() {
    let home = Home::new();
    home.write("drover.toml", &format!("version = 1\n{IN_ORDER}"));
    let master = home.start(&["up", "--only", "web"]);
    master.says("web is started");
    let names = home.run(&["status", "-q"]).stdout;
    assert_eq!(names, "web/0\nmigrate/0\n");
    home.down(master);
}

#[test]
fn the_end_of_an_essential_app_is_the_end_of_all() {
    let home = Home::new();
    let master = home
        .up("[app.main]\ncommand = [\"sh\", \"-c\", \"sleep 1.2\"]\nworkers = 1\nessential = true\n\
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
    master.says("a is started");
    let first = home.worker("a", 0, "started");
    crate::harness::signal(u32::try_from(first["pid"].as_u64().unwrap()).unwrap(), nix::sys::signal::SIGKILL);
    home.until("another worker", |status| {
        let worker = &status["apps"][0]["workers"][0];
        (worker["phase"] == "started" && worker["pid"] != first["pid"]).then_some(())
    });
    home.down(master);
}
