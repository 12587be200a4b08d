//! Signals to the master's own process, made into requests at the edge.

mod terminal;

use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::Instant;

use self::terminal::Terminal;
use crate::handle::{Master, Reload};
use crate::machine::gate;
use crate::machine::wish::Wishes;
use crate::process::{remember_files, reopen_files};
use crate::sys::{ignore, is_ignored, real_time_signals};

/// How many signals may wait to be acted on. The kernel merges equal ones itself; three climb every rung.
const WAITING: usize = 8;

/// How often it is told that a signal does nothing: some come once a second (SIGXCPU) or more often.
const REMARK_EVERY: Duration = Duration::from_secs(10);

/// The signals that would end a process and mean nothing to one that supervises.
const USELESS: [i32; 8] = [
    libc::SIGUSR2,
    libc::SIGALRM,
    libc::SIGVTALRM,
    libc::SIGPROF,
    libc::SIGSTKFLT,
    libc::SIGIO,
    libc::SIGPWR,
    libc::SIGXCPU,
];

/// Signals that are ignored without a word. SIGXFSZ: a file that has reached its limit is to the master what a full disk is, an
/// error of the write. SIGTTIN, SIGTTOU: a master in the background is not stopped because it writes to its terminal.
const IGNORED: [i32; 3] = [libc::SIGXFSZ, libc::SIGTTIN, libc::SIGTTOU];

/// Which signals end the app, or reload it: opt-in, because a library installs no handler on its own.
///
/// The first signal shuts down, the second hurries, the third kills. What follows a signal within half a second is the same wish, as a
/// Ctrl-C that a wrapper passes on once more. While the app does not run they are caught and do nothing: a program that waits for
/// something else first handles them itself until then, or builds its master later.
#[derive(Debug, Clone)]
pub struct Signals {
    kinds: Vec<(SignalKind, Means)>,
    ignores: &'static [i32],
}

