//! Notifies its master by `sd_notify(3)`, or by a descriptor, step by step as `E2E_STEPS` says; then, at each SIGHUP, as `E2E_ON_HUP`
//! says. Leaves by SIGTERM; with the master too, unless there is `E2E_OUTLIVES`. Steps are separated by `;`:
//!
//! | step | does |
//! | --- | --- |
//! | `say TEXT` | sends the lines of TEXT, which `\|` separates; `{now}` is CLOCK_MONOTONIC, `{pid}` its pid, `{names}` the names of its descriptors, `{kept}` what the first of them holds |
//! | `child TEXT` | has a child of its own say it, which is gone when it is heard |
//! | `helper TEXT` | the same, but it lives until it has been heard, as later versions of `systemd-notify` do |
//! | `script TEXT` | the same, by that name |
//! | `store NAME CONTENT` | leaves a file with the master |
//! | `barrier` | waits until all before it has been worked off |
//! | `write FD`, `close FD` | writes a newline to a descriptor, or closes it |
//! | `wait MS` | waits |
//! | `exit CODE` | ends |
//! | `first STEP` | does it unless it was handed descriptors |
//! | `slot N STEP` | does it in this slot only |

use std::fs::File;
use std::io::{IoSlice, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use nix::time::{ClockId, clock_gettime};

fn main() {
    if std::env::var_os("E2E_OUTLIVES").is_none() {
        drover_e2e::die_with_the_test();
    }
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGHUP);
    signals.add(Signal::SIGTERM);
    signals.thread_block().expect("signals can be blocked");
    let steps = |name: &str| std::env::var(name).unwrap_or_default();
    let mut said = std::env::args().skip(1);
    if let (Some(how), Some(text)) = (said.next(), said.next()) {
        if how == "script" {
            nix::sys::prctl::set_name(c"systemd-notify").expect("a process can be named");
        }
        say(&text, &[]);
        if how != "child" {
            step("barrier");
        }
        return;
    }
    steps("E2E_STEPS").split(';').for_each(step);
    while signals.wait().expect("a signal can be waited for") == Signal::SIGHUP {
        steps("E2E_ON_HUP").split(';').for_each(step);
    }
}

#[expect(clippy::disallowed_methods, reason = "a step ends it wherever it is, and it has nothing to tidy up")]
fn step(step: &str) {
    let (word, rest) = step.trim().split_once(' ').unwrap_or((step.trim(), ""));
    match word {
        "" => {}
        "say" => say(rest, &[]),
        "child" | "helper" | "script" => {
            let own = std::env::current_exe().expect("it has a path");
            let ended =
                std::process::Command::new(own).args([word, rest]).status().expect("a child can be made");
            assert!(ended.success(), "{ended}");
        }
        "store" => {
            let (name, content) = rest.split_once(' ').expect("a name and what is in it");
            let mut file = File::from(memfd_create(name, MFdFlags::empty()).expect("a file can be made"));
            file.write_all(content.as_bytes()).expect("it can be written");
            say(&format!("FDSTORE=1|FDNAME={name}"), &[file.as_raw_fd()]);
        }
        "barrier" => {
            let (mut reader, writer) = std::io::pipe().expect("a pipe can be made");
            say("BARRIER=1", &[writer.as_raw_fd()]);
            drop(writer);
            let _ = reader.read(&mut [0]).expect("its end can be waited for");
        }
        "write" => {
            let mut file =
                File::options().write(true).open(format!("/proc/self/fd/{rest}")).expect("it is open");
            file.write_all(b"\n").expect("somebody reads");
        }
        "close" => nix::unistd::close(number::<RawFd>(rest)).expect("it is open"),
        "wait" => std::thread::park_timeout(Duration::from_millis(number(rest))),
        "exit" => std::process::exit(number(rest)),
        "first" if std::env::var_os("LISTEN_FDS").is_none() => self::step(rest),
        "first" => {}
        "slot" => {
            let (slot, rest) = rest.split_once(' ').expect("a slot and a step");
            if std::env::var("DROVER_SLOT").is_ok_and(|own| own == slot) {
                self::step(rest);
            }
        }
        other => panic!("no step {other}"),
    }
}

fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse().ok().expect("a number")
}

fn say(text: &str, descriptors: &[RawFd]) {
    let now = Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC).expect("there is a clock"));
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut kept = String::new();
    if text.contains("{kept}") {
        let file = File::open("/proc/self/fd/3");
        file.and_then(|mut file| file.read_to_string(&mut kept)).expect("a descriptor that can be read");
    }
    let text = text.replace("{now}", &now.as_micros().to_string()).replace("{names}", &names);
    let text = text.replace("{pid}", &std::process::id().to_string());
    let text = text.replace("{kept}", &kept).replace('|', "\n");
    let socket = UnixDatagram::unbound().expect("a socket can be made");
    socket.connect(std::env::var_os("NOTIFY_SOCKET").expect("NOTIFY_SOCKET is set")).expect("it is there");
    let beside = [ControlMessage::ScmRights(descriptors)];
    let beside = if descriptors.is_empty() { &[][..] } else { &beside[..] };
    sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(text.as_bytes())], beside, MsgFlags::empty(), None)
        .expect("it can be sent");
}
