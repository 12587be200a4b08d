//! A name server and a user database that take their time.

use std::process::{Command, Stdio};

use nix::unistd::{Uid, User};

use crate::harness::{Home, Running};

/// Both answer after a second.
const SLOW: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) = dlsym(RTLD_NEXT, "getaddrinfo");
    if (node && !strcmp(node, "slow.test")) {
        sleep(1);
        node = "127.0.0.1";
    }
    return real(node, service, hints, found);
}

int getpwnam_r(const char *name, struct passwd *entry, char *buffer, size_t length, struct passwd **found) {
    int (*real)(const char *, struct passwd *, char *, size_t, struct passwd **) = dlsym(RTLD_NEXT, "getpwnam_r");
    sleep(1);
    return real(name, entry, buffer, length, found);
}
"#;

/// Whether there is a C compiler that made the library.
fn compile(home: &Home) -> bool {
    home.write("slow.c", SLOW);
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-o", "slow.so", "slow.c", "-ldl"])
        .current_dir(home.dir())
        .stderr(Stdio::null());
    cc.status().is_ok_and(|status| status.success())
}

#[test]
fn a_name_that_takes_long_holds_up_nobody_but_who_asked_for_it() {
    let home = Home::new();
    let own = User::from_uid(Uid::effective()).expect("users are known");
    let Some(own) = own.filter(|_| compile(&home)) else {
        eprintln!("SKIPPED: a name that takes long: there is no cc, or this user has no name");
        return;
    };
    let quick = "version = 1\n[app.quick]\ncommand = \"sleep 1000\"\nworkers = 1\n";
    let slow = |sockets: &str| {
        let user = &own.name;
        format!("{quick}{sockets}\n[app.slow]\ncommand = \"sleep 1000\"\nworkers = 1\nuser = \"{user}\"\n")
    };
    home.write("drover.toml", quick);
    // The master ends itself if its runtime is blocked for a twentieth of that second.
    let master = Running::start(home.drover(&["up"]).env("LD_PRELOAD", home.path("slow.so")));
    master.says("quick is running");
    let one = "[sockets.a]\nlisten = \"slow.test:0\"";
    let two = format!("{one}\n[sockets.b]\nlisten = \"slow.test:0\"");
    for text in [
        format!("{}sockets = [\"a\"]\n", slow(one)),
        // It runs: what it listens on besides is looked up by its own master.
        format!("{}sockets = [\"a\", \"b\"]\n", slow(&two)),
    ] {
        home.write("drover.toml", &text);
        let applied = home.run(&["apply", "-y"]);
        assert_eq!(applied.code, Some(0), "{applied:#?}\n{}", master.stderr.text());
    }
    assert_eq!(home.run(&["stop", "slow"]).code, Some(0));
    assert_eq!(home.run(&["start", "slow"]).code, Some(0));
    let status = home.status();
    let listeners: Vec<&str> =
        status["apps"][1]["listeners"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    assert!(listeners.len() == 2 && listeners.iter().all(|one| one.contains("=127.0.0.1:")), "{listeners:?}");
    home.down(master);
}
