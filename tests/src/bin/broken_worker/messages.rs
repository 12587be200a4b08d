//! Messages of the application, by the convention of docs/reference/conformance.md.

use std::collections::BTreeMap;

use drover_proto::codec::encode_frame;
use drover_proto::frame::{FrameLimit, HEADER_LEN};
use drover_proto::latest::{
    Consumed, ErrorCode, MasterFrame, Message, Reply, Scope, Subscribe, WorkerFrame, master_frame,
    worker_frame::Body,
};

use crate::link::Link;
use crate::vice::Vice;

/// How many bytes of messages may be on the way to it.
const WINDOW: u64 = 64 * 1024;

/// What it was asked, and what it asks itself.
#[derive(Debug)]
pub(crate) struct Messages {
    link: Link,
    vice: Vice,
    last_seq: u64,
    /// Its own requests that are open, and the request that each of them is for.
    asked: BTreeMap<u64, u64>,
    subscribed: Vec<String>,
    consumed: u64,
    attended: u64,
}

impl Messages {
    pub(crate) const fn new(link: Link, vice: Vice) -> Self {
        Self {
            link,
            vice,
            last_seq: 0,
            asked: BTreeMap::new(),
            subscribed: Vec::new(),
            consumed: 0,
            attended: 0,
        }
    }

    /// Begins on a connection: the window, and what it has subscribed to on an earlier one. What was asked there is forgotten.
    pub(crate) fn begin(&mut self) {
        self.link.say(0, Body::Consumed(Consumed { bytes: 0, window: WINDOW }));
        self.consumed = 0;
        for (_, seq) in std::mem::take(&mut self.asked) {
            if self.vice.is("answers those who are gone") {
                self.reply(seq, b"");
            }
        }
        if !self.vice.is("forgets its subscriptions") {
            for topic in self.subscribed.clone() {
                self.link.say(0, Body::Subscribe(Subscribe { topic }));
            }
        }
    }

    pub(crate) fn attend(&mut self, seq: u64, expects_reply: bool, message: Message) {
        self.make_room(seq, expects_reply, &message);
        self.attended += 1;
        let is_ignored = match () {
            () if self.vice.is("attends to a hundred") => self.attended > 100,
            () if self.vice.is("is silent on nothing") => message.payload.is_empty(),
            () => false,
        };
        if is_ignored || !(expects_reply || self.vice.is("answers what nobody asked")) {
            return;
        }
        let topic = String::from_utf8_lossy(&message.payload).into_owned();
        let scope = if self.vice.is("sends to everybody") { Scope::All } else { Scope::App };
        let to_app = || Message { topic: topic.clone(), scope: scope.into(), ..Default::default() };
        match message.topic.as_str() {
            "drover.conform.echo" => self.reply(seq, &message.payload),
            "drover.conform.fail" if self.vice.is("hides its failures") => self.reply(seq, b"well done"),
            "drover.conform.fail" => self.link.refuse(seq, ErrorCode::Failed, "as asked"),
            "drover.conform.send" => {
                self.link.say(0, Body::Message(to_app()));
                self.reply(seq, b"");
            }
            "drover.conform.subscribe" => {
                let topic = if self.vice.is("subscribes to all") { "#".to_owned() } else { topic.clone() };
                self.subscribed.push(topic.clone());
                let subscribe = Subscribe { topic };
                self.ask(seq, Body::Subscribe(subscribe));
            }
            "drover.conform.ask" => self.ask(seq, Body::Message(to_app())),
            _ if self.vice.is("is silent on unknown topics") => {}
            _ => self.link.refuse(seq, ErrorCode::NotFound, "no such topic"),
        }
    }

    /// Sends the first message, which nobody has asked for.
    pub(crate) fn greet(&self) {
        self.link.say(0, Body::Message(Message { scope: Scope::App.into(), ..Default::default() }));
    }

    /// The answer to a request of its own.
    pub(crate) fn pass_on(&mut self, answered: u64, payload: &[u8]) {
        if let Some(seq) = self.asked.remove(&answered) {
            self.reply(seq, payload);
        }
    }

    /// The refusal of one.
    pub(crate) fn pass_on_refusal(&mut self, answered: u64, why: &str) {
        let why = if self.vice.is("keeps refusals to itself") { "" } else { why };
        self.pass_on(answered, why.as_bytes());
    }

    fn make_room(&mut self, seq: u64, expects_reply: bool, message: &Message) {
        let payload = message.payload.len() as u64;
        let body = Some(master_frame::Body::Message(message.clone()));
        let frame = MasterFrame { seq, expects_reply, body, ..Default::default() };
        let frame = encode_frame(&frame, FrameLimit::WORKER).expect("it came as one").len() as u64;
        self.consumed += match () {
            () if self.vice.is("counts headers as room") => frame,
            () if self.vice.is("counts payloads as room") => payload,
            () => frame - HEADER_LEN as u64,
        };
        if self.consumed > WINDOW / 2 && !self.vice.is("never makes room") {
            let bytes = std::mem::take(&mut self.consumed);
            self.link.say(0, Body::Consumed(Consumed { bytes, window: 0 }));
        }
    }

    /// Asks the master something, for the sake of a request.
    fn ask(&mut self, on_behalf_of: u64, body: Body) {
        self.last_seq += 1;
        self.asked.insert(self.last_seq, on_behalf_of);
        let seq = if self.vice.is("asks without a number") { 0 } else { self.last_seq };
        let frame = WorkerFrame { seq, expects_reply: true, body: Some(body), ..Default::default() };
        // A master that is gone is told by the reading side.
        let _ = self.link.send(&frame);
    }

    fn reply(&self, seq: u64, payload: &[u8]) {
        let kept = match () {
            () if self.vice.is("replies with nothing") => 0,
            () if self.vice.is("cuts what is large") => payload.len().min(64 * 1024),
            () => payload.len(),
        };
        self.link.say(seq, Body::Reply(Reply { payload: payload[..kept].to_vec().into() }));
    }
}
