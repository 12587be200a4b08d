//! `logs = { dir = … }`, and `drover reopen-logs`.

use std::fs;

use crate::harness::{Home, eventually};

#[test]
fn all_that_was_printed_is_in_the_files_once_all_is_over() {
    let home = Home::new();
    let script = "for n in $(seq 2000); do echo $DROVER_SLOT $n; done; echo ready >&2; trap 'echo bye; exit 0' TERM; while :; do sleep 0.05; done";
    let master = home.up(&format!(
        "[app.web]\ncommand = [\"sh\", \"-c\", \"{script}\"]\nworkers = 2\nlogs = {{ dir = \"logs\", per = \"worker\", format = \"json\" }}\n"
    ));
    master.says("web is running");
    home.down(master);
    for slot in [0, 1] {
        let text = fs::read_to_string(home.path(&format!("logs/web/{slot}.log"))).unwrap();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let said: Vec<_> = lines
            .iter()
            .filter(|line| line["stream"] == "stdout")
            .map(|line| line["text"].as_str().unwrap().to_owned())
            .collect();
        let expected: Vec<String> =
            (1..=2000).map(|number| format!("{slot} {number}")).chain(["bye".to_owned()]).collect();
        assert_eq!(said, expected, "slot {slot}");
        assert!(lines.iter().all(|line| line["app"] == "web" && line["slot"] == slot));
    }
}

#[test]
fn files_that_were_moved_are_opened_again_and_the_verb_has_it_done() {
    let home = Home::new();
    let master = home.up(
        "[app.web]\ncommand = [\"sh\", \"-c\", \"while :; do echo tick; sleep 0.05; done\"]\nworkers = 1\nlogs = { dir = \"logs\" }\n",
    );
    master.says("web is running");
    let path = home.path("logs/web.log");
    let has_lines =
        || fs::read_to_string(&path).is_ok_and(|text| text.contains("web/0 | tick\n")).then_some(());
    eventually("there are lines", has_lines);
    fs::rename(&path, home.path("moved")).unwrap();
    let done = home.run(&["reopen-logs"]);
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (Some(0), "", ""), "{done:#?}");
    eventually("there are lines in another file", has_lines);
    home.down(master);
}

#[test]
fn only_the_files_of_the_apps_that_are_named_are_opened_again() {
    let home = Home::new();
    let app = |name: &str, logs: &str| {
        format!(
            "[app.{name}]\ncommand = [\"sh\", \"-c\", \"while :; do echo tick; sleep 0.02; done\"]\nworkers = 1\n{logs}\n"
        )
    };
    let logs = "logs = { dir = \"logs\" }";
    let master = home.up(&[app("one", logs), app("two", logs), app("bare", "")].concat());
    ["one", "two", "bare"].iter().for_each(|name| master.says(&format!("{name} is running")));
    for (args, code, words) in [
        (&["reopen-logs", "no*"][..], 4, "no*"),
        (&["reopen-logs", "one/0"], 1, "log files are those of whole apps"),
        (&["reopen-logs", "one", "bare"], 1, "`bare` has no log files"),
    ] {
        let said = home.run(args);
        assert!(said.code == Some(code) && said.stderr.contains(words), "{args:?}: {said:#?}");
    }
    let done = home.run(&["reopen-logs", "one", "tw?"]);
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (Some(0), "", ""), "{done:#?}");
    home.down(master);
}

