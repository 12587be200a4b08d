//! What a master tells the service manager above it.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use crate::harness::{Home, Running};

fn heard(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).expect("it says something");
    String::from_utf8_lossy(&buffer[..length]).into_owned()
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
        let ready = format!("READY=1\nMAINPID={}\nSTATUS=1 apps are ready", master.pid());
        is_ready |= told == ready;
        is_fed |= told == "WATCHDOG=1";
    }
    master.prints("told: \n");
    home.down(master);
    while !heard(&socket).starts_with("STOPPING=1") {}
    std::fs::remove_file(path).expect("it is there");
}
