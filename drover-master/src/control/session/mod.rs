//! One control client: the handshake, then requests one by one.

mod apply;
mod handshake;
mod logs;
mod look;
mod operate;
mod places;
mod reload;
mod reopen_logs;
mod reset;
mod rollback;
mod scale;
mod send;
mod target;
mod upgrade;

use std::sync::Arc;
use std::time::Duration;

use drover_proto::codec::{CodecError, FrameCodec};
use drover_proto::frame::FrameLimit;
use drover_proto::latest::{
    ControlRequest, ControlResponse, Done, Error, ErrorCode, EventsMissed, EventsRequest, control_request,
    control_response,
};
use futures_util::{Sink, StreamExt as _};
use prost::Message as _;
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio_util::codec::Framed;

use places::GIVEN_AWAY;
pub(super) use places::Places;

use super::convert;
use crate::machine::gate;
use crate::supervision::{End, SupervisorHandle};

/// How long a client may say nothing. Verbs ask at once; a stalled one gives its place back.
const IDLE: Duration = Duration::from_secs(60);

/// How many fields a request may have, in it and in its body: those of the largest, and its 1024 names. What is over that is
/// refused before it is built.
const PARTS: usize = 2048;

/// How long a client may leave an answer unread.
const STALL: Duration = Duration::from_secs(30);

type Requests = Framed<UnixStream, FrameCodec<ControlResponse, ControlRequest>>;

/// Why a session ends early: the client is to blame, or gone.
struct Gone;

/// Serves one client. `name`: who asks, where that is not a process that connects.
pub(super) async fn serve(
    stream: UnixStream,
    supervisor: SupervisorHandle,
    is_over: watch::Receiver<Option<End>>,
    places: Arc<Places>,
    name: Option<String>,
) {
    let peer = stream.peer_cred().ok();
    let (uid, pid) = peer.map_or((u32::MAX, 0), |peer| (peer.uid(), peer.pid().unwrap_or(0)));
    let client = name.unwrap_or_else(|| format!("drover (pid {pid}, user {uid})"));
    let silence = places.silence();
    let welcomed = handshake::welcome(stream, uid, silence).await;
    if let Some(requests) = welcomed {
        let session = Session { requests, supervisor, is_over, places, client };
        let _: Result<(), Gone> = session.run().await;
    }
}

struct Session {
    requests: Requests,
    supervisor: SupervisorHandle,
    is_over: watch::Receiver<Option<End>>,
    places: Arc<Places>,
    client: String,
}

impl Session {
    async fn run(mut self) -> Result<(), Gone> {
        loop {
            let places = Arc::clone(&self.places);
            let mut silence = places.silence();
            let request = tokio::select! {
                biased;
                request = tokio::time::timeout(IDLE, self.requests.next()) => request,
                () = silence.gives_way() => {
                    return self.refuse(0, ErrorCode::Busy, GIVEN_AWAY.to_owned()).await;
                }
                _ = over(&mut self.is_over) => return Ok(()),
            };
            drop(silence);
            match request {
                Ok(Some(Ok(request))) => self.answer(request).await?,
                Ok(Some(Err(error))) => {
                    self.refuse(0, ErrorCode::BadFrame, error.to_string()).await?;
                    return Err(Gone);
                }
                Ok(None) | Err(_) => return Ok(()),
            }
        }
    }

