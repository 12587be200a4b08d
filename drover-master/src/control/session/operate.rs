//! Verbs that change something.
//!
//! The client may go at any moment: what it asked for goes on.

use crate::signal::Signal;
use std::collections::HashMap;
use std::sync::Arc;

use drover_proto::latest::{
    Done, Error, ErrorCode, OperateRequest, Operation, OperationResult, SignalRequest, control_response,
};
use futures_util::StreamExt as _;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::target::NamedTarget;
use super::{Gone, Session};
use crate::handle::{Master, OperateError, Snapshot, StartError, Unavailable};
use crate::machine::fleet::{self, WorkerStatus};
use crate::machine::gate::{self, DenyReason, SlotRequest};
use crate::supervision::{AppError, SupervisorHandle};

/// Why one of the targets was not changed.
pub(super) struct Failure {
    pub(super) error: Error,
    pub(super) last_words: Vec<String>,
}

impl Session {
    pub(super) async fn operate(&mut self, seq: u64, request: &OperateRequest) -> Result<(), Gone> {
        let wanted = match request.operation() {
            Operation::Start => Wanted::Life(SlotRequest::Start),
            Operation::Stop => Wanted::Life(SlotRequest::Stop),
            Operation::Restart => Wanted::Life(SlotRequest::Restart),
            Operation::Renew => Wanted::Renewal,
            Operation::Suspend => Wanted::Life(SlotRequest::Suspend),
            Operation::Resume => Wanted::Life(SlotRequest::Resume),
            Operation::Unspecified => {
                let message = "the operation is unknown to this master; is the client newer?".to_owned();
                return self.refuse(seq, ErrorCode::Unimplemented, message).await;
            }
        };
        let targets = match self.targets(&request.names) {
            Ok(targets) => targets,
            Err(error) => return self.refuse(seq, error.code(), error.message).await,
        };
        let _place = match self.places.wait(!request.no_wait) {
            Ok(place) => place,
            Err(error) => return self.refuse(seq, error.code(), error.message).await,
        };
        let shown = request.names.join(" ");
        tracing::info!(target: "drover::control", client = self.client, names = shown, "{}", wanted.name());
        let mut running = JoinSet::new();
        let mut turns: HashMap<String, Arc<Semaphore>> = HashMap::new();
        for target in targets {
            let app = target.master.spec().name.clone();
            let turn = turns.entry(app).or_insert_with(|| Arc::new(Semaphore::new(1)));
            let task = Task {
                turn: Arc::clone(turn),
                target,
                wanted,
                how: if request.now { gate::Request::Kill } else { gate::Request::Shutdown },
                by: self.client.clone(),
                waits: !request.no_wait,
                supervisor: self.supervisor.clone(),
            };
            running.spawn(task.run());
        }
        let told = self.tell_results(seq, &mut running).await;
        // Of a client that is gone, the rest goes on by itself, and its place is free for another.
        running.detach_all();
        told?;
        self.send(seq, false, control_response::Body::Done(Done::default())).await.map(drop)
    }

    pub(super) async fn tell_results(
        &mut self,
        seq: u64,
        running: &mut JoinSet<OperationResult>,
    ) -> Result<(), Gone> {
        loop {
            let done = tokio::select! {
                done = running.join_next() => done,
                asked = self.requests.next() => {
                    self.asked_beside(asked).await?;
                    continue;
                }
            };
            match done {
                None => return Ok(()),
                Some(Ok(result)) => {
                    self.send(seq, true, control_response::Body::Operation(result)).await?;
                }
                // A task neither panics nor is it aborted.
                Some(Err(_)) => {}
            }
        }
    }

    pub(super) async fn signal(&mut self, seq: u64, request: &SignalRequest) -> Result<(), Gone> {
        let signal: Signal = match request.signal.parse() {
            Ok(signal) => signal,
            Err(error) => return self.refuse(seq, ErrorCode::InvalidArgument, error.to_string()).await,
        };
        let targets = match self.targets(&request.names) {
            Ok(targets) => targets,
            Err(error) => return self.refuse(seq, error.code(), error.message).await,
        };
        let shown = request.names.join(" ");
        tracing::info!(target: "drover::control", client = self.client, names = shown, %signal, "signal");
        for NamedTarget { name, master, whom } in targets {
            let sent = master.send_signal(whom, signal, self.client.as_str()).await;
            let result = result(name, &master, whom, sent.map_err(Failure::from));
            self.send(seq, true, control_response::Body::Operation(result)).await?;
        }
        self.send(seq, false, control_response::Body::Done(Done::default())).await.map(drop)
    }
}

