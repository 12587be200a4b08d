//! Messages of the application, as a fake master sends and answers them.

use std::io;

use bytes::Bytes;

use super::messages::{
    Accepted, Error, ErrorCode, MasterFrame, Message, Reply, Scope, WorkerFrame, master_frame, worker_frame,
};
use super::{FakeLink, invalid, patiently, read};

/// How many frames may be passed over while one is looked for. A worker that says more and not what is looked for is in a loop.
const PASSED_OVER: usize = 65_536;

impl FakeLink {
    /// Sends a message of the program to the worker, without asking for an answer. A fake master pays no regard to the worker's
    /// [window](crate::MessageBusBuilder::message_window).
    ///
    /// # Errors
    ///
    /// The worker has closed the connection.
    pub async fn message(&mut self, topic: &str, payload: impl Into<Bytes>) -> io::Result<()> {
        let body = Some(direct(topic, payload.into()));
        self.send(MasterFrame { body, ..Default::default() }).await
    }

    /// Sends a request of the program to the worker. Returns the frame's `seq`, for [`answer`](Self::answer).
    ///
    /// # Errors
    ///
    /// The worker has closed the connection.
    pub async fn begin_request(&mut self, topic: &str, payload: impl Into<Bytes>) -> io::Result<u64> {
        self.ask(direct(topic, payload.into())).await
    }

    /// Waits for the answer to the request with this `seq`: the payload of the worker's reply, or its error. Other frames that
    /// come before it are kept for [`frame`](Self::frame) and its like.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::UnexpectedEof`] if the worker closes the connection, and what [`frame`](Self::frame) gives.
    pub async fn answer(&mut self, seq: u64) -> io::Result<Result<Bytes, Error>> {
        let frame = self.find(|frame| frame.reply_to == seq).await?;
        match frame.body {
            Some(worker_frame::Body::Reply(Reply { payload })) => Ok(Ok(payload)),
            Some(worker_frame::Body::Error(error)) => Ok(Err(error)),
            other => Err(invalid(format!("no answer to a request: {other:?}"))),
        }
    }

    /// Sends a request of the program to the worker, and waits for its answer.
    ///
    /// # Errors
    ///
    /// As [`begin_request`](Self::begin_request) and [`answer`](Self::answer).
    pub async fn request(
        &mut self,
        topic: &str,
        payload: impl Into<Bytes>,
    ) -> io::Result<Result<Bytes, Error>> {
        let seq = self.begin_request(topic, payload).await?;
        self.answer(seq).await
    }

    /// The next message that the worker sends to anybody, with the `seq` to answer (0: none). Other frames that come before it
    /// are kept for [`frame`](Self::frame) and its like.
    ///
    /// # Errors
    ///
    /// As [`answer`](Self::answer).
    pub async fn next_message(&mut self) -> io::Result<(u64, Message)> {
        let frame = self.find(|frame| matches!(frame.body, Some(worker_frame::Body::Message(_)))).await?;
        match frame.body {
            Some(worker_frame::Body::Message(message)) => Ok((frame.seq, message)),
            other => Err(invalid(format!("no message: {other:?}"))),
        }
    }

    /// Answers a request of the worker.
    ///
    /// # Errors
    ///
    /// The worker has closed the connection.
    pub async fn reply(&mut self, reply_to: u64, payload: impl Into<Bytes>) -> io::Result<()> {
        let body = Some(master_frame::Body::Reply(Reply { payload: payload.into() }));
        self.send(MasterFrame { reply_to, body, ..Default::default() }).await
    }

    /// Refuses what the worker asked.
    ///
    /// # Errors
    ///
    /// The worker has closed the connection.
    pub async fn refuse(&mut self, reply_to: u64, code: ErrorCode, message: &str) -> io::Result<()> {
        let error = Error { code: code.into(), message: message.to_owned() };
        let body = Some(master_frame::Body::Error(error));
        self.send(MasterFrame { reply_to, body, ..Default::default() }).await
    }

    /// Confirms a message of the worker, which went to so many and not to so many others, or a subscription.
    ///
    /// # Errors
    ///
    /// The worker has closed the connection.
    pub async fn confirm(&mut self, reply_to: u64, delivered: u32, refused: u32) -> io::Result<()> {
        let body = Some(master_frame::Body::Accepted(Accepted { delivered, refused }));
        self.send(MasterFrame { reply_to, body, ..Default::default() }).await
    }

    async fn find(&mut self, is_it: impl Fn(&WorkerFrame) -> bool) -> io::Result<WorkerFrame> {
        if let Some(found) = self.passed_over.iter().position(&is_it) {
            return self.passed_over.remove(found).ok_or_else(|| io::ErrorKind::NotFound.into());
        }
        while self.passed_over.len() < PASSED_OVER {
            let frame = patiently(read::<WorkerFrame>(&mut self.stream, &mut self.received)).await?;
            let frame = frame.ok_or(io::ErrorKind::UnexpectedEof)?;
            if is_it(&frame) {
                return Ok(frame);
            }
            self.passed_over.push_back(frame);
        }
        Err(invalid(format!("{PASSED_OVER} other frames came first")))
    }
}

fn direct(topic: &str, payload: Bytes) -> master_frame::Body {
    let scope = Scope::Worker.into();
    master_frame::Body::Message(Message { topic: topic.to_owned(), payload, scope, ..Default::default() })
}
