//! An operation on one app of a supervisor: its future, and why it may fail.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use crate::handle::{EndError, StartError};
use crate::machine::composite::Fate;
use crate::machine::gate::DenyReason;

/// Which app of a supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AppRef<'a> {
    /// The one of this name.
    Name(&'a str),
    /// The one at this place in the order of [`masters`](super::SupervisorHandle::masters).
    Index(usize),
}

impl<'a> From<&'a str> for AppRef<'a> {
    fn from(name: &'a str) -> Self {
        Self::Name(name)
    }
}

impl<'a> From<&'a String> for AppRef<'a> {
    fn from(name: &'a String) -> Self {
        Self::Name(name)
    }
}

impl From<usize> for AppRef<'_> {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// An operation that has begun. It resolves to the verdict; dropping it cancels nothing.
#[derive(Debug)]
#[must_use = "the operation runs without it, but its verdict is lost"]
pub struct Operation {
    state: State,
}

#[derive(Debug)]
enum State {
    Asked {
        /// None once it was read.
        admission: Option<oneshot::Receiver<Result<(), AppError>>>,
        admitted: Result<(), AppError>,
        verdict: oneshot::Receiver<Result<(), AppError>>,
    },
    Refused(AppError),
}

/// Where the answers to an operation go.
#[derive(Debug)]
pub(crate) struct Answers {
    admission: Option<oneshot::Sender<Result<(), AppError>>>,
    verdict: oneshot::Sender<Result<(), AppError>>,
}

impl Operation {
    pub(super) fn new() -> (Self, Answers) {
        let (admission, admitted) = oneshot::channel();
        let (verdict, answered) = oneshot::channel();
        let state = State::Asked { admission: Some(admitted), admitted: Ok(()), verdict: answered };
        (Self { state }, Answers { admission: Some(admission), verdict })
    }

    pub(super) const fn refused(why: AppError) -> Self {
        Self { state: State::Refused(why) }
    }

    /// Waits until the supervisor has accepted the operation, which goes on from then on whoever waits for it. That does not
    /// take longer than the supervisor's task needs to come to it.
    ///
    /// # Errors
    ///
    /// [`AppError`] if it was refused. Then that is its verdict too.
    ///
    /// # Cancel safety
    ///
    /// A dropped future changes nothing; it can be asked again.
    pub async fn admitted(&mut self) -> Result<(), AppError> {
        match &mut self.state {
            State::Refused(why) => Err(why.clone()),
            State::Asked { admission, admitted, .. } => {
                if let Some(waiting) = admission {
                    *admitted = waiting.await.unwrap_or(Err(AppError::Gone));
                    *admission = None;
                }
                admitted.clone()
            }
        }
    }
}

impl Future for Operation {
    type Output = Result<(), AppError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.state {
            State::Asked { verdict, .. } => {
                Pin::new(verdict).poll(context).map(|answer| answer.unwrap_or(Err(AppError::Gone)))
            }
            State::Refused(why) => Poll::Ready(Err(why.clone())),
        }
    }
}

impl Answers {
    /// It is accepted. Who does not listen any more is no reason to do anything else.
    pub(super) fn admit(&mut self) {
        if let Some(admission) = self.admission.take() {
            let _ = admission.send(Ok(()));
        }
    }

    /// It is over; if it was not accepted, it is refused.
    pub(super) fn answer(self, verdict: Result<(), AppError>) {
        if let Some(admission) = self.admission {
            let _ = admission.send(verdict.clone());
        }
        let _ = self.verdict.send(verdict);
    }
}

/// Why an operation on one app did not succeed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum AppError {
    /// There is no such app: the caller's fault.
    #[error("there is no app `{name}`; there is {known}")]
    UnknownApp {
        /// The name, or the place, that was given.
        name: String,
        /// The names that there are, separated by commas.
        known: String,
    },
    /// Everything is being ended, so nothing is started any more.
    #[error("everything is shutting down")]
    Ending,
    /// The app, or one that it depends on, can't be started now.
    #[error("app `{app}` can't be started now")]
    Denied {
        /// Which one.
        app: Arc<str>,
        /// Why.
        #[source]
        reason: DenyReason,
    },
    /// It can't go: one that stays depends on it.
    #[error("app `{app}` can't go: `{by}` depends on it")]
    Needed {
        /// Which one.
        app: Arc<str>,
        /// Who depends on it.
        by: Arc<str>,
    },
    /// It did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// It was not even tried to start it.
    #[error(transparent)]
    NotStarted(#[from] NotStarted),
    /// It did not end.
    #[error(transparent)]
    End(#[from] EndError),
    /// Something stronger came between.
    #[error("the start of app `{app}` was interrupted: {by}")]
    Interrupted {
        /// The app.
        app: Arc<str>,
        /// Who asked for it.
        by: Arc<str>,
    },
    /// More operations wait for their verdict than the supervisor keeps.
    #[error("{limit} operations wait for their verdict already; try again")]
    Busy {
        /// The bound.
        limit: usize,
    },
    /// The supervisor has ended, or was let go.
    #[error("the supervisor has ended")]
    Gone,
}

/// An app was not started, because of one that it depends on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("app `{app}` was not started: `{dependency}`, which it depends on, {fate}")]
#[non_exhaustive]
pub struct NotStarted {
    /// The app.
    pub app: Arc<str>,
    /// The one that it depends on.
    pub dependency: Arc<str>,
    /// What became of that.
    pub fate: Fate,
}
