//! Who is told to leave first, and what becomes of what the main process leaves behind, with programs as people run them.

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;

use drover_e2e::harness::{App, PATIENCE, eventually, is_running, of_app, patiently, signal};
use drover_master::config::{Protocol, StopPolicy, StopTo};
use drover_master::{Command, ExitReason, MasterBuilder, Target};
use nix::sys::signal::Signal;

use crate::policies::SHORT;
use crate::surroundings;

/// A server that drains on SIGTERM: it answers after a while, and leaves when nothing is under way.
const SERVER: &str = r#"
import signal, socket, sys, time
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
listener.settimeout(0.02)
leaving = []
signal.signal(signal.SIGTERM, lambda *_: leaving.append(1))
print("serving", flush=True)
while not leaving:
    try:
        client, _ = listener.accept()
    except TimeoutError:
        continue
    client.sendall(b"begun ")
    end = time.monotonic() + 1
    while time.monotonic() < end:
        time.sleep(0.05)
    client.sendall(b"done")
    client.close()
"#;

/// A pool of processes, as job queues have them: SIGTERM to the first lets the jobs finish, to a member it ends the job.
const POOL: &str = r#"
import os, signal, socket, sys, time
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
stop, stopped = os.pipe()
# Before a child serves, whom the test takes for the whole.
signal.signal(signal.SIGTERM, lambda *_: os.close(stopped))
children = []
for _ in range(2):
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.close(stopped)
        import select
        while True:
            ready, _, _ = select.select([listener, stop], [], [])
            if stop in ready:
                os._exit(0)
            listener.setblocking(False)
            try:
                client, _ = listener.accept()
            except BlockingIOError:
                continue
            client.setblocking(True)
            client.sendall(b"begun ")
            time.sleep(1)
            client.sendall(b"done")
            client.close()
    children.append(pid)
for pid in children:
    os.waitpid(pid, 0)
"#;

/// A primary of Node's `cluster` that drains by `worker.disconnect()`, and has no own handler in its workers.
const CLUSTER: &str = r#"
const cluster = require('node:cluster');
if (cluster.isPrimary) {
  cluster.fork(); cluster.fork();
  process.on('SIGTERM', () => Object.values(cluster.workers).forEach((worker) => worker.disconnect()));
  let living = 2;
  cluster.on('exit', () => { if (--living === 0) process.exit(0); });
} else {
  require('node:net').createServer((client) => {
    client.write('begun ');
    setTimeout(() => client.end('done'), 1000);
  }).listen(Number(process.argv[2]), '127.0.0.1');
}
"#;

const NODE_SERVER: &str = r#"
const server = require('node:net').createServer((client) => {
  client.write('begun ');
  setTimeout(() => client.end('done'), 1000);
}).listen(Number(process.argv[2]), '127.0.0.1');
process.on('SIGTERM', () => server.close());
"#;

/// Whether a program is there; where it has to be, its lack is a failure.
fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|dir| dir.join(program).exists());
    assert!(found || std::env::var_os("CI").is_none(), "there is no {program}, which CI has to have");
    if !found {
        drover_e2e::complain(&format!("SKIPPED: there is no {program} on this machine"));
    }
    found
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn plain<const N: usize>(command: &str, args: [&str; N]) -> MasterBuilder {
    surroundings::plain(Command::new(command).args(args))
}

/// A client whose request is under way.
async fn asking(port: u16) -> TcpStream {
    let addr = SocketAddr::from(([127, 0, 0, 1], port));
    let mut client = eventually("the server", || TcpStream::connect(addr).ok()).await;
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.read_exact(&mut [0; 6]).unwrap();
    client
}

fn answer(mut client: TcpStream) -> String {
    let mut rest = String::new();
    // A reset is not an answer.
    let _ = client.read_to_string(&mut rest);
    rest
}

/// Whether a request under way survives the end of an app that is run so.
async fn is_answered(builder: MasterBuilder, port: u16) -> (String, App) {
    let app = App::started(builder).await;
    let client = asking(port).await;
    // Read at once: servers wait until their clients have hung up.
    let answer = tokio::task::spawn_blocking(move || answer(client));
    patiently("the shutdown", app.master().shutdown()).await.unwrap();
    assert_eq!(of_app(app.name()), [0; 0], "stopped is said when nothing is left");
    (answer.await.unwrap(), app)
}

