//! What takes a process of its own: its death as an orphan, signals, inherited sockets. The workers are tests of this
//! same file that are run as children; each ends by itself, whatever becomes of its parent.

#![expect(clippy::unwrap_used, reason = "a test ends where what it needs is not there")]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Lines, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use drover_worker::testing::messages::worker_frame::Body;
use drover_worker::testing::{FakeLink, FakeMaster};
use drover_worker::{ListenerError, MessageBus, StopCause, command};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const DEADLINE: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(200);

/// A command that runs the test `role` of this file.
fn child(role: &str) -> Command {
    let mut command = command(std::env::current_exe().unwrap());
    command.args([role, "--exact", "--ignored", "--nocapture", "--test-threads=1"]).stdin(Stdio::null());
    command
}

fn under(master: &FakeMaster, mut command: Command) -> Command {
    command.env("DROVER_SOCKET", master.socket()).env("DROVER_TOKEN", master.token());
    command
}

/// A shell stands in for the master: it puts the socket on descriptor 3 and its own pid, kept by exec, in LISTEN_PID.
fn with_socket(worker: Command, socket: TcpListener) -> Command {
    let mut shell = command("sh");
    shell.args(["-c", "export LISTEN_PID=$$; exec 3<&0 0</dev/null; exec \"$0\" \"$@\""]);
    shell.arg(worker.get_program()).args(worker.get_args());
    shell.env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", "http").stdin(Stdio::from(OwnedFd::from(socket)));
    shell
}

async fn end_of(child: Child) -> Output {
    tokio::task::spawn_blocking(|| child.wait_with_output()).await.unwrap().unwrap()
}

async fn started(master: &FakeMaster, command: &mut Command) -> (Child, FakeLink) {
    let child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut link = master.accept().await.unwrap();
    assert!(matches!(link.body().await.unwrap(), Some(Body::Started(_))));
    (child, link)
}

#[tokio::test]
async fn an_orphan_ends_with_code_70_even_if_its_runtime_is_blocked() {
    let master = FakeMaster::bind().unwrap();
    let (child, link) =
        started(&master, &mut under(&master, child("as_a_worker_that_blocks_its_runtime"))).await;
    drop(link);
    assert_eq!(end_of(child).await.status.code(), Some(70));
}

#[tokio::test]
async fn an_orphan_that_drains_in_time_ends_as_it_likes() {
    let master = FakeMaster::bind().unwrap();
    let (child, link) =
        started(&master, &mut under(&master, child("as_a_worker_that_drains_when_orphaned"))).await;
    drop(link);
    assert_eq!(end_of(child).await.status.code(), Some(0));
}

#[tokio::test]
async fn a_worker_that_said_shut_down_is_not_hurried_by_the_end_of_the_connection() {
    let master = FakeMaster::bind().unwrap();
    let (child, mut link) = started(&master, &mut under(&master, child("as_a_worker_that_lingers"))).await;
    link.quit(DEADLINE).await.unwrap();
    assert!(matches!(link.body().await.unwrap(), Some(Body::ShutDown(_))));
    drop(link);
    assert_eq!(end_of(child).await.status.code(), Some(0));
}

#[tokio::test]
async fn a_worker_under_a_master_catches_sigterm_alone_and_not_if_the_program_does() {
    let master = FakeMaster::bind().unwrap();
    let own = "as_a_worker_that_handles_sigterm_itself";
    let mut afterwards = child(own);
    afterwards.env("HANDLER_AFTER", "1");
    for worker in [child("as_a_worker_without_signal_handlers"), child(own), afterwards] {
        let (child, link) = started(&master, &mut under(&master, worker)).await;
        assert_eq!(end_of(child).await.status.code(), Some(0));
        drop(link);
    }
}

