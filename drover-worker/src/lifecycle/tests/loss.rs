//! Connections are lost at any moment, with what is on its way: in no order is an answer missing, or said twice.

use super::*;

/// What the master knows and waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Of {
    Starting,
    Started,
    Stopping,
    Stopped,
    Resuming,
    Leaving,
    Done,
}

/// A master and its worker.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Pair {
    worker: Lifecycle,
    master: Of,
    /// Where it stood before it heard what it heard last: that is what its successor knows if it dies before it has written that down.
    written: Of,
    /// Nothing has been heard on this connection, which isn't the first.
    may_repeat: bool,
    /// Every question has a number of its own; the newest.
    seq: u64,
    is_connected: bool,
    /// There is another connection, and the open question has not come on it yet.
    asks_again: bool,
}

/// Whether a frame arrives, or the connection is lost with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Arrives,
    IsLost,
}
use Fate::{Arrives, IsLost};

/// Each question is numbered anew, but only the newest number matters.
const ASKED: u64 = 1;

impl Pair {
    fn new() -> Self {
        let worker = Lifecycle::under_master();
        let (master, written) = (Of::Starting, Of::Starting);
        Self { worker, master, written, may_repeat: false, seq: ASKED, is_connected: true, asks_again: false }
    }

    fn lose(&mut self) {
        (self.is_connected, self.asks_again, self.may_repeat) = (false, false, false);
        self.worker.connection_lost();
    }

    fn comes_back(&mut self) {
        (self.is_connected, self.may_repeat) = (true, true);
        if self.worker.connected_again() {
            self.hears(Announcement::Started, 0);
        }
        self.may_repeat = false;
        self.asks_again = matches!(self.master, Of::Stopping | Of::Resuming | Of::Leaving);
    }

    /// What the worker says arrives at the master, which refuses nothing.
    fn hears(&mut self, said: Announcement, reply_to: u64) {
        self.written = self.master;
        self.master = match (self.master, said, reply_to) {
            (Of::Starting, Announcement::Started, 0) => Of::Started,
            (Of::Resuming, Announcement::Started, seq) if seq == self.seq => Of::Started,
            (Of::Stopping, Announcement::Stopped, seq) if seq == self.seq => Of::Stopped,
            (Of::Leaving, Announcement::ShutDown, seq) if seq == self.seq => Of::Done,
            (Of::Started, Announcement::Started, 0) if self.may_repeat => Of::Started,
            // They crossed.
            (Of::Stopping | Of::Leaving, Announcement::Started, 0) => self.master,
            (Of::Leaving, Announcement::Stopped, _) => self.master,
            other => panic!("{other:?} has no place: {self:?}"),
        };
    }

    fn deliver(&mut self, said: Announcement, reply_to: u64, fate: Fate) {
        match fate {
            Arrives => self.hears(said, reply_to),
            IsLost => self.lose(),
        }
    }

    /// The app says this, if it may.
    fn says(&self, said: Announcement, fate: Fate) -> Option<Self> {
        let mut next = self.clone();
        match next.worker.say(said) {
            Ok(Utterance::Send { reply_to }) => {
                assert!(next.is_connected, "{self:?}");
                next.deliver(said, reply_to, fate);
            }
            Ok(_) if fate == Arrives => {}
            _ => return None,
        }
        Some(next)
    }

    /// The master asks, for the first time or again.
    fn asks(&self, fate: Fate) -> Option<Self> {
        let mut next = self.clone();
        next.seq = if self.seq == ASKED { ASKED + 1 } else { ASKED };
        if fate == IsLost {
            next.lose();
            return Some(next);
        }
        next.asks_again = false;
        let answer = match next.master {
            Of::Stopping => next.worker.stop_received(next.seq),
            Of::Leaving => next.worker.quit_received(next.seq),
            Of::Resuming => match next.worker.resume_received(next.seq) {
                Ok(Resumed::Answered(said)) => Ok(Some(said)),
                other => other.map(|_| None),
            },
            _ => return None,
        };
        let answer = answer.unwrap_or_else(|_| panic!("refused: {self:?}"));
        if let Some(said) = answer {
            let seq = next.seq;
            next.deliver(said, seq, Arrives);
        }
        Some(next)
    }

    fn successors(&self) -> Vec<Self> {
        let mut all = Vec::new();
        for said in [Announcement::Started, Announcement::Stopped, Announcement::ShutDown] {
            all.extend([Arrives, IsLost].map(|fate| self.says(said, fate)).into_iter().flatten());
        }
        if !self.is_connected {
            let mut back = self.clone();
            back.comes_back();
            all.push(back);
            return all;
        }
        let mut lost = self.clone();
        lost.lose();
        all.push(lost.clone());
        all.push(Self { master: lost.written, ..lost });
        if self.asks_again {
            all.extend(self.asks(Arrives));
            return all;
        }
        let wishes: &[Of] = match self.master {
            Of::Starting | Of::Started => &[Of::Stopping, Of::Leaving],
            Of::Stopping => &[Of::Leaving],
            Of::Stopped => &[Of::Resuming, Of::Leaving],
            Of::Resuming => &[Of::Stopping, Of::Leaving],
            Of::Leaving | Of::Done => &[],
        };
        for master in wishes {
            let wish = Self { master: *master, written: *master, ..self.clone() };
            all.extend([Arrives, IsLost].map(|fate| wish.asks(fate)).into_iter().flatten());
        }
        all
    }

    /// On a connection nobody waits for what was said already.
    fn check(&self) {
        if !self.is_connected || self.asks_again {
            return;
        }
        let is_owed = match self.master {
            Of::Starting => Announcement::Started,
            Of::Stopping => Announcement::Stopped,
            Of::Leaving => Announcement::ShutDown,
            Of::Resuming => {
                assert_eq!(self.worker.said, Announcement::Nothing, "{self:?}");
                return;
            }
            Of::Started => {
                assert_eq!(self.worker.phase(), Phase::Started, "{self:?}");
                return;
            }
            Of::Stopped | Of::Done => return,
        };
        assert!(self.worker.said < is_owed, "nobody says it any more: {self:?}");
    }
}

#[test]
fn every_question_is_answered_once_whatever_connections_are_lost() {
    let mut reached = HashSet::from([Pair::new()]);
    let mut frontier = vec![Pair::new()];
    while let Some(pair) = frontier.pop() {
        pair.check();
        for next in pair.successors() {
            if reached.insert(next.clone()) {
                frontier.push(next);
            }
        }
    }
    assert!(reached.iter().any(|pair| pair.master == Of::Done));
    assert!(reached.len() > 50, "{}", reached.len());
}
