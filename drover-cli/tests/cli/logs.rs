//! `drover logs`.

use nix::sys::signal::SIGINT;

use crate::harness::{Home, eventually};

const APPS: &str = r#"
[app.web]
command = ["sh", "-c", "echo one; echo two >&2; while [ ! -e go ]; do sleep 0.05; done; echo three; exec sleep 1000"]
workers = 1
[app.mail]
command = ["sh", "-c", "echo mail; exec sleep 1000"]
workers = 1
"#;

/// Its lines, sorted: what comes by two pipes has no order.
fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn kept_lines_of_both_streams_are_shown_of_those_that_are_named() {
    let home = Home::new();
    let master = home.up(APPS);
    master.says("web is running");
    master.says("mail is running");
    eventually("all lines are kept", || (home.run(&["logs"]).stdout.lines().count() == 3).then_some(()));
    let all = home.run(&["logs"]);
    assert_eq!((all.code, all.stderr.as_str()), (Some(0), ""));
    assert_eq!(sorted(&all.stdout), ["mail/0 | mail", "web/0 | one", "web/0 | two"]);
    assert_eq!(sorted(&home.run(&["logs", "w*"]).stdout), ["web/0 | one", "web/0 | two"]);
    assert_eq!(home.run(&["logs", "web", "-n", "1"]).stdout.lines().count(), 1);
    assert_eq!(home.run(&["logs", "-n", "0"]).stdout, "");
    home.run(&["logs", "nosuch"]).failed(4, &["no app `nosuch`"]);
    home.run(&["logs", "web/7"]).failed(4, &["no worker `web/7`"]);
    let gone = home.run(&["logs", "web@999"]);
    assert_eq!(
        (gone.code, gone.stdout.as_str()),
        (Some(0), ""),
        "one that is gone may have printed something"
    );
    home.down(master);
}

#[test]
fn followed_it_goes_on_until_ctrl_c_or_the_masters_end() {
    let home = Home::new();
    let master = home.up(APPS);
    master.says("web is running");
    let until_ctrl_c = home.start(&["logs", "-f", "web"]);
    let until_the_end = home.start(&["logs", "-f", "-n", "0"]);
    until_ctrl_c.prints("web/0 | one\n");
    // Its subscription can be seen in nothing but its lines.
    eventually("a line of its own", || {
        home.write("go", "");
        until_ctrl_c.stdout.text().contains("web/0 | three\n").then_some(())
    });
    until_ctrl_c.signal(SIGINT);
    assert_eq!(until_ctrl_c.end().code, Some(0));
    home.down(master);
    let ended = until_the_end.end();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:#?}");
    assert!(!ended.stdout.contains("mail"), "{ended:#?}");
}

#[test]
fn bytes_that_are_no_text_arrive_as_they_are() {
    let home = Home::new();
    let master = home.up("[app.a]\ncommand = [\"sh\", \"-c\", \"printf '\\\\377\\\\376\\\\n'; exec sleep 1000\"]\nworkers = 1\n");
    master.says("a is running");
    let output = home.drover(&["logs"]).output().unwrap();
    assert_eq!(output.stdout, b"a/0 | \xff\xfe\n");
    home.down(master);
}

#[test]
fn many_short_lines_take_no_more_memory_than_they_have_bytes() {
    let home = Home::new();
    let script = "yes '' | head -c 400000; exec sleep 1000";
    let master = home.up(&format!("[app.a]\ncommand = [\"sh\", \"-c\", \"{script}\"]\nworkers = 1\n"));
    master.says("a is running");
    eventually("all lines are kept", || {
        (home.run(&["logs"]).stdout.lines().count() == 400_000).then_some(())
    });
    assert_eq!(home.run(&["logs", "-n", "5000"]).stdout, "a/0 | \n".repeat(5000));
    let status = std::fs::read_to_string(format!("/proc/{}/status", master.pid())).unwrap();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let most: u64 = most.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(most < 100 * 1024, "{most} KiB");
    home.down(master);
}

