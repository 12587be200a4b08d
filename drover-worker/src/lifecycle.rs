//! What a worker may say when: a pure machine, without I/O and without time.
//!
//! ```text
//!            started()           Stop             stopped()           Quit               shut_down()
//!  Connected ────────► Started ────────► Stopping ────────► Stopped ────────► ShuttingDown ────────► ShutDown
//!      │                                     ▲
//!      └──────────────── Stop ───────────────┘
//!
//!  Stopped               Resume ─────────────────────────► Connected; Started answers it
//!  before ShuttingDown   Quit ───────────────────────────► ShuttingDown; a Stop is implied
//!  before Stopping       the master is gone, a signal ───► Stopping
//!  Stopping by a signal  stopped() ──────────────────────► ShuttingDown; a Stop or Quit that comes now is answered late
//!  Stopping, no master   stopped() ──────────────────────► ShuttingDown; nobody is left to say Quit
//!  Stopped               the master is gone ─────────────► ShuttingDown
//! ```
//!
//! A message that crosses a request on the wire is no misuse: the worker could not know. It is taken, and kept
//! quiet if the master waits for it no longer: Started after a Stop, Stopped after a Quit without a Stop.

use drover_proto::latest::{ShutDown, Started, Stopped, worker_frame};

use crate::error::SendError;

/// A message by which the worker moves on, in the order in which they are said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Said {
    Nothing,
    Started,
    Stopped,
    ShutDown,
}

impl Said {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Started => "Started",
            Self::Stopped => "Stopped",
            Self::ShutDown => "ShutDown",
        }
    }

    /// What is sent to say it.
    pub(crate) const fn body(self) -> Option<worker_frame::Body> {
        match self {
            Self::Nothing => None,
            Self::Started => Some(worker_frame::Body::Started(Started {})),
            Self::Stopped => Some(worker_frame::Body::Stopped(Stopped {})),
            Self::ShutDown => Some(worker_frame::Body::ShutDown(ShutDown {})),
        }
    }
}

/// Whether and how something was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Asked {
    No,
    /// By what happened: a signal, the end of the master, a Quit that implies a Stop.
    Implied,
    /// By a frame of the master; its `seq`, to be answered.
    ByFrame(u64),
}

/// Who is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Master {
    Present,
    Gone,
    Never,
}

/// What is to be done with a message that may be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Utterance {
    /// Send it, with this `reply_to`.
    Send { reply_to: u64 },
    /// Send nothing: nobody is there or nobody waits for it.
    Quiet,
}

/// A request of the master that does not fit the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadState;

/// Where the worker stands, without data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    Connected,
    Started,
    Stopping,
    Stopped,
    ShuttingDown,
    ShutDown,
}

/// The worker's side of its life.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Lifecycle {
    said: Said,
    stop: Asked,
    /// Until it is answered, or until nobody waits for the answer.
    resume: Asked,
    quit: Asked,
    master: Master,
    /// A signal asked under a master that has not asked yet: as a rule both come at once, when everything ends.
    signalled: bool,
}

impl Lifecycle {
    /// A worker that has just been welcomed.
    pub(crate) const fn under_master() -> Self {
        Self {
            said: Said::Nothing,
            stop: Asked::No,
            resume: Asked::No,
            quit: Asked::No,
            master: Master::Present,
            signalled: false,
        }
    }

    /// A worker without a master.
    pub(crate) const fn standalone() -> Self {
        Self { master: Master::Never, ..Self::under_master() }
    }

    /// The worker says a message.
    pub(crate) fn say(&mut self, message: Said) -> Result<Utterance, SendError> {
        if self.said >= message {
            return Err(SendError::TooLate { message: message.name(), said: self.said.name() });
        }
        let utterance = match message {
            Said::Nothing => Utterance::Quiet,
            Said::Started => match (self.stop, self.resume) {
                (Asked::No, Asked::ByFrame(seq)) => Utterance::Send { reply_to: seq },
                (Asked::No, _) => Utterance::Send { reply_to: 0 },
                (Asked::Implied | Asked::ByFrame(_), _) => Utterance::Quiet,
            },
            Said::Stopped => answer(message, "Stop", self.stop)?,
            Said::ShutDown => answer(message, "Quit", self.quit)?,
        };
        self.said = message;
        self.resume = Asked::No;
        if self.master != Master::Present || self.signalled {
            self.quit_if_drained();
        }
        Ok(if self.master == Master::Present { utterance } else { Utterance::Quiet })
    }

