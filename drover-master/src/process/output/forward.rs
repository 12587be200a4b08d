//! Writes workers' output to the master's own stdout and stderr, on a thread of its own: a terminal may block a write for
//! as long as it likes, and neither the driver nor a signal waits for it.

use std::io::{self, Write as _};
use std::sync::OnceLock;
use std::thread;

use tokio::sync::mpsc;

use super::Stream;

/// How many writes may wait; each is at most 64 KiB, so at most 4 MiB. Readers of pipes wait when it is full.
const WAITING: usize = 64;

/// Bytes and where they go.
type Write = (Stream, Vec<u8>);

/// Hands bytes to the writing thread, which is started by the first call; waits while it is behind. Without a thread
/// (none could be made) the bytes are lost: output never holds up a worker's life.
pub(super) async fn forward(stream: Stream, bytes: Vec<u8>) {
    static QUEUE: OnceLock<Option<mpsc::Sender<Write>>> = OnceLock::new();
    if let Some(queue) = QUEUE.get_or_init(start_thread) {
        let _ = queue.send((stream, bytes)).await;
    }
}

fn start_thread() -> Option<mpsc::Sender<Write>> {
    let (queue, mut writes) = mpsc::channel::<Write>(WAITING);
    let run = move || {
        while let Some((stream, bytes)) = writes.blocking_recv() {
            // A closed stdout (a pager that was quit) is no reason to end workers.
            let _ = match stream {
                Stream::Stdout => write(&mut io::stdout(), &bytes),
                Stream::Stderr => write(&mut io::stderr(), &bytes),
            };
        }
    };
    thread::Builder::new().name("drover-output".into()).stack_size(256 * 1024).spawn(run).ok().map(|_| queue)
}

fn write(stream: &mut impl io::Write, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes)?;
    stream.flush()
}
