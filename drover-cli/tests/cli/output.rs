//! What workers print.

use std::fs::File;
use std::process::Stdio;

use nix::pty::openpty;

use crate::harness::{Captured, Home, eventually};

#[test]
fn each_line_has_its_prefix_and_its_stream() {
    let home = Home::new();
    let ended = home.run_sh(&["-n", "2"], "echo \"out of $DROVER_SLOT\"; echo \"err of $DROVER_SLOT\" >&2");
    let mut out: Vec<&str> = ended.stdout.lines().collect();
    out.sort_unstable();
    assert_eq!(out, ["app/0 | out of 0", "app/1 | out of 1"]);
    for slot in 0..2 {
        assert!(ended.stderr.contains(&format!("app/{slot} | err of {slot}\n")), "{ended:#?}");
    }
    assert!(!ended.stdout.contains('\x1b') && !ended.stderr.contains('\x1b'), "{ended:#?}");
}

#[test]
fn partial_last_lines_and_bytes_that_are_no_text_arrive() {
    let home = Home::new();
    let script = "printf 'whole\\nhalf'; printf 'err half' >&2; printf ' and half'; exit 0";
    let ended = home.run_sh(&[], script);
    assert_eq!(ended.stdout, "app/0 | whole\napp/0 | half and half\n");
    assert!(ended.stderr.contains("app/0 | err half\n"), "{ended:#?}");
    let ended = home.run_sh(&[], "printf '\\377\\376\\n\\n\\000.\\n'");
    assert_eq!(ended.stdout, "app/0 | \u{fffd}\u{fffd}\napp/0 | \napp/0 | \0.\n");
}

#[test]
fn ten_thousand_lines_right_before_the_exit_all_arrive() {
    let home = Home::new();
    for (redirect, exit) in [("", 0), (">&2", 0), ("", 3)] {
        let ended = home.run_sh(&["-q"], &format!("seq 10000 {redirect}; exit {exit}"));
        let stream = if redirect.is_empty() { &ended.stdout } else { &ended.stderr };
        let lines: Vec<&str> = stream.lines().filter_map(|line| line.strip_prefix("app/0 | ")).collect();
        assert_eq!(lines.len(), 10_000);
        assert!(lines.iter().enumerate().all(|(number, line)| *line == (number + 1).to_string()));
    }
}

#[test]
fn colours_obey_the_option_and_no_color_and_the_terminal() {
    let home = Home::new();
    let script = ["run", "--name", "app", "--", "sh", "-c", "echo hi; echo ho >&2; exit 3"];
    let with = |option: &str| home.run(&[&["--color", option][..], &script].concat());
    let always = with("always");
    assert!(always.stdout.contains("\x1b[") && always.stdout.contains("app/0 |\x1b[0m hi"), "{always:#?}");
    assert!(always.stderr.contains("error:") && always.stderr.contains("\x1b[31m"), "{always:#?}");
    assert!(!with("never").stderr.contains('\x1b'));
    with("sometimes").failed(2, &["sometimes", "--color"]);

    let on_terminal = |name: &str, value: &str| {
        let pty = openpty(None, None).unwrap();
        let mut command = home.drover(&script);
        command.env(name, value).stdin(Stdio::null());
        command.stdout(Stdio::from(pty.slave.try_clone().unwrap()));
        let mut child = command.stderr(Stdio::from(pty.slave)).spawn().unwrap();
        drop(command);
        let screen = Captured::new(File::from(pty.master));
        let status = eventually("its end", || child.try_wait().unwrap());
        assert_eq!(status.code(), Some(1));
        screen.all()
    };
    assert!(on_terminal("TERM", "xterm").contains("app/0 |\x1b[0m hi"));
    let plain = on_terminal("NO_COLOR", "1");
    assert!(plain.contains("app/0 | hi") && !plain.contains('\x1b'), "{plain:?}");
}

#[test]
fn long_lines_are_whole_and_no_other_workers_line_is_in_them() {
    let home = Home::new();
    let script = "line=$(head -c 100000 /dev/zero | tr '\\0' $DROVER_SLOT); for i in 1 2 3 4 5 6 7 8 9; do echo \"$line\"; done";
    let ended = home.run_sh(&["-n", "2"], script);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(lines.len(), 18);
    for slot in ["0", "1"] {
        let whole = format!("app/{slot} | {}", slot.repeat(100_000));
        assert_eq!(lines.iter().filter(|line| **line == whole).count(), 9);
    }
}

#[test]
fn a_line_that_is_begun_is_shown_before_its_end_comes() {
    let home = Home::new();
    let master = home
        .start_sh(&[], "printf 'waiting for the lock'; while [ ! -e go ]; do sleep 0.05; done; echo ' done'");
    master.prints("app/0 | waiting for the lock…\n");
    assert_eq!(home.run(&["logs"]).stdout, "app/0 | waiting for the lock…\n");
    home.write("go", "");
    let ended = master.end();
    assert_eq!(ended.stdout, "app/0 | waiting for the lock…\napp/0 |  done\n", "{ended:#?}");
}

#[test]
fn colours_of_a_worker_end_with_their_line_and_are_taken_away_where_none_are_wanted() {
    let home = Home::new();
    let script =
        ["run", "--name", "app", "--", "sh", "-c", "printf '\\033[31mred\\n\\033[32mgreen\\033[0m\\n'"];
    let with = |option: &str| home.run(&[&["--color", option][..], &script].concat()).stdout;
    assert_eq!(with("auto"), "app/0 | \x1b[31mred\x1b[0m\napp/0 | \x1b[32mgreen\x1b[0m\n");
    assert_eq!(with("never"), "app/0 | red\napp/0 | green\n");
    assert!(with("always").contains("app/0 |\x1b[0m \x1b[31mred\x1b[0m\n"));
    let master = home.start_sh(&[], "printf '\\033[31mred\\n'; exec sleep 1000");
    master.prints("red");
    assert_eq!(home.run(&["logs"]).stdout, "app/0 | \x1b[31mred\x1b[0m\n");
    assert_eq!(home.run(&["--color", "never", "logs"]).stdout, "app/0 | red\n");
    home.down(master);
}

#[test]
fn a_reader_that_is_gone_does_not_end_the_workers() {
    let home = Home::new();
    let mut command =
        home.drover(&["run", "--name", "app", "--", "sh", "-c", "while :; do echo line; sleep 0.01; done"]);
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    drop(child.stdout.take());
    home.worker("app", 0, "started");
    assert_eq!(home.run(&["down"]).code, Some(0));
    let status = eventually("its end", || child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
}
