//! A worker on the stage: its process and its connection, and what is asked of both.

use std::net::SocketAddr;
use std::time::Duration;

use drover_proto::latest::{ShutDown, Started, Stopped, WorkerFrame, master_frame, worker_frame::Body};

use super::deadlines::{DRAIN, QUIT, SLACK};
use super::process::{Exit, Process};
use super::said::{frame, ping, quit, stop};
use crate::case::{Fault, failed};
use crate::describe::Describe;
use crate::peer::{PATIENCE, Peer};
use crate::transcript::Log;

/// How many frames of a worker are kept while a case waits for another one: far more than a worker has to say then.
const KEPT: usize = 1000;

/// A worker that has connected.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) process: Process,
    pub(super) peer: Peer,
    /// As its Hello tells; 0 before.
    pub(super) pid: u32,
    /// Where its socket listens; none if it was handed none.
    pub(super) address: Option<SocketAddr>,
    pub(super) log: Log,
    /// How long it may take to be ready.
    start_timeout: Duration,
    last_seq: u64,
}

impl Worker {
    pub(super) fn new(process: Process, peer: Peer, log: Log, start_timeout: Duration) -> Self {
        // Before there is a process there is its socket; and when the process is gone, so is that.
        let address = process.address();
        Self { process, peer, pid: 0, address, log, start_timeout, last_seq: 0 }
    }

    /// Sends a body in a frame with the next `seq`, which it tells.
    pub(super) async fn ask(&mut self, body: master_frame::Body) -> Result<u64, Fault> {
        let seq = self.next_seq();
        self.peer.send(&frame(seq, body)).await?;
        Ok(seq)
    }

    /// The number of the next frame.
    pub(super) const fn next_seq(&mut self) -> u64 {
        self.last_seq += 1;
        self.last_seq
    }

    /// Asks for a sign of life and waits for it: whatever was sent before has been read then. What it says meanwhile is
    /// given back.
    pub(super) async fn answers_ping(&mut self) -> Result<Vec<WorkerFrame>, Fault> {
        let seq = self.ask(ping()).await?;
        let mut meanwhile = Vec::new();
        let answered = async {
            loop {
                let frame = self.heard("a Pong").await?;
                if matches!(frame.body, Some(Body::Pong(_))) && frame.reply_to == seq {
                    return Ok(());
                }
                meanwhile.push(frame);
            }
        };
        patiently("it did not answer a Ping", answered).await?;
        Ok(meanwhile)
    }

    /// Waits until it says that it is ready, and gives back what it said before.
    pub(super) async fn becomes_ready(&mut self) -> Result<Vec<WorkerFrame>, Fault> {
        self.comes_to_say(&Body::Started(Started {}), 0).await
    }

    /// Waits until it says this, in answer to `reply_to`.
    pub(super) async fn says(&mut self, body: &Body, reply_to: u64) -> Result<(), Fault> {
        self.comes_to_say(body, reply_to).await.map(drop)
    }

    async fn comes_to_say(&mut self, body: &Body, reply_to: u64) -> Result<Vec<WorkerFrame>, Fault> {
        // A worker says it when it is ready, or has drained; anything else costs it nothing.
        let time = match body {
            Body::Started(_) => self.start_timeout,
            Body::Stopped(_) => DRAIN + SLACK,
            Body::ShutDown(_) => QUIT + SLACK,
            _ => PATIENCE,
        };
        let what = WorkerFrame { body: Some(body.clone()), ..Default::default() }.describe();
        let said = async {
            let mut before = Vec::new();
            loop {
                let Some(frame) = self.peer.read::<WorkerFrame>().await? else {
                    return Err(failed(format!("it closed the connection; {what} was expected first")));
                };
                match frame.reply_to {
                    _ if frame.body.as_ref() != Some(body) && before.len() == KEPT => {}
                    _ if frame.body.as_ref() != Some(body) => before.push(frame),
                    answered if answered == reply_to => return Ok(before),
                    answered => {
                        return Err(failed(format!(
                            "its {what} answers frame {answered}; {reply_to} was expected"
                        )));
                    }
                }
            }
        };
        match tokio::time::timeout(time, said).await {
            Ok(said) => said,
            Err(_) => Err(failed(format!("it did not say {what}, which was expected within {time:?}"))),
        }
    }

