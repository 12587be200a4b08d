//! Another program goes on in the place of the master, or that one goes on as if nobody had asked.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::Value;

use super::home::{Home, number, pids_of};

const TOML: &str = "[app.a]\ncommand = [\"sleep\", \"1000\"]\nworkers = 2\nstart.min_uptime = \"50ms\"\n";

#[test]
fn another_master_goes_on_with_the_same_workers_and_is_replaced_in_turn() {
    let home = Home::up("upgraded", TOML);
    let before = home.until_ready("a", 2);
    let (master, keeper) = (home.master(), home.keeper());
    let checked = home.upgrade(&["--check"]);
    assert_eq!((checked["result"].as_str(), number(&checked["from"]["pid"])), (Some("checked"), master));
    assert_eq!(home.master(), master, "a check changes nothing");
    let mut masters = vec![master];
    for _ in 0..5 {
        let upgraded = home.upgrade(&[]);
        assert_eq!(upgraded["result"], "upgraded", "{upgraded}\n{}", home.log());
        assert_eq!(number(&upgraded["from"]["pid"]), *masters.last().unwrap());
        let now = home.master();
        assert_eq!(number(&upgraded["to"]["pid"]), now);
        assert!(!masters.contains(&now), "{masters:?}");
        masters.push(now);
        let status = home.until_ready("a", 2);
        assert_eq!(pids_of(&status), pids_of(&before), "{}", home.log());
        home.has_what_it_should(&status);
    }
    // One that was upgraded to is protected as the first one was.
    assert_eq!(pids_of(&home.crash()), pids_of(&before), "{}", home.log());
    assert_eq!(home.keeper(), keeper);
    home.end();
}

#[test]
fn a_program_behind_a_script_is_upgraded_to() {
    let home = Home::up("wrapped", TOML);
    let before = pids_of(&home.until_ready("a", 2));
    let wrapper = home.program("wrapper", &format!("exec '{}' \"$@\"", program!("drover_command")));
    let upgraded = home.upgrade(&["--binary", &wrapper]);
    assert_eq!(upgraded["result"], "upgraded", "{upgraded}\n{}", home.log());
    assert_eq!(pids_of(&home.until_ready("a", 2)), before);
    home.end();
}

#[test]
fn a_program_that_can_not_go_on_is_refused_in_one_sentence_and_nothing_changes() {
    let home = Home::up("refused", TOML);
    let before = home.until_ready("a", 2);
    let drover = program!("drover_command");
    fs::write(home.path("plain"), "").unwrap();
    let other_machine = home.program("other-machine", "");
    // The head of a program for a machine that is not there (elf(5): e_machine 0).
    fs::write(&other_machine, [b"\x7fELF\x02\x01\x01".as_slice(), &[0; 57]].concat()).unwrap();
    let plain = home.path("plain").to_str().unwrap().to_owned();
    let cases = [
        ("missing", "/nowhere/drover".to_owned(), "No such file or directory"),
        ("a directory", "/".to_owned(), "it is not a file"),
        ("not executable", plain, "it is not executable"),
        ("of another machine", other_machine, "not a program of this machine's kind"),
        ("foreign", "/bin/true".to_owned(), "exited with code 0 before it said whether it can go on"),
        ("fails at once", home.program("fails", "exit 7"), "exited with code 7 before it said"),
        ("killed at once", home.program("killed", "kill -9 $$"), "was ended by SIGKILL before it said"),
        ("without its interpreter", home.script("no-shell", "#!/nowhere/sh\n"), "No such file or directory"),
        (
            "not the child of the keeper",
            home.program("child", &format!("'{drover}' \"$@\"")),
            "before it said whether it can go on",
        ),
    ];
    for (what, program, why) in cases {
        for only in [&["--check"][..], &[]] {
            let args = [&["upgrade", "--binary", &program], only].concat();
            let output = home.output_of(&args);
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            // What can't even be opened is a mistake of whoever asks.
            let expected = if why.starts_with("it ") || what == "missing" { 1 } else { 8 };
            assert_eq!(output.status.code(), Some(expected), "{what}: {told}\n{}", home.log());
            assert!(told.starts_with("error: ") && told.contains(why), "{what}: {told}");
            assert!(told.contains(&program), "{what}: {told}");
            assert_eq!(told.trim_end().lines().count(), 1, "{what}: {told}");
        }
    }
    home.is_as(&before);
    home.end();
}

#[test]
fn a_program_that_says_nothing_is_given_up_and_nothing_changes() {
    let home = Home::up("silent", TOML);
    let before = home.until_ready("a", 2);
    let silent = home.program("silent", "exec sleep 1000");
    let output = home.output_of(&["upgrade", "--binary", &silent]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(8), "{told}");
    assert!(told.contains("did not say within 10 s whether it can go on"), "{told}");
    home.is_as(&before);
    home.end();
}

#[test]
fn if_the_other_program_ends_when_its_turn_comes_the_one_before_goes_on() {
    let home = Home::up("fell back", TOML);
    let before = home.until_ready("a", 2);
    let master = home.master();
    // The shell's pid is the program's after `exec`.
    let ends = format!(
        "( while kill -0 {master}; do :; done; kill -9 $$ ) 2>&- >&- & exec '{}' \"$@\"",
        program!("drover_command")
    );
    let ends = home.program("ends", &ends);
    let output = home.output_of(&["upgrade", "--binary", &ends, "--json"]);
    let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    let now = home.until_so("a master of the keeper's own", |status| {
        status["master"]["pid"] != master && status["master"]["pid"] != told["to"]["pid"]
            || told["result"] == "fell_back"
    });
    // If it was asked in the moment before its end, it had gone on.
    let expected = if told["result"] == "upgraded" { 0 } else { 8 };
    assert_eq!(output.status.code(), Some(expected), "{told}");
    assert_eq!(pids_of(&now), pids_of(&before), "{}", home.log());
    home.has_what_it_should(&now);
    assert!(home.log().contains("was killed by SIGKILL"), "{}", home.log());
    home.end();
}

impl Home {
    pub(super) fn upgrade(&self, more: &[&str]) -> Value {
        let output = self.output_of(&[&["upgrade", "--json"], more].concat());
        assert!(output.status.success(), "{output:?}\n{}", self.log());
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The same master serves with the same workers as then.
    fn is_as(&self, before: &Value) {
        let after = self.until_ready("a", 2);
        assert_eq!(after["master"]["pid"], before["master"]["pid"]);
        assert_eq!(pids_of(&after), pids_of(before));
        self.has_what_it_should(&after);
    }

    /// A program of a few words of shell.
    fn program(&self, name: &str, script: &str) -> String {
        self.script(name, &format!("#!/bin/sh\n{script}\n"))
    }

    fn script(&self, name: &str, text: &str) -> String {
        let path: PathBuf = self.path(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_owned()
    }
}
