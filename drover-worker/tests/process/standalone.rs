//! A worker without a master, and the signals it gets.

use super::*;

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
