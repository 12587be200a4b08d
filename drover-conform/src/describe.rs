//! Frames as text, for transcripts and verdicts.

use std::fmt::Debug;

use drover_proto::latest::{Hello, HelloReply, MasterFrame, WorkerFrame, hello_reply};

/// How much of a message is shown. A payload may have a mebibyte.
const SHOWN: usize = 160;

/// What can be shown in a transcript.
pub(crate) trait Describe {
    /// The message in one line.
    fn describe(&self) -> String;
}

impl Describe for WorkerFrame {
    fn describe(&self) -> String {
        enveloped(self.body.as_ref(), self.seq, self.reply_to, self.expects_reply, self.must_understand)
    }
}

impl Describe for MasterFrame {
    fn describe(&self) -> String {
        enveloped(self.body.as_ref(), self.seq, self.reply_to, self.expects_reply, self.must_understand)
    }
}

impl Describe for Hello {
    fn describe(&self) -> String {
        let Self { min_version, max_version, pid, capabilities, .. } = self;
        format!("Hello {{ {min_version} to {max_version}, pid {pid}, capabilities {capabilities:?} }}")
    }
}

impl Describe for HelloReply {
    fn describe(&self) -> String {
        match &self.reply {
            Some(hello_reply::Reply::Welcome(welcome)) => cut(format!("{welcome:?}")),
            Some(hello_reply::Reply::Reject(reject)) => cut(format!("{reject:?}")),
            None => "an empty HelloReply".to_owned(),
        }
    }
}

fn enveloped(
    body: Option<&impl Debug>,
    seq: u64,
    reply_to: u64,
    expects_reply: bool,
    must_understand: bool,
) -> String {
    let mut text = body.map_or_else(|| "no known body".to_owned(), body_of);
    for (name, number) in [("seq", seq), ("reply_to", reply_to)] {
        if number != 0 {
            text.push_str(&format!(" {name}={number}"));
        }
    }
    for (name, is_set) in [("expects_reply", expects_reply), ("must_understand", must_understand)] {
        if is_set {
            text.push(' ');
            text.push_str(name);
        }
    }
    text
}

/// `Stop(Stop { … })` without what is said twice.
fn body_of(body: &impl Debug) -> String {
    let text = format!("{body:?}");
    let inner = text.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    cut(inner.unwrap_or(&text).to_owned())
}

fn cut(mut text: String) -> String {
    if text.len() > SHOWN {
        let end = (0..=SHOWN).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use drover_proto::latest::{Message, Pong, Stop, master_frame, worker_frame};

    use super::*;

    #[test]
    fn a_frame_is_its_message_and_what_is_set_of_its_envelope() {
        let pong =
            WorkerFrame { reply_to: 3, body: Some(worker_frame::Body::Pong(Pong {})), ..Default::default() };
        assert_eq!(pong.describe(), "Pong reply_to=3");
        let stop = MasterFrame {
            seq: 2,
            expects_reply: true,
            body: Some(master_frame::Body::Stop(Stop { deadline_ms: 5000 })),
            ..Default::default()
        };
        assert_eq!(stop.describe(), "Stop { deadline_ms: 5000 } seq=2 expects_reply");
        assert_eq!(WorkerFrame::default().describe(), "no known body");
    }

    #[test]
    fn a_large_payload_does_not_fill_the_screen() {
        let message = Message { payload: vec![7; 100_000].into(), ..Default::default() };
        let frame = MasterFrame { body: Some(master_frame::Body::Message(message)), ..Default::default() };
        assert!(frame.describe().len() < 200);
    }
}
