//! A master in the foreground of a terminal.

use nix::sys::signal::{SIGHUP, SIGINT, kill};
use nix::unistd::Pid;

use crate::harness::{Home, Terminal, signal};

/// Drains for longer than two signals can be apart that are one press; a hurry would end it at once.
const DRAINS: &str = "trap 'sleep 1; echo drained; exit 0' TERM; echo up; while :; do sleep 0.1; done";

fn at_terminal(home: &Home, script: &str) -> Terminal {
    Terminal::start(&home.drover(&["run", "--name", "app", "--", "sh", "-c", script]))
}

#[test]
fn a_ctrl_c_that_a_wrapper_passes_on_is_one_press() {
    let home = Home::new();
    let mut terminal = at_terminal(&home, DRAINS);
    terminal.shows("up");
    home.worker("app", 0, "started");
    terminal.press("\x03");
    signal(terminal.pid(), SIGINT);
    terminal.shows("drained");
    assert_eq!(terminal.end().code(), Some(0));
}

#[test]
fn ctrl_backslash_ends_as_sigterm_does() {
    let home = Home::new();
    let mut terminal = at_terminal(&home, DRAINS);
    terminal.shows("up");
    home.worker("app", 0, "started");
    terminal.press("\x1c");
    terminal.shows("app stops, asked by SIGQUIT");
    terminal.shows("drained");
    assert_eq!(terminal.end().code(), Some(0));
}

#[test]
fn a_hangup_reloads_while_the_terminal_is_there_and_ends_gracefully_when_it_is_closed() {
    let home = Home::new();
    let script = "trap 'sleep 0.2; echo >left-$$; exit 0' TERM; echo up; while :; do sleep 0.1; done";
    let mut terminal = at_terminal(&home, script);
    terminal.shows("up");
    let first = home.worker("app", 0, "started")["pid"].clone();
    signal(terminal.pid(), SIGHUP);
    let second = home.until("a new worker in its place", |status| {
        let worker = &status["apps"][0]["workers"][0];
        (worker["phase"] == "started" && worker["pid"] != first).then(|| worker["pid"].clone())
    });
    terminal.close();
    // More than one comes, from the kernel and from a shell. The master may be gone by now.
    let _ = kill(Pid::from_raw(terminal.pid().try_into().unwrap()), SIGHUP);
    assert_eq!(terminal.end().code(), Some(0));
    assert!(home.path(&format!("left-{second}")).exists(), "it was ended without its drain");
}

/// It is ready, and ends, once there is a file for it.
const ON_DEMAND: &str = "version = 1\n[app.web]\nworkers = 1\nstart.probe = { log = \"now\" }\ncommand = [\"sh\", \"-c\", \"\"\"\n\
    until [ -e ready ]; do echo printed >&2; echo printed; sleep 0.1; done; \
    trap 'until [ -e gone ]; do echo printed; sleep 0.1; done; exit 0' TERM; echo now; while :; do sleep 0.1; done\"\"\"]\n";

/// No row has anything of the line that stood below all others, or of the line of a worker beside it.
fn assert_no_trace(rows: &[String]) {
    let is_line = |row: &String| row.contains("waiting for") || row.contains("[#") || row.contains("[.");
    assert!(!rows.iter().any(is_line), "{rows:#?}");
    let printed = rows.iter().filter(|row| row.contains("printed"));
    assert!(printed.clone().all(|row| row == "web/0 | printed"), "{rows:#?}");
}

#[test]
fn a_master_at_a_terminal_shows_how_far_a_start_and_a_shutdown_are_and_leaves_no_trace_of_it() {
    let home = Home::new();
    home.write("drover.toml", ON_DEMAND);
    let mut terminal = Terminal::start(&home.drover(&["--color", "never", "up"]));
    terminal.shows("web 0/1 ready · waiting for web/0 (starting");
    terminal.resize(20);
    terminal.shows("\rweb 0/1 ready\x1b[J");
    terminal.resize(200);
    terminal.shows("\r[..............................] web 0/1 ready · waiting for web/0 (starting: it has printed no line with \"now\"");
    home.write("ready", "");
    terminal.shows("web is running: every worker is ready\r\n");
    terminal.press("\x03");
    terminal.shows("web 0/1 stopped · waiting for web/0 (quitting");
    home.write("gone", "");
    let (status, _, rows) = terminal.end_with_rows();
    assert_eq!(status.code(), Some(0));
    assert_no_trace(&rows);
    let last = "drover: web/0 stopped: exited with code 0";
    assert!(rows.iter().any(|row| row.starts_with(last)), "{rows:#?}");
}

#[test]
fn a_verb_at_a_terminal_shows_how_far_a_start_and_a_shutdown_are_and_leaves_no_trace_of_it() {
    let home = Home::new();
    home.write("drover.toml", ON_DEMAND);
    let mut up = Terminal::start(&home.drover(&["up", "-d"]));
    up.shows("web 0/1 ready");
    home.write("ready", "");
    up.shows("every app is ready");
    let (status, _, rows) = up.end_with_rows();
    assert_eq!(status.code(), Some(0));
    assert_no_trace(&rows);
    // One that can only add lines gets no line of this kind.
    let mut dumb = home.drover(&["down"]);
    dumb.env("TERM", "dumb");
    let (mut down, dumb) = (Terminal::start(&home.drover(&["down"])), Terminal::start(&dumb));
    down.shows("web 0/1 stopped");
    home.write("gone", "");
    for (terminal, has_line) in [(down, true), (dumb, false)] {
        let (status, text, rows) = terminal.end_with_rows();
        assert_eq!((status.code(), text.contains("0/1 stopped")), (Some(0), has_line), "{text}");
        assert_no_trace(&rows);
    }
}

#[test]
fn a_worker_that_wants_the_terminal_fails_or_becomes_ready_and_is_never_stopped_by_it() {
    let home = Home::new();
    for (script, said) in [
        ("stty -echo </dev/tty; echo \"stty ends with $?\"; exec sleep 1000", "stty ends with "),
        // An interactive shell stops itself until it is in the foreground of its terminal.
        ("exec bash -ic 'echo interactive; exec sleep 1000'", "interactive"),
    ] {
        let mut terminal = at_terminal(&home, script);
        terminal.shows(said);
        let worker = home.worker("app", 0, "started");
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", worker["pid"])).unwrap();
        let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next()).unwrap();
        assert!("RSD".contains(state), "{stat}");
        // Its terminal still belongs to the master.
        terminal.press("\x03");
        assert_eq!(terminal.end().code(), Some(0));
    }
}