/// A worker that drains for as long as this test likes.
struct Signalled {
    _master: FakeMaster,
    child: Child,
    link: FakeLink,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Signalled {
    async fn started() -> Self {
        let master = FakeMaster::bind().unwrap();
        let mut command = under(&master, child("as_a_worker_that_drains_when_told"));
        command.stdin(Stdio::piped());
        let (mut child, link) = started(&master, &mut command).await;
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { _master: master, child, link, lines }
    }

    /// Signals it from a process of its own, and not from here: this is its master.
    fn terminate(&self) {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    fn await_line(&mut self, line: &str) {
        assert!(self.lines.any(|read| read.unwrap().ends_with(line)), "never said {line:?}");
    }

    /// Lets the drain end.
    fn finish(&mut self) {
        drop(self.child.stdin.take());
    }

    async fn says(&mut self, what: &str) {
        let said = self.link.body().await.unwrap();
        let is_so = match said {
            Some(Body::Stopped(_)) => what == "Stopped",
            Some(Body::ShutDown(_)) => what == "ShutDown",
            None => what == "nothing more",
            _ => false,
        };
        assert!(is_so, "{said:?} instead of {what}");
    }

    async fn end(self) -> Option<i32> {
        end_of(self.child).await.status.code()
    }
}

#[tokio::test]
async fn a_worker_that_drains_already_takes_sigterm_as_what_it_knows() {
    let mut worker = Signalled::started().await;
    worker.link.stop(DEADLINE).await.unwrap();
    worker.await_line("stop: Master");
    worker.terminate();
    worker.finish();
    worker.says("Stopped").await;
    worker.link.quit(DEADLINE).await.unwrap();
    worker.says("ShutDown").await;
    assert_eq!(worker.end().await, Some(0));
}

#[tokio::test]
async fn a_worker_that_gets_sigterm_just_before_its_masters_words_drains_and_answers_them() {
    let mut worker = Signalled::started().await;
    worker.terminate();
    worker.await_line("stop: Signal");
    worker.link.stop(DEADLINE).await.unwrap();
    // In the order of the wire: it has taken Stop.
    worker.link.ping().await.unwrap();
    assert!(matches!(worker.link.body().await.unwrap(), Some(Body::Pong(_))));
    worker.finish();
    worker.says("Stopped").await;
    worker.link.quit(DEADLINE).await.unwrap();
    worker.says("ShutDown").await;
    assert_eq!(worker.end().await, Some(0));
}

#[tokio::test]
async fn a_worker_that_alone_gets_sigterm_drains_and_leaves_and_a_second_one_ends_it() {
    let mut worker = Signalled::started().await;
    worker.terminate();
    worker.await_line("stop: Signal");
    worker.finish();
    worker.says("nothing more").await;
    assert_eq!(worker.end().await, Some(0));

    let mut worker = Signalled::started().await;
    worker.terminate();
    worker.await_line("stop: Signal");
    worker.terminate();
    assert_eq!(end_of(worker.child).await.status.signal(), Some(Signal::SIGTERM as i32));
}

#[tokio::test]
async fn sigterm_of_the_master_itself_ends_a_worker_at_once() {
    let worker = Signalled::started().await;
    kill(Pid::from_raw(worker.child.id().cast_signed()), Signal::SIGTERM).unwrap();
    assert_eq!(end_of(worker.child).await.status.signal(), Some(Signal::SIGTERM as i32));
}

#[tokio::test]
async fn what_keeps_a_worker_that_has_said_shut_down_is_told() {
    let master = FakeMaster::bind().unwrap();
    let mut command = under(&master, child("as_a_worker_that_leaves_a_blocking_task_behind"));
    let (mut child, mut link) = started(&master, command.stdin(Stdio::piped()).stderr(Stdio::piped())).await;
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    link.quit(DEADLINE).await.unwrap();
    assert!(matches!(link.body().await.unwrap(), Some(Body::ShutDown(_))));
    assert!(said.any(|line| line.unwrap().contains("still there 1s after it said ShutDown")), "not a word");
    // What kept it ends.
    drop(child.stdin.take());
    assert_eq!(end_of(child).await.status.code(), Some(0));
}

#[tokio::test]
async fn sockets_are_inherited_by_name_and_kept_from_children() {
    let master = FakeMaster::bind().unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let mut shell = with_socket(child("as_a_worker_with_an_inherited_socket"), socket);
    shell.env("EXPECTED_ADDRESS", address.to_string());
    let mut shell = under(&master, shell);
    let (child, link) = started(&master, &mut shell).await;
    // The command holds the parent's copy of the socket.
    drop(shell);
    let greeting = tokio::task::spawn_blocking(move || {
        let mut greeting = String::new();
        TcpStream::connect(address).and_then(|mut stream| stream.read_to_string(&mut greeting)).unwrap();
        greeting
    });
    assert_eq!(greeting.await.unwrap(), "inherited");
    assert_eq!(end_of(child).await.status.code(), Some(0));
    drop(link);
}

#[tokio::test]
async fn no_child_of_a_worker_holds_the_sockets_that_were_handed_over() {
    let master = FakeMaster::bind().unwrap();
    for role in ["as_a_worker_with_a_child_before_its_listener", "as_a_worker_with_a_child_by_command"] {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let (child, mut link) = started(&master, &mut under(&master, with_socket(child(role), socket))).await;
        link.quit(DEADLINE).await.unwrap();
        assert_eq!(end_of(child).await.status.code(), Some(0), "{role}");
    }
}

/// Whether a child of this process would have a socket as its descriptor 3.
fn inherits_the_socket(mut command: Command) -> bool {
    command.args(["-c", "test -S /proc/self/fd/3"]).stdin(Stdio::null()).status().unwrap().success()
}

#[tokio::test]
#[ignore = "run as a child"]
async fn as_a_worker_with_a_child_before_its_listener() {
    assert!(inherits_the_socket(Command::new("sh")), "it was handed over");
    let bus = MessageBus::connect().await.unwrap();
    assert!(!inherits_the_socket(Command::new("sh")));
    drop(bus.listener("http").unwrap());
    bus.started().await.unwrap();
    bus.quit_requested().await;
}

#[tokio::test]
#[ignore = "run as a child"]
async fn as_a_worker_with_a_child_by_command() {
    assert!(inherits_the_socket(Command::new("sh")), "it was handed over");
    assert!(!inherits_the_socket(command("sh")));
    let bus = MessageBus::connect().await.unwrap();
    drop(bus.listener("http").unwrap());
    bus.started().await.unwrap();
    bus.quit_requested().await;
}

#[tokio::test]
async fn four_processes_share_one_listener_and_serve_every_connection() {
    const CONNECTIONS: usize = 200;
    let master = FakeMaster::bind().unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let mut workers = Vec::new();
    for _ in 0..4 {
        let command = with_socket(child("as_a_worker_that_says_its_pid"), socket.try_clone().unwrap());
        workers.push(started(&master, &mut under(&master, command)).await);
    }
    drop(socket);
    let shares = tokio::task::spawn_blocking(move || {
        let mut shares = HashMap::<u32, usize>::new();
        for _ in 0..CONNECTIONS {
            // Apart: a burst goes to whoever is awake.
            block(Duration::from_millis(2));
            let mut pid = [0; 4];
            TcpStream::connect(address).and_then(|mut stream| stream.read_exact(&mut pid)).unwrap();
            *shares.entry(u32::from_be_bytes(pid)).or_default() += 1;
        }
        shares
    });
    let shares = shares.await.unwrap();
    // How even the shares are depends on how loaded the machine is, so that is measured elsewhere; that they are shared
    // does not.
    assert_eq!(shares.values().sum::<usize>(), CONNECTIONS);
    assert!(shares.len() > 1, "{shares:?}");
    for (child, mut link) in workers {
        link.stop(DEADLINE).await.unwrap();
        assert_eq!(end_of(child).await.status.code(), Some(0));
    }
}

#[tokio::test]
async fn a_resumed_worker_serves_what_queued_on_the_same_socket_while_it_rested() {
    let master = FakeMaster::bind().unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let shell = with_socket(child("as_a_worker_that_says_which_round_it_is"), socket);
    let (child, mut link) = started(&master, &mut under(&master, shell)).await;
    let round_of = |mut stream: TcpStream| {
        tokio::task::spawn_blocking(move || {
            let mut round = [0];
            stream.read_exact(&mut round).unwrap();
            round[0]
        })
    };
    for round in 1..=5 {
        assert_eq!(round_of(TcpStream::connect(address).unwrap()).await.unwrap(), round);
        link.stop(DEADLINE).await.unwrap();
        assert!(matches!(link.body().await.unwrap(), Some(Body::Stopped(_))));
        let queued = TcpStream::connect(address).unwrap();
        link.resume(DEADLINE).await.unwrap();
        assert!(matches!(link.body().await.unwrap(), Some(Body::Started(_))));
        assert_eq!(round_of(queued).await.unwrap(), round + 1);
    }
    link.quit(DEADLINE).await.unwrap();
    assert!(matches!(link.body().await.unwrap(), Some(Body::ShutDown(_))));
    assert_eq!(end_of(child).await.status.code(), Some(0));
    // A child that another test is just making may hold a copy for a moment.
    let closed = async {
        while TcpStream::connect(address).is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(DEADLINE, closed).await.expect("nobody holds the socket any more");
}

#[test]
fn a_standalone_worker_stops_and_leaves_by_a_signal() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut worker = Standalone::spawn("as_a_standalone_worker_that_leaves");
        worker.await_line("ready");
        worker.signal(signal);
        worker.await_line("stop: Signal");
        assert_eq!(worker.child.wait_with_output().unwrap().status.code(), Some(0));
    }
}

#[test]
fn a_second_signal_ends_a_standalone_worker_at_once() {
    for (copy, second, code) in
        [(Signal::SIGTERM, Signal::SIGINT, 130), (Signal::SIGINT, Signal::SIGTERM, 143)]
    {
        let mut worker = Standalone::spawn("as_a_standalone_worker_that_never_drains");
        worker.await_line("ready");
        // A wrapper passes it on as another one; it finds both when it goes on.
        for signal in [Signal::SIGSTOP, second, copy, Signal::SIGCONT] {
            worker.signal(signal);
        }
        worker.await_line("stop: Signal");
        block(Duration::from_millis(600));
        worker.signal(second);
        assert_eq!(worker.child.wait_with_output().unwrap().status.code(), Some(code));
    }
}

struct Standalone {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Standalone {
    fn spawn(role: &str) -> Self {
        let mut child = child(role).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Ends when the worker does, if the line never comes.
    fn await_line(&mut self, line: &str) {
        assert!(self.lines.any(|read| read.unwrap().ends_with(line)), "never said {line:?}");
    }

    fn signal(&self, signal: Signal) {
        // The child is not waited for yet, so its pid is its own.
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }
}

/// Blocks this thread, and with it a runtime of one thread.
fn block(duration: Duration) {
    let (_nobody, silence) = mpsc::sync_channel::<()>(0);
    assert!(silence.recv_timeout(duration).is_err());
}

/// A worker that has little time once its master is gone.
async fn short_lived() -> MessageBus {
    let bus = MessageBus::builder().orphan_timeout(SHORT).connect().await.unwrap();
    assert!(!bus.is_standalone());
    bus
}

#[tokio::test]
#[ignore = "runs as a child of another test"]
async fn as_a_worker_that_blocks_its_runtime() {
    let bus = short_lived().await;
    bus.started().await.unwrap();
    // From here on nothing is ever polled again.
    block(DEADLINE);
}

#[tokio::test]
#[ignore = "runs as a child of another test"]
async fn as_a_worker_that_drains_when_orphaned() {
    let bus = MessageBus::connect().await.unwrap();
    bus.started().await.unwrap();
    assert_eq!(bus.stop_requested().await.cause, StopCause::MasterGone);
    bus.stopped().await.unwrap();
    bus.quit_requested().await;
    bus.shut_down().await.unwrap();
}

#[tokio::test]
#[ignore = "runs as a child of another test"]
async fn as_a_worker_that_lingers() {
    let bus = short_lived().await;
    bus.started().await.unwrap();
    bus.quit_requested().await;
    bus.shut_down().await.unwrap();
    block(SHORT * 4);
}

#[tokio::test]
#[ignore = "runs as a child of another test"]
async fn as_a_worker_without_signal_handlers() {
    let bus = MessageBus::connect().await.unwrap();
    bus.started().await.unwrap();
    assert!(catches(Signal::SIGTERM));
    for signal in [Signal::SIGINT, Signal::SIGHUP, Signal::SIGCHLD] {
        assert!(!catches(signal), "{signal}");
    }
}

fn catches(signal: Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim();
    u64::from_str_radix(caught, 16).unwrap() >> (signal as u64 - 1) & 1 == 1
}

#[tokio::test]
#[ignore = "runs as a child of another test"]
async fn as_a_worker_that_handles_sigterm_itself() {
    let own = || tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
    let terminate = || kill(Pid::from_raw(std::process::id().cast_signed()), Signal::SIGTERM).unwrap();
    let before = std::env::var_os("HANDLER_AFTER").is_none().then(own);
    let bus = MessageBus::connect().await.unwrap();
    bus.started().await.unwrap();
    let mut own = before.unwrap_or_else(own);
    for _ in 0..3 {
        terminate();
        tokio::time::timeout(DEADLINE, own.recv()).await.unwrap();
    }
    assert!(!bus.is_stopping(), "the signal is the program's own matter");
}

#[tokio::test]
#[ignore = "runs as a child of another test"]
async fn as_a_worker_that_drains_when_told() {
    let bus = MessageBus::connect().await.unwrap();
    bus.started().await.unwrap();
    let stop = tokio::time::timeout(DEADLINE, bus.stop_requested()).await.unwrap();
    println!("stop: {:?}", stop.cause);
    // Ends with the parent at the latest.
    let told = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    told.await.unwrap().unwrap();
    bus.stopped().await.unwrap();
    bus.quit_requested().await;
    bus.shut_down().await.unwrap();
}

#[tokio::test]
#[ignore = "runs as a child of another test"]
async fn as_a_worker_that_leaves_a_blocking_task_behind() {
    let bus = MessageBus::connect().await.unwrap();
    bus.started().await.unwrap();
    bus.quit_requested().await;
    let (running, runs) = tokio::sync::oneshot::channel();
    tokio::task::spawn_blocking(|| {
        running.send(()).unwrap();
        let (told, is_told) = mpsc::sync_channel(1);
        std::thread::spawn(move || told.send(std::io::stdin().read_to_end(&mut Vec::new()).is_ok()));
        // Otherwise by itself, so that a parent which hears no word does not wait for ever.
        let _told = is_told.recv_timeout(DEADLINE);
    });
    runs.await.unwrap();
    bus.shut_down().await.unwrap();
}

#[tokio::test]
#[ignore = "runs as a child of another test"]
async fn as_a_worker_with_an_inherited_socket() {
    let bus = MessageBus::connect().await.unwrap();
    let expected: SocketAddr = std::env::var("EXPECTED_ADDRESS").unwrap().parse().unwrap();
    assert!(
        matches!(bus.listener("admin"), Err(ListenerError::NotHandedOver { offered, .. }) if offered == ["http"])
    );
    let listener = bus.listener("http").unwrap();
    assert_eq!(listener.local_addr().unwrap(), expected);
    assert!(matches!(bus.listener("http"), Err(ListenerError::Taken { .. })));

    let fds = Command::new("ls").arg("-l").arg("/proc/self/fd").output().unwrap();
    let fds = String::from_utf8_lossy(&fds.stdout).into_owned();
    assert!(fds.contains("pipe:") && !fds.contains("socket:"), "{fds}");
    let variables = command("env").output().unwrap();
    let variables = String::from_utf8_lossy(&variables.stdout).into_owned();
    assert!(variables.contains("EXPECTED_ADDRESS="), "{variables}");
    assert!(!variables.contains("DROVER_") && !variables.contains("LISTEN_"), "a child learns too much");

    bus.started().await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let mut stream = stream;
    tokio::io::AsyncWriteExt::write_all(&mut stream, b"inherited").await.unwrap();
}

#[tokio::test]
#[ignore = "runs as a child of another test"]
async fn as_a_worker_that_says_its_pid() {
    let bus = MessageBus::connect().await.unwrap();
    let listener = bus.listener("http").unwrap();
    bus.started().await.unwrap();
    let serve = async {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut stream, &std::process::id().to_be_bytes())
                .await
                .unwrap();
        }
    };
    tokio::select! {
        () = serve => {}
        _ = bus.stop_requested() => {}
        () = tokio::time::sleep(DEADLINE) => panic!("the parent is gone"),
    }
}

#[tokio::test]
#[ignore = "runs as a child of another test"]
async fn as_a_worker_that_says_which_round_it_is() {
    let mut round = 0;
    let worker = MessageBus::builder().orphan_timeout(SHORT).serve(async |bus| {
        round += 1;
        let listener = bus.listener("http").unwrap();
        bus.started().await?;
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let mut stream = accepted.unwrap().0;
                    tokio::io::AsyncWriteExt::write_all(&mut stream, &[round]).await.unwrap();
                }
                _ = bus.stop_requested() => return Ok::<_, Box<dyn std::error::Error>>(()),
            }
        }
    });
    worker.await.unwrap();
}