    async fn answer(&mut self, request: ControlRequest) -> Result<(), Gone> {
        let seq = request.seq;
        match request.body {
            Some(control_request::Body::Status(request)) => self.status(seq, &request).await,
            Some(control_request::Body::Events(request)) => self.events(seq, &request).await,
            Some(control_request::Body::Describe(request)) => self.describe(seq, &request).await,
            Some(control_request::Body::Logs(request)) => self.logs(seq, &request).await,
            Some(control_request::Body::Operate(request)) => self.operate(seq, &request).await,
            Some(control_request::Body::Scale(request)) => self.scale(seq, &request).await,
            Some(control_request::Body::Reload(request)) => self.reload(seq, &request).await,
            Some(control_request::Body::Signal(request)) => self.signal(seq, &request).await,
            Some(control_request::Body::Diff(request)) => self.diff(seq, request).await,
            Some(control_request::Body::Apply(request)) => self.apply(seq, &request).await,
            Some(control_request::Body::Reset(request)) => self.reset(seq, &request).await,
            Some(control_request::Body::ReopenLogs(request)) => self.reopen_logs(seq, &request).await,
            Some(control_request::Body::Upgrade(request)) => self.upgrade(seq, request).await,
            Some(control_request::Body::Rollback(request)) => self.roll_back(seq, &request).await,
            Some(control_request::Body::Down(request)) => {
                tracing::info!(target: "drover::control", client = self.client, now = request.now, "down");
                let how = if request.now { gate::Request::Kill } else { gate::Request::Shutdown };
                self.supervisor.end(how, self.client.as_str()).await;
                // The client may go; what it asked for goes on.
                let Ok(end) = self.is_over.wait_for(Option::is_some).await.map(|end| *end) else {
                    return Err(Gone);
                };
                let message = end.map_or_else(String::new, |end| end.sentence().to_owned());
                if end == Some(End::TimedOut) {
                    // A timeout is a failure, even though nothing is left.
                    return self.refuse(seq, ErrorCode::Deadline, message).await;
                }
                self.send(seq, false, control_response::Body::Done(Done { message })).await.map(drop)
            }
            Some(control_request::Body::Send(request)) => self.send_messages(seq, &request).await,
            None => {
                let message = "the request is unknown to this master; is the client newer?".to_owned();
                self.refuse(seq, ErrorCode::Unimplemented, message).await
            }
        }
    }

    async fn events(&mut self, seq: u64, request: &EventsRequest) -> Result<(), Gone> {
        let _place = match self.places.follow(request.follow) {
            Ok(place) => place,
            Err(error) => return self.refuse(seq, error.code(), error.message).await,
        };
        let mut stream = self.supervisor.events().since(request.since_seq);
        loop {
            let next = match stream.try_next() {
                Some(next) => next,
                None if !request.follow || self.is_over.borrow().is_some() => break,
                None => tokio::select! {
                    next = stream.next() => next,
                    asked = self.requests.next() => {
                        self.asked_beside(asked).await?;
                        continue;
                    }
                    is_over = over(&mut self.is_over) => match is_over {
                        true => continue,
                        // The supervisor was let go without an end; nothing would ever be over.
                        false => return Err(Gone),
                    },
                },
            };
            let body = match next {
                Ok(event) => control_response::Body::Event(convert::event(&event)),
                Err(missed) => control_response::Body::Missed(EventsMissed {
                    count: missed.count,
                    next_seq: missed.next_seq,
                }),
            };
            if self.send(seq, true, body).await? {
                return Ok(());
            }
        }
        self.send(seq, false, control_response::Body::Done(Done::default())).await.map(drop)
    }

    /// Answers what is asked on a connection where something else is under way, if it only looks: so who follows needs no
    /// second connection. The client's end is the end of both.
    async fn asked_beside(&mut self, asked: Option<Result<ControlRequest, CodecError>>) -> Result<(), Gone> {
        let Some(Ok(ControlRequest { seq, body })) = asked else { return Err(Gone) };
        match body {
            Some(control_request::Body::Status(request)) => self.status(seq, &request).await,
            Some(control_request::Body::Describe(request)) => self.describe(seq, &request).await,
            _ => {
                let message = "another request is under way on this connection, and beside it there is room for a status or a description only; nothing was done, ask on a connection of its own";
                self.refuse(seq, ErrorCode::BadState, message.to_owned()).await
            }
        }
    }

    async fn refuse(&mut self, seq: u64, code: ErrorCode, message: String) -> Result<(), Gone> {
        let error = Error { code: code.into(), message };
        self.send(seq, false, control_response::Body::Error(error)).await.map(drop)
    }

    /// Answers, and tells whether that was the last answer: an Error takes the place of one that no frame can hold.
    async fn send(&mut self, reply_to: u64, more: bool, body: control_response::Body) -> Result<bool, Gone> {
        let mut response = ControlResponse { reply_to, more, body: Some(body) };
        if let Err(error) = FrameLimit::CONTROL.check_length(response.encoded_len()) {
            tracing::error!(target: "drover::control", client = self.client, %error, "can't send an answer");
            let message = format!("the answer does not fit: {error}");
            let error = Error { code: ErrorCode::Failed.into(), message };
            response =
                ControlResponse { reply_to, more: false, body: Some(control_response::Body::Error(error)) };
        }
        let is_last = !response.more;
        send(&mut self.requests, response).await?;
        Ok(is_last)
    }
}

