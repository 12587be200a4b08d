//! Says much at once: 500 words that have no place, that it is ready, and a question to itself. Counts what it is answered in its
//! status, and answers Stop by an Error.

use bytes::BytesMut;
use drover_e2e::raw::Link;
use drover_proto::codec::encode_frame;
use drover_proto::frame::FrameLimit;
use drover_proto::latest::worker_frame::Body;
use drover_proto::latest::{
    Error, ErrorCode, Hello, Message, Reply, Scope, Started, Status, Stopped, WorkerFrame, master_frame,
};

const ASTRAY: usize = 500;

fn main() -> std::process::ExitCode {
    let mut link = Link::connect();
    let capabilities = vec!["bus".to_owned()];
    link.introduce(&Hello { capabilities, ..Link::hello() }).expect("the master welcomes its worker");
    let myself = std::env::var("DROVER_WORKER_ID").ok().and_then(|id| id.parse().ok()).expect("an id");
    let question = Message { scope: Scope::Worker.into(), worker: myself, ..Default::default() };
    let astray = WorkerFrame { seq: 1, body: Some(Body::Stopped(Stopped {})), ..Default::default() };
    let ready = WorkerFrame { body: Some(Body::Started(Started {})), ..Default::default() };
    let question = WorkerFrame {
        seq: 2,
        expects_reply: true,
        body: Some(Body::Message(question)),
        ..Default::default()
    };
    let mut all = BytesMut::new();
    for frame in std::iter::repeat_n(&astray, ASTRAY).chain([&ready, &question]) {
        all.extend_from_slice(&encode_frame(frame, FrameLimit::WORKER).expect("a small frame"));
    }
    link.send_bytes(&all).expect("the master reads");

    let (mut refused, mut answer) = (0, None);
    while let Some(frame) = link.frame() {
        let answers = |body| WorkerFrame { reply_to: frame.seq, body: Some(body), ..Default::default() };
        match frame.body {
            Some(master_frame::Body::Error(error)) if frame.reply_to == 1 => {
                refused += usize::from(error.code() == ErrorCode::BadState);
            }
            Some(master_frame::Body::Message(_)) => {
                let _ = link.send(&answers(Body::Reply(Reply { payload: "me".into() })));
            }
            Some(master_frame::Body::Reply(reply)) => {
                answer = Some(String::from_utf8_lossy(&reply.payload).into_owned());
            }
            Some(master_frame::Body::Error(error)) => answer = Some(error.message),
            Some(master_frame::Body::Stop(_)) => {
                let message = "the disk is full\n\x1b[2J".to_owned();
                let error = Error { code: ErrorCode::Failed.into(), message };
                let _ = link.send(&answers(Body::Error(error)));
            }
            _ => {}
        }
        if let (ASTRAY, Some(answer)) = (refused, &answer) {
            let text = format!("{refused} refused, and asked: {answer}");
            link.say(Body::Status(Status { text, ..Default::default() }));
        }
    }
    std::process::ExitCode::SUCCESS
}
