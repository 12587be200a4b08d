//! Children made by both ways, and what they leave of the master.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsRawFd;
use std::process::Command;

use nix::fcntl::OFlag;
use nix::sys::signal::SigSet;

use super::*;
use crate::sys::MAKERS;

fn by_fork(plan: &ChildPlan) -> Result<Child, SpawnError> {
    begin(plan)?.finish()
}

fn by_vfork(plan: &ChildPlan) -> Result<Child, SpawnError> {
    Forge::new(MAKERS - 1).unwrap().make(plan)
}

type Way = fn(&ChildPlan) -> Result<Child, SpawnError>;

/// Each with all signals blocked, on a thread of its own, as it is promised to be called.
fn by_both(test: impl Fn(Way) + Send + Sync) {
    for way in [by_fork as Way, by_vfork as Way] {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                SigSet::all().thread_block().unwrap();
                test(way);
            });
        });
    }
}

fn plan(program: &str) -> ChildPlan {
    let null = || Arc::new(OwnedFd::from(File::options().read(true).write(true).open("/dev/null").unwrap()));
    ChildPlan {
        candidates: vec![CString::new(program).unwrap()],
        argv: vec![CString::new(program).unwrap()],
        env: Vec::new(),
        sockets: Vec::new(),
        notify_fd: None,
        tells_watchdog_pid: false,
        stdin: null(),
        stdout: Stdio::Given(null()),
        stderr: Stdio::Given(null()),
        oom_score_adj: None,
        nice: None,
        limits: Vec::new(),
        are_limits_required: true,
        locks: None,
        identity: None,
        cwd: None,
        umask: None,
        parent_death_signal: None,
        pid_cell: None,
    }
}

/// What a shell command prints, and what was prepared for it is changed before.
fn printed(way: Way, script: &str, change: impl FnOnce(&mut ChildPlan)) -> String {
    let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC).unwrap();
    let mut plan = ChildPlan { stdout: Stdio::Given(Arc::new(writer)), ..plan("/bin/sh") };
    plan.argv.extend([c"-c".to_owned(), CString::new(script).unwrap()]);
    plan.env.push(c"PATH=/bin:/usr/bin".to_owned());
    change(&mut plan);
    let child = way(&plan).unwrap();
    drop(plan);
    let mut text = String::new();
    File::from(reader).read_to_string(&mut text).unwrap();
    discard(child.pid, Some(&child.pidfd));
    text
}

/// The descriptors of the shell, asked for one by one: to read the directory is to open it.
const DESCRIPTORS: &str =
    "fd=0; while [ $fd -lt 1000 ]; do [ -L /proc/$$/fd/$fd ] && echo $fd; fd=$((fd + 1)); done";

#[test]
fn a_spawn_returns_while_the_child_lives() {
    by_both(|way| {
        // Waits for its stdin, which stays open until the child was seen.
        let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC).unwrap();
        let child = way(&ChildPlan { stdin: Arc::new(reader), ..plan("/bin/cat") }).unwrap();
        drop(writer);
        discard(child.pid, Some(&child.pidfd));
    });
}

#[test]
fn a_failure_of_the_child_comes_back_with_its_step_and_errno() {
    by_both(|way| {
        let failed = |plan: ChildPlan| way(&plan).map(|_| ()).unwrap_err();
        let error = failed(plan("/no/such/program"));
        assert_eq!(error, SpawnError { step: SpawnStep::Exec, errno: libc::ENOENT, which: 0 });
        let error = failed(plan("/etc/passwd"));
        assert_eq!(error, SpawnError { step: SpawnStep::Exec, errno: libc::EACCES, which: 0 });
        let error = failed(ChildPlan { cwd: Some(c"/etc/passwd".to_owned()), ..plan("/bin/true") });
        assert_eq!(error, SpawnError { step: SpawnStep::WorkingDirectory, errno: libc::ENOTDIR, which: 0 });
        let unknown = PlannedLimit { resource: 4711, wanted: (1, 1), nearest: (1, 1) };
        let known = PlannedLimit { resource: libc::RLIMIT_CORE as i32, wanted: (0, 0), nearest: (0, 0) };
        let error = failed(ChildPlan { limits: vec![known, unknown], ..plan("/bin/true") });
        assert_eq!(error, SpawnError { step: SpawnStep::Limits, errno: libc::EINVAL, which: 1 });
    });
}

#[test]
fn a_limit_that_is_not_required_is_passed_over_and_told() {
    by_both(|way| {
        let unknown = PlannedLimit { resource: 4711, wanted: (1, 1), nearest: (1, 1) };
        let limits = vec![unknown, unknown];
        let child = way(&ChildPlan { limits, are_limits_required: false, ..plan("/bin/true") }).unwrap();
        discard(child.pid, Some(&child.pidfd));
        let told = |which| SpawnError { step: SpawnStep::Limits, errno: libc::EINVAL, which };
        assert_eq!(child.passed_over, [told(0), told(1)]);
    });
}

#[test]
fn a_child_has_its_streams_and_sockets_alone_of_hundreds_of_descriptors() {
    // Neither close-on-exec nor below the block: what a careless library of the program has opened.
    let null = File::open("/dev/null").unwrap();
    let many: Vec<OwnedFd> = (0..400).map(|_| nix::unistd::dup(&null).unwrap()).collect();
    assert!(many.iter().any(|fd| fd.as_raw_fd() > 300));
    by_both(|way| {
        assert_eq!(printed(way, DESCRIPTORS, |_| {}), "0\n1\n2\n");
        let found = printed(way, DESCRIPTORS, |plan| plan.sockets = sockets(5));
        assert_eq!(found, "0\n1\n2\n3\n4\n5\n6\n7\n");
    });
}

