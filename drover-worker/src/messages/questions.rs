//! What was asked and is not answered yet: requests, messages to be confirmed, subscriptions.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use bytes::Bytes;
use drover_proto::latest::{Accepted, Error};
use tokio::sync::oneshot;

use super::error::{NoBusError, TooManyOpenError};

/// How many answers are awaited at most: as many as the protocol lets a worker have requests open.
pub(crate) const OPEN_LIMIT: usize = 1024;

/// What came in answer.
#[derive(Debug)]
pub(crate) enum Answer {
    Reply(Bytes),
    Accepted(Accepted),
    Error(Error),
}

/// The open questions of a connection, by the numbers of their frames.
#[derive(Debug, Default)]
pub(crate) struct Questions(Mutex<OpenQuestions>);

#[derive(Debug, Default)]
struct OpenQuestions {
    last_seq: u64,
    open: HashMap<u64, oneshot::Sender<Answer>>,
    is_closed: bool,
}

/// A question whose answer is awaited. Dropped, it is forgotten, and an answer that comes is too late.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    pub(crate) seq: u64,
    questions: &'a Questions,
    answer: oneshot::Receiver<Answer>,
}

impl Questions {
    /// The next question; each operation has its own error for why there is none.
    pub(crate) fn ask<E: From<NoBusError> + From<TooManyOpenError>>(&self) -> Result<Question<'_>, E> {
        let mut inside = self.inside();
        if inside.is_closed {
            return Err(NoBusError::MasterGone.into());
        }
        if inside.open.len() >= OPEN_LIMIT {
            return Err(TooManyOpenError { limit: OPEN_LIMIT }.into());
        }
        inside.last_seq += 1;
        let (seq, (tell, answer)) = (inside.last_seq, oneshot::channel());
        inside.open.insert(seq, tell);
        Ok(Question { seq, questions: self, answer })
    }

    /// Answers a question. The answer back: nobody waits for it.
    pub(crate) fn answer(&self, seq: u64, answer: Answer) -> Result<(), Answer> {
        // A statement of its own, so that the waiter is not woken under the lock.
        let asked = self.inside().remove(seq);
        match asked {
            Some(tell) => tell.send(answer),
            None => Err(answer),
        }
    }

    /// No answer comes any more, and nothing can be asked.
    pub(crate) fn close(&self) {
        let open = {
            let mut inside = self.inside();
            inside.is_closed = true;
            std::mem::take(&mut inside.open)
        };
        // Wakes the waiter, so not under the lock.
        drop(open);
    }

    fn inside(&self) -> MutexGuard<'_, OpenQuestions> {
        self.0.lock().expect("never poisoned: nothing inside panics")
    }
}

impl OpenQuestions {
    fn remove(&mut self, seq: u64) -> Option<oneshot::Sender<Answer>> {
        let asked = self.open.remove(&seq);
        // Gives back the memory of a burst that is over.
        if self.open.is_empty() && self.open.capacity() > 64 {
            self.open = HashMap::new();
        }
        asked
    }
}

impl Question<'_> {
    /// Waits for the answer.
    pub(crate) async fn answered(&mut self) -> Result<Answer, NoBusError> {
        (&mut self.answer).await.map_err(|_| NoBusError::MasterGone)
    }
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        self.questions.inside().remove(self.seq);
    }
}

#[cfg(test)]
mod tests {
    use super::super::RequestError;
    use super::*;

    fn reply(text: &'static str) -> Answer {
        Answer::Reply(Bytes::from_static(text.as_bytes()))
    }

    #[tokio::test]
    async fn each_question_gets_its_own_answer_once() {
        let questions = Questions::default();
        let (mut first, mut second) =
            (questions.ask::<RequestError>().unwrap(), questions.ask::<RequestError>().unwrap());
        questions.answer(second.seq, reply("two")).unwrap();
        questions.answer(first.seq, reply("one")).unwrap();
        assert!(questions.answer(first.seq, reply("again")).is_err());
        assert!(matches!(first.answered().await, Ok(Answer::Reply(text)) if text == "one"));
        assert!(matches!(second.answered().await, Ok(Answer::Reply(text)) if text == "two"));
    }

    #[tokio::test]
    async fn a_question_that_is_dropped_makes_room_and_its_answer_is_too_late() {
        let questions = Questions::default();
        let mut open: Vec<_> = (0..OPEN_LIMIT).map(|_| questions.ask::<RequestError>().unwrap()).collect();
        assert!(
            matches!(questions.ask::<RequestError>(), Err(RequestError::TooManyOpen(error)) if error.limit == OPEN_LIMIT)
        );
        let seq = open.pop().unwrap().seq;
        assert!(questions.answer(seq, reply("late")).is_err());
        assert_eq!(questions.ask::<RequestError>().unwrap().seq, OPEN_LIMIT as u64 + 1);
    }

    #[tokio::test]
    async fn the_end_answers_all() {
        let questions = Questions::default();
        let mut question = questions.ask::<RequestError>().unwrap();
        questions.close();
        assert_eq!(question.answered().await.unwrap_err(), NoBusError::MasterGone);
        assert!(matches!(questions.ask::<RequestError>(), Err(RequestError::NoBus(NoBusError::MasterGone))));
    }
}
