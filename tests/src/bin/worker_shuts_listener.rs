//! The vice: at its end it calls shutdown(2) on the listener, which is everybody's. Until then it tells each connection its pid, also on
//! a listener that another such worker has shut down and the master has opened again.

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::socket::{MsgFlags, Shutdown, accept, send, shutdown};
use nix::unistd::close;

/// The number of the first socket that is handed over.
const LISTENER: i32 = 3;

fn main() {
    drover_e2e::die_with_the_test();
    let mut end = SigSet::empty();
    end.add(Signal::SIGTERM);
    end.thread_block().expect("SIGTERM can be blocked");
    std::thread::spawn(|| {
        loop {
            match accept(LISTENER) {
                Ok(fd) => greet(fd),
                // Shut down, and not opened again yet, or never on this socket.
                Err(Errno::EINVAL) => std::thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
        }
    });
    end.wait().expect("SIGTERM can be waited for");
    shutdown(LISTENER, Shutdown::Both).expect("it listens");
}

/// Whoever connects and leaves at once is none of its troubles.
fn greet(stream: i32) {
    let _ = send(stream, format!("{}\n", std::process::id()).as_bytes(), MsgFlags::MSG_NOSIGNAL);
    let _ = close(stream);
}
