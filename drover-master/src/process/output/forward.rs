//! Writes to the master's own stdout and stderr, on a thread of its own: a terminal may block a write for as long as it
//! likes, and neither the driver nor a signal waits for it.

use std::io::{self, Write};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::Stream;

/// How many writes may wait; each is at most 64 KiB, so at most 4 MiB. Readers of pipes wait when it is full.
const WAITING: usize = 64;

enum Job {
    Write(Stream, Vec<u8>),
    /// Tell when all before this has been written.
    Tell(oneshot::Sender<()>),
}

/// Writes bytes to this process's own stdout or stderr, in order with the forwarded output of workers, and without blocking
/// the runtime: waits only while the writing thread is behind. Without a thread (none could be made) the bytes are lost:
/// output never holds up a worker's life.
///
/// # Cancel safety
///
/// A dropped future may have handed on nothing; nothing is written in part.
pub async fn write_output(stream: Stream, bytes: Vec<u8>) {
    if let Some(queue) = queue() {
        let _ = queue.send(Job::Write(stream, bytes)).await;
    }
}

/// Waits until everything handed over so far has been written, at most for `within`. Call it before the process ends.
///
/// # Cancel safety
///
/// A dropped future changes nothing.
pub async fn flush_output(within: Duration) {
    let Some(queue) = queue() else { return };
    let (tell, written) = oneshot::channel();
    let flushed = async {
        if queue.send(Job::Tell(tell)).await.is_ok() {
            let _ = written.await;
        }
    };
    // A terminal that is stopped does not keep the process.
    let _ = tokio::time::timeout(within, flushed).await;
}

fn queue() -> Option<&'static mpsc::Sender<Job>> {
    static QUEUE: OnceLock<Option<mpsc::Sender<Job>>> = OnceLock::new();
    QUEUE.get_or_init(start_thread).as_ref()
}

fn start_thread() -> Option<mpsc::Sender<Job>> {
    let (queue, mut jobs) = mpsc::channel(WAITING);
    let run = move || {
        while let Some(job) = jobs.blocking_recv() {
            // A closed stdout (a pager that was quit) is no reason to end workers.
            let _ = match job {
                Job::Write(Stream::Stdout, bytes) => write(&mut io::stdout(), &bytes),
                Job::Write(Stream::Stderr, bytes) => write(&mut io::stderr(), &bytes),
                Job::Tell(teller) => {
                    let _ = teller.send(());
                    Ok(())
                }
            };
        }
    };
    thread::Builder::new().name("drover-output".into()).stack_size(256 * 1024).spawn(run).ok().map(|_| queue)
}

fn write(stream: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes)?;
    stream.flush()
}