#[test]
fn a_file_that_can_not_be_written_is_told_once_and_nobody_is_held_up() {
    let home = Home::new();
    fs::create_dir_all(home.path("logs")).unwrap();
    nix::unistd::mkfifo(&home.path("logs/web.log"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let master = home.up(
        "[app.web]\ncommand = [\"sh\", \"-c\", \"echo one; sleep 0.1; echo two; exec sleep 1000\"]\nworkers = 1\nlogs = { dir = \"logs\" }\n",
    );
    master.says("web is running");
    eventually("both lines are read", || (home.run(&["logs"]).stdout.lines().count() == 2).then_some(()));
    master.says("logs/web.log` can't be written; its lines are lost and counted until it can");
    let ended = home.down(master);
    assert_eq!(ended.stderr.matches("can't be written").count(), 1, "{ended:#?}");
}

/// How many lines a worker prints: more than the MiB that is kept of it, and some files of a MiB.
const MANY: usize = 25_000;

#[test]
fn what_the_master_has_forgotten_comes_from_the_files_and_each_line_once() {
    let home = Home::new();
    let script = home.script(
        "many",
        &format!("#!/bin/sh\nseq -f 'a line of some length that is printed as number %.0f' {MANY}\nexec sleep 1000\n"),
    );
    let app = |name: &str, logs: &str| {
        format!("[app.{name}]\ncommand = [{script:?}]\nworkers = 1\nlogs = {{ dir = \"logs\", {logs} }}\n")
    };
    let master = home.up(&[
        app("json", "format = \"json\", max_size = \"1MiB\", keep = 20, compress = true"),
        app("text", "timestamps = true, max_size = \"1MiB\", keep = 20"),
        app("slot", "timestamps = true, per = \"worker\", max_size = \"1MiB\", keep = 20"),
        app("plain", "max_size = \"1MiB\", keep = 20"),
    ]
    .concat());
    let last = format!("printed as number {MANY}");
    for (name, path) in
        [("json", "json.log"), ("text", "text.log"), ("slot", "slot/0.log"), ("plain", "plain.log")]
    {
        let is_written =
            || fs::read_to_string(home.path("logs").join(path)).is_ok_and(|text| text.contains(&last));
        eventually("all is in the files", || is_written().then_some(()));
        let numbers = |args: &[&str]| -> Vec<usize> {
            let said = home.run(&[&["logs", name], args].concat());
            assert_eq!(said.code, Some(0), "{args:?}: {}", said.stderr);
            let number = |line: &str| line.trim_end_matches(['"', '}']).rsplit(' ').next()?.parse().ok();
            said.stdout.lines().map(|line| number(line).unwrap_or_else(|| panic!("{line}"))).collect()
        };
        let kept = numbers(&[]);
        assert!(kept.len() < MANY && kept.ends_with(&[MANY]), "{name}: {} are kept", kept.len());
        if name == "plain" {
            let said = home.run(&["logs", name, "--since", "1h"]);
            assert_eq!(said.stdout.lines().count(), kept.len());
            let words = "the log files of `plain` don't say when";
            assert!(said.stderr.contains(words), "{}", said.stderr);
            continue;
        }
        let all: Vec<usize> = (1..=MANY).collect();
        assert!(numbers(&["--since", "1h"]) == all, "{name}");
        assert!(numbers(&["--until", "2100-01-01T00:00:00Z", "-t"]) == all, "{name}");
        assert!(numbers(&["-n", "20000"]) == all[MANY - 20_000..], "{name}");
        assert_eq!(numbers(&["-n", "3"]), all[MANY - 3..], "{name}");
        assert_eq!(numbers(&["--grep", "number .*99$", "-n", "249"]).first(), Some(&199), "{name}");
    }
    let json = home.run(&["logs", "json", "--json", "--stream", "out", "--since", "1h"]).stdout;
    let lines: Vec<serde_json::Value> =
        json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), MANY);
    assert!(lines.windows(2).all(|two| two[0]["time_ms"].as_u64() <= two[1]["time_ms"].as_u64()));
    assert!(lines.iter().all(|line| line["pid"] == lines[0]["pid"] && line["stream"] == "stdout"));
    let said = home.run(&["logs", "text", "--err", "--since", "1h"]);
    assert!(said.stdout.is_empty() && said.stderr.contains("don't tell stdout from stderr"), "{said:#?}");
    home.down(master);
}

#[test]
fn a_line_of_ten_megabytes_and_a_sequence_without_an_end_harm_no_other_line() {
    let home = Home::new();
    let script = home.script(
        "odd",
        "#!/bin/sh\nhead -c 10000000 /dev/zero | tr '\\0' x\necho\nprintf 'before \\033]0;a title\\nafter\\n'\nexec sleep 1000\n",
    );
    let master = home.up(&format!(
        "[app.web]\ncommand = [{script:?}]\nworkers = 1\nlogs = {{ dir = \"logs\", timestamps = true }}\n"
    ));
    let text = eventually("all is in the file", || {
        fs::read_to_string(home.path("logs/web.log")).ok().filter(|text| text.ends_with("| after\n"))
    });
    let lines: Vec<&str> = text.lines().map(|line| line.split_once("web/0 | ").unwrap().1).collect();
    let (parts, rest) = lines.split_at(lines.len() - 2);
    assert_eq!(rest, ["before \x1b]0;a title", "after"]);
    let (last, cut) = parts.split_last().unwrap();
    assert!(cut.iter().all(|part| part.ends_with('…') && part.len() <= 256 * 1024 + '…'.len_utf8()));
    let whole: usize = cut.iter().map(|part| part.len() - '…'.len_utf8()).sum::<usize>() + last.len();
    assert!(whole == 10_000_000 && parts.len() < 100, "{whole} in {} parts", parts.len());
    // On a terminal, and where colours are taken away, it is shown and not obeyed.
    let shown = home.run(&["--color", "always", "logs", "-n", "2"]).stdout;
    assert!(shown.contains("before ^[]0;a title\n") && shown.ends_with("after\n"), "{shown:?}");
    home.down(master);
}