#[test]
fn the_output_of_a_removed_app_is_not_that_of_a_later_one_of_its_name() {
    let home = Home::new();
    let app = |name: &str, says: &str| {
        format!("[app.{name}]\ncommand = [\"sh\", \"-c\", \"echo {says}; exec sleep 1000\"]\nworkers = 1\n")
    };
    let both = format!("{}{}", app("stays", "here"), app("web", "first"));
    let master = home.up(&both);
    master.prints("web/0 | first");
    for (toml, shown) in [
        (app("stays", "here"), None),
        (format!("{}{}", app("stays", "here"), app("web", "second")), Some("web/0 | second\n")),
    ] {
        home.write("drover.toml", &format!("version = 1\n{toml}"));
        let applied = home.run(&["apply", "-y"]);
        assert_eq!(applied.code, Some(0), "{applied:#?}");
        if let Some(shown) = shown {
            master.prints(shown);
            assert_eq!(home.run(&["logs", "web"]).stdout, shown);
        }
    }
    assert_eq!(home.run(&["logs", "stays"]).stdout, "stays/0 | here\n");
    home.down(master);
}

#[test]
fn lines_are_chosen_by_stream_time_and_text_and_told_as_json() {
    let home = Home::new();
    let master = home.up(APPS);
    master.says("web is running");
    master.says("mail is running");
    eventually("all lines are kept", || (home.run(&["logs"]).stdout.lines().count() == 3).then_some(()));
    for (words, lines) in [
        ("--err", &["web/0 | two"][..]),
        ("--stream out web", &["web/0 | one"]),
        ("--since 1h --until 0s --err", &["web/0 | two"]),
        ("--since 2099-01-01", &[]),
        ("--until 1h", &[]),
        ("--grep ^(one|MAIL)$", &["web/0 | one"]),
        ("--grep (?i)^(one|MAIL)$", &["mail/0 | mail", "web/0 | one"]),
        ("--grep o -n 1 web --stream err", &["web/0 | two"]),
    ] {
        let shown = home.run(&["logs"].into_iter().chain(words.split(' ')).collect::<Vec<_>>());
        assert_eq!((shown.code, sorted(&shown.stdout)), (Some(0), lines.to_vec()), "{words}: {shown:#?}");
    }
    home.run(&["logs", "--grep", "("]).failed(2, &["--grep", "unclosed group"]);
    let told = home.run(&["logs", "--json", "--err"]).stdout;
    let line: serde_json::Value = serde_json::from_str(told.trim()).unwrap();
    let status: serde_json::Value =
        serde_json::from_str(&home.run(&["status", "web", "--json"]).stdout).unwrap();
    let worker = &status["apps"][0]["workers"][0];
    for (key, value) in [
        ("app", &"web".into()),
        ("slot", &0.into()),
        ("stream", &"stderr".into()),
        ("text", &"two".into()),
        ("generation", &worker["generation"]),
        ("worker", &worker["id"]),
        ("pid", &worker["pid"]),
    ] {
        assert_eq!(&line[key], value, "{key}: {line}");
    }
    assert!(line["time_ms"].as_u64().is_some_and(|time| time > 1_700_000_000_000), "{line}");
    home.down(master);
}

#[test]
fn what_a_worker_said_last_is_shown_after_its_slot_is_gone() {
    let home = Home::new();
    let script = "echo here is $DROVER_SLOT; echo bye from $DROVER_SLOT >&2; exec sleep 1000";
    let master = home.up(&format!("[app.web]\ncommand = [\"sh\", \"-c\", \"{script}\"]\nworkers = 2\n"));
    master.says("web is running");
    eventually("all lines are kept", || (home.run(&["logs"]).stdout.lines().count() == 4).then_some(()));
    let none_yet = home.run(&["logs", "--last-exit"]);
    assert_eq!((none_yet.code, none_yet.stdout.as_str()), (Some(0), ""), "nobody has ended");
    assert_eq!(home.run(&["scale", "web=1"]).code, Some(0));
    let shown = home.run(&["logs", "web/1"]);
    assert_eq!(sorted(&shown.stdout), ["web/1 | bye from 1", "web/1 | here is 1"], "{shown:#?}");
    let last = home.run(&["logs", "web/1", "--last-exit"]);
    assert_eq!(last.stdout, "web/1 | bye from 1\n", "{last:#?}");
    assert!(last.stderr.contains("web/1 "), "{last:#?}");
    home.run(&["logs", "web/2"]).failed(4, &["no worker `web/2`"]);
    home.down(master);
}
