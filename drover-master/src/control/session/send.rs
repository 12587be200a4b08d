//! Messages of people and scripts to workers.

use std::time::Duration;

use bytes::Bytes;
use drover_proto::bus::{REQUEST_TIMEOUT, TOPIC_LIMIT};
use drover_proto::latest::{Done, Error, ErrorCode, SendRequest, SendResult, control_response};
use futures_util::StreamExt as _;
use tokio::task::JoinSet;

use super::target::NamedTarget;
use super::{Gone, Session};
use crate::bus::{Bus, Recipient, RequestError};
use crate::ids::{SlotIndex, WorkerId};
use crate::machine::fleet;

/// How long a message may wait for room in a worker's queue. People and scripts send few; a queue that is full for so long belongs to
/// a worker that does not read.
const ROOM: Duration = Duration::from_secs(5);

/// One message for one worker.
struct Letter {
    bus: Bus,
    name: String,
    to: Recipient,
    topic: String,
    payload: Bytes,
    /// How long to wait for a reply, if one is wanted.
    reply_within: Option<Duration>,
    is_publication: bool,
}

impl Session {
    pub(super) async fn send_messages(&mut self, seq: u64, request: &SendRequest) -> Result<(), Gone> {
        let letters = match self.letters(request) {
            Ok(letters) => letters,
            Err(error) => return self.refuse(seq, error.code(), error.message).await,
        };
        let _place = match self.places.wait(request.request) {
            Ok(place) => place,
            Err(error) => return self.refuse(seq, error.code(), error.message).await,
        };
        let shown = request.names.join(" ");
        tracing::info!(target: "drover::control", client = self.client, names = shown, topic = request.topic, "send");
        let mut running = JoinSet::new();
        for letter in letters {
            match letter {
                Ok(letter) => drop(running.spawn(letter.deliver())),
                Err(nobody) => {
                    self.send(seq, true, control_response::Body::Sent(nobody)).await?;
                }
            }
        }
        loop {
            let done = tokio::select! {
                done = running.join_next() => done,
                // At its end nobody waits for the replies any more.
                asked = self.requests.next() => {
                    self.asked_beside(asked).await?;
                    continue;
                }
            };
            match done {
                None => break,
                Some(Ok(sent)) => {
                    self.send(seq, true, control_response::Body::Sent(sent)).await?;
                }
                // A task neither panics nor is it aborted.
                Some(Err(_)) => {}
            }
        }
        self.send(seq, false, control_response::Body::Done(Done::default())).await.map(drop)
    }

    /// One for each worker that is meant; an app without one has a result at once.
    fn letters(&self, request: &SendRequest) -> Result<Vec<Result<Letter, SendResult>>, Error> {
        let wrong =
            |message: &str| Error { code: ErrorCode::InvalidArgument.into(), message: message.to_owned() };
        if request.topic.len() > TOPIC_LIMIT {
            return Err(wrong(&format!("a topic has at most {TOPIC_LIMIT} bytes")));
        }
        if request.publish && request.topic.is_empty() {
            return Err(wrong("a publication needs a topic"));
        }
        if request.publish && request.request {
            return Err(wrong("a publication has no reply"));
        }
        let mut letters = Vec::new();
        for NamedTarget { name, master, whom } in self.targets(&request.names)? {
            let bus = master.bus();
            let letter = |name, to| Letter {
                bus: bus.clone(),
                name,
                to,
                topic: request.topic.clone(),
                payload: request.payload.clone(),
                reply_within: request.request.then(|| reply_within(request.timeout_ms)),
                is_publication: request.publish,
            };
            let all: Vec<(WorkerId, SlotIndex)> = match whom {
                fleet::Target::Slot(_) | fleet::Target::Worker(_) if request.publish => {
                    return Err(wrong(&format!(
                        "a publication goes to the subscribers of an app, and `{name}` is none"
                    )));
                }
                fleet::Target::Slot(slot) => {
                    letters.push(Ok(letter(name, slot.into())));
                    continue;
                }
                fleet::Target::Worker(id) => {
                    letters.push(Ok(letter(name, id.into())));
                    continue;
                }
                fleet::Target::All if request.publish => bus.subscribers(&request.topic),
                fleet::Target::All => bus.receivers(),
            };
            if all.is_empty() && !request.publish {
                let message = format!("no worker of {name} is ready and takes messages");
                let error = Some(Error { code: ErrorCode::NotReady.into(), message });
                letters.push(Err(SendResult { name, error, ..Default::default() }));
            } else {
                let named = |slot| format!("{name}/{slot}");
                letters.extend(all.into_iter().map(|(id, slot)| Ok(letter(named(slot), id.into()))));
            }
        }
        Ok(letters)
    }
}

fn reply_within(timeout_ms: u64) -> Duration {
    if timeout_ms == 0 { REQUEST_TIMEOUT } else { Duration::from_millis(timeout_ms) }
}

impl Letter {
    async fn deliver(self) -> SendResult {
        let Self { bus, name, to, topic, payload, reply_within, is_publication } = self;
        let worker = bus.worker_at(to).map_or(0, |id| id.0);
        let result = match reply_within {
            Some(within) => bus.request(to, &topic, payload, within).await,
            None => {
                let sent = bus.send_as(is_publication, to, &topic, payload, ROOM).await;
                sent.map(|()| Bytes::new()).map_err(RequestError::from)
            }
        };
        match result {
            Ok(reply) => SendResult { name, worker, error: None, reply },
            Err(error) => {
                let (code, message) = (error.code(), error.to_string());
                let error = Some(Error { code: code.into(), message });
                SendResult { name, worker, error, ..Default::default() }
            }
        }
    }
}
