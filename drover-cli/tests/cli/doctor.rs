//! `drover doctor`: with a file and without, with a master and without.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::harness::{Ended, Home};

fn findings(ended: &Ended) -> Vec<Value> {
    let said: Value =
        serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    said["findings"].as_array().expect("a list").clone()
}

fn has(findings: &[Value], level: &str, check: &str, words: &str) -> bool {
    findings.iter().any(|finding| {
        let text = format!("{}; {}", finding["what"], finding["remedy"]);
        finding["level"] == level && finding["check"] == check && text.contains(words)
    })
}

#[test]
fn doctor_finds_a_port_in_use_and_a_command_that_is_missing() {
    let home = Home::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let addr = taken.local_addr().expect("it is bound");
    let app = "[app.web]\ncommand = 'no-such-program'\nworkers = 1\nsockets = ['http']\n";
    home.write("drover.toml", &format!("version = 1\n[sockets.http]\nlisten = '{addr}'\n{app}"));
    let ended = home.run(&["doctor", "--json"]);
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    let found = findings(&ended);
    assert!(has(&found, "error", "ports", &format!("{addr} is in use by pid ")), "{found:#?}");
    assert!(has(&found, "error", "file", "no-such-program"), "{found:#?}");
    let text = home.run(&["doctor"]);
    assert!(text.code == Some(1) && text.stdout.contains("\n  remedy: "), "{text:#?}");
    home.write("drover.toml", "version = 1\nnonsense = 1\n");
    let ended = home.run(&["doctor", "--json"]);
    assert!(ended.code == Some(1) && has(&findings(&ended), "error", "file", "nonsense"), "{ended:#?}");
}

#[test]
fn doctor_takes_the_ports_of_the_master_itself_for_fine_and_sees_a_socket_that_is_open_to_others() {
    let home = Home::new();
    // At an address of its own, where nobody else takes the port meanwhile.
    let [.., high, low] = std::process::id().to_be_bytes();
    let free = TcpListener::bind((Ipv4Addr::new(127, 91, high, low), 0)).expect("a port is free");
    let addr = free.local_addr().expect("it is bound");
    drop(free);
    let app = "[app.web]\ncommand = ['sleep', '1000']\nworkers = 1\nsockets = ['http']\nstart.min_uptime = '50ms'\n";
    let master = home.up(&format!("[sockets.http]\nlisten = '{addr}'\n{app}"));
    master.says("web is running");
    let found = findings(&home.run(&["doctor", "--json"]));
    assert!(!found.iter().any(|finding| finding["check"] == "ports"), "{found:#?}");
    std::fs::set_permissions(home.socket(), std::fs::Permissions::from_mode(0o666)).expect("it is ours");
    std::fs::set_permissions(home.dir(), std::fs::Permissions::from_mode(0o755)).expect("it is ours");
    let ended = home.run(&["doctor", "--json"]);
    assert!(has(&findings(&ended), "warning", "control", "chmod 600"), "{ended:#?}");
    home.down(master);
}