/// Resolves when all is over; false: the supervisor was let go without an end.
pub(super) async fn over(is_over: &mut watch::Receiver<Option<End>>) -> bool {
    is_over.wait_for(Option::is_some).await.is_ok()
}

/// Sends one frame to a client that has to read it in time.
async fn send<M>(frames: &mut (impl Sink<M> + Unpin), message: M) -> Result<(), Gone> {
    use futures_util::SinkExt as _;
    match tokio::time::timeout(STALL, frames.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Gone),
    }
}

#[cfg(test)]
mod tests {
    use drover_proto::latest::{
        ControlHello, ControlHelloReply, Event, LogsRequest, OperateRequest, Operation, RejectCode,
        StatusRequest, control_hello_reply,
    };
    use tokio_util::codec::Decoder as _;

    use super::*;
    use crate::supervisor::Supervisor;
    use crate::{Command, Master};

    type Responses = Framed<UnixStream, FrameCodec<ControlRequest, ControlResponse>>;

    fn supervisor() -> Supervisor {
        Supervisor::builder().app(Master::builder("web", Command::new("true"))).build().unwrap()
    }

    /// A session of a supervisor that does not run, and its client.
    fn session() -> (Session, watch::Sender<Option<End>>, Responses) {
        let supervisor = supervisor();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (over, is_over) = watch::channel(None);
        let session = Session {
            requests: FrameCodec::new(FrameLimit::CONTROL).framed(ours),
            supervisor: supervisor.handle(),
            is_over,
            places: Places::of(4, 1, 1),
            client: "a test".to_owned(),
        };
        (session, over, FrameCodec::new(FrameLimit::CONTROL).framed(theirs))
    }

    #[tokio::test]
    async fn a_client_that_leaves_while_an_operation_is_under_way_gives_its_place_back() {
        let supervisor = supervisor();
        let (mut session, _over, client) = session();
        session.supervisor = supervisor.handle();
        let request = OperateRequest {
            operation: Operation::Stop.into(),
            names: vec!["web".to_owned()],
            ..OperateRequest::default()
        };
        // Nobody takes the request out of the supervisor's queue, so no result ever comes.
        let waiting = tokio::spawn(async move { session.operate(1, &request).await.is_err() });
        tokio::task::yield_now().await;
        drop(client);
        let ended = tokio::time::timeout(Duration::from_secs(10), waiting).await;
        assert!(ended.expect("it ends").unwrap());
    }

    #[tokio::test]
    async fn where_many_wait_only_those_that_take_no_time_are_served() {
        use futures_util::SinkExt as _;

        let (session, _over, mut client) = session();
        let taken = (session.places.follow(true).unwrap(), session.places.wait(true).unwrap());
        tokio::spawn(session.run());
        let mut ask = async |body| {
            client.send(ControlRequest { seq: 1, body: Some(body) }).await.unwrap();
            client.next().await.unwrap().unwrap().body.unwrap()
        };
        let follow = control_request::Body::Events(EventsRequest { since_seq: 0, follow: true });
        let names = vec!["web".to_owned()];
        let logs = LogsRequest { follow: true, ..LogsRequest::default() };
        let stop = OperateRequest { operation: Operation::Stop.into(), names, ..OperateRequest::default() };
        let no_wait = OperateRequest { no_wait: true, ..stop.clone() };
        let (logs, stop) = (control_request::Body::Logs(logs), control_request::Body::Operate(stop));
        for body in [follow.clone(), logs, stop] {
            let control_response::Body::Error(error) = ask(body).await else { panic!("there is no place") };
            assert_eq!(error.code(), ErrorCode::Busy);
        }
        let status = ask(control_request::Body::Status(StatusRequest::default())).await;
        assert!(matches!(status, control_response::Body::Status(_)), "{status:?}");
        let begun = ask(control_request::Body::Operate(no_wait)).await;
        assert!(matches!(begun, control_response::Body::Operation(_)), "{begun:?}");
        drop(taken);
    }