fn script(dir: &Path, name: &str, text: &str) -> String {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_of_processes_finishes_its_jobs_unless_the_group_is_told_at_once() {
    if !has("python3") {
        return;
    }
    for (to, expected) in [(StopTo::Process, "done"), (StopTo::Group, "")] {
        let port = free_port();
        let stop = StopPolicy { to, ..StopPolicy::default() };
        let builder = plain("python3", ["-c", POOL, &port.to_string()]).stop_policy(stop);
        assert_eq!(is_answered(builder, port).await.0, expected, "{to:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_of_node_is_drained_by_its_primary() {
    if !has("node") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (program, port) = (script(dir.path(), "cluster.js", CLUSTER), free_port());
    let (answer, mut app) = is_answered(plain("node", [program.as_str(), &port.to_string()]), port).await;
    assert_eq!((answer.as_str(), app.exit().await.reason), ("done", ExitReason::NormalExit));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_wrapper_leaves_behind_drains() {
    if !has("python3") || !has("bash") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = script(dir.path(), "server.py", SERVER);
    for wrapper in [
        "exec python3 SERVER",
        "echo a; python3 SERVER; echo b",
        "python3 SERVER & wait",
        "python3 SERVER | cat",
        // Job control: a group of its own.
        "set -m; python3 SERVER & wait",
    ] {
        let port = free_port();
        let line = wrapper.replace("SERVER", &format!("{server} {port}"));
        let (answer, _) = is_answered(plain("bash", ["-c", &line]), port).await;
        assert_eq!(answer, "done", "{wrapper}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn npm_start_drains() {
    if !has("npm") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    script(dir.path(), "server.js", NODE_SERVER);
    let package = format!(r#"{{"scripts": {{"start": "node server.js {port}"}}}}"#);
    script(dir.path(), "package.json", &package);
    let builder = plain("npm", ["start"]).current_dir(dir.path());
    assert_eq!(is_answered(builder, port).await.0, "done");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_worker_that_is_replaced_leaves_behind_drains_too() {
    if !has("python3") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (server, port) = (script(dir.path(), "server.py", SERVER), free_port());
    let line = format!("python3 {server} {port} & wait");
    let app = App::started(plain("sh", ["-c", &line])).await;
    let client = asking(port).await;
    patiently("the restart", app.master().restart(Target::All)).await.unwrap();
    assert_eq!(answer(client), "done");
    // The port was free for the successor.
    let client = asking(port).await;
    assert_eq!(answer(client), "done");
    patiently("the shutdown", app.master().shutdown()).await.unwrap();
}

/// Workers that notify, and that speak the protocol, whose main process leaves when it is asked and leaves this line of a shell behind.
fn that_leave_behind(line: &str) -> [(&'static str, MasterBuilder); 2] {
    let script = format!("echo >&3; exec 3>&-; {line} & wait");
    let notifying = plain("bash", ["-c", &script]).protocol(Protocol::Notify).notify_fd(Some(3));
    let mut speaking = Command::new(program!("worker_forks_grandchild"));
    speaking = speaking.args(["bash", "-c", line]);
    [("notify", notifying), ("drover", surroundings::plain(speaking).protocol(Protocol::Drover))]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_worker_that_notifies_or_speaks_leaves_behind_drains_as_that_of_any_other() {
    if !has("python3") || !has("bash") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = script(dir.path(), "server.py", SERVER);
    for at in 0..2 {
        let port = free_port();
        let (protocol, builder) =
            that_leave_behind(&format!("exec python3 {server} {port}")).into_iter().nth(at).unwrap();
        let (answer, _) = is_answered(builder, port).await;
        assert_eq!(answer, "done", "{protocol}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_they_leave_behind_is_killed_when_its_time_is_over_or_after_a_crash() {
    if !has("bash") {
        return;
    }
    let stop = StopPolicy { drain_timeout: SHORT, term_timeout: SHORT, ..StopPolicy::default() };
    for (at, crashes) in [(0, false), (1, false), (0, true), (1, true)] {
        let dir = tempfile::tempdir().unwrap();
        let pids = dir.path().join("pids");
        let line = DEAF_CHILD.replace("PIDS", pids.to_str().unwrap());
        let (protocol, builder) = that_leave_behind(&line).into_iter().nth(at).unwrap();
        let mut app = App::started(builder.stop_policy(stop.clone())).await;
        let child = eventually("the child", || std::fs::read_to_string(&pids).ok()).await;
        if crashes {
            // Not SIGSEGV, which Rust's runtime catches.
            signal(app.pid(0), Signal::SIGABRT);
        } else {
            patiently("the shutdown", app.master().shutdown()).await.unwrap();
        }
        let exit = app.exit().await;
        assert!(!is_running(child.trim().parse().unwrap()), "{protocol}: {exit}");
        if crashes {
            assert!(
                matches!(exit.reason, ExitReason::ExternalSignal { signal: drover_master::Signal::ABRT, .. }),
                "{protocol}: {exit}"
            );
            patiently("the shutdown", app.master().kill()).await.unwrap();
        } else {
            assert!(exit.to_string().contains("it did not drain in time"), "{protocol}: {exit}");
        }
    }
}

/// A shell that leaves at SIGTERM, and a child of it that does not.
const DEAF_CHILD: &str =
    "(trap '' TERM; echo $BASHPID > PIDS.new; mv PIDS.new PIDS; while :; do sleep 0.05; done) & wait";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deaf_to_every_word_is_killed_when_its_time_is_over() {
    if !has("bash") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let pids = dir.path().join("pids");
    let line = DEAF_CHILD.replace("PIDS", pids.to_str().unwrap());
    let stop = StopPolicy { drain_timeout: SHORT, term_timeout: SHORT, ..StopPolicy::default() };
    let mut app = App::started(plain("bash", ["-c", &line]).stop_policy(stop)).await;
    let child = eventually("the child", || std::fs::read_to_string(&pids).ok()).await;
    patiently("the shutdown", app.master().shutdown()).await.unwrap();
    assert!(!is_running(child.trim().parse().unwrap()));
    let missed = app.all_events().iter().filter(|event| event.name() == "deadline_missed").count();
    let sentence = app.exit().await.to_string();
    assert_eq!(missed, 1, "to drain; SIGTERM was the word it is deaf to");
    assert!(sentence.contains("it did not drain in time"), "{sentence}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_crash_leaves_behind_is_killed_at_once_wherever_it_is() {
    if !has("bash") {
        return;
    }
    for line in [DEAF_CHILD.to_owned(), format!("set -m; {DEAF_CHILD}")] {
        let dir = tempfile::tempdir().unwrap();
        let pids = dir.path().join("pids");
        let line = line.replace("PIDS", pids.to_str().unwrap());
        let mut app = App::started(plain("bash", ["-c", &line])).await;
        let child = eventually("the child", || std::fs::read_to_string(&pids).ok()).await;
        signal(app.pid(0), Signal::SIGSEGV);
        let exit = app.exit().await;
        assert!(
            matches!(exit.reason, ExitReason::ExternalSignal { signal: drover_master::Signal::SEGV, .. }),
            "{exit}"
        );
        assert!(!is_running(child.trim().parse().unwrap()), "{line}");
        patiently("the shutdown", app.master().kill()).await.unwrap();
    }
}

#[tokio::test]
async fn a_program_that_goes_into_the_background_is_told_to_stay_in_the_foreground() {
    let mut app = App::new(plain("sh", ["-c", "sleep 300 &"]));
    let start = app.master().start();
    let exit = app.exit().await;
    assert_eq!(exit.reason, ExitReason::NormalExit);
    let detail = exit.detail.clone().unwrap_or_default();
    assert!(detail.contains("run it in the foreground"), "{exit}");
    drop(start);
    patiently("the end", app.master().shutdown()).await.unwrap();
    assert_eq!(of_app(app.name()), [0; 0]);
}

/// Puts itself into the background as `daemon(3)` does: a session of its own, nothing of the streams, and a parent that is gone. PIDS
/// is there before the main process leaves.
const DAEMON: &str =
    "setsid -f AS sh -c 'echo $$ > NEW && mv NEW PIDS && exec sleep 300' </dev/null >/dev/null 2>&1
while ! [ -e PIDS ]; do sleep 0.01; done";

#[tokio::test]
async fn a_daemon_in_a_session_of_its_own_is_told_and_ended_whatever_it_makes_of_its_environment() {
    if !has("setsid") {
        return;
    }
    for keeps in ["env", "env -i"] {
        let dir = tempfile::tempdir().unwrap();
        let script = DAEMON.replace("AS", keeps);
        let mut app = App::new(plain("sh", ["-c", &script]).current_dir(dir.path()));
        let start = app.master().start();
        let exit = app.exit().await;
        let daemon: u32 = std::fs::read_to_string(dir.path().join("PIDS")).unwrap().trim().parse().unwrap();
        assert_eq!(exit.reason, ExitReason::NormalExit);
        let detail = exit.detail.clone().unwrap_or_default();
        let told =
            format!("it put itself into the background and left process {daemon} behind, which was ended");
        assert!(detail.starts_with(&told) && detail.contains("run it in the foreground"), "{exit}");
        assert!(!is_running(daemon), "{keeps}");
        drop(start);
        patiently("the end", app.master().shutdown()).await.unwrap();
    }
}

#[tokio::test]
async fn nginx_that_was_left_to_be_a_daemon_is_told_to_stay_in_the_foreground() {
    if !has("nginx") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let conf = "pid pid; error_log stderr; events {} http { access_log off; server { listen unix:sock; return 200; } }";
    std::fs::write(dir.path().join("conf"), conf).unwrap();
    let words = ["-p", ".", "-c", "conf", "-e", "stderr"];
    let mut app = App::new(plain("nginx", words).current_dir(dir.path()));
    let start = app.master().start();
    let exit = app.exit().await;
    assert_eq!(exit.reason, ExitReason::NormalExit, "{exit}");
    assert!(exit.detail.clone().unwrap_or_default().contains("`daemon off;`"), "{exit}");
    let is_left =
        |pid: &u32| std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == dir.path());
    let pids = std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    assert_eq!(pids.filter(is_left).collect::<Vec<u32>>(), [0; 0]);
    drop(start);
    patiently("the end", app.master().shutdown()).await.unwrap();
}
