//! `drover signal`.

use crate::harness::Home;

#[test]
fn it_reaches_the_worker_that_is_named() {
    let home = Home::new();
    let master = home.up(
        "[app.web]\ncommand = [\"sh\", \"-c\", \"trap 'echo got it' USR1; echo trapped; while :; do sleep 0.05; done\"]\n\
         workers = 2\n",
    );
    master.says("web is running");
    let pid = home.worker("web", 1, "started")["pid"].clone();
    for signal in ["USR1", "SIGUSR1", "usr1", "10"] {
        let ended = home.run(&["signal", signal, "web/1"]);
        assert_eq!(
            (ended.code, ended.stdout),
            (Some(0), format!("web/1 signalled, pid {pid}\n")),
            "{signal}"
        );
        master.prints("web/1 | got it");
    }
    assert!(!master.stdout.text().contains("web/0 | got it"));
    assert_eq!(home.run(&["signal", "USR1", "web"]).stdout, "web signalled\n");
    master.prints("web/0 | got it");
    home.run(&["signal", "NOSUCH", "web"]).failed(2, &["'NOSUCH'", "signal(7)"]);
    home.run(&["signal", "65", "web"]).failed(2, &["'65'"]);
    home.run(&["signal", "USR1", "mail"]).failed(4, &["no app `mail`"]);
    home.down(master);
}