    /// Whether a deadline runs that may be extended, and a master is there to do it.
    pub(crate) fn extend(&self) -> Result<Utterance, SendError> {
        match (self.phase(), self.master) {
            (Phase::Started | Phase::Stopped | Phase::ShutDown, _) => Err(SendError::NoDeadline),
            // The master knows of no deadline.
            (_, Master::Present) if self.signalled => Ok(Utterance::Quiet),
            (_, Master::Present) => Ok(Utterance::Send { reply_to: 0 }),
            (_, Master::Gone) => Err(SendError::MasterGone),
            (_, Master::Never) => Ok(Utterance::Quiet),
        }
    }

    /// The master says Stop. Tells what answers it at once: what was said already, and kept quiet.
    pub(crate) fn stop_received(&mut self, seq: u64) -> Result<Option<Said>, BadState> {
        if self.stop != Asked::No && !(self.signalled && self.stop == Asked::Implied) {
            return Err(BadState);
        }
        self.stop = Asked::ByFrame(seq);
        self.resume = Asked::No;
        if self.said >= Said::Stopped {
            return Ok(Some(Said::Stopped));
        }
        // From here on it is as if only the master had asked.
        self.signalled = false;
        Ok(None)
    }

    /// The master says Resume: the worker stands where it stood before it was started.
    pub(crate) fn resume_received(&mut self, seq: u64) -> Result<(), BadState> {
        if self.phase() != Phase::Stopped {
            return Err(BadState);
        }
        self.said = Said::Nothing;
        self.stop = Asked::No;
        self.resume = Asked::ByFrame(seq);
        Ok(())
    }

    /// The master says Quit. Tells what answers it at once, as [`stop_received`](Self::stop_received).
    pub(crate) fn quit_received(&mut self, seq: u64) -> Result<Option<Said>, BadState> {
        if self.quit != Asked::No && !(self.signalled && self.quit == Asked::Implied) {
            return Err(BadState);
        }
        self.quit = Asked::ByFrame(seq);
        self.imply_stop();
        self.signalled = false;
        Ok((self.said == Said::ShutDown).then_some(Said::ShutDown))
    }

    /// A signal asks the worker to leave: one without a master, or one whose master did not send it. Who is to stop already knows.
    pub(crate) fn signalled(&mut self) {
        self.signalled |= self.stop == Asked::No && self.master == Master::Present;
        self.imply_stop();
    }

    /// The connection to the master ended. After ShutDown that is how it has to be.
    pub(crate) fn master_gone(&mut self) {
        self.master = Master::Gone;
        self.signalled = false;
        if self.said != Said::ShutDown {
            self.imply_stop();
            self.quit_if_drained();
        }
    }

    pub(crate) fn stop_asked(&self) -> bool {
        self.stop != Asked::No
    }

    pub(crate) fn quit_asked(&self) -> bool {
        self.quit != Asked::No
    }

    pub(crate) fn phase(&self) -> Phase {
        match (self.said, self.stop_asked(), self.quit_asked()) {
            (Said::ShutDown, _, _) => Phase::ShutDown,
            (_, _, true) => Phase::ShuttingDown,
            (Said::Stopped, _, _) => Phase::Stopped,
            (_, true, _) => Phase::Stopping,
            (Said::Started, _, _) => Phase::Started,
            (Said::Nothing, _, _) => Phase::Connected,
        }
    }

    fn imply_stop(&mut self) {
        if self.stop == Asked::No {
            self.stop = Asked::Implied;
        }
        self.resume = Asked::No;
    }

    /// Without a master nobody says Quit, so the end of the drain does.
    fn quit_if_drained(&mut self) {
        if self.said == Said::Stopped && self.quit == Asked::No {
            self.quit = Asked::Implied;
        }
    }
}