/// What a signal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Means {
    /// The end, and a harder one at each further.
    End(&'static str),
    /// The end, and nothing more however often it comes: a terminal that is closed hangs up more than once.
    Leave(&'static str),
    /// New workers; or the end, if the terminal is gone.
    Reload,
    /// The files that are stdout and stderr, opened again.
    Reopen,
    /// Nothing, and this is told.
    Nothing,
}

/// What is asked for by a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Received {
    /// The end, at the first of them; a harder one at each further. By this name.
    End(&'static str),
    /// The end, unless it is under way already. By this name.
    Leave(&'static str),
    /// New workers in the place of those there are.
    Reload,
}

impl Received {
    /// Whoever asks for a reload.
    pub(crate) const HANGUP: &'static str = "SIGHUP";

    /// Whoever asks for the end because nobody sits at the terminal any more.
    const TERMINAL_GONE: &'static str = "SIGHUP: its terminal is gone";

    /// What an end by a signal is asked for as, the `count`th since the start.
    pub(crate) fn how(count: u32) -> gate::Request {
        match count {
            0 | 1 => gate::Request::Shutdown,
            2 => gate::Request::Hurry,
            _ => gate::Request::Kill,
        }
    }
}

impl Signals {
    /// SIGINT and SIGTERM.
    pub fn shutdown() -> Self {
        let kinds = vec![
            (SignalKind::interrupt(), Means::End("SIGINT")),
            (SignalKind::terminate(), Means::End("SIGTERM")),
        ];
        Self { kinds, ignores: &[] }
    }

    /// All that a program does with signals whose one purpose is to be a master. SIGINT, SIGTERM and SIGQUIT end it, SIGHUP reloads as with
    /// [`reload_on_hangup`](Self::reload_on_hangup), and SIGUSR1 has it open the files that its stdout and stderr are again, by the names
    /// that they had when it began: after a rotation of logs. Whatever else would end it does nothing, and a trace says so.
    pub fn for_a_supervisor() -> Self {
        let mut signals = Self::shutdown().reload_on_hangup();
        signals.kinds.push((SignalKind::quit(), Means::End("SIGQUIT")));
        signals.kinds.push((SignalKind::user_defined1(), Means::Reopen));
        let useless = USELESS.into_iter().chain(real_time_signals());
        signals.kinds.extend(useless.map(|number| (SignalKind::from_raw(number), Means::Nothing)));
        signals.ignores = &IGNORED;
        signals
    }

    /// SIGHUP ends the app too: for a program in the foreground, whose terminal may be closed. However often it comes, it hurries
    /// nothing. One that was started with SIGHUP ignored, by `nohup`, goes on ignoring it.
    #[must_use]
    pub fn and_hangup(self) -> Self {
        self.hangup(Means::Leave(Received::HANGUP))
    }

    /// SIGHUP replaces the workers of every app that runs by new ones, as [`Master::reload`] does. What came of it is told by
    /// the events; an app that refuses, because it is a oneshot, say, is left as it is. It ends nothing, in no state, but for
    /// one case: where the program was started at a terminal, and that is gone, nobody asks for a reload, and the app ends gracefully. A
    /// program that was started with SIGHUP ignored, by `nohup`, goes on ignoring it.
    #[must_use]
    pub fn reload_on_hangup(self) -> Self {
        self.hangup(Means::Reload)
    }

    fn hangup(mut self, means: Means) -> Self {
        self.kinds.retain(|(kind, _)| *kind != SignalKind::hangup());
        if !is_ignored(libc::SIGHUP) {
            self.kinds.push((SignalKind::hangup(), means));
        }
        self
    }

    /// Installs the handlers and hands on what each signal that comes asks for. The handlers stay for the life of the
    /// process, as tokio's do.
    pub(crate) fn listen(self) -> mpsc::Receiver<Received> {
        let (received_by, received) = mpsc::channel(WAITING);
        self.ignores.iter().for_each(|number| ignore(*number));
        if self.kinds.iter().any(|(_, means)| *means == Means::Reopen) {
            remember_files();
        }
        let caught = self.kinds.into_iter().filter_map(|(kind, means)| Caught::new(kind, means)).collect();
        let interpreter = Interpreter { caught, wishes: Wishes::default(), terminal: Terminal::at_start() };
        tokio::spawn(interpreter.run(received_by));
        received
    }

    /// Ends the app at a signal, hurries an end that is under way already, or has it reloaded. Holds no handle, so that the last one can go.
    pub(crate) fn watch(self, master: &Master) {
        let mut received = self.listen();
        let master = master.downgrade();
        tokio::spawn(async move {
            while let Some(received) = received.recv().await {
                let Some(master) = master.upgrade() else { return };
                match received {
                    Received::End(name) => master.signalled(name),
                    Received::Leave(name) => drop(master.end(gate::Request::Shutdown, name)),
                    Received::Reload => reload(&master).await,
                }
            }
        });
    }
}

/// A signal with a handler.
struct Caught {
    kind: SignalKind,
    means: Means,
    stream: Signal,
    /// When it was told that it does nothing.
    remarked: Option<Instant>,
}

impl Caught {
    fn new(kind: SignalKind, means: Means) -> Option<Self> {
        match signal(kind) {
            Ok(stream) => Some(Self { kind, means, stream, remarked: None }),
            Err(error) => {
                let signal = crate::signal::Signal::of_kernel(kind.as_raw_value());
                tracing::error!(target: "drover::master", %error, %signal, "can't handle a signal");
                None
            }
        }
    }

    fn remark(&mut self, now: Instant) {
        if self.remarked.is_some_and(|last| now.saturating_duration_since(last) < REMARK_EVERY) {
            return;
        }
        self.remarked = Some(now);
        let name = Shown(self.kind.as_raw_value());
        tracing::warn!(
            target: "drover::master",
            "{name} does nothing to a master: SIGTERM ends it, SIGHUP reloads, SIGUSR1 opens its log again; \
             `drover signal` signals workers"
        );
    }
}

/// The name of a signal, also of a real-time one (`signal(7)`).
struct Shown(i32);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = *real_time_signals().start();
        if self.0 >= first {
            write!(f, "SIGRTMIN+{}", self.0 - first)
        } else {
            crate::signal::Signal::of_kernel(self.0).fmt(f)
        }
    }
}

/// Says what each signal asks for when it comes.
struct Interpreter {
    caught: Vec<Caught>,
    wishes: Wishes,
    terminal: Terminal,
}

impl Interpreter {
    async fn run(mut self, received_by: mpsc::Sender<Received>) {
        loop {
            let at = poll_fn(|context| self.poll(context)).await;
            if let Some(received) = self.interpret(at)
                && received_by.send(received).await.is_err()
            {
                return;
            }
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<usize> {
        for (at, caught) in self.caught.iter_mut().enumerate() {
            if let Poll::Ready(Some(())) = caught.stream.poll_recv(context) {
                return Poll::Ready(at);
            }
        }
        Poll::Pending
    }

    fn interpret(&mut self, at: usize) -> Option<Received> {
        let now = Instant::now();
        let mut is_new = || self.wishes.is_new(now.into_std());
        match self.caught[at].means {
            Means::End(name) => is_new().then_some(Received::End(name)),
            Means::Leave(name) => is_new().then_some(Received::Leave(name)),
            Means::Reload if self.terminal.is_gone() => {
                is_new().then_some(Received::Leave(Received::TERMINAL_GONE))
            }
            Means::Reload => Some(Received::Reload),
            Means::Reopen => {
                reopen_files();
                None
            }
            Means::Nothing => {
                self.caught[at].remark(now);
                None
            }
        }
    }
}

/// Has an app reloaded because of a signal, if it can be. That takes no longer than the app's task needs to come to it.
pub(crate) async fn reload(master: &Master) {
    if let Err(error) = master.reload_for(Reload::new(), Received::HANGUP).admitted().await {
        tracing::warn!(target: "drover::master", %error, "SIGHUP does not reload the app");
    }
}