#[tokio::test]
#[ignore = "runs as a child of another test"]
async fn as_a_standalone_worker_that_leaves() {
    let bus = MessageBus::builder().standalone_listen("http", "127.0.0.1:0").connect().await.unwrap();
    assert!(bus.is_standalone());
    assert_eq!((bus.identity().app.as_str(), bus.identity().slot), ("standalone", 0));
    bus.listener("http").unwrap();
    bus.status("alone", 0);
    bus.extend(DEADLINE).await.unwrap();
    bus.started().await.unwrap();
    println!("ready");
    let stop = tokio::time::timeout(DEADLINE, bus.stop_requested()).await.unwrap();
    println!("stop: {:?}", stop.cause);
    bus.stopped().await.unwrap();
    tokio::time::timeout(DEADLINE, bus.quit_requested()).await.unwrap();
    bus.shut_down().await.unwrap();
}

#[tokio::test]
#[ignore = "runs as a child of another test"]
async fn as_a_standalone_worker_that_never_drains() {
    let bus = MessageBus::connect().await.unwrap();
    bus.started().await.unwrap();
    println!("ready");
    let stop = tokio::time::timeout(DEADLINE, bus.stop_requested()).await.unwrap();
    println!("stop: {:?}", stop.cause);
    tokio::time::sleep(DEADLINE).await;
}