    #[tokio::test]
    async fn who_follows_may_ask_how_it_stands_on_the_same_connection_and_nothing_that_changes_it() {
        use futures_util::SinkExt as _;

        let (session, over, mut client) = session();
        tokio::spawn(session.run());
        let stop = OperateRequest { operation: Operation::Stop.into(), ..OperateRequest::default() };
        let mut answers = Vec::new();
        for (seq, body) in [
            (1, control_request::Body::Events(EventsRequest { since_seq: 0, follow: true })),
            (2, control_request::Body::Status(StatusRequest::default())),
            (3, control_request::Body::Operate(stop)),
            (4, control_request::Body::Status(StatusRequest::default())),
        ] {
            client.send(ControlRequest { seq, body: Some(body) }).await.unwrap();
        }
        for _ in 0..3 {
            answers.push(client.next().await.unwrap().unwrap());
        }
        over.send_replace(Some(End::TimedOut));
        answers.push(client.next().await.unwrap().unwrap());
        let numbers: Vec<u64> = answers.iter().map(|answer| answer.reply_to).collect();
        assert_eq!(numbers, [2, 3, 4, 1]);
        let Some(control_response::Body::Error(error)) = &answers[1].body else { panic!("{answers:?}") };
        assert_eq!(error.code(), ErrorCode::BadState);
        assert!(matches!(answers[3].body, Some(control_response::Body::Done(_))), "{answers:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_silent_and_gives_his_place_away_is_told_so() {
        let (session, _over, mut client) = session();
        let places = Arc::clone(&session.places);
        let taken = [places.enter().await, places.enter().await, places.enter().await, places.enter().await];
        let session = tokio::spawn(session.run());
        let newcomer = tokio::spawn(async move { places.enter().await });
        let told = client.next().await.unwrap().unwrap();
        let Some(control_response::Body::Error(error)) = told.body else { panic!("{told:?}") };
        assert_eq!((error.code(), error.message.as_str()), (ErrorCode::Busy, GIVEN_AWAY));
        assert!(session.await.unwrap().is_ok());
        drop(taken);
        drop(newcomer.await.unwrap());
    }

    #[tokio::test]
    async fn a_session_that_follows_ends_with_a_supervisor_that_is_let_go() {
        let (mut session, over, mut client) = session();
        let following = tokio::spawn(async move {
            session.events(1, &EventsRequest { since_seq: 0, follow: true }).await.is_err()
        });
        tokio::task::yield_now().await;
        drop(over);
        let ended = tokio::time::timeout(Duration::from_secs(10), following).await;
        assert!(ended.expect("it ends").unwrap());
        assert!(client.next().await.is_none());
    }

    #[tokio::test]
    async fn a_stranger_who_is_slow_to_say_hello_still_hears_why_he_is_refused() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let stranger = nix::unistd::geteuid().as_raw() + 1;
        let mut client =
            FrameCodec::<ControlHello, ControlHelloReply>::new(FrameLimit::CONTROL).framed(theirs);
        let master = tokio::spawn(async move {
            let places = Places::new();
            handshake::welcome(ours, stranger, places.silence()).await
        });
        // The master has all the time it wants to refuse and leave before a word is said.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let hello = ControlHello { min_version: 1, max_version: 1, ..Default::default() };
        assert!(send(&mut client, hello).await.is_ok(), "the master left before it was spoken to");
        let reply = client.next().await.unwrap().unwrap();
        let Some(control_hello_reply::Reply::Reject(reject)) = reply.reply else { panic!("{reply:?}") };
        assert_eq!(reject.code(), RejectCode::PermissionDenied);
        assert!(master.await.unwrap().is_none());
    }

    #[tokio::test]
    async fn an_answer_that_no_frame_holds_is_told_as_an_error() {
        let (mut session, _over, mut client) = session();
        let detail = "x".repeat(FrameLimit::CONTROL.bytes() as usize);
        let event = control_response::Body::Event(Event { detail, ..Default::default() });
        assert!(matches!(session.send(7, true, event).await, Ok(true)));
        let response = client.next().await.unwrap().unwrap();
        assert_eq!((response.reply_to, response.more), (7, false));
        let Some(control_response::Body::Error(error)) = response.body else { panic!("{response:?}") };
        assert_eq!(error.code(), ErrorCode::Failed);
    }
}
