//! Each state of the machine under each input.

mod loss;

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
        Ok(Some(Announcement::Stopped)) => 'p',
        Ok(Some(_)) => 'x',
        Err(BadState) => 'B',
    };
    let letter = match input {
        Started => said(state.say(Announcement::Started)),
        Stopped => said(state.say(Announcement::Stopped)),
        ShutDown => said(state.say(Announcement::ShutDown)),
        Extend => said(state.extend()),
        Stop => received(state.stop_received(STOP_SEQ)),
        Resume => received(state.resume_received(RESUME_SEQ).map(|_| None)),
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

use Phase::{Connected as C, ShutDown as X, ShuttingDown as Q, Started as R, Stopped as P, Stopping as T};

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
        (&[Stop, Stopped, Resume, Started],           R, &[('L', R), ('N', R), ('N', R), ('D', R), ('-', T), ('B', R), ('-', Q), ('-', T)]),
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
        (false, Demand::No) => &BEFORE[..],
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
    let error = state.say(Announcement::Stopped).unwrap_err();
    assert_eq!(error.to_string(), "Stopped answers Stop, which has not been received");
    state.say(Announcement::Started).unwrap();
    let error = state.say(Announcement::Started).unwrap_err();
    assert_eq!(error.to_string(), "Started cannot be sent any more: Started was already sent");
}