/// What is to be done.
#[derive(Debug, Clone, Copy)]
enum Wanted {
    /// A change of the life of what is meant.
    Life(SlotRequest),
    /// Another one in its place first.
    Renewal,
}

impl Wanted {
    const fn name(self) -> &'static str {
        match self {
            Self::Life(request) => request.name(),
            Self::Renewal => "renew",
        }
    }
}

/// One app or worker to be changed.
struct Task {
    target: NamedTarget,
    wanted: Wanted,
    /// How hard an app is stopped.
    how: gate::Request,
    by: String,
    /// Whether for the verdict, or only until it is let in.
    waits: bool,
    /// One worker of an app is renewed after the other: its master refuses a second one meanwhile.
    turn: Arc<Semaphore>,
    supervisor: SupervisorHandle,
}

impl Task {
    async fn run(self) -> OperationResult {
        let outcome = match (self.wanted, self.target.whom) {
            (Wanted::Life(wanted), fleet::Target::All) => self.change_app(wanted).await,
            (Wanted::Life(wanted), whom) => self.change_workers(wanted, whom).await.map_err(Failure::from),
            (Wanted::Renewal, whom) => self.renew(whom).await.map_err(Failure::from),
        };
        let NamedTarget { name, master, whom } = self.target;
        result(name, &master, whom, outcome)
    }

    /// The life of an app as a whole is the supervisor's. Of one that runs its own gate is asked first, though the supervisor
    /// would hand the request on: who does not wait for the verdict is so told of a refusal, such as a worker that is being
    /// stopped.
    async fn change_app(&self, wanted: SlotRequest) -> Result<(), Failure> {
        if wanted != SlotRequest::Stop {
            match self.change_workers(wanted, fleet::Target::All).await {
                Err(OperateError::Denied { reason: DenyReason::NotRunning, .. })
                    if matches!(wanted, SlotRequest::Start | SlotRequest::Restart) => {}
                other => return other.map_err(Failure::from),
            }
        }
        let (app, by) = (self.target.name.as_str(), self.by.as_str());
        let mut operation = match wanted {
            SlotRequest::Start => self.supervisor.start_app(app, by),
            SlotRequest::Stop => self.supervisor.stop_app(app, self.how, by),
            SlotRequest::Restart => self.supervisor.restart_app(app, by),
            // Its gate has answered for these.
            SlotRequest::Suspend | SlotRequest::Resume => return Ok(()),
        };
        let outcome = if self.waits { operation.await } else { operation.admitted().await };
        outcome.map_err(Failure::from)
    }

    async fn change_workers(&self, wanted: SlotRequest, whom: fleet::Target) -> Result<(), OperateError> {
        let mut ticket = self.target.master.operate_in_turn(wanted, whom, self.by.as_str()).await;
        if self.waits { ticket.await } else { ticket.admitted().await }
    }

    async fn renew(&self, whom: fleet::Target) -> Result<(), OperateError> {
        // A client that does not wait still learns of the refusal.
        let _turn = if self.waits { self.turn.acquire().await.ok() } else { None };
        let mut ticket = self.target.master.renew_for(whom, self.by.as_str());
        if self.waits { ticket.await } else { ticket.admitted().await }
    }
}

pub(super) fn result(
    name: String,
    master: &Master,
    whom: fleet::Target,
    outcome: Result<(), Failure>,
) -> OperationResult {
    // A worker that was named by its number may have another in its place by now: it is told of by its slot.
    let slot = name.rsplit_once('/').and_then(|(_, slot)| slot.parse::<u32>().ok());
    let Snapshot { status, workers, last_seq, .. } = master.snapshot();
    let (error, last_words) = match outcome {
        Ok(()) => (None, Vec::new()),
        Err(Failure { error, last_words }) => (Some(error), last_words),
    };
    let result = OperationResult { name, error, last_words, last_seq, ..OperationResult::default() };
    match whom {
        fleet::Target::All => OperationResult {
            desired: status.desired,
            generation: status.generation.0,
            operation: status.operation.unwrap_or_default().to_owned(),
            ..result
        },
        fleet::Target::Slot(_) | fleet::Target::Worker(_) => {
            let is_there = |row: &WorkerStatus| Some(row.slot.0) == slot && row.role == fleet::Role::Occupant;
            let row = workers.into_iter().find(is_there);
            OperationResult { pid: row.and_then(|row| row.pid).unwrap_or(0), ..result }
        }
    }
}

