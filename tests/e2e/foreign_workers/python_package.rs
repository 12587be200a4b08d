//! The Python package: programs that know nothing of Drover behind `python -m drover_worker`, workers with threads, and the control client.

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use drover_e2e::harness::eventually;
use tempfile::TempDir;

use super::service::{Service, asked};
use super::wheel::installed;
use crate::conform::played;

/// As the library of Python has it, one thread for each connection.
const SERVER: &str = "
import http.server, os, socketserver, threading

class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def do_GET(self):
        body = b'%d' % self.server.port
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        if self.path == '/go':
            threading.Thread(target=serve, args=(3000,), daemon=True).start()

def serve(port):
    server = Server((os.environ.get('HOST', ''), port), Handler)
    server.port = port
    server.serve_forever()

serve(int(os.environ['PORT']))
";

/// A worker with threads that answers what `drover conform` asks.
const THREADS: &str = "
from drover_worker import BusError, Message, threads
import socket
from typing import Optional

def connected(sock: socket.socket) -> None:
    with sock:
        while sock.recv(65536):
            sock.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok')

class Worker:
    def once(self, bus: threads.MessageBus) -> None:
        self.bus = bus
        listener = bus.listener('http', ('127.0.0.1', 0))
        bus.started()
        for thread in bus.accept(listener, connected):
            thread.join(0.2)

    def message(self, message: Message) -> Optional[bytes]:
        topic = message.payload.decode('utf-8', 'replace')
        if message.topic == 'drover.conform.echo':
            return message.payload
        if message.topic == 'drover.conform.send':
            self.bus.send(topic)
        elif message.topic == 'drover.conform.subscribe':
            self.bus.subscribe(topic)
        elif message.topic == 'drover.conform.ask':
            try:
                return self.bus.request(topic)
            except BusError as error:
                return str(error).encode()
        elif message.topic == 'drover.conform.fail':
            raise RuntimeError('as was asked for')
        else:
            raise BusError('UNIMPLEMENTED', 'nobody here answers this')
        return None

if __name__ == '__main__':
    worker = Worker()
    threads.serve(worker.once, worker.message)
";

/// A program in a directory of its own, and the Python that has the package and nothing else.
async fn program(text: &str) -> Option<(TempDir, PathBuf)> {
    let python = installed().await?.join("alone/bin/python");
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("app.py"), text).unwrap();
    Some((dir, python))
}

