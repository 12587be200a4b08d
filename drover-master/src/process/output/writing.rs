//! What a stream takes, and what it does not.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::Stream;

/// What a stream did not take. It is warned about at the first time, and at the end it is told how much it was in all: a full
/// disk would else be warned about for every line.
#[derive(Debug, Default)]
pub(super) struct Losses {
    bytes: usize,
    told: usize,
}

/// How many bytes were not written, and why.
pub(super) type Lost = (usize, io::Error);

impl Losses {
    pub(super) fn note(&mut self, stream: Stream, written: Result<(), Lost>) {
        match written {
            Ok(()) => {}
            // A pager that was quit: whoever closed it wants no more, and it is not a reason to end workers.
            Err((_, error)) if error.kind() == io::ErrorKind::BrokenPipe => {}
            Err((bytes, error)) => {
                let is_first = self.bytes == 0;
                self.bytes = self.bytes.saturating_add(bytes);
                if is_first {
                    self.told = self.bytes;
                    tracing::warn!(target: "drover::output", %error, bytes, "{stream:?} takes nothing; output is lost");
                }
            }
        }
    }

    pub(super) fn tell(&mut self, stream: Stream) {
        if self.bytes > self.told {
            self.told = self.bytes;
            tracing::warn!(target: "drover::output", bytes = self.bytes, "output to {stream:?} was lost");
        }
    }
}

/// Writes everything. A stream that a parent shares and made non-blocking (`O_NONBLOCK` belongs to the open file, not to the
/// descriptor, `fcntl(2)`) says EAGAIN when it is full: then this thread waits for it, as it would in `write(2)`.
pub(super) fn write(stream: &mut (impl Write + AsFd), bytes: &[u8]) -> Result<(), Lost> {
    let mut rest = bytes;
    while !rest.is_empty() {
        match stream.write(rest) {
            Ok(0) => return Err((rest.len(), io::ErrorKind::WriteZero.into())),
            Ok(written) => rest = &rest[written..],
            Err(error) => wait(stream.as_fd(), error).map_err(|error| (rest.len(), error))?,
        }
    }
    // What the standard library keeps back is a begun line.
    let begun = bytes.rsplit(|byte| *byte == b'\n').next().map_or(0, <[u8]>::len).max(1);
    while let Err(error) = stream.flush() {
        wait(stream.as_fd(), error).map_err(|error| (begun, error))?;
    }
    Ok(())
}

/// Waits for what an error says, if it is one that passes.
pub(super) fn wait(stream: BorrowedFd<'_>, error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::Interrupted => Ok(()),
        io::ErrorKind::WouldBlock => {
            match poll(&mut [PollFd::new(stream, PollFlags::POLLOUT)], PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => Ok(()),
                Err(error) => Err(error.into()),
            }
        }
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;
    use std::thread;

    use super::*;

    #[test]
    fn a_stream_that_does_not_block_is_waited_for_and_loses_nothing() {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let text: Vec<u8> = (0..4_000_000_u32).map(|number| number.to_le_bytes()[0]).collect();
        let expected = text.clone();
        // Through the standard library's buffer, as stdout.
        let writer = thread::spawn(move || {
            let written = write(&mut Buffered(io::LineWriter::new(&mut ours)), &text);
            written.map_err(|(_, error)| error)
        });
        let mut got = Vec::new();
        theirs.read_to_end(&mut got).unwrap();
        writer.join().unwrap().unwrap();
        assert!(got == expected, "{} of {} bytes", got.len(), expected.len());
    }

    #[test]
    fn what_a_stream_did_not_take_is_counted_and_a_reader_that_left_is_not_a_loss() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        let mut losses = Losses::default();
        losses.note(Stream::Stdout, write(&mut ours, b"to nobody"));
        assert_eq!(losses.bytes, 0);
        let mut full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        losses.note(Stream::Stdout, write(&mut full, b"lost"));
        losses.note(Stream::Stdout, write(&mut full, b"too"));
        assert_eq!((losses.bytes, losses.told), (7, 4));
        losses.tell(Stream::Stdout);
        assert_eq!(losses.told, 7);
    }

    struct Buffered<'a>(io::LineWriter<&'a mut UnixStream>);

    impl Write for Buffered<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            self.0.flush()
        }
    }

    impl AsFd for Buffered<'_> {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.0.get_ref().as_fd()
        }
    }
}
