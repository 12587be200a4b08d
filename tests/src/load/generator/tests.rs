//! Servers that lose requests in every way, and whether it is seen.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::load::exchange::{BODY, body};

/// What a fake server does with a connection, by its number.
type Act = fn(u64) -> What;

#[derive(Clone, Copy)]
enum What {
    /// Answers so many requests, then closes in order.
    Answer(u64),
    /// The same, but the last answer says that it is the last.
    AnswerLast(u64),
    /// Answers with the body of another request.
    Mistake,
    /// Reads the request and closes in order.
    Close,
    /// Sends half of the answer and closes in order.
    CloseInTheMiddle,
    /// Reads half of the request and closes, which the kernel makes a reset.
    Reset,
    /// Sends half of the answer, then a reset.
    ResetInTheMiddle,
    /// Reads the request and says nothing.
    Stall,
}

const PID: u32 = 4711;
const QUICK: Duration = Duration::from_millis(300);

/// One request of each of these connections, of this kind.
async fn failures(kind: Kind, requests: u64, act: Act) -> Tally {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let mut connections = JoinSet::new();
        for number in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            connections.spawn(serve(stream, act(number)));
        }
    });
    let service = Service { patience: QUICK, ..Service::at(addr) };
    let tally = some(service, kind, requests).await;
    server.abort();
    tally
}

/// This many requests by one client.
async fn some(service: Service, kind: Kind, requests: u64) -> Tally {
    let load = Load::new(service);
    let mut client = load.shared.client(kind);
    for _ in 0..requests {
        load.shared.request(&mut client, kind, now()).await;
    }
    load.end().await
}

async fn serve(mut stream: TcpStream, what: What) {
    let (answers, last) = match what {
        What::Answer(answers) => (answers, false),
        What::AnswerLast(answers) => (answers, true),
        What::Reset => {
            // What is unread when a socket is closed makes its end a reset: tcp(7).
            stream.read_exact(&mut [0; 4]).await.unwrap();
            return;
        }
        _ => (1, false),
    };
    for answered in 1..=answers {
        let Some(id) = read_request(&mut stream).await else { return };
        let connection = if last && answered == answers { "connection: close\r\n" } else { "" };
        let id = if matches!(what, What::Mistake) { id + 1 } else { id };
        let head =
            format!("HTTP/1.1 200 OK\r\nx-worker: {PID} 1\r\ncontent-length: {BODY}\r\n{connection}\r\n");
        let answer = head + &body(id);
        match what {
            What::Close => return,
            What::Stall => return std::future::pending().await,
            What::CloseInTheMiddle | What::ResetInTheMiddle => {
                stream.write_all(&answer.as_bytes()[..answer.len() / 2]).await.unwrap();
                if matches!(what, What::ResetInTheMiddle) {
                    // A reset throws away what has not been read yet: the client is to read it first.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    stream.set_zero_linger().unwrap();
                }
                return;
            }
            _ => stream.write_all(answer.as_bytes()).await.unwrap(),
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<u64> {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    }
    let text = String::from_utf8(read).unwrap();
    text.split_once("id=")?.1.split_once(' ')?.0.parse().ok()
}

/// The only failure's fault, stage and worker.
fn only(tally: &Tally) -> (Fault, Stage, Option<u32>) {
    let [failure] = tally.failures() else { panic!("{tally:#}") };
    (failure.fault, failure.stage, failure.pid)
}

#[tokio::test]
async fn answers_are_counted_with_their_latency() {
    for kind in Kind::ALL {
        let act: Act = if kind == Kind::Kept { |_| What::Answer(5) } else { |_| What::Answer(1) };
        let tally = failures(kind, 5, act).await;
        assert_eq!((tally.ok(), tally.failed(), tally.latency(kind).count()), (5, 0, 5), "{tally:#}");
    }
}

#[tokio::test]
async fn a_connection_that_nobody_takes_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    drop(listener);
    let tally = some(Service::at(addr), Kind::Once, 1).await;
    assert_eq!(only(&tally), (Fault::Refused, Stage::Connecting, None));
}

#[tokio::test]
async fn each_way_to_lose_a_request_is_told_apart() {
    let ways: [(Act, Fault, Stage, Option<u32>); 6] = [
        (|_| What::Close, Fault::Truncated, Stage::Waiting, None),
        (|_| What::CloseInTheMiddle, Fault::Truncated, Stage::Answering, Some(PID)),
        (|_| What::Reset, Fault::Reset, Stage::Waiting, None),
        (|_| What::ResetInTheMiddle, Fault::Reset, Stage::Answering, Some(PID)),
        (|_| What::Stall, Fault::TimedOut, Stage::Waiting, None),
        (|_| What::Mistake, Fault::Wrong, Stage::Answering, Some(PID)),
    ];
    for (act, fault, stage, pid) in ways {
        for kind in Kind::ALL {
            assert_eq!(only(&failures(kind, 1, act).await), (fault, stage, pid), "{kind}");
        }
    }
}

#[tokio::test]
async fn a_kept_connection_that_ends_as_announced_loses_nothing() {
    let tally = failures(Kind::Kept, 10, |_| What::AnswerLast(3)).await;
    assert_eq!((tally.ok(), tally.failed(), tally.closed_between), (10, 0, 0), "{tally:#}");
}

#[tokio::test]
async fn a_request_on_a_kept_connection_that_ends_unannounced_is_lost_and_its_worker_known() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let id = read_request(&mut stream).await.unwrap();
        let head = format!("HTTP/1.1 200 OK\r\nx-worker: {PID} 1\r\ncontent-length: {BODY}\r\n\r\n");
        stream.write_all((head + &body(id)).as_bytes()).await.unwrap();
        read_request(&mut stream).await
    });
    let tally = some(Service { patience: QUICK, ..Service::at(addr) }, Kind::Kept, 2).await;
    assert_eq!(only(&tally), (Fault::Truncated, Stage::Waiting, Some(PID)));
    assert_eq!(server.await.unwrap(), Some(1));
}

#[tokio::test]
async fn a_steady_load_counts_each_request_that_was_due() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let service = Service::at(listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            connections.spawn(serve(stream, What::Answer(1)));
        }
    });
    let load = Load::steady(service, Kind::Once, 500);
    load.until(200, Duration::from_secs(20)).await;
    let took = load.shared.begin.elapsed();
    let tally = load.end().await;
    server.abort();
    assert_eq!(tally.failed(), 0, "{tally:#}");
    assert!(
        took >= Duration::from_millis(380),
        "200 requests are due within 0.4 s, they came within {took:?}"
    );
}