/// A message that answers a request: sent if a frame asked for it.
fn answer(message: Said, request: &'static str, asked: Asked) -> Result<Utterance, SendError> {
    match asked {
        Asked::No => Err(SendError::NotAsked { message: message.name(), request }),
        Asked::Implied => Ok(Utterance::Quiet),
        Asked::ByFrame(seq) => Ok(Utterance::Send { reply_to: seq }),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[derive(Debug, Clone, Copy)]
    enum Input {
        Started,
        Stopped,
        ShutDown,
        Extend,
        Stop,
        Resume,
        Quit,
        Gone,
        Signal,
    }
    use Input::{Extend, Gone, Quit, Resume, ShutDown, Signal, Started, Stop, Stopped};

    const UNDER_MASTER: [Input; 8] = [Started, Stopped, ShutDown, Extend, Stop, Resume, Quit, Gone];
    const AFTER_MASTER: [Input; 4] = [Started, Stopped, ShutDown, Extend];
    const STANDALONE: [Input; 5] = [Started, Stopped, ShutDown, Extend, Signal];
    const STOP_SEQ: u64 = 5;
    const QUIT_SEQ: u64 = 6;
    const RESUME_SEQ: u64 = 7;

    /// One letter for what an input gives: `s` sent, `a` sent as the answer to Stop, `b` to Quit, `r` to Resume, `q` quiet, `-` taken;
    /// `p` Stopped was said before and answers now, `x` so ShutDown; `L` too late, `N` not asked, `D` no deadline, `G` master gone, `B` bad state. Then the phase that follows.
    fn outcome(state: &mut Lifecycle, input: Input) -> (char, Phase) {
        let said = |result| match result {
            Ok(Utterance::Send { reply_to: 0 }) => 's',
            Ok(Utterance::Send { reply_to: STOP_SEQ }) => 'a',
            Ok(Utterance::Send { reply_to: QUIT_SEQ }) => 'b',
            Ok(Utterance::Send { reply_to: RESUME_SEQ }) => 'r',
            Ok(Utterance::Quiet) => 'q',
            Err(SendError::TooLate { .. }) => 'L',
            Err(SendError::NotAsked { .. }) => 'N',
            Err(SendError::NoDeadline) => 'D',
            Err(SendError::MasterGone) => 'G',
            other => panic!("{other:?}"),
        };
        let received = |result| match result {
            Ok(None) => '-',
            Ok(Some(Said::Stopped)) => 'p',
            Ok(Some(_)) => 'x',
            Err(BadState) => 'B',
        };
        let letter = match input {
            Started => said(state.say(Said::Started)),
            Stopped => said(state.say(Said::Stopped)),
            ShutDown => said(state.say(Said::ShutDown)),
            Extend => said(state.extend()),
            Stop => received(state.stop_received(STOP_SEQ)),
            Resume => received(state.resume_received(RESUME_SEQ).map(|()| None)),
            Quit => received(state.quit_received(QUIT_SEQ)),
            Gone => {
                state.master_gone();
                '-'
            }
            Signal => {
                state.signalled();
                '-'
            }
        };
        (letter, state.phase())
    }

    /// A state by the way that leads to it, and for each input what comes of it.
    type Row = (&'static [Input], Phase, &'static [(char, Phase)]);

    fn check(start: &Lifecycle, inputs: &dyn Fn(&Lifecycle) -> &'static [Input], table: &[Row]) {
        let mut listed = HashSet::new();
        for (way, phase, outcomes) in table {
            let mut state = start.clone();
            way.iter().for_each(|input| {
                outcome(&mut state, *input);
            });
            assert_eq!(state.phase(), *phase, "after {way:?}");
            let inputs = inputs(&state);
            assert_eq!(inputs.len(), outcomes.len(), "after {way:?}");
            for (input, expected) in inputs.iter().zip(*outcomes) {
                assert_eq!(outcome(&mut state.clone(), *input), *expected, "{input:?} after {way:?}");
            }
            assert!(listed.insert(state), "{way:?} leads to a state that is listed already");
        }
        // Every state that any sequence of inputs reaches has its row.
        let mut reached = HashSet::from([start.clone()]);
        let mut frontier = vec![start.clone()];
        while let Some(state) = frontier.pop() {
            for input in inputs(&state) {
                let mut next = state.clone();
                outcome(&mut next, *input);
                if reached.insert(next.clone()) {
                    frontier.push(next);
                }
            }
        }
        assert_eq!(reached.difference(&listed).collect::<Vec<_>>(), Vec::<&Lifecycle>::new());
    }

    use Phase::{
        Connected as C, ShutDown as X, ShuttingDown as Q, Started as R, Stopped as P, Stopping as T,
    };

    #[test]
    #[rustfmt::skip]
    fn every_state_under_a_master_answers_every_input() {
        // Columns: Started, Stopped, ShutDown, Extend, Stop, Resume, Quit, Gone; without the last four once the master is gone.
        check(&Lifecycle::under_master(), &|state| if state.master == Master::Gone { &AFTER_MASTER } else { &UNDER_MASTER }, &[
            (&[],                                         C, &[('s', R), ('N', C), ('N', C), ('s', C), ('-', T), ('B', C), ('-', Q), ('-', T)]),
            (&[Started],                                  R, &[('L', R), ('N', R), ('N', R), ('D', R), ('-', T), ('B', R), ('-', Q), ('-', T)]),
            (&[Stop],                                     T, &[('q', T), ('a', P), ('N', T), ('s', T), ('B', T), ('B', T), ('-', Q), ('-', T)]),
            (&[Started, Stop],                            T, &[('L', T), ('a', P), ('N', T), ('s', T), ('B', T), ('B', T), ('-', Q), ('-', T)]),
            (&[Stop, Stopped],                            P, &[('L', P), ('L', P), ('N', P), ('D', P), ('B', P), ('-', C), ('-', Q), ('-', Q)]),
            (&[Stop, Stopped, Resume],                    C, &[('r', R), ('N', C), ('N', C), ('s', C), ('-', T), ('B', C), ('-', Q), ('-', T)]),
            (&[Quit],                                     Q, &[('q', Q), ('q', Q), ('b', X), ('s', Q), ('B', Q), ('B', Q), ('B', Q), ('-', Q)]),
            (&[Started, Quit],                            Q, &[('L', Q), ('q', Q), ('b', X), ('s', Q), ('B', Q), ('B', Q), ('B', Q), ('-', Q)]),
            (&[Quit, Stopped],                            Q, &[('L', Q), ('L', Q), ('b', X), ('s', Q), ('B', Q), ('B', Q), ('B', Q), ('-', Q)]),
            (&[Stop, Quit],                               Q, &[('q', Q), ('a', Q), ('b', X), ('s', Q), ('B', Q), ('B', Q), ('B', Q), ('-', Q)]),
            (&[Started, Stop, Quit],                      Q, &[('L', Q), ('a', Q), ('b', X), ('s', Q), ('B', Q), ('B', Q), ('B', Q), ('-', Q)]),
            (&[Stop, Stopped, Quit],                      Q, &[('L', Q), ('L', Q), ('b', X), ('s', Q), ('B', Q), ('B', Q), ('B', Q), ('-', Q)]),
            (&[Quit, ShutDown],                           X, &[('L', X), ('L', X), ('L', X), ('D', X), ('B', X), ('B', X), ('B', X), ('-', X)]),
            (&[Stop, Quit, ShutDown],                     X, &[('L', X), ('L', X), ('L', X), ('D', X), ('B', X), ('B', X), ('B', X), ('-', X)]),
            // The master is gone; what was asked by frame is remembered, and nothing is sent.
            (&[Gone],                                     T, &[('q', T), ('q', Q), ('N', T), ('G', T)]),
            (&[Started, Gone],                            T, &[('L', T), ('q', Q), ('N', T), ('G', T)]),
            (&[Stop, Gone],                               T, &[('q', T), ('q', Q), ('N', T), ('G', T)]),
            (&[Started, Stop, Gone],                      T, &[('L', T), ('q', Q), ('N', T), ('G', T)]),
            (&[Gone, Stopped],                            Q, &[('L', Q), ('L', Q), ('q', X), ('G', Q)]),
            (&[Stop, Gone, Stopped],                      Q, &[('L', Q), ('L', Q), ('q', X), ('G', Q)]),
            (&[Gone, Stopped, ShutDown],                  X, &[('L', X), ('L', X), ('L', X), ('D', X)]),
            (&[Stop, Gone, Stopped, ShutDown],            X, &[('L', X), ('L', X), ('L', X), ('D', X)]),
            (&[Quit, Gone],                               Q, &[('q', Q), ('q', Q), ('q', X), ('G', Q)]),
            (&[Started, Quit, Gone],                      Q, &[('L', Q), ('q', Q), ('q', X), ('G', Q)]),
            (&[Quit, Stopped, Gone],                      Q, &[('L', Q), ('L', Q), ('q', X), ('G', Q)]),
            (&[Stop, Quit, Gone],                         Q, &[('q', Q), ('q', Q), ('q', X), ('G', Q)]),
            (&[Started, Stop, Quit, Gone],                Q, &[('L', Q), ('q', Q), ('q', X), ('G', Q)]),
            (&[Stop, Stopped, Quit, Gone],                Q, &[('L', Q), ('L', Q), ('q', X), ('G', Q)]),
            (&[Quit, ShutDown, Gone],                     X, &[('L', X), ('L', X), ('L', X), ('D', X)]),
            (&[Stop, Quit, ShutDown, Gone],               X, &[('L', X), ('L', X), ('L', X), ('D', X)]),
        ]);
    }

    /// The signal and the master's own words may come in any order: in none is a word missing, or misuse.
    #[test]
    #[rustfmt::skip]
    fn every_state_of_a_worker_that_was_signalled_under_a_master_answers_every_input() {
        const BEFORE: [Input; 2] = [Started, Signal];
        // Columns: Started, Stopped, ShutDown, Extend, Stop, Resume, Quit, Gone, Signal. Where the signal says nothing new any more, the
        // table of the master goes on.
        const SIGNALLED: [Input; 9] = [Started, Stopped, ShutDown, Extend, Stop, Resume, Quit, Gone, Signal];
        let inputs = |state: &Lifecycle| match (state.signalled, state.stop) {
            (true, _) => &SIGNALLED[..],
            (false, Asked::No) => &BEFORE[..],
            (false, _) => &[],
        };
        check(&Lifecycle::under_master(), &inputs, &[
            (&[],                                             C, &[('s', R), ('-', T)]),
            (&[Started],                                      R, &[('L', R), ('-', T)]),
            (&[Signal],                                       T, &[('q', T), ('q', Q), ('N', T), ('q', T), ('-', T), ('B', T), ('-', Q), ('-', T), ('-', T)]),
            (&[Started, Signal],                              T, &[('L', T), ('q', Q), ('N', T), ('q', T), ('-', T), ('B', T), ('-', Q), ('-', T), ('-', T)]),
            (&[Signal, Stopped],                              Q, &[('L', Q), ('L', Q), ('q', X), ('q', Q), ('p', Q), ('B', Q), ('-', Q), ('-', Q), ('-', Q)]),
            (&[Signal, Stop],                                 T, &[]),
            (&[Signal, Quit],                                 Q, &[]),
            (&[Signal, Gone],                                 T, &[]),
            (&[Started, Signal, Stop],                        T, &[]),
            (&[Started, Signal, Quit],                        Q, &[]),
            (&[Started, Signal, Gone],                        T, &[]),
            (&[Signal, Stopped, ShutDown],                    X, &[('L', X), ('L', X), ('L', X), ('D', X), ('p', X), ('B', X), ('x', X), ('-', X), ('-', X)]),
            (&[Signal, Stopped, Stop],                        Q, &[('L', Q), ('L', Q), ('q', X), ('q', Q), ('B', Q), ('B', Q), ('-', Q), ('-', Q), ('-', Q)]),
            (&[Signal, Stopped, Quit],                        Q, &[]),
            (&[Signal, Stopped, Gone],                        Q, &[]),
            (&[Signal, Stopped, ShutDown, Stop],              X, &[('L', X), ('L', X), ('L', X), ('D', X), ('B', X), ('B', X), ('x', X), ('-', X), ('-', X)]),
            (&[Signal, Stopped, ShutDown, Quit],              X, &[]),
            (&[Signal, Stopped, ShutDown, Gone],              X, &[]),
            (&[Signal, Stopped, Stop, Quit],                  Q, &[]),
            (&[Signal, Stopped, Stop, Gone],                  Q, &[]),
            (&[Signal, Stopped, ShutDown, Stop, Quit],        X, &[]),
            (&[Signal, Stopped, ShutDown, Stop, Gone],        X, &[]),
        ]);
    }

    #[test]
    #[rustfmt::skip]
    fn every_standalone_state_answers_every_input() {
        // Columns: Started, Stopped, ShutDown, Extend, Signal.
        check(&Lifecycle::standalone(), &|_| &STANDALONE, &[
            (&[],                          C, &[('q', R), ('N', C), ('N', C), ('q', C), ('-', T)]),
            (&[Started],                   R, &[('L', R), ('N', R), ('N', R), ('D', R), ('-', T)]),
            (&[Signal],                    T, &[('q', T), ('q', Q), ('N', T), ('q', T), ('-', T)]),
            (&[Started, Signal],           T, &[('L', T), ('q', Q), ('N', T), ('q', T), ('-', T)]),
            (&[Signal, Stopped],           Q, &[('L', Q), ('L', Q), ('q', X), ('q', Q), ('-', Q)]),
            (&[Signal, Stopped, ShutDown], X, &[('L', X), ('L', X), ('L', X), ('D', X), ('-', X)]),
        ]);
    }

    #[test]
    fn misuse_says_what_stands_against_it() {
        let mut state = Lifecycle::under_master();
        let error = state.say(Said::Stopped).unwrap_err();
        assert_eq!(error.to_string(), "Stopped answers Stop, which has not come");
        state.say(Said::Started).unwrap();
        let error = state.say(Said::Started).unwrap_err();
        assert_eq!(error.to_string(), "Started cannot be said any more: Started was said already");
    }
}
