//! A connection after its handshake, with a real socket and a peer that is not what it should be.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use drover_proto::frame::FrameLimit;
use drover_proto::latest::{ErrorCode, WorkerFrame, worker_frame};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;
use tokio::time::timeout;

use drover_proto::codec::{FrameCodec, encode_frame};
use drover_proto::latest::{MasterFrame, Status, master_frame};
use futures_util::StreamExt as _;
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;
use tokio_util::codec::Decoder as _;

use super::carry::{Admitted, carry};
use super::news::{ConnectionId, ConnectionNews, LinkNews, NewsSender};
use super::seat::Seat;
use crate::bus::{Exchange, Peer};
use crate::frames::error_frame;
use crate::ids::{Generation, SlotIndex, WorkerId};
use crate::keeper::AppTallies;
use crate::machine::worker::Identity;
use crate::machine::worker::WorkerReport;

fn seat() -> Seat {
    let exchange = Arc::new(Exchange::new("web".into(), None, AppTallies::default()));
    let identity = Identity { slot: SlotIndex(0), generation: Generation(1), id: WorkerId(1) };
    let peer = Arc::new(Peer::new(identity, false, false));
    exchange.join(Arc::clone(&peer));
    Seat { exchange, peer }
}

/// A connection that is past its handshake, the queue to its peer, and the peer.
fn carried() -> (tokio::task::JoinHandle<Option<Arc<str>>>, mpsc::Sender<Bytes>, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (news, mut told) = mpsc::channel(8);
    let (outgoing, frames) = mpsc::channel(64);
    let carrying = tokio::spawn(async move {
        let (reader, writer) = ours.into_split();
        let news = NewsSender { id: ConnectionId(1), queue: news };
        tokio::select! {
            trouble = carry(&news, reader, writer, Admitted { outgoing: frames, seat: seat() }) => trouble,
            () = async { while told.recv().await.is_some() {} } => None,
        }
    });
    (carrying, outgoing, theirs)
}

#[tokio::test]
async fn a_peer_whose_frame_is_refused_reads_why_before_the_end() {
    let unknown = WorkerFrame { seq: 4, must_understand: true, ..Default::default() };
    let unknown = encode_frame(&unknown, FrameLimit::WORKER).unwrap();
    let good = encode_frame(&WorkerFrame::default(), FrameLimit::WORKER).unwrap();
    for (sent, reply_to, code) in [
        (Bytes::from_static(b"\xff\xff\xff\xff"), 0, ErrorCode::BadFrame),
        (unknown, 4, ErrorCode::Unimplemented),
        // Behind a good one, in one piece, and nothing after it.
        (Bytes::from([&good[..], b"Listening on 8080\n"].concat()), 0, ErrorCode::BadFrame),
    ] {
        let (carrying, _outgoing, mut peer) = carried();
        peer.write_all(&sent).await.unwrap();
        let mut frames = FrameCodec::<WorkerFrame, MasterFrame>::new(FrameLimit::WORKER).framed(peer);
        let frame = frames.next().await.expect("an answer").unwrap();
        let Some(master_frame::Body::Error(error)) = &frame.body else { panic!("{frame:?}") };
        assert_eq!((frame.reply_to, error.code()), (reply_to, code));
        assert!(frames.next().await.is_none());
        assert!(carrying.await.unwrap().is_some());
    }
}

#[tokio::test]
async fn what_a_peer_said_before_it_went_is_heard_although_nothing_can_be_written_to_it() {
    let said = WorkerFrame {
        body: Some(worker_frame::Body::Status(Status { text: "last words".into(), ..Default::default() })),
        ..Default::default()
    };
    let said = encode_frame(&said, FrameLimit::WORKER).unwrap();
    // Which of the two is tried first, to read or to write, is left to chance.
    for _ in 0..50 {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(&said).await.unwrap();
        drop(theirs);
        let (news, mut told) = mpsc::channel(8);
        let (outgoing, frames) = mpsc::channel(64);
        outgoing.send(error_frame(0, ErrorCode::Busy, "never read")).await.unwrap();
        let (reader, writer) = ours.into_split();
        let news = NewsSender { id: ConnectionId(1), queue: news };
        let carried = carry(&news, reader, writer, Admitted { outgoing: frames, seat: seat() });
        assert_eq!(timeout(Duration::from_secs(60), carried).await.expect("it ends"), None);
        let Ok(LinkNews {
            news: ConnectionNews::Said { said: WorkerReport::Status { text, .. }, .. }, ..
        }) = told.try_recv()
        else {
            panic!("its words are lost")
        };
        assert_eq!(text, "last words");
    }
}

#[tokio::test]
async fn a_peer_that_does_not_read_cannot_hold_what_the_master_let_go() {
    let (carrying, outgoing, mut peer) = carried();
    let large = Bytes::from(vec![0; 4 * 1024 * 1024]);
    outgoing.send(large).await.unwrap();
    // The write is under way.
    peer.read_exact(&mut [0; 4]).await.unwrap();
    drop(outgoing);
    let ended = timeout(Duration::from_secs(20), carrying).await;
    assert_eq!(ended.expect("it ends").unwrap(), None);
}

#[tokio::test]
async fn frames_that_carry_descriptors_are_read_to_the_last_and_the_descriptors_are_closed() {
    use std::io::IoSlice;
    use std::os::fd::AsRawFd;

    use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

    let (carrying, _outgoing, mut peer) = carried();
    let (kept, sent) = std::os::unix::net::UnixStream::pair().unwrap();
    let status =
        WorkerFrame { body: Some(worker_frame::Body::Status(Status::default())), ..Default::default() };
    let frame = encode_frame(&status, FrameLimit::WORKER).unwrap();
    for _ in 0..200 {
        peer.writable().await.unwrap();
        let fds = [sent.as_raw_fd()];
        let control = [ControlMessage::ScmRights(&fds)];
        let send = || {
            let (raw, flags) = (peer.as_raw_fd(), MsgFlags::empty());
            sendmsg::<()>(raw, &[IoSlice::new(&frame)], &control, flags, None).map_err(io::Error::from)
        };
        while peer.try_io(tokio::io::Interest::WRITABLE, send).is_err() {
            peer.writable().await.unwrap();
        }
    }
    drop(sent);
    // What comes behind them is read and refused, so they were read too.
    peer.write_all(b"text").await.unwrap();
    let mut frames = FrameCodec::<WorkerFrame, MasterFrame>::new(FrameLimit::WORKER).framed(peer);
    let answer = timeout(Duration::from_secs(60), frames.next()).await.expect("an answer");
    assert!(matches!(answer, Some(Ok(MasterFrame { body: Some(master_frame::Body::Error(_)), .. }))));
    assert!(carrying.await.unwrap().is_some());
    // Nobody holds the other end.
    kept.set_nonblocking(true).unwrap();
    assert_eq!(io::Read::read(&mut &kept, &mut [0]).unwrap(), 0);
}
