//! What a master tells the service manager above it.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use nix::sys::signal::SIGHUP;

use crate::harness::{Home, Running};

fn heard(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).expect("it says something");
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

#[test]
fn a_reload_by_sighup_is_told_until_its_verdict() {
    let home = Home::new();
    let path = home.path("above.sock");
    let socket = UnixDatagram::bind(&path).expect("a socket can be made");
    socket.set_read_timeout(Some(Duration::from_secs(60))).expect("it can have a timeout");
    let script = "[ -e bad ] && exit 3; exec sleep 1000";
    home.write(
        "drover.toml",
        &format!(
            "version = 1\n[app.web]\ncommand = [\"sh\", \"-c\", \"{script}\"]\nworkers = 1\nstart.min_uptime = \"50ms\"\n\
             [app.once]\ncommand = \"true\"\nkind = \"oneshot\"\n"
        ),
    );
    let mut command = home.drover(&["up"]);
    let master = Running::start(command.env("NOTIFY_SOCKET", &path).env_remove("WATCHDOG_USEC"));
    while !heard(&socket).starts_with("READY=1\n") {}
    let reloaded = || {
        master.signal(SIGHUP);
        let begun = heard(&socket);
        let since = begun.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect("that it begins");
        assert!(
            since.lines().next().and_then(|since| since.parse::<u64>().ok()).is_some_and(|since| since > 0)
        );
        heard(&socket)
    };
    assert_eq!(reloaded(), "READY=1\nSTATUS=1 app reloaded");
    home.write("bad", "");
    let verdict = reloaded();
    let failed = "READY=1\nSTATUS=0 apps reloaded, 1 not: app `web`: rolled back: ";
    assert!(verdict.starts_with(failed) && verdict.contains("exited with code 3"), "{verdict}");
    home.down(master);
    std::fs::remove_file(path).expect("it is there");
}

#[test]
fn a_master_says_when_it_is_ready_feeds_its_watchdog_and_says_that_it_ends() {
    let home = Home::new();
    let path = home.path("above.sock");
    let socket = UnixDatagram::bind(&path).expect("a socket can be made");
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("it can have a timeout");
    // The worker prints what it was told of a service manager, which is its master alone.
    let script = "echo \"told: $NOTIFY_SOCKET$WATCHDOG_USEC$WATCHDOG_PID\"; exec sleep 1000";
    let mut command = home.drover(&["run", "-n", "1", "--", "sh", "-c", script]);
    let master = Running::start(
        command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000").env_remove("WATCHDOG_PID"),
    );
    let (mut is_ready, mut is_fed) = (false, false);
    while !(is_ready && is_fed) {
        let told = heard(&socket);
        let ready = format!("READY=1\nMAINPID={}\nSTATUS=1 app is ready", master.pid());
        is_ready |= told == ready;
        is_fed |= told == "WATCHDOG=1";
    }
    master.prints("told: \n");
    home.down(master);
    while !heard(&socket).starts_with("STOPPING=1") {}
    std::fs::remove_file(path).expect("it is there");
}
