//! Sandboxes that lack system calls, as gVisor does, or whose filter refuses them.

use std::process::{Command, Stdio};

use nix::errno::Errno;

use crate::harness::{Home, Running, skipped};

/// Has system calls fail (`seccomp(2)`), and becomes the program: ERRNO NUMBER… -- PROGRAM ARGUMENT…
const FILTER: &str = r#"
import ctypes, os, struct, sys
cut = sys.argv.index("--")
errno, calls = int(sys.argv[1]), sys.argv[2:cut]
code = [(0x20, 0, 0, 0)]
for call in calls:
    code += [(0x15, 0, 1, int(call)), (0x06, 0, 0, 0x00050000 | errno)]
code += [(0x06, 0, 0, 0x7fff0000)]
program = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *step) for step in code))
filter = ctypes.create_string_buffer(struct.pack("@HP", len(code), ctypes.addressof(program)))
libc = ctypes.CDLL(None, use_errno=True)
for call in [(38, 1, 0, 0, 0), (22, 2, ctypes.addressof(filter), 0, 0)]:
    if libc.prctl(*map(ctypes.c_ulong, call)) != 0:
        sys.exit(os.strerror(ctypes.get_errno()))
os.execv(sys.argv[cut + 1], sys.argv[cut + 1:])
"#;

// Every architecture has the same numbers for calls as new as these.
const PIDFD_SEND_SIGNAL: &str = "424";
const PIDFD_OPEN: &str = "434";
const CLONE3: &str = "435";

/// `drover run` in a sandbox where these calls fail; none where there is no Python to make one.
fn start(home: &Home, errno: Errno, calls: &[&str]) -> Option<Running> {
    let python = || {
        let mut python = Command::new("/usr/bin/python3");
        python.args(["-c", FILTER]).arg((errno as i32).to_string()).args(calls).arg("--");
        python
    };
    match python().arg("/bin/true").stdin(Stdio::null()).output() {
        Ok(tried) if tried.status.success() => {}
        tried => {
            skipped(&format!("no filter of system calls can be set: {tried:?}"));
            return None;
        }
    }
    let bare = home.drover(&["run", "--name", "app", "--", "sleep", "1000"]);
    let mut command = python();
    command.arg(bare.get_program()).args(bare.get_args()).current_dir(home.dir());
    for (name, value) in bare.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    Some(Running::start(&mut command))
}

#[test]
fn a_worker_is_watched_where_descriptors_of_processes_come_only_with_their_making() {
    let home = Home::new();
    let Some(master) = start(&home, Errno::ENOSYS, &[PIDFD_OPEN, CLONE3]) else { return };
    home.worker("app", 0, "started");
    let ended = home.down(master);
    assert!(ended.stderr.contains("was ended by SIGTERM, as asked"), "{ended:#?}");
}

#[test]
fn a_system_where_no_worker_could_be_watched_is_named_before_one_runs() {
    let home = Home::new();
    let Some(master) = start(&home, Errno::ENOSYS, &[PIDFD_SEND_SIGNAL]) else { return };
    let sentence = "this system does not let a process be known by a descriptor: Function not implemented";
    master.end().failed(1, &["app `app` failed to start", sentence, "Drover needs Linux 5.4"]);
}

#[test]
fn a_filter_that_refuses_threads_is_named_instead_of_waiting_for_one() {
    let home = Home::new();
    let Some(master) = start(&home, Errno::EPERM, &[CLONE3]) else { return };
    master.end().failed(1, &["no thread can be started", "refuses clone3"]);
}
