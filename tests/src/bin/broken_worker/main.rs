//! Keeps every rule of the protocol by hand, but for the one that its argument names; without an argument, every one.
//! `drover conform worker` is checked against it.
//!
//! | file | is |
//! | --- | --- |
//! | `vice` | which rules can be broken |
//! | `link` | its connection: frames in both directions |
//! | `life` | its states, and what is done in each |
//! | `serving` | its socket, and the clients on it |
//! | `messages` | messages of the application |
//! | `handshake` | the first frame in each direction |
//! | `comeback` | another connection when that is lost |

mod comeback;
mod handshake;
mod life;
mod link;
mod messages;
mod serving;
mod vice;

use std::process::ExitCode;

use vice::{VICES, Vice};

fn main() -> ExitCode {
    let named = std::env::args().nth(1).unwrap_or_default();
    if named == "--list" {
        VICES.iter().for_each(|vice| drover_e2e::say(vice));
        return ExitCode::SUCCESS;
    }
    let vice = Vice::named(&named);
    if vice.is("ignores SIGTERM") {
        // Before there is a second thread, which inherits the mask.
        let signal: nix::sys::signal::SigSet = [nix::sys::signal::SIGTERM].into_iter().collect();
        signal.thread_block().expect("a thread may block its signals");
    }
    match life::live(vice) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) if vice.is("hides why it was refused") => ExitCode::FAILURE,
        Err(why) => {
            drover_e2e::complain(&why);
            if vice.is("calls a refusal a success") { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
    }
}
