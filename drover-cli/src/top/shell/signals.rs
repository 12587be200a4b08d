//! Signals to the view.

use std::future::pending;

use nix::sys::signal::{Signal as Number, raise};
use nix::unistd::{Pid, getpgrp, getsid};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal means here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caught {
    End,
    Resize,
    Pause,
    Continue,
}

/// The signals, from the moment this is made.
#[derive(Debug)]
pub(super) struct Signals(Vec<(Signal, Caught)>);

impl Signals {
    pub(super) fn new() -> Self {
        let meanings = [
            (Number::SIGTERM, Caught::End),
            (Number::SIGINT, Caught::End),
            (Number::SIGHUP, Caught::End),
            (Number::SIGQUIT, Caught::End),
            (Number::SIGWINCH, Caught::Resize),
            (Number::SIGTSTP, Caught::Pause),
            (Number::SIGCONT, Caught::Continue),
        ];
        let caught = meanings.into_iter().filter_map(|(number, meaning)| {
            Some((signal(SignalKind::from_raw(number as i32)).ok()?, meaning))
        });
        Self(caught.collect())
    }

    /// The next one.
    ///
    /// # Cancel safety
    ///
    /// A dropped future loses nothing.
    pub(super) async fn next(&mut self) -> Caught {
        let [term, int, hup, quit, winch, tstp, cont] = self.0.as_mut_slice() else { return pending().await };
        let (_, caught) = tokio::select! {
            _ = term.0.recv() => term,
            _ = int.0.recv() => int,
            _ = hup.0.recv() => hup,
            _ = quit.0.recv() => quit,
            _ = winch.0.recv() => winch,
            _ = tstp.0.recv() => tstp,
            _ = cont.0.recv() => cont,
        };
        *caught
    }
}

/// Whether a shell with job control started this, and so can continue it: in a session's first group nobody would.
pub(super) fn has_shell() -> bool {
    getsid(None).is_ok_and(|session: Pid| session != getpgrp())
}

/// Stops until somebody continues this process. On another thread: that of the runtime is not held up.
pub(super) async fn stop_here() {
    let _ = tokio::task::spawn_blocking(|| raise(Number::SIGSTOP)).await;
}
