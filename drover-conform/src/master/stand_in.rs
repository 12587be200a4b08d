//! `drover conform stand-in`: a worker that lets a case speak for it.

use std::env;
use std::io;
use std::time::Duration;

use drover_proto::latest::{
    Error, ErrorCode, Hello, HelloReply, MasterFrame, Pong, ShutDown, Started, Stopped, WorkerFrame,
    hello_reply::Reply, master_frame, worker_frame::Body,
};
use tokio::net::UnixStream;
use tokio::signal::unix::{SignalKind, signal};

use crate::case::Fault;
use crate::peer::Peer;
use crate::transcript::Log;

/// How long it waits for a case to speak for it, before it lives a life of its own: an app of stand-ins starts and ends as any
/// other. Shorter, and a case on a busy machine comes too late.
const GRACE: Duration = Duration::from_secs(3);

/// Why a stand-in ended other than it should.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StandInError {
    /// Nobody started it.
    #[error("a stand-in is started by a master, as the command of the app under test")]
    NoMaster,
    /// It can't be told that a case speaks for it.
    #[error("a signal can't be handled")]
    Signal(#[source] io::Error),
    /// The master's socket is closed.
    #[error("the master's socket `{path}` can't be connected to")]
    Unreachable {
        /// `DROVER_SOCKET`.
        path: String,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The master does not take it for its worker.
    #[error("the master refuses this worker: {0}")]
    Refused(String),
    /// The conversation failed.
    #[error("the connection to the master failed: {0}")]
    Connection(String),
}

impl From<Fault> for StandInError {
    fn from(fault: Fault) -> Self {
        Self::Connection(fault.why().to_owned())
    }
}

/// Runs a stand-in to its end. The signal SIGUSR1 tells it that a case speaks for it, and SIGUSR2 to exit; when nobody has spoken
/// for it after 3 s, it is a worker as any other.
///
/// # Errors
///
/// No master answers, or the master does not accept it as its worker.
pub async fn stand_in() -> Result<(), StandInError> {
    // SIGUSR1 last: who sees that it is caught knows that the other is too.
    let mut release = signal(SignalKind::user_defined2()).map_err(StandInError::Signal)?;
    let mut hold = signal(SignalKind::user_defined1()).map_err(StandInError::Signal)?;
    tokio::select! {
        _ = hold.recv() => {
            release.recv().await;
            Ok(())
        }
        () = tokio::time::sleep(GRACE) => live().await,
    }
}

/// The life of a worker without work, from Hello to its end.
async fn live() -> Result<(), StandInError> {
    // An empty variable counts as absent.
    let variable = |name| env::var(name).ok().filter(|value| !value.is_empty());
    let path = variable("DROVER_SOCKET").ok_or(StandInError::NoMaster)?;
    let token = variable("DROVER_TOKEN").unwrap_or_default();
    let stream = UnixStream::connect(&path).await;
    let stream = stream.map_err(|source| StandInError::Unreachable { path, source })?;
    let mut peer = Peer::new(stream, Log::new());
    let hello =
        Hello { min_version: 1, max_version: 1, token, pid: std::process::id(), ..Default::default() };
    peer.send(&hello).await?;
    match peer.read::<HelloReply>().await?.and_then(|answer| answer.reply) {
        Some(Reply::Welcome(_)) => {}
        Some(Reply::Reject(reject)) => return Err(StandInError::Refused(reject.message)),
        None => return Err(StandInError::Refused("it does not say why".to_owned())),
    }
    peer.send(&WorkerFrame { body: Some(Body::Started(Started {})), ..Default::default() }).await?;
    // The end of the connection is the end of the master, and of its workers.
    while let Some(frame) = peer.read::<MasterFrame>().await? {
        if frame.body.is_none() && frame.must_understand {
            break;
        }
        let Some(answer) = answer(&frame) else { continue };
        let is_last = matches!(answer, Body::ShutDown(_));
        peer.send(&WorkerFrame { reply_to: frame.seq, body: Some(answer), ..Default::default() }).await?;
        if is_last {
            break;
        }
    }
    Ok(())
}

/// What it says to a frame of the master; nothing where nothing was asked.
fn answer(frame: &MasterFrame) -> Option<Body> {
    match frame.body {
        Some(master_frame::Body::Stop(_)) => Some(Body::Stopped(Stopped {})),
        Some(master_frame::Body::Quit(_)) => Some(Body::ShutDown(ShutDown {})),
        Some(master_frame::Body::Ping(_)) => Some(Body::Pong(Pong {})),
        _ if !frame.expects_reply => None,
        _ => {
            let message = "a stand-in can do nothing beyond the base of the protocol".to_owned();
            Some(Body::Error(Error { code: ErrorCode::Unimplemented.into(), message }))
        }
    }
}

#[cfg(test)]
mod tests {
    use drover_proto::latest::{Ping, Resume, Stop};

    use super::*;

    #[test]
    fn it_answers_what_a_worker_has_to_answer() {
        let frame = |body| MasterFrame { seq: 7, expects_reply: true, body, ..Default::default() };
        let stop = master_frame::Body::Stop(Stop { deadline_ms: 1 });
        assert_eq!(answer(&frame(Some(stop))), Some(Body::Stopped(Stopped {})));
        assert_eq!(answer(&frame(Some(master_frame::Body::Ping(Ping {})))), Some(Body::Pong(Pong {})));
        let resume = master_frame::Body::Resume(Resume { deadline_ms: 1 });
        for body in [None, Some(resume)] {
            assert!(matches!(answer(&frame(body.clone())), Some(Body::Error(_))), "{body:?}");
            assert_eq!(answer(&MasterFrame { body, ..Default::default() }), None);
        }
    }
}
