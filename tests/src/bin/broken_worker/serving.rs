//! The socket that was handed over, and the clients on it: each has a thread, reads a request, is answered, and hangs up.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{Backlog, listen};

use crate::vice::Vice;

/// How long a client may be silent in the middle of its request.
const SILENT: Duration = Duration::from_secs(10);

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n";

/// The socket and who is on it.
pub(crate) struct Serving {
    /// None: no master has handed one over.
    listener: Option<Arc<TcpListener>>,
    /// While it accepts: what ends that when it is dropped, and who does it.
    accepting: Option<(io::PipeWriter, JoinHandle<()>)>,
    clients: Arc<Clients>,
    vice: Vice,
}

/// Who is connected.
#[derive(Default)]
pub(crate) struct Clients {
    open: Mutex<Vec<Arc<TcpStream>>>,
    changed: Condvar,
}

impl Serving {
    /// Takes the socket over, if it is for this process.
    pub(crate) fn of_the_master(vice: Vice) -> Self {
        let is_mine = drover_e2e::setting("LISTEN_PID") == Some(std::process::id());
        let is_taken = is_mine || vice.is("ignores LISTEN_PID");
        let listener = is_taken.then(drover_e2e::handed_listener).flatten().map(Arc::new);
        if let (Some(listener), true) = (&listener, vice.is("has a backlog of one")) {
            let backlog = Backlog::new(1).expect("it is above zero");
            listen(&**listener, backlog).expect("it listens already");
        }
        Self { listener, accepting: None, clients: Arc::default(), vice }
    }

    /// Takes clients from here on.
    pub(crate) fn begin(&mut self) {
        let Some(listener) = &self.listener else { return };
        if self.vice.is("never accepts") || self.accepting.is_some() {
            return;
        }
        let (ended, end) = io::pipe().expect("a pipe can be made");
        let (listener, clients) = (Arc::clone(listener), Arc::clone(&self.clients));
        self.accepting = Some((end, std::thread::spawn(move || accept(&listener, &ended, &clients))));
    }

    /// Takes no more.
    pub(crate) fn cease(&mut self) {
        if self.vice.is("accepts after Stop") {
            return;
        }
        if let (true, Some(listener)) = (self.vice.is("shuts its socket down"), &self.listener) {
            let _ = nix::sys::socket::shutdown(
                std::os::fd::AsRawFd::as_raw_fd(&**listener),
                nix::sys::socket::Shutdown::Both,
            );
        }
        if let Some((end, accepting)) = self.accepting.take() {
            drop(end);
            let _ = accepting.join();
        }
    }

    pub(crate) fn clients(&self) -> Arc<Clients> {
        Arc::clone(&self.clients)
    }
}

impl Clients {
    /// Waits until every request is answered.
    pub(crate) fn until_none(&self) {
        let open = self.changed.wait_while(self.lock(), |open| !open.is_empty());
        drop(open.expect("nobody panics while it holds them"));
    }

    /// Hangs up on all of them.
    pub(crate) fn cut_off(&self) {
        for client in self.lock().iter() {
            let _ = client.shutdown(Shutdown::Both);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<TcpStream>>> {
        self.open.lock().expect("nobody panics while it holds them")
    }
}

fn accept(listener: &TcpListener, ended: &io::PipeReader, clients: &Arc<Clients>) {
    // Another worker may be faster.
    listener.set_nonblocking(true).expect("a socket can be told not to block");
    loop {
        let mut either =
            [PollFd::new(listener.as_fd(), PollFlags::POLLIN), PollFd::new(ended.as_fd(), PollFlags::POLLIN)];
        let is_interrupted = poll(&mut either, PollTimeout::NONE).is_err();
        if either[1].any().unwrap_or(false) {
            return;
        }
        let Ok((client, _)) = listener.accept() else {
            // A socket that listens no more is ready for ever.
            match is_interrupted
                || either[0].revents().is_none_or(|events| !events.contains(PollFlags::POLLHUP))
            {
                true => continue,
                false => return,
            }
        };
        let client = Arc::new(client);
        clients.lock().push(Arc::clone(&client));
        let clients = Arc::clone(clients);
        std::thread::spawn(move || {
            // A client that leaves early has no answer.
            let _ = answer(&client);
            clients.lock().retain(|open| !Arc::ptr_eq(open, &client));
            drop(client);
            clients.changed.notify_all();
        });
    }
}

fn answer(mut client: &TcpStream) -> io::Result<()> {
    client.set_nonblocking(false)?;
    client.set_read_timeout(Some(SILENT))?;
    let mut head = Vec::new();
    let mut piece = [0; 1024];
    while !head.ends_with(b"\r\n\r\n") {
        match client.read(&mut piece)? {
            0 => return Ok(()),
            count => head.extend_from_slice(&piece[..count]),
        }
    }
    client.write_all(ANSWER)
}
