//! The control channel, as far as the cases need it: the status of an app, and operations on it.

use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::BytesMut;
use drover_proto::codec::{FrameCodec, encode_frame};
use drover_proto::frame::FrameLimit;
use drover_proto::latest::{
    AppStatus, ControlHello, ControlHelloReply, ControlRequest, ControlResponse, OperateRequest,
    StatusRequest, control_hello_reply, control_request, control_response,
};
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio_util::codec::Decoder;

use crate::case::{Fault, failed};

/// How long a master may take to answer. It answers at once; a busy machine needs longer.
const ANSWER: Duration = Duration::from_secs(20);

/// How long until a full queue of clients is tried again: no event tells of room in it.
const TRY_AGAIN: Duration = Duration::from_millis(20);

/// A connection to the control socket.
#[derive(Debug)]
pub(super) struct Control {
    stream: UnixStream,
    received: BytesMut,
    last_seq: u64,
}

/// Why a question to the master failed.
#[derive(Debug, thiserror::Error)]
enum ControlError {
    #[error("{0}")]
    Refused(String),
    #[error("the connection failed: {0}")]
    Connection(#[from] io::Error),
    #[error("what it sent can't be read: {0}")]
    Unreadable(#[from] drover_proto::codec::CodecError),
    #[error("it closed the connection")]
    Closed,
    #[error("its answer is not of the kind that was asked for")]
    Unexpected,
    #[error("it said nothing for {ANSWER:?}")]
    Silent,
}

impl Control {
    /// Connects and shakes hands.
    pub(super) async fn connect(path: &Path) -> Result<Self, Fault> {
        let connected = within(async {
            let mut control = Self { stream: reach(path).await?, received: BytesMut::new(), last_seq: 0 };
            let client_version = env!("CARGO_PKG_VERSION").to_owned();
            control.send(&ControlHello { min_version: 1, max_version: 1, client_version }).await?;
            match control.read::<ControlHelloReply>().await?.reply {
                Some(control_hello_reply::Reply::Welcome(_)) => Ok(control),
                Some(control_hello_reply::Reply::Reject(reject)) => {
                    Err(ControlError::Refused(reject.message))
                }
                None => Err(ControlError::Unexpected),
            }
        });
        connected.await.map_err(|error| failed(format!("the master does not answer: {error}")))
    }

    /// What there is of this app.
    pub(super) async fn status(&mut self, app: &str) -> Result<Vec<AppStatus>, Fault> {
        let request = StatusRequest { apps: vec![app.to_owned()] };
        let answered = within(async {
            let parts = self.ask(control_request::Body::Status(request)).await?;
            let mut apps: Vec<AppStatus> = Vec::new();
            for part in parts {
                let control_response::Body::Status(part) = part else { return Err(ControlError::Unexpected) };
                for app in part.apps {
                    match apps.last_mut() {
                        // Workers without end come in several answers.
                        Some(last) if last.name == app.name => last.workers.extend(app.workers),
                        _ => apps.push(app),
                    }
                }
            }
            Ok(apps)
        });
        answered.await.map_err(|error| failed(format!("the master does not tell its status: {error}")))
    }

    /// Asks for an operation, and waits until the master has answered.
    pub(super) async fn operate(&mut self, request: OperateRequest) -> Result<(), Fault> {
        let answered = within(self.ask(control_request::Body::Operate(request)));
        answered.await.map(drop).map_err(|error| failed(format!("the master refuses: {error}")))
    }

    /// All answers to a request.
    async fn ask(
        &mut self,
        body: control_request::Body,
    ) -> Result<Vec<control_response::Body>, ControlError> {
        self.last_seq += 1;
        let seq = self.last_seq;
        self.send(&ControlRequest { seq, body: Some(body) }).await?;
        let mut answers = Vec::new();
        loop {
            match self.read::<ControlResponse>().await? {
                ControlResponse { body: Some(control_response::Body::Error(error)), .. } => {
                    return Err(ControlError::Refused(error.message));
                }
                ControlResponse { reply_to, more, body: Some(body) } if reply_to == seq => {
                    answers.push(body);
                    if !more {
                        return Ok(answers);
                    }
                }
                ControlResponse { .. } => return Err(ControlError::Unexpected),
            }
        }
    }

    async fn send(&mut self, message: &impl Message) -> Result<(), ControlError> {
        let frame = encode_frame(message, FrameLimit::CONTROL).expect("a request is small");
        Ok(self.stream.write_all(&frame).await?)
    }

    async fn read<M: Message + Default>(&mut self) -> Result<M, ControlError> {
        let mut codec = FrameCodec::<ControlHello, M>::new(FrameLimit::CONTROL);
        loop {
            if let Some(message) = codec.decode(&mut self.received)? {
                return Ok(message);
            }
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err(ControlError::Closed);
            }
        }
    }
}

/// Connects. While the listener's queue is full, a connect that does not block is refused by EAGAIN (unix(7)).
async fn reach(path: &Path) -> io::Result<UnixStream> {
    loop {
        match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => tokio::time::sleep(TRY_AGAIN).await,
            connected => return connected,
        }
    }
}

async fn within<T>(answer: impl Future<Output = Result<T, ControlError>>) -> Result<T, ControlError> {
    tokio::time::timeout(ANSWER, answer).await.unwrap_or(Err(ControlError::Silent))
}

#[cfg(test)]
mod tests {
    use drover_proto::latest::{ControlWelcome, StatusReply, WorkerStatus};
    use tokio::net::UnixListener;

    use super::*;

    fn socket() -> std::path::PathBuf {
        std::env::temp_dir().join(format!(
            "drover-conform-{}-{:016x}.sock",
            std::process::id(),
            fastrand::u64(..)
        ))
    }

    async fn send(stream: &mut UnixStream, message: &impl Message) {
        let frame = encode_frame(message, FrameLimit::CONTROL).unwrap();
        stream.write_all(&frame).await.unwrap();
    }

    fn app(name: &str, slots: &[u32]) -> AppStatus {
        let workers = slots.iter().map(|slot| WorkerStatus { slot: *slot, ..Default::default() }).collect();
        AppStatus { name: name.to_owned(), workers, ..Default::default() }
    }

    #[tokio::test]
    async fn a_status_in_several_answers_is_one_and_a_refusal_is_told() {
        let path = socket();
        let listener = UnixListener::bind(&path).unwrap();
        let master = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let welcome = control_hello_reply::Reply::Welcome(ControlWelcome::default());
            send(&mut stream, &ControlHelloReply { reply: Some(welcome) }).await;
            for (more, apps) in [(true, vec![app("web", &[0])]), (false, vec![app("web", &[1, 2])])] {
                let body = control_response::Body::Status(StatusReply { apps, ..Default::default() });
                send(&mut stream, &ControlResponse { reply_to: 1, more, body: Some(body) }).await;
            }
            let error = drover_proto::latest::Error { code: 0, message: "no".to_owned() };
            let body = Some(control_response::Body::Error(error));
            send(&mut stream, &ControlResponse { reply_to: 2, more: false, body }).await;
            // Until the other side has read all.
            let _ = stream.read_to_end(&mut Vec::new()).await;
        });
        let mut control = Control::connect(&path).await.unwrap();
        assert_eq!(control.status("web").await.unwrap(), [app("web", &[0, 1, 2])]);
        let refused = control.operate(OperateRequest::default()).await;
        assert_eq!(refused, Err(failed("the master refuses: no")));
        drop(control);
        master.await.unwrap();
        std::fs::remove_file(path).unwrap();
    }
}