fn run(python: &Path, dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(python);
    command.current_dir(dir).args(args).stdin(Stdio::null());
    for name in ["DROVER_SOCKET", "DROVER_TOKEN", "LISTEN_FDS", "LISTEN_PID"] {
        command.env_remove(name);
    }
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn a_server_as_it_is_lives_as_the_conformance_kit_demands() {
    let Some((dir, python)) = program(SERVER).await else { return };
    let file = dir.path().join("app.py");
    let python = python.to_str().unwrap();
    let worker = [
        "env",
        "PORT=3000",
        "DROVER_PORTS=http=3000",
        python,
        "-m",
        "drover_worker",
        "--",
        file.to_str().unwrap(),
    ];
    let run = played(&["--case", "W-L*", "--jobs", "2"], &worker).await;
    assert_eq!((run.code, run.of("fail").len()), (Some(0), 0), "{}", run.failures.join("\n"));
    // It does not go on after a stop.
    assert_eq!(run.of("skip"), ["W-LC-20", "W-LC-21", "W-LI-06"]);
    assert!(run.summary["passed"].as_u64().unwrap() > 20, "{}", run.summary);
}

#[tokio::test]
async fn a_worker_with_threads_passes_every_case_of_the_conformance_kit() {
    let Some((dir, python)) = program(THREADS).await else { return };
    let file = dir.path().join("app.py");
    let worker = [python.to_str().unwrap(), file.to_str().unwrap()];
    let run = played(&["--mutations", "10", "--jobs", "2"], &worker).await;
    assert_eq!((run.code, run.of("fail").len()), (Some(0), 0), "{}", run.failures.join("\n"));
    assert_eq!(run.of("skip"), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_on_another_port_listens_by_itself_says_so_and_is_not_ready() {
    let Some((dir, python)) = program(SERVER).await else { return };
    let host = super::register::host(41);
    let app = format!(
        "command = [{python:?}, \"-m\", \"drover_worker\", \"--\", \"app.py\"]\ncwd = {:?}\nworkers = 1\n\
         env = {{ PORT = \"3001\", HOST = \"{host}\" }}",
        dir.path()
    );
    let mut service = Service::begin(&format!("listen = \"{host}:3000\""), &app);
    let (own, masters) = (SocketAddr::from((host, 3001)), SocketAddr::from((host, 3000)));
    let said = format!(
        "the program listens on 3001 by itself: no socket that the master has for it fits (http={masters}). \
         Let a socket of drover.toml listen on 3001, or set DROVER_PORTS=\"NAME=3001\" in the app's env\n"
    );
    eventually("what it says", || service.log().contains(&said).then_some(())).await;
    eventually("its own port", || TcpStream::connect(own).ok()).await;
    assert!(!service.log().contains("is ready"), "{}", service.log());
    assert_eq!(asked(own, "/go").await.as_deref(), Some("3001"));
    service.is_ready().await;
    assert_eq!(asked(masters, "/").await.as_deref(), Some("3000"));
    service.run(&["down"]).await;
    assert_eq!(service.ends().await, Some(0));
}

/// It binds, and leaves the rest to another process, as uvicorn does with `--workers`.
const PARENT: &str = "
import multiprocessing, signal, socket

sock = socket.socket()
sock.bind(('', 3000))
if __name__ == '__main__':
    multiprocessing.get_context('fork').Process(target=print).start()
    signal.pause()
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_leaves_listening_to_its_processes_is_told_what_to_do() {
    let Some((dir, python)) = program(PARENT).await else { return };
    let app = format!(
        "command = [{python:?}, \"-m\", \"drover_worker\", \"--\", \"app.py\"]\ncwd = {:?}\nworkers = 1\n\
         env = {{ DROVER_PORTS = \"http=3000\" }}",
        dir.path()
    );
    let service = Service::begin("listen = \"127.0.0.1:0\"", &app);
    let said = "the program leaves listening to processes of its own, which the master does not know, so it is never ready. Let it be one \
                process (uvicorn: without --workers and --reload; Hypercorn: with --workers 0), and set `workers` in drover.toml\n";
    eventually("what it says", || service.log().contains(said).then_some(())).await;
}

#[tokio::test]
async fn without_a_master_a_program_runs_as_it_does_alone() {
    let Some((dir, python)) =
        program("import signal, sys; print(sys.argv, signal.getsignal(signal.SIGTERM)); sys.exit(7)").await
    else {
        return;
    };
    let output = run(&python, dir.path(), &["-m", "drover_worker", "--", "app.py", "--with", "this"]);
    assert_eq!(text(&output.stdout), "['app.py', '--with', 'this'] 0\n", "{output:?}");
    assert_eq!((output.status.code(), output.stderr.len()), (Some(7), 0), "{output:?}");
    let module = run(&python, dir.path(), &["-m", "drover_worker", "-m", "this"]);
    assert!(text(&module.stdout).starts_with("The Zen of Python"), "{module:?}");
}

#[tokio::test]
async fn a_program_that_is_none_of_python_is_refused_in_one_sentence() {
    let Some((dir, python)) = program("").await else { return };
    for (words, sentence) in [
        (
            &["no-such-server"][..],
            "drover_worker: there is no file no-such-server, and no package of this Python (",
        ),
        (&["sh"], "sh is not a Python program: let drover.toml run it itself\n"),
        (&[], "usage: python -m drover_worker [--] PROGRAM [ARGUMENT...]\n"),
    ] {
        let output = run(&python, dir.path(), &[&["-m", "drover_worker", "--"], words].concat());
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(text(&output.stderr).contains(sentence), "{output:?}");
        assert!(!text(&output.stderr).contains("Traceback"), "{output:?}");
    }
}

/// What a tool does with the control client; it prints what it has found.
const CONTROL: &str = "
import sys
from drover_worker.control import Control, ControlError

master = Control(sys.argv[1])
[app] = master.status().apps
before = [worker.pid for worker in app.workers]
[replaced] = master.reload(app.name)
status = master.status(app.name)
[app] = status.apps
after = [worker.pid for worker in app.workers]
print(app.phase, app.ready, len(before), len(after), len({*before, *after}), replaced.generation, app.generation)
names = [event.name for event in master.events() if event.pid in after]
print(names.count('started'), all(event.seq > 3 for event in master.events(since=3)))
for event in master.events(since=status.last_seq - 1, follow=True):
    print(event.seq - status.last_seq)
    break
try:
    master.reload('nobody')
except ControlError as error:
    print(error.code)
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_control_client_tells_what_there_is_and_reloads() {
    let Some((dir, python)) = program(THREADS).await else { return };
    let app = format!("command = [{python:?}, \"app.py\"]\ncwd = {:?}\nworkers = 2", dir.path());
    let mut service = Service::begin("listen = \"127.0.0.1:0\"", &app);
    service.is_ready().await;
    std::fs::write(dir.path().join("tool.py"), CONTROL).unwrap();
    let (folder, socket) = (dir.path().to_owned(), service.control());
    let output =
        tokio::task::spawn_blocking(move || run(&python, &folder, &["tool.py", socket.to_str().unwrap()]));
    let output = output.await.unwrap();
    assert_eq!(
        text(&output.stdout),
        "started 2 2 2 4 2 2\n2 True\n0\nNOT_FOUND\n",
        "{output:?}\n{}",
        service.log()
    );
    service.end_proves_that_all_left_in_order().await;
}

#[tokio::test]
async fn the_types_of_the_python_package_fit_those_who_use_it() {
    let Some(environments) = installed().await else { return };
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("worker.py"), THREADS).unwrap();
    let wrong = "
from drover_worker import MessageBus, control
async def once(bus: MessageBus) -> None:
    bus.status('text', 1, 2, {'queue': 3})
    await bus.send(1)  # type: ignore[arg-type]
    await bus.nonsense()  # type: ignore[attr-defined]
    (await bus.request('topic')).hex()
control.Control('path').status().apps[0].workers[0].pid.bit_length()
";
    std::fs::write(dir.path().join("use.py"), wrong).unwrap();
    let python = environments.join("servers/bin/python");
    let mypy = ["-m", "mypy", "--strict", "--cache-dir", "cache"];
    // A complaint that is expected and does not come is one, too.
    for of in [&["-p", "drover_worker"][..], &["worker.py", "use.py"]] {
        let output = run(&python, dir.path(), &[&mypy, of].concat());
        assert!(output.status.success(), "{of:?}: {}{}", text(&output.stdout), text(&output.stderr));
    }
}

#[tokio::test]
async fn the_python_package_passes_its_own_tests() {
    let Some(environments) = installed().await else { return };
    let python = environments.join("alone/bin/python");
    let output = run(&python, &environments.join("source/tests"), &["-m", "unittest", "discover", "."]);
    let said = text(&output.stderr);
    assert!(output.status.success() && said.contains("Ran 14 tests"), "{said}");
}
