//! What a worker prints, the last of it.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::sync::watch;

use super::exit::Exit;

/// How many lines are kept of what a worker prints: a stack trace and what led to it.
const LINES: usize = 200;

/// How much of a line is kept. A worker that prints a mebibyte in one says nothing that a person would read.
const LINE: usize = 64 * 1024;

/// How much is read at once.
const READ: usize = 8 * 1024;

/// How much may still be in a pipe when the process has ended: the most that a user may give it (pipe(7)). What comes beyond is
/// printed by somebody else.
const REST: usize = 1024 * 1024;

/// The last lines of a worker.
#[derive(Debug, Clone, Default)]
pub(super) struct Printed(Arc<Mutex<VecDeque<String>>>);

impl Printed {
    /// Reads a pipe of the worker until it is closed, or the worker has exited and all that it has printed is read. Another
    /// process may hold the pipe open for ever.
    pub(super) async fn read(self, pipe: OwnedFd, mut exit: watch::Receiver<Option<Exit>>) {
        let Ok(mut pipe) = pipe::Receiver::from_owned_fd(pipe) else { return };
        let mut bytes = vec![0; READ];
        let mut line = Vec::new();
        loop {
            tokio::select! {
                read = pipe.read(&mut bytes) => match read {
                    Ok(0) | Err(_) => break,
                    Ok(count) => self.take(&mut line, &bytes[..count]),
                },
                _ = exit.wait_for(Option::is_some) => {
                    self.take_rest(&mut line, &pipe, &mut bytes);
                    break;
                }
            }
        }
        if !line.is_empty() {
            self.keep(&line);
        }
    }

    /// Whether a line contains this.
    pub(super) fn has(&self, text: &str) -> bool {
        self.lock().iter().any(|line| line.contains(text))
    }

    /// The last lines.
    pub(super) fn last(&self, count: usize) -> Vec<String> {
        let lines = self.lock();
        lines.iter().skip(lines.len().saturating_sub(count)).cloned().collect()
    }

    /// What lies in the pipe at this moment; it does not block.
    fn take_rest(&self, line: &mut Vec<u8>, pipe: &pipe::Receiver, bytes: &mut [u8]) {
        let mut taken = 0;
        // Past the runtime, which may not know yet that there is something.
        while let Ok(count @ 1..) = nix::unistd::read(pipe, bytes) {
            self.take(line, &bytes[..count]);
            taken += count;
            if taken >= REST {
                return;
            }
        }
    }

    fn take(&self, line: &mut Vec<u8>, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, is_whole) = piece.strip_suffix(b"\n").map_or((piece, false), |text| (text, true));
            let room = LINE - line.len();
            line.extend_from_slice(&text[..text.len().min(room)]);
            if is_whole {
                self.keep(line);
                line.clear();
            }
        }
    }

    fn keep(&self, line: &[u8]) {
        let mut lines = self.lock();
        if lines.len() == LINES {
            lines.pop_front();
        }
        lines.push_back(String::from_utf8_lossy(line).into_owned());
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    fn lines_are_bounded_and_the_last_ones_stay() {
        let printed = Printed::default();
        let mut line = Vec::new();
        printed.take(&mut line, b"no end");
        printed.take(&mut line, b" yet\n\nx");
        assert_eq!(printed.last(9), ["no end yet", ""]);
        for number in 0..1000 {
            printed.take(&mut line, format!("{number}\n").as_bytes());
        }
        assert_eq!(printed.last(2), ["998", "999"]);
        assert_eq!(printed.lock().len(), LINES);
        printed.take(&mut line, &vec![b'x'; 3 * LINE]);
        assert_eq!(line.len(), LINE);
    }

    #[tokio::test]
    async fn all_that_a_worker_has_printed_is_there_when_it_has_exited_though_its_pipe_stays_open() {
        let (reader, writer) = nix::unistd::pipe().unwrap();
        let (ended, exit) = watch::channel(None);
        let printed = Printed::default();
        nix::unistd::write(&writer, b"one\ntwo").unwrap();
        ended.send_replace(Some(Exit::Code(0)));
        tokio::time::timeout(PATIENCE, printed.clone().read(reader, exit)).await.unwrap();
        assert_eq!(printed.last(9), ["one", "two"]);
        assert!(printed.has("wo") && !printed.has("three"));
        drop(writer);
    }
}
