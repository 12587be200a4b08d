//! A service manager: `activator NAMES CMD…` opens a TCP socket for each of the names (`a:b`), says their addresses, hands them to
//! the command as descriptors from 3, says its pid, and when it has ended whether the first one still listens.

use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::process::{Command, ExitCode, Stdio};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};

fn main() -> ExitCode {
    drover_e2e::die_with_the_test();
    let mut args = std::env::args().skip(1);
    let names = args.next().expect("the names of sockets");
    let mut sockets = Vec::new();
    for (at, _) in names.split(':').enumerate() {
        let socket = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        assert_eq!(socket.as_raw_fd(), 3 + at as i32, "nothing was opened before");
        fcntl(&socket, FcntlArg::F_SETFD(FdFlag::empty())).expect("it is open");
        drover_e2e::say(&socket.local_addr().expect("it is bound").to_string());
        sockets.push(socket);
    }
    // A placeholder in the command is the address of the first one.
    let addr = sockets[0].local_addr().expect("it is bound");
    let command = args.map(|arg| arg.replace("ADDR", &addr.to_string()));
    let child = Command::new("sh")
        .args(["-c", "LISTEN_PID=$$ exec \"$@\"", "sh"])
        .args(command)
        .env("LISTEN_FDS", sockets.len().to_string())
        .env("LISTEN_FDNAMES", names)
        .stdout(Stdio::null())
        .spawn()
        .expect("there is a shell");
    drover_e2e::say(&child.id().to_string());
    let ended = child.wait_with_output().expect("a child can be waited for");
    let still = TcpStream::connect(addr).is_ok() && sockets[0].accept().is_ok();
    drover_e2e::say(if still { "still listens" } else { "listens no more" });
    ended.status.code().map_or(ExitCode::FAILURE, |code| ExitCode::from(code as u8))
}