    /// Its next frame that answers this one.
    pub(super) async fn answer_to(&mut self, seq: u64, expected: &str) -> Result<WorkerFrame, Fault> {
        let answered = async {
            loop {
                let frame = self.heard(expected).await?;
                if frame.reply_to == seq {
                    return Ok(frame);
                }
            }
        };
        patiently(&format!("it did not answer frame {seq} with {expected}"), answered).await
    }

    /// Its next frame of this kind.
    pub(super) async fn heard_of(
        &mut self,
        expected: &str,
        is_it: impl Fn(&WorkerFrame) -> bool,
    ) -> Result<WorkerFrame, Fault> {
        let heard = async {
            loop {
                let frame = self.heard(expected).await?;
                if is_it(&frame) {
                    return Ok(frame);
                }
            }
        };
        patiently(&format!("it did not say {expected}"), heard).await
    }

    /// Its next frame that is more than a word about itself; that it closes is its fault. What it may say at any time, and for
    /// ever, is not a sign that `expected` will come.
    pub(super) async fn heard(&mut self, expected: &str) -> Result<WorkerFrame, Fault> {
        let told = async {
            loop {
                match self.peer.read::<WorkerFrame>().await? {
                    Some(WorkerFrame {
                        body: Some(Body::Status(_) | Body::Progress(_) | Body::Extend(_)),
                        ..
                    }) => {}
                    Some(frame) => return Ok(frame),
                    None => return Err(failed(format!("it closed the connection; {expected} was expected"))),
                }
            }
        };
        match tokio::time::timeout(PATIENCE, told).await {
            Ok(heard) => heard,
            Err(_) => Err(failed(format!(
                "it said nothing for {PATIENCE:?} but words about itself; {expected} was expected"
            ))),
        }
    }

    /// Says Stop and waits until it has drained.
    pub(super) async fn stops(&mut self) -> Result<(), Fault> {
        let seq = self.ask(stop()).await?;
        self.says(&Body::Stopped(Stopped {}), seq).await
    }

    /// Says Quit, and waits until it has left as it should.
    pub(super) async fn leaves(&mut self) -> Result<(), Fault> {
        let seq = self.ask(quit()).await?;
        self.says(&Body::ShutDown(ShutDown {}), seq).await?;
        self.ends_with_zero(QUIT + SLACK).await
    }

    /// Waits until its end of the connection is closed, and gives back what it said before.
    pub(super) async fn closes(&mut self) -> Result<Vec<WorkerFrame>, Fault> {
        let mut said = Vec::new();
        let closed = async {
            while let Some(frame) = self.peer.read::<WorkerFrame>().await? {
                said.push(frame);
            }
            Ok(())
        };
        patiently("it did not close the connection", closed).await?;
        Ok(said)
    }

    /// Waits until its process exits by itself.
    pub(super) async fn ends(&mut self, time: Duration) -> Result<Exit, Fault> {
        let exit = self.goes(time).await?;
        match exit {
            Exit::Code(_) => Ok(exit),
            Exit::Signal { .. } | Exit::Unknown(_) => {
                Err(failed(format!("it {exit}; that it exits by itself was expected")))
            }
        }
    }

    /// Waits for the end of its process, whatever brings it about: a timer of its own may kill it, and all that it has started.
    pub(super) async fn goes(&mut self, time: Duration) -> Result<Exit, Fault> {
        let ended = tokio::time::timeout(time, self.process.ended()).await;
        let exit =
            ended.map_err(|_| failed(format!("it still runs after {time:?}; its end was expected")))?;
        self.log.remark(&format!("it {exit}"));
        Ok(exit)
    }

    /// Waits for the end of its process, which is to be a success.
    pub(super) async fn ends_with_zero(&mut self, time: Duration) -> Result<(), Fault> {
        match self.ends(time).await? {
            Exit::Code(0) => Ok(()),
            exit => Err(failed(format!("it {exit}; exit code 0 was expected"))),
        }
    }
}

/// Waits for what costs nothing to say. A worker that says other things for ever has not answered.
async fn patiently<T>(otherwise: &str, wait: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    match tokio::time::timeout(PATIENCE, wait).await {
        Ok(answer) => answer,
        Err(_) => Err(failed(format!("{otherwise}, which was expected within {PATIENCE:?}"))),
    }
}
