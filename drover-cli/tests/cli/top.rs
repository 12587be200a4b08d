//! `drover top` on a terminal.

use nix::sys::signal::{SIGCONT, SIGHUP, SIGINT, SIGKILL, SIGQUIT, SIGTERM, SIGTSTP};

use crate::harness::{Home, Terminal, Tmux, eventually, is_running, signal};

/// The pid that a row of the list shows.
fn pid(screen: &str, name: &str) -> Option<u32> {
    let row = screen.lines().find(|row| row.trim_start().starts_with(name))?;
    row.split_whitespace().nth(2)?.parse().ok()
}

/// The `drover top` in this home.
fn view(home: &Home) -> u32 {
    eventually("the view", || {
        home.processes().into_iter().find(|pid| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.ends_with(b"\0top\0")
        })
    })
}

#[test]
fn the_live_view_shows_a_death_and_a_reload_and_gives_the_screen_back() {
    let home = Home::new();
    let Some(tmux) = Tmux::start(&home, 100, 30) else { return };
    let (demo, _) = home.demo(&["-n", "2"]);
    tmux.type_drover("top");
    let screen = tmux.until("both workers", |screen| {
        screen.matches(" ready ").count() == 2 && pid(screen, "demo/0").is_some()
    });
    let killed = pid(&screen, "demo/0").unwrap();
    signal(killed, SIGKILL);
    tmux.until("another worker and why", |screen| {
        pid(screen, "demo/0").is_some_and(|pid| pid != killed)
            && screen.contains("was ended by SIGKILL from outside while ready")
            && screen.contains("running 2/2")
    });
    // A question, and no reload where the answer is no.
    tmux.types("r");
    tmux.shows("drover reload demo");
    tmux.types("n");
    tmux.until("no question", |screen| !screen.contains("drover reload demo"));
    tmux.types("r");
    tmux.shows("drover reload demo");
    tmux.types("y");
    tmux.shows("drover reload demo: done");
    tmux.types("4");
    let screen = tmux.shows("of generation 2");
    assert!(screen.contains("committed: generation 2"), "{screen}");
    // The evidence of the worker that was killed.
    tmux.press(&["Down"]);
    tmux.types("3");
    tmux.shows("ms of CPU, at most");
    tmux.types("1/place of");
    tmux.shows("/place of");
    tmux.press(&["Enter"]);
    tmux.shows("N older");
    tmux.press(&["Escape"]);
    // Narrow, and wide again.
    tmux.resize(20, 10);
    tmux.until("a narrow view", |screen| screen.contains("demo/1") && !screen.contains("UPTIME"));
    tmux.resize(100, 30);
    tmux.shows("UPTIME");
    tmux.types("q");
    let screen = tmux.until("the shell again", |screen| !screen.contains("UPTIME"));
    assert!(screen.contains("./d top"), "{screen}");
    tmux.types("stty -a | grep -o ' icanon'; echo status $?");
    tmux.press(&["Enter"]);
    tmux.until("the terminal's settings", |screen| {
        screen.contains("\n icanon") && screen.contains("status 0")
    });
    tmux.end();
    home.down(demo);
}

#[test]
fn the_live_view_gives_the_terminal_back_to_the_shell_and_to_whoever_ends_it() {
    let home = Home::new();
    let Some(tmux) = Tmux::start(&home, 80, 24) else { return };
    let (demo, _) = home.demo(&["-n", "1"]);
    tmux.type_drover("top");
    tmux.shows("running 1/1");
    tmux.press(&["C-z"]);
    tmux.until("the shell", |screen| screen.contains("Stopped") && !screen.contains("running 1/1"));
    tmux.types("fg");
    tmux.press(&["Enter"]);
    tmux.shows("running 1/1");
    let first = view(&home);
    signal(first, SIGTERM);
    tmux.until("the shell", |screen| screen.contains("./d top") && !screen.contains("running 1/1"));
    eventually("its end", || (!is_running(first)).then_some(()));
    tmux.types("clear");
    tmux.press(&["Enter"]);
    tmux.type_drover("top --read-only");
    tmux.until("the view", |screen| screen.contains("running 1/1") && screen.contains("read-only"));
    tmux.types("r");
    tmux.shows("this view is read-only");
    // It says that its master is gone, and finds the next one at the same place.
    home.down(demo);
    tmux.shows("the master is gone");
    let (demo, _) = home.demo(&["-n", "2"]);
    tmux.shows("running 2/2");
    home.down(demo);
    tmux.shows("the master is gone");
    tmux.types("q");
    tmux.shows("error: the master is gone");
    tmux.types("echo status $?");
    tmux.press(&["Enter"]);
    tmux.shows("status 6");
    tmux.end();
}

