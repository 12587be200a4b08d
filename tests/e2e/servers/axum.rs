//! axum: answers, streams of events that never end by themselves, and WebSockets.

use std::io;
use std::net::SocketAddr;

use drover_e2e::harness::patiently;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::{CLIENTS, operated};
use crate::site::Site;

const PORT: u16 = 8000;

/// So many clients have a WebSocket, and so many a stream of events.
const OF_EACH: usize = 3;

/// By which a server that leaves closes a WebSocket (RFC 6455, 7.4.1).
const GOING_AWAY: u16 = 1001;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn axum_loses_no_request_and_tells_websockets_and_streams_to_go_elsewhere() {
    let (site, to) = served().await;
    let (over, is_over) = watch::channel(false);
    let (opened, mut opens) = mpsc::channel(2 * OF_EACH);
    let mut clients = JoinSet::new();
    for _ in 0..OF_EACH {
        let (told, leaves) = (opened.clone(), is_over.clone());
        clients.spawn(talk(to, told, leaves));
        let (told, leaves) = (opened.clone(), is_over.clone());
        clients.spawn(listen(to, told, leaves));
    }
    for _ in 0..2 * OF_EACH {
        patiently("a client's first connection", opens.recv()).await.unwrap();
    }
    let tally = operated(&site, PORT, CLIENTS).await;
    assert_eq!(tally.failed(), 0, "{tally:#}\n{}", site.log());
    over.send_replace(true);
    while let Some(ends) = patiently("the clients", clients.join_next()).await {
        // The reload alone ends whatever was open.
        assert_ne!(ends.unwrap().unwrap(), 0, "{}", site.log());
    }
    site.end().await;
}

#[tokio::test]
async fn a_websocket_whose_client_does_not_answer_the_farewell_is_closed_all_the_same() {
    let (site, to) = served().await;
    let mut socket = patiently("a WebSocket", WebSocket::open(to)).await.unwrap();
    site.run(&["reload", site.app()]).await;
    let farewell = patiently("the farewell", socket.frame()).await.unwrap();
    assert_eq!(farewell.closing(), Some(GOING_AWAY), "{farewell:?}");
    assert_eq!(patiently("the end", socket.stream.read(&mut [0])).await.unwrap(), 0);
    site.end().await;
}

async fn served() -> (Site, SocketAddr) {
    let mut site = Site::of("servers/axum", &[]).expect("it takes no program");
    site.change("drover.toml", "./target/release/shop", program!("server_axum"));
    site.start().await;
    let to = SocketAddr::from((site.host(), PORT));
    (site, to)
}

/// Talks on WebSockets, one after the other, until it is over; how many were closed because their worker left.
async fn talk(
    to: SocketAddr,
    opened: mpsc::Sender<()>,
    mut over: watch::Receiver<bool>,
) -> io::Result<usize> {
    let mut closed = 0;
    loop {
        let mut socket = WebSocket::open(to).await?;
        // Nobody counts any more once all have one.
        let _ = opened.try_send(());
        loop {
            let said = async {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                socket.say(TEXT, b"hello").await?;
                socket.frame().await
            };
            let frame = tokio::select! {
                said = said => said?,
                _ = over.wait_for(|over| *over) => return Ok(closed),
            };
            if let Some(code) = frame.closing() {
                assert_eq!(code, GOING_AWAY, "{frame:?}");
                socket.say(CLOSE, &frame.payload[..2]).await?;
                assert_eq!(socket.stream.read(&mut [0]).await?, 0, "nothing follows the end");
                closed += 1;
                break;
            }
            assert_eq!((frame.opcode, &frame.payload[..]), (TEXT, &b"hello"[..]));
        }
    }
}

/// Reads streams of events, one after the other, until it is over; how many came to their end.
async fn listen(
    to: SocketAddr,
    opened: mpsc::Sender<()>,
    mut over: watch::Receiver<bool>,
) -> io::Result<usize> {
    const LAST_CHUNK: &[u8] = b"\r\n0\r\n\r\n";
    let mut ended = 0;
    loop {
        let mut stream = TcpStream::connect(to).await?;
        stream.write_all(b"GET /events HTTP/1.1\r\nhost: x\r\n\r\n").await?;
        let head = head(&mut stream).await?;
        assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("text/event-stream"), "{head}");
        let _ = opened.try_send(());
        // As the head ends: at the stop a stream may have nothing but its end.
        let mut read = b"\r\n".to_vec();
        while !read.ends_with(LAST_CHUNK) {
            let more = tokio::select! {
                more = stream.read_buf(&mut read) => more?,
                _ = over.wait_for(|over| *over) => return Ok(ended),
            };
            if more == 0 {
                return Err(io::Error::other(format!(
                    "the stream is cut off: {:?}",
                    String::from_utf8_lossy(&read)
                )));
            }
        }
        ended += 1;
    }
}

const TEXT: u8 = 1;
const CLOSE: u8 = 8;

/// A client's end, by hand: a library would answer a farewell by itself.
struct WebSocket {
    stream: TcpStream,
}

#[derive(Debug)]
struct Frame {
    opcode: u8,
    payload: Vec<u8>,
}

impl WebSocket {
    async fn open(to: SocketAddr) -> io::Result<Self> {
        let mut stream = TcpStream::connect(to).await?;
        stream
            .write_all(
                b"GET /chat HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                  sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            )
            .await?;
        let head = head(&mut stream).await?;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        Ok(Self { stream })
    }

    /// A short message, whole, with a mask of zeros.
    async fn say(&mut self, opcode: u8, payload: &[u8]) -> io::Result<()> {
        let length = u8::try_from(payload.len()).expect("a short message");
        let frame = [&[0x80 | opcode, 0x80 | length, 0, 0, 0, 0][..], payload].concat();
        self.stream.write_all(&frame).await
    }

    /// The next message, which is short and whole.
    async fn frame(&mut self) -> io::Result<Frame> {
        let [first, length] = [self.stream.read_u8().await?, self.stream.read_u8().await?];
        assert!(first & 0xf0 == 0x80 && length < 126, "{first:#x} {length}");
        let mut payload = vec![0; length.into()];
        self.stream.read_exact(&mut payload).await?;
        Ok(Frame { opcode: first & 0x0f, payload })
    }
}

impl Frame {
    /// With which code it closes the socket, if it does.
    fn closing(&self) -> Option<u16> {
        let (code, _reason) = self.payload.split_first_chunk()?;
        (self.opcode == CLOSE).then(|| u16::from_be_bytes(*code))
    }
}

/// The head of an answer, without what follows it.
async fn head(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}