#[test]
fn more_sockets_than_the_block_holds_come_in_their_order() {
    by_both(|way| {
        for count in [13, 14, 40] {
            let sockets = sockets(count);
            let inodes: Vec<String> = sockets
                .iter()
                .map(|fd| fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).unwrap())
                .map(|link| link.to_str().unwrap().to_owned())
                .collect();
            let script = format!("for fd in $(seq 3 {}); do readlink /proc/$$/fd/$fd; done", count + 2);
            let found = printed(way, &script, |plan| plan.sockets = sockets);
            assert_eq!(found.lines().collect::<Vec<_>>(), inodes, "{count} sockets");
        }
    });
}

#[test]
fn a_child_with_sockets_reads_its_own_pid() {
    by_both(|way| {
        let found = printed(way, "echo $LISTEN_PID $$", |plan| plan.sockets = sockets(1));
        let (told, own) = found.trim().split_once(' ').unwrap();
        assert_eq!(told, own);
    });
}

#[test]
fn no_signal_is_ignored_or_blocked_in_a_child() {
    // The runtime of Rust ignores SIGPIPE, and the thread has everything blocked.
    assert!(crate::sys::is_ignored(libc::SIGPIPE));
    by_both(|way| {
        let found = printed(way, "exec grep -E '^Sig(Blk|Ign)' /proc/self/status", |_| {});
        assert_eq!(found.lines().count(), 2);
        for line in found.lines() {
            let (name, mask) = line.split_once(char::is_whitespace).unwrap();
            assert_eq!(mask.trim().trim_start_matches('0'), "", "{name}");
        }
    });
}

#[test]
fn the_master_is_as_it_was_after_a_hundred_children() {
    by_both(|way| {
        let place = tempfile::tempdir().unwrap();
        let before = own();
        for _ in 0..50 {
            let cwd = CString::new(place.path().to_str().unwrap()).unwrap();
            let limits =
                vec![PlannedLimit { resource: libc::RLIMIT_CORE as i32, wanted: (0, 0), nearest: (0, 0) }];
            let child = way(&ChildPlan {
                cwd: Some(cwd),
                umask: Some(0o077),
                nice: Some(5),
                oom_score_adj: Some(500),
                limits,
                parent_death_signal: Some(libc::SIGKILL),
                sockets: sockets(2),
                ..plan("/bin/true")
            });
            let child = child.unwrap();
            discard(child.pid, Some(&child.pidfd));
            way(&plan("/no/such/program")).unwrap_err();
        }
        assert_eq!(own(), before);
    });
}

/// What of this process and thread a child could have changed. Not its descriptors: other tests have their own.
fn own() -> Vec<String> {
    // SAFETY: a plain system call without memory.
    let dumpable = unsafe { libc::prctl(libc::PR_GET_DUMPABLE) };
    // SAFETY: as above.
    let nice = unsafe { libc::getpriority(libc::PRIO_PROCESS as _, 0) };
    let status = fs::read_to_string("/proc/thread-self/status").unwrap();
    let kept = ["Umask:", "SigIgn:", "SigCgt:", "SigBlk:"];
    let status =
        status.lines().filter(|line| kept.iter().any(|key| line.starts_with(key))).collect::<String>();
    let read = |path: &str| fs::read_to_string(path).unwrap();
    vec![
        format!("{dumpable} {nice} {status}"),
        read("/proc/self/oom_score_adj"),
        read("/proc/self/limits"),
        format!("{:?} {:?}", std::env::current_dir().unwrap(), nix::unistd::getpgrp()),
    ]
}

#[test]
fn the_descriptors_of_the_master_are_untouched_by_its_children() {
    // In a process of its own: other tests open and close theirs.
    const ALONE: &str = "DROVER_TEST_ALONE";
    if std::env::var_os(ALONE).is_none() {
        let name = "sys::child::tests::the_descriptors_of_the_master_are_untouched_by_its_children";
        let alone = std::env::current_exe().unwrap();
        let run = Command::new(alone).args(["--exact", name, "--test-threads=1"]).env(ALONE, "1").output();
        let run = run.unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
        return;
    }
    by_both(|way| {
        let listening = sockets(3);
        let before = table();
        for _ in 0..50 {
            let child = way(&ChildPlan { sockets: listening.clone(), ..plan("/bin/true") }).unwrap();
            discard(child.pid, Some(&child.pidfd));
            way(&plan("/no/such/program")).unwrap_err();
        }
        assert_eq!(table(), before);
        // The look sees what is open: a look that saw nothing would be equal too.
        for fd in &listening {
            assert!(before.iter().any(|(seen, ..)| *seen == fd.as_raw_fd()), "{before:?}");
        }
    });
}

/// Each open descriptor with what it is and its flags.
fn table() -> Vec<(i32, String, String)> {
    let own = |fd: &i32| {
        let link = fs::read_link(format!("/proc/self/fd/{fd}")).ok()?;
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).ok()?;
        let flags = info.lines().find(|line| line.starts_with("flags:"))?.to_owned();
        Some((*fd, link.to_string_lossy().into_owned(), flags))
    };
    let mut found: Vec<_> = (0..1024).filter_map(|fd| own(&fd)).collect();
    found.sort();
    found
}

fn sockets(count: usize) -> Vec<Arc<OwnedFd>> {
    let bind = || std::os::unix::net::UnixDatagram::unbound().unwrap();
    (0..count).map(|_| Arc::new(OwnedFd::from(bind()))).collect()
}
