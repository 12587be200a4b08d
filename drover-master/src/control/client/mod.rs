//! The asking end of the control socket.

mod answers;
mod describe;
mod error;
mod link;
mod place;
mod reopen_logs;
#[cfg(test)]
mod tests;
mod upgrade;

use std::path::Path;
use std::time::Duration;

use drover_proto::latest::{
    ApplyRequest, DiffRequest, DownRequest, ErrorCode, EventsRequest, LogsRequest, OperateRequest,
    OperationResult, Plan, ReloadRequest, ResetRequest, RollbackRequest, ScaleRequest, SendRequest,
    SendResult, SignalRequest, StatusReply, StepResult, control_request, control_response,
};

pub use self::answers::{Answers, Follow, LogFollow};
pub use self::error::ClientError;
use self::link::{Link, WELCOME};

/// A connection to a running master.
///
/// What is answered at once is the answer of its method; what takes its time is answered by [`Answers`], which borrow the client
/// until they are dropped. Requests and answers are the messages of the protocol, see [`wire`](super::wire).
///
/// # Example
///
/// ```no_run
/// use std::path::Path;
///
/// use drover_master::control::{ControlClient, Follow};
///
/// # async fn example() -> Result<(), drover_master::control::ClientError> {
/// let mut client = ControlClient::connect(Path::new("/run/drover/web.sock")).await?;
/// let now = client.status(&[]).await?;
/// let mut events = client.events(now.last_seq, true).await?;
/// while let Some(Follow::Event(event)) = events.next().await? {
///     println!("{}: {}", event.app, event.name);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ControlClient {
    link: Link,
    master_version: String,
}

impl ControlClient {
    /// Connects and shakes hands, within 5 s.
    ///
    /// # Errors
    ///
    /// As [`connect_within`](Self::connect_within).
    ///
    /// # Cancel safety
    ///
    /// As there.
    pub async fn connect(path: &Path) -> Result<Self, ClientError> {
        Self::connect_within(path, WELCOME).await
    }

    /// Connects and shakes hands. Waits for a busy master, up to that long altogether.
    ///
    /// # Errors
    ///
    /// [`ClientError::Unreachable`], [`NotPermitted`](ClientError::NotPermitted), [`Version`](ClientError::Version),
    /// [`Busy`](ClientError::Busy), [`Silent`](ClientError::Silent), or that the connection failed.
    ///
    /// # Cancel safety
    ///
    /// A dropped future closes the connection; nothing has been asked.
    pub async fn connect_within(path: &Path, limit: Duration) -> Result<Self, ClientError> {
        let (link, welcome) = Link::connect(path, limit).await?;
        Ok(Self { link, master_version: welcome.master_version })
    }

    /// Shakes hands with a master within this program, within 5 s.
    #[cfg(feature = "http")]
    pub(crate) async fn over(stream: tokio::net::UnixStream) -> Result<Self, ClientError> {
        let (link, welcome) = Link::greet(stream, tokio::time::Instant::now(), WELCOME).await?;
        Ok(Self { link, master_version: welcome.master_version })
    }

    /// The master's program version.
    pub fn master_version(&self) -> &str {
        &self.master_version
    }

    /// The master's process, as it is seen from here. Another number than the master's own
    /// ([`MasterStatus::pid`](super::wire::MasterStatus)) means that it lives in another namespace of processes, as in a container:
    /// the numbers of its workers mean nothing here. `None` where the kernel does not tell.
    pub fn master_pid(&self) -> Option<u32> {
        self.link.peer()
    }

    /// What there is: all apps, or only these.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] with `NotFound` for an unknown app, or that the connection failed.
    ///
    /// # Cancel safety
    ///
    /// A dropped future loses nothing but its own answer.
    pub async fn status(&mut self, apps: &[String]) -> Result<StatusReply, ClientError> {
        self.link.status(apps).await
    }

