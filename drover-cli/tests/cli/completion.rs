//! `drover completion`: scripts that the shells themselves take.

use std::process::Command;

use crate::harness::{Home, Running};

#[test]
fn every_shell_gets_a_script_with_every_verb_and_no_hidden_one() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ended = home.run(&["completion", shell]);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{shell}");
        for word in ["status", "validate", "show-env", "socket"] {
            assert!(ended.stdout.contains(word), "{shell}: {word}");
        }
        assert!(
            !ended.stdout.contains("demo-worker") && !ended.stdout.contains("detached"),
            "{shell}: {}",
            ended.stdout
        );
    }
    home.run(&["completion", "csh"]).failed(2, &["'csh'"]);
}

#[test]
fn bash_completes_a_verb_by_it() {
    let home = Home::new();
    home.write("drover.bash", &home.run(&["completion", "bash"]).stdout);
    let ask = "source ./drover.bash; COMP_WORDS=(drover stat); COMP_CWORD=1; \
               $(complete -p drover | sed 's/.*-F \\([^ ]*\\).*/\\1/') drover stat drover; echo \"${COMPREPLY[*]}\"";
    let ended =
        Running::start(Command::new("bash").args(["--norc", "-c", ask]).current_dir(home.dir())).end();
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("status\n", ""));
}
