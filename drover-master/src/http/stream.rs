//! Events and lines as they come: server-sent events.
//!
//! A stream pulls from the log at its own pace, so a browser that does not read costs one frame of memory and is told what it
//! missed; one that reads nothing for a while is let go.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::channel;
use tokio::time::timeout;

/// How much is on its way to a reader: the kernel's buffers hold the rest.
const FRAMES: usize = 2;

/// How long a reader may take nothing.
const STALL: Duration = Duration::from_secs(30);

/// After this much silence a comment is sent: a reader that is gone is found, and a proxy sees that the stream lives. Shorter wakes
/// every reader up for nothing; many proxies end what was silent for 60 s.
pub(super) const SILENCE: Duration = Duration::from_secs(20);

/// One reader.
#[derive(Debug)]
pub(super) struct SseFeed(channel::Sender<Bytes>);

/// The reader is gone, or reads nothing.
#[derive(Debug)]
pub(super) struct ReaderGone;

pub(super) fn feed() -> (SseFeed, channel::Channel<Bytes, Infallible>) {
    let (sender, body) = channel::Channel::new(FRAMES);
    (SseFeed(sender), body)
}

impl SseFeed {
    /// Sends a message, with the number from which the reader goes on after a break.
    pub(super) async fn message(
        &mut self,
        id: Option<u64>,
        name: &str,
        data: &str,
    ) -> Result<(), ReaderGone> {
        self.send(frame(id, name, data)).await
    }

    /// Shows that the stream lives.
    pub(super) async fn beat(&mut self) -> Result<(), ReaderGone> {
        self.send(":\n\n".to_owned()).await
    }

    async fn send(&mut self, text: String) -> Result<(), ReaderGone> {
        match timeout(STALL, self.0.send_data(text.into())).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(ReaderGone),
        }
    }
}

/// The HTML Standard, 9.2.6. What ends a line there ends one here.
fn frame(id: Option<u64>, name: &str, data: &str) -> String {
    let mut frame = String::with_capacity(data.len() + 48);
    if let Some(id) = id {
        let _ = writeln!(frame, "id: {id}");
    }
    let _ = writeln!(frame, "event: {name}");
    for line in data.split(['\n', '\r']) {
        let _ = writeln!(frame, "data: {line}");
    }
    frame.push('\n');
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_its_number_its_name_and_every_line() {
        assert_eq!(frame(Some(7), "event", "{}"), "id: 7\nevent: event\ndata: {}\n\n");
        assert_eq!(frame(None, "line", "a\nb\rc"), "event: line\ndata: a\ndata: b\ndata: c\n\n");
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_takes_nothing_is_let_go() {
        let (mut feed, _body) = feed();
        for _ in 0..FRAMES {
            feed.beat().await.unwrap();
        }
        assert!(feed.beat().await.is_err());
    }

    #[tokio::test]
    async fn a_reader_that_is_gone_is_noticed() {
        let (mut feed, body) = feed();
        drop(body);
        assert!(feed.beat().await.is_err());
    }
}
