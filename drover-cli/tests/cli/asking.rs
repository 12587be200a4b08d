//! The question before much is ended: on a terminal only.

use std::fs::File;
use std::io::Write;
use std::process::Stdio;

use nix::pty::openpty;

use crate::harness::{Captured, Home, eventually};
use crate::operate::started;

/// Runs `drover` on a terminal at which somebody types an answer once there is a question; its code and the screen.
fn on_terminal(home: &Home, args: &[&str], answer: Option<&str>) -> (Option<i32>, String) {
    let pty = openpty(None, None).expect("there are terminals");
    let mut command = home.drover(args);
    command.stdin(Stdio::from(pty.slave.try_clone().expect("it is open")));
    command.stdout(Stdio::from(pty.slave.try_clone().expect("it is open")));
    let mut child = command.stderr(Stdio::from(pty.slave)).spawn().expect("it is there");
    drop(command);
    let mut keyboard = File::from(pty.master.try_clone().expect("it is open"));
    let screen = Captured::new(File::from(pty.master));
    if let Some(answer) = answer {
        screen.until("a question", |all| all.contains("[y/N]").then_some(()));
        keyboard.write_all(answer.as_bytes()).expect("it is taken");
    }
    let status = eventually("its end", || child.try_wait().expect("it is our child"));
    (status.code(), screen.all())
}

#[test]
fn a_person_is_asked_before_whole_apps_and_patterns_are_touched() {
    let home = Home::new();
    let master = started(&home);
    let before = home.worker("web", 0, "started");
    let (code, screen) = on_terminal(&home, &["restart", "web"], Some("n\n"));
    assert_eq!(code, Some(1), "{screen}");
    assert!(
        screen.contains("restart web, 2 workers of 1 app? [y/N]") && screen.contains("nothing was done"),
        "{screen}"
    );
    let (code, screen) = on_terminal(&home, &["signal", "KILL", "*/0"], Some("\n"));
    assert!(code == Some(1) && screen.contains("signal */0, 2 workers of 2 apps? [y/N]"), "{screen}");
    assert_eq!(home.worker("web", 0, "started")["pid"], before["pid"]);
    let (code, screen) = on_terminal(&home, &["restart", "web"], Some("y\n"));
    assert!(code == Some(0) && screen.contains("web restarted"), "{screen}");
    home.down(master);
}

#[test]
fn nobody_is_asked_who_has_agreed_or_names_a_worker_or_is_no_person() {
    let home = Home::new();
    let master = started(&home);
    for args in [&["stop", "-y", "web"][..], &["start", "web"], &["stop", "web/1"], &["start", "web/*"]] {
        let (code, screen) = on_terminal(&home, args, None);
        assert!(code == Some(0) && !screen.contains("[y/N]"), "{args:?}: {screen}");
    }
    assert_eq!(home.run(&["stop", "web"]).code, Some(0));
    home.down(master);
}