    /// Events after number `since`; with `follow` also those to come.
    ///
    /// # Errors
    ///
    /// That the connection failed.
    ///
    /// # Cancel safety
    ///
    /// As if its [`Answers`] had been dropped.
    pub async fn events(&mut self, since: u64, follow: bool) -> Result<Answers<'_, Follow>, ClientError> {
        let request = EventsRequest { since_seq: since, follow };
        self.ask(control_request::Body::Events(request), |body| match body {
            control_response::Body::Event(event) => Some(Follow::Event(Box::new(event))),
            control_response::Body::Missed(missed) => Some(Follow::Missed(missed)),
            _ => None,
        })
        .await
    }

    /// What workers printed, line by line.
    ///
    /// # Errors
    ///
    /// That the connection failed.
    ///
    /// # Cancel safety
    ///
    /// As [`events`](Self::events).
    pub async fn logs(&mut self, request: LogsRequest) -> Result<Answers<'_, LogFollow>, ClientError> {
        self.ask(control_request::Body::Logs(request), |body| match body {
            control_response::Body::Log(line) => Some(LogFollow::Line(line)),
            control_response::Body::LogsMissed(missed) => Some(LogFollow::Missed(missed)),
            _ => None,
        })
        .await
    }

    /// Has apps or workers started, stopped, restarted, renewed, suspended or resumed; answers how each of them came out.
    ///
    /// # Errors
    ///
    /// That the connection failed.
    ///
    /// # Cancel safety
    ///
    /// What the master has read it does, whether or not this future, or the answers, are dropped.
    pub async fn operate(
        &mut self,
        request: OperateRequest,
    ) -> Result<Answers<'_, OperationResult>, ClientError> {
        self.ask(control_request::Body::Operate(request), operated).await
    }

    /// Has more or fewer workers; answers as [`operate`](Self::operate).
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Cancel safety
    ///
    /// As there.
    pub async fn scale(
        &mut self,
        request: ScaleRequest,
    ) -> Result<Answers<'_, OperationResult>, ClientError> {
        self.ask(control_request::Body::Scale(request), operated).await
    }

    /// Has the workers of apps replaced, or decides about a reload that is held; answers as [`operate`](Self::operate).
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Cancel safety
    ///
    /// As there.
    pub async fn reload(
        &mut self,
        request: ReloadRequest,
    ) -> Result<Answers<'_, OperationResult>, ClientError> {
        self.ask(control_request::Body::Reload(request), operated).await
    }

    /// Sends a signal to workers; answers as [`operate`](Self::operate).
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Cancel safety
    ///
    /// As there.
    pub async fn signal(
        &mut self,
        request: SignalRequest,
    ) -> Result<Answers<'_, OperationResult>, ClientError> {
        self.ask(control_request::Body::Signal(request), operated).await
    }

    /// Sends a message to workers; answers what became of it at each of them.
    ///
    /// # Errors
    ///
    /// That the connection failed.
    ///
    /// # Cancel safety
    ///
    /// As [`operate`](Self::operate).
    pub async fn send_message(
        &mut self,
        request: SendRequest,
    ) -> Result<Answers<'_, SendResult>, ClientError> {
        self.ask(control_request::Body::Send(request), |body| match body {
            control_response::Body::Sent(sent) => Some(sent),
            _ => None,
        })
        .await
    }

    /// What an apply of a file would change.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] with `InvalidArgument` and every mistake of the file, with `BadState` if the master has none;
    /// or that the connection failed.
    ///
    /// # Cancel safety
    ///
    /// A dropped future loses nothing but its own answer.
    pub async fn diff(&mut self, request: DiffRequest) -> Result<Plan, ClientError> {
        let seq = self.link.send(control_request::Body::Diff(request)).await?;
        match self.link.receive(seq).await?.body {
            Some(control_response::Body::Plan(plan)) => Ok(plan),
            _ => Err(ClientError::Unexpected),
        }
    }

    /// Has everything as a file says. Once it has begun: what that changes, and then how each of the apps came out.
    ///
    /// # Errors
    ///
    /// As [`diff`](Self::diff), and `Busy` while another one is under way: nothing is touched then.
    ///
    /// # Cancel safety
    ///
    /// As [`operate`](Self::operate).
    pub async fn apply(
        &mut self,
        request: ApplyRequest,
    ) -> Result<(Plan, Answers<'_, StepResult>), ClientError> {
        let request = control_request::Body::Apply(request);
        let steps = self.ask(request, |body| match body {
            control_response::Body::Step(step) => Some(step),
            _ => None,
        });
        let mut steps = steps.await?;
        let plan = steps.plan().await?;
        Ok((plan, steps))
    }

    /// Forgets what failed before of these apps and workers: restarts, pauses between tries, and that a slot was given up.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] with `NotFound` if a name fits nothing; or that the connection failed.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has asked for it, or has not.
    pub async fn reset(&mut self, names: Vec<String>) -> Result<Answers<'_, OperationResult>, ClientError> {
        self.ask(control_request::Body::Reset(ResetRequest { names }), operated).await
    }

    /// What a way back to the descriptions before the last apply would change.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] with `BadState` where nothing earlier is kept; or that the connection failed.
    ///
    /// # Cancel safety
    ///
    /// A dropped future loses nothing but its own answer.
    pub async fn earlier(&mut self, request: RollbackRequest) -> Result<Plan, ClientError> {
        let request = RollbackRequest { dry_run: true, ..request };
        let seq = self.link.send(control_request::Body::Rollback(request)).await?;
        match self.link.receive(seq).await?.body {
            Some(control_response::Body::Plan(plan)) => Ok(plan),
            _ => Err(ClientError::Unexpected),
        }
    }

    /// Has apps as they were described before the last apply. Once it has begun: what that changes, and then how each of the apps
    /// came out.
    ///
    /// # Errors
    ///
    /// As [`earlier`](Self::earlier), and `Busy` while an apply is under way: nothing is touched then.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has asked for it, or has not.
    pub async fn roll_back(
        &mut self,
        request: RollbackRequest,
    ) -> Result<(Plan, Answers<'_, StepResult>), ClientError> {
        let request = control_request::Body::Rollback(RollbackRequest { dry_run: false, ..request });
        let steps = self.ask(request, |body| match body {
            control_response::Body::Step(step) => Some(step),
            _ => None,
        });
        let mut steps = steps.await?;
        let plan = steps.plan().await?;
        Ok((plan, steps))
    }

    /// Ends every app and the master: gracefully, or with `now` by SIGKILL. Resolves when all workers, the master's own
    /// process and its keeper are gone, with a sentence on how it ended.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] with `Deadline` if it had to be killed because the shutdown timeout passed: it is gone all
    /// the same. Or that the connection failed.
    ///
    /// # Cancel safety
    ///
    /// As [`operate`](Self::operate).
    pub async fn down(&mut self, now: bool) -> Result<String, ClientError> {
        let keeper = self.link.keeper().await;
        let seq = self.link.send(control_request::Body::Down(DownRequest { now })).await?;
        let answer = self.link.receive(seq).await;
        if matches!(answer, Ok(_) | Err(ClientError::Refused { code: ErrorCode::Deadline, .. })) {
            self.link.until_gone(keeper).await;
        }
        match answer?.body {
            Some(control_response::Body::Done(done)) => Ok(done.message),
            _ => Err(ClientError::Unexpected),
        }
    }

    async fn ask<T>(
        &mut self,
        request: control_request::Body,
        take: fn(control_response::Body) -> Option<T>,
    ) -> Result<Answers<'_, T>, ClientError> {
        self.link.begin_row(request).await?;
        Ok(Answers::new(&mut self.link, take))
    }
}

fn operated(body: control_response::Body) -> Option<OperationResult> {
    match body {
        control_response::Body::Operation(result) => Some(result),
        _ => None,
    }
}
