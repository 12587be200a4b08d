//! A notification descriptor, as s6 has it: a pipe, on which a newline means ready.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use nix::fcntl::{OFlag, SpliceFFlags, tee};
use tokio::io::Interest;
use tokio::sync::{mpsc, oneshot};

use super::ear::Applied;
use super::notification::Notification;
use crate::machine::worker::Notice;
use crate::sys::watch_readable;

/// A pipe whose bytes stay in it until they are passed over.
struct LookedAt {
    pipe: Arc<OwnedFd>,
    /// What `tee(2)` copies to, and where that is read. None, for want of descriptors: what is looked at is taken away.
    copy: Option<(OwnedFd, OwnedFd)>,
}

impl LookedAt {
    fn new(pipe: Arc<OwnedFd>) -> Self {
        let copy = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).ok();
        Self { pipe, copy: copy.map(|(read, write)| (write, read)) }
    }

    /// What lies next in it; 0 bytes at its end.
    fn look(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some((write, read)) = &self.copy else { return self.take(buffer) };
        let length = tee(&self.pipe, write, buffer.len(), SpliceFFlags::SPLICE_F_NONBLOCK)?;
        match length {
            0 => Ok(0),
            _ => Ok(nix::unistd::read(read, &mut buffer[..length])?),
        }
    }

    /// It was looked at, and means nothing.
    fn pass_over(&self, seen: &mut [u8]) {
        if self.copy.is_some() {
            // It lies there.
            let _ = self.take(seen);
        }
    }

    fn take(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(nix::unistd::read(&self.pipe, buffer)?)
    }
}

/// A newline means ready, as s6 has it; whatever comes before it is passed over. It stays where it is: if this master dies before it is
/// written down, the next one finds it.
pub(super) async fn hear_pipe<T>(
    fd: OwnedFd,
    number: u32,
    queue: &mpsc::Sender<T>,
    news: impl Fn(Vec<Notification>, Applied) -> T,
    mut is_ended: oneshot::Receiver<()>,
) -> io::Result<()> {
    let pipe = Arc::new(fd);
    let ready = watch_readable(Arc::clone(&pipe))?;
    let pipe = LookedAt::new(pipe);
    let mut buffer = [0; 512];
    loop {
        let (seen, is_last) = tokio::select! {
            biased;
            length = ready.async_io(Interest::READABLE, |_| pipe.look(&mut buffer)) => (length, false),
            // It lies there already, if it came at all.
            _ = &mut is_ended => (pipe.look(&mut buffer), true),
        };
        let notice = match seen {
            Ok(length) if buffer[..length].contains(&b'\n') => Notice::Ready,
            Ok(0) => Notice::Unsaid {
                how: format!("it closed its notification descriptor {number} without a newline").into(),
            },
            // Another process of its tree may go on for ever, and an end is heard once.
            Ok(_) if is_last => return Ok(()),
            Ok(length) => {
                pipe.pass_over(&mut buffer[..length]);
                continue;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted && !is_last => continue,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        let (applied, is_applied) = oneshot::channel();
        // Without a driver nobody wants to know.
        let _ = queue.send(news(vec![Notification::Notice(notice)], Applied(Some(applied)))).await;
        // Dropped, it is told as well.
        let _ = is_applied.await;
        return Ok(());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::ear::{Source, hear};
    use super::super::notifier::Notifier;
    use super::*;
    use crate::config::NotifyAccess;
    use crate::keeper::Hold;

    fn notifier(pid: u32) -> Notifier {
        Notifier { pid, uid: nix::unistd::geteuid().as_raw(), access: NotifyAccess::Main }
    }

    fn notice(heard: &[Notification]) -> &Notice {
        match heard {
            [Notification::Notice(notice)] => notice,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_worker_that_ends_with_half_a_line_on_its_descriptor_is_heard_to_the_end() {
        let (reader, writer) = nix::unistd::pipe2(OFlag::O_NONBLOCK).unwrap();
        let (queue, mut heard) = mpsc::channel(8);
        let mut ear = hear(
            Source::Pipe { fd: reader, number: 5, hold: Hold::default() },
            notifier(1),
            queue,
            |heard, _| heard,
        );
        tokio::task::yield_now().await;
        // What it wrote and its end are there at once; another process of its tree holds the descriptor.
        nix::unistd::write(&writer, b"up").unwrap();
        ear.ended.send(()).unwrap();
        tokio::time::timeout(Duration::from_secs(20), &mut ear.task).await.unwrap().unwrap();
        assert!(heard.recv().await.is_none());
    }

    #[tokio::test]
    async fn a_newline_lies_in_the_pipe_until_it_is_applied_and_what_came_before_it_is_gone() {
        let (reader, writer) = nix::unistd::pipe2(OFlag::O_NONBLOCK).unwrap();
        let held = reader.try_clone().unwrap();
        let (queue, mut heard) = mpsc::channel(8);
        let source = Source::Pipe { fd: reader, number: 5, hold: Hold::default() };
        let ear = hear(source, notifier(1), queue, |heard, applied| (heard, applied));
        // More than is looked at at once.
        nix::unistd::write(&writer, &[b'x'; 1000]).unwrap();
        nix::unistd::write(&writer, b"\n").unwrap();
        let (told, applied) = heard.recv().await.unwrap();
        assert_eq!(notice(&told), &Notice::Ready);
        // The next master.
        let (queue, mut again) = mpsc::channel(8);
        let source = Source::Pipe { fd: held, number: 5, hold: Hold::default() };
        let next = hear(source, notifier(1), queue, |heard, _| heard);
        assert_eq!(notice(&again.recv().await.unwrap()), &Notice::Ready);
        drop(applied);
        ear.finish().await;
        next.finish().await;
    }

    #[tokio::test]
    async fn a_newline_on_the_descriptor_means_ready_and_its_end_without_one_does_not() {
        for (text, expected) in [
            (&b"up\n"[..], Notice::Ready),
            (
                b"up",
                Notice::Unsaid { how: "it closed its notification descriptor 5 without a newline".into() },
            ),
        ] {
            let (reader, writer) = nix::unistd::pipe2(OFlag::O_NONBLOCK).unwrap();
            let (queue, mut heard) = mpsc::channel(8);
            let source = Source::Pipe { fd: reader, number: 5, hold: Hold::default() };
            let ear = hear(source, notifier(1), queue, |heard, _| heard);
            nix::unistd::write(&writer, text).unwrap();
            drop(writer);
            assert_eq!(notice(&heard.recv().await.unwrap()), &expected);
            ear.finish().await;
        }
    }
}