impl Failure {
    pub(super) fn new(code: ErrorCode, error: &dyn std::error::Error, last_words: &[String]) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(deeper) = source {
            message = format!("{message}: {deeper}");
            source = deeper.source();
        }
        let last_words = last_words.to_vec();
        Self { error: Error { code: code.into(), message }, last_words }
    }
}

const fn code_of_denial(reason: DenyReason) -> ErrorCode {
    match reason {
        DenyReason::NoSuchSlot { .. } | DenyReason::NoSuchWorker { .. } => ErrorCode::NotFound,
        DenyReason::ShuttingDown
        | DenyReason::NotRunning
        | DenyReason::Starting
        | DenyReason::SlotStopping { .. }
        | DenyReason::SlotRestarting { .. }
        | DenyReason::CantSuspend
        | DenyReason::NoRollout
        | DenyReason::RollingBack
        | DenyReason::Reloading
        | DenyReason::Changing
        | DenyReason::HeldReload
        | DenyReason::ReloadsItself
        | DenyReason::Draining
        | DenyReason::Cron
        | DenyReason::Oneshot
        | DenyReason::SuspendOneshot
        | DenyReason::Suspended
        | DenyReason::Queued { .. }
        | DenyReason::Leaving { .. }
        | DenyReason::NoProcess => ErrorCode::BadState,
        DenyReason::Count { .. } => ErrorCode::InvalidArgument,
    }
}

const fn code_of_unavailable(why: Unavailable) -> ErrorCode {
    match why {
        Unavailable::Busy => ErrorCode::Busy,
        Unavailable::Gone => ErrorCode::Failed,
    }
}

impl From<OperateError> for Failure {
    fn from(error: OperateError) -> Self {
        let code = match &error {
            OperateError::Denied { reason, .. } => code_of_denial(*reason),
            OperateError::Unkillable { .. } => ErrorCode::Deadline,
            OperateError::Unavailable(why) => code_of_unavailable(*why),
            OperateError::RolledBack { .. } => ErrorCode::RolledBack,
            OperateError::Config(_) => ErrorCode::InvalidArgument,
            OperateError::Worker { .. }
            | OperateError::Paused { .. }
            | OperateError::NotReloaded { .. }
            | OperateError::Listen { .. }
            | OperateError::Link { .. }
            | OperateError::Interrupted { .. } => ErrorCode::Failed,
        };
        Self::new(code, &error, error.last_words())
    }
}

impl From<AppError> for Failure {
    fn from(error: AppError) -> Self {
        let (code, last_words) = match &error {
            AppError::UnknownApp { .. } => (ErrorCode::NotFound, &[][..]),
            AppError::Denied { .. } | AppError::Needed { .. } | AppError::Ending => {
                (ErrorCode::BadState, &[][..])
            }
            AppError::Busy { .. } => (ErrorCode::Busy, &[][..]),
            AppError::Start(error) => (code_of_start(error), error.last_words()),
            AppError::NotStarted(_) | AppError::End(_) | AppError::Interrupted { .. } | AppError::Gone => {
                (ErrorCode::Failed, &[][..])
            }
        };
        Self::new(code, &error, last_words)
    }
}

const fn code_of_start(error: &StartError) -> ErrorCode {
    match error {
        StartError::Denied { .. } => ErrorCode::BadState,
        StartError::Unkillable { .. } => ErrorCode::Deadline,
        StartError::Unavailable(why) => code_of_unavailable(*why),
        StartError::Listen { .. }
        | StartError::Link { .. }
        | StartError::Worker { .. }
        | StartError::Interrupted { .. } => ErrorCode::Failed,
    }
}