#[test]
fn every_signal_that_ends_or_stops_the_live_view_gives_the_terminal_back() {
    let home = Home::new();
    let Some(tmux) = Tmux::start(&home, 80, 24) else { return };
    let (demo, _) = home.demo(&["-n", "1"]);
    let is_given_back = |round: usize| {
        tmux.types(&format!(
            "stty -a | grep -o ' icanon'; stty -a | grep -o ' echo '; echo given back {round}"
        ));
        tmux.press(&["Enter"]);
        let done = format!("\ngiven back {round}");
        let screen = tmux.until("the shell", |screen| screen.contains(&done));
        let (before, _) = screen.split_once(&done).unwrap();
        let rows: Vec<&str> = before.lines().map(str::trim).rev().take(2).collect();
        assert_eq!(rows, ["echo", "icanon"], "{screen}");
        assert!(!screen.contains("running 1/1"), "{screen}");
        tmux.types("clear");
        tmux.press(&["Enter"]);
        tmux.until("an empty screen", |screen| !screen.contains("given back"));
    };
    for (round, number) in [SIGINT, SIGQUIT, SIGTERM, SIGHUP].into_iter().enumerate() {
        tmux.type_drover("top");
        tmux.shows("running 1/1");
        let view = view(&home);
        signal(view, number);
        eventually("its end", || (!is_running(view)).then_some(()));
        is_given_back(round);
    }
    tmux.type_drover("top");
    tmux.shows("running 1/1");
    let view = view(&home);
    signal(view, SIGTSTP);
    tmux.until("the shell", |screen| screen.contains("Stopped") && !screen.contains("running 1/1"));
    tmux.types("clear");
    tmux.press(&["Enter"]);
    tmux.until("an empty screen", |screen| !screen.contains("Stopped"));
    is_given_back(9);
    // Continued in the foreground, it takes the terminal again, and gives it back in the end.
    tmux.types("fg");
    tmux.press(&["Enter"]);
    tmux.shows("running 1/1");
    // One that nobody has stopped is continued in vain.
    signal(view, SIGCONT);
    tmux.types("?");
    tmux.shows("draw everything again");
    tmux.types("?q");
    eventually("its end", || (!is_running(view)).then_some(()));
    is_given_back(10);
    tmux.end();
    home.down(demo);
}

#[test]
fn the_live_view_is_a_table_on_a_terminal_that_shows_lines_alone() {
    let home = Home::new();
    let Some(tmux) = Tmux::start(&home, 100, 24) else { return };
    let (demo, _) = home.demo(&["-n", "1"]);
    tmux.types("export TERM=dumb");
    tmux.press(&["Enter"]);
    tmux.type_drover("top; echo status $?");
    let screen = tmux.shows("status 0");
    assert!(screen.contains("MEMORY") && screen.contains("demo/0"), "{screen}");
    tmux.end();
    home.down(demo);
}

#[test]
fn the_live_view_ends_with_its_terminal() {
    let home = Home::new();
    let (demo, _) = home.demo(&["-n", "1"]);
    let mut terminal = Terminal::start(&home.drover(&["top"]));
    terminal.shows("demo/0");
    terminal.close();
    assert_eq!(terminal.end().code(), Some(0));
    home.down(demo);
}
