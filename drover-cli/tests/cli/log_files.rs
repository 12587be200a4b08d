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
