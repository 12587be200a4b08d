//! tonic: calls, streams with an end and without one, by tonic's own client.

#[path = "../../../examples/servers/tonic/echo.rs"]
#[expect(
    unreachable_pub,
    unused_qualifications,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "made by tonic-prost-build"
)]
mod echo;

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use drover_e2e::harness::patiently;
use futures_util::{StreamExt, stream};
use tokio::task::JoinSet;
use tonic::transport::{Channel, Endpoint};
use tonic::{Status, Streaming};

use self::echo::echo_client::EchoClient;
use self::echo::{Reply, Request};
use super::{CLIENTS, operated};
use crate::site::Site;

const PORT: u16 = 8000;

/// How many replies a stream has that ends by itself.
const TIMES: u32 = 10;

/// What a client does again and again.
#[derive(Debug, Clone, Copy)]
enum Call {
    /// Each call takes so many milliseconds.
    Say(u32),
    /// The server says something so often.
    Repeat,
    /// Both say something so often.
    Talk,
    /// The server goes on until its worker is asked to stop.
    Watch,
}

const CALLS: [Call; 6] = [Call::Say(0), Call::Say(20), Call::Say(200), Call::Repeat, Call::Talk, Call::Watch];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tonic_loses_no_call_and_finishes_its_streams() {
    let mut site = Site::of("servers/tonic", &[]).expect("it takes no program");
    site.change("drover.toml", "./target/release/shop", program!("server_tonic"));
    site.start().await;
    let channel = |addr: SocketAddr| Endpoint::from_shared(format!("http://{addr}")).unwrap().connect_lazy();
    let to = SocketAddr::from((site.host(), PORT));
    // A connection that is idle all the time, and is not there any more when it is wanted again.
    let mut idle = EchoClient::new(channel(to));
    patiently("the first call", say(&mut idle, 0)).await.unwrap();
    let is_over = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for call in CALLS {
        clients.spawn(client(channel(to), call, Arc::clone(&is_over)));
    }
    let tally = operated(&site, PORT, CLIENTS).await;
    assert_eq!(tally.failed(), 0, "{tally:#}\n{}", site.log());
    patiently("a call after it all", say(&mut idle, 0)).await.unwrap();
    is_over.store(true, Ordering::Relaxed);
    // What has no end goes on until then.
    site.run(&["reload", site.app()]).await;
    while let Some(client) = patiently("the clients", clients.join_next()).await {
        let (call, Calls { done, unsent, failed }) = client.unwrap();
        drover_e2e::complain(&format!("tonic: {call:?}: {done} calls, and {unsent} that were not sent"));
        assert!(failed.is_none(), "{call:?}: {failed:?}\n{}", site.log());
        assert_ne!(done, 0, "{call:?}");
    }
    site.end().await;
}

/// What became of a client's calls.
#[derive(Debug, Default)]
struct Calls {
    done: u32,
    unsent: u32,
    failed: Option<Status>,
}

/// Calls until it is over or a call fails.
async fn client(channel: Channel, call: Call, is_over: Arc<AtomicBool>) -> (Call, Calls) {
    let mut client = EchoClient::new(channel);
    let mut calls = Calls::default();
    while calls.failed.is_none() && !is_over.load(Ordering::Relaxed) {
        let called = match call {
            Call::Say(ms) => say(&mut client, ms).await,
            Call::Repeat => repeat(&mut client).await,
            Call::Talk => talk(&mut client).await,
            Call::Watch => watch(&mut client).await,
        };
        match called {
            Ok(()) => calls.done += 1,
            Err(status) if is_unsent(&status) => calls.unsent += 1,
            Err(status) => calls.failed = Some(status),
        }
    }
    (call, calls)
}

/// Whether no server has taken up a call: the client had given it to a connection that was told to end in that moment. Clients of gRPC send
/// it again on another one, as it can't have done anything; tonic leaves that to its user.
fn is_unsent(status: &Status) -> bool {
    let mut source = status.source();
    while let Some(error) = source {
        // It was still in the client's queue.
        let is_canceled = error.downcast_ref().is_some_and(hyper::Error::is_canceled);
        // GOAWAY had come before, or says that it was not among the last (RFC 9113, 6.8). One that is cut off fails otherwise.
        let is_refused = error.downcast_ref().is_some_and(|error: &h2::Error| {
            error.is_go_away() && error.is_remote() && error.reason() == Some(h2::Reason::NO_ERROR)
        });
        if is_canceled || is_refused {
            return true;
        }
        source = error.source();
    }
    false
}

fn request(ms: u32, times: u32) -> Request {
    Request { text: "hello".to_owned(), ms, times }
}

async fn say(client: &mut EchoClient<Channel>, ms: u32) -> Result<(), Status> {
    let reply = client.say(request(ms, 1)).await?;
    assert_eq!(reply.into_inner().text, "hello");
    Ok(())
}

async fn repeat(client: &mut EchoClient<Channel>) -> Result<(), Status> {
    let replies = client.repeat(request(20, TIMES)).await?;
    assert_eq!(count(replies.into_inner()).await?, TIMES);
    Ok(())
}

async fn talk(client: &mut EchoClient<Channel>) -> Result<(), Status> {
    let said = stream::repeat(request(20, 1)).take(TIMES.try_into().unwrap());
    let replies = client.talk(said).await?;
    assert_eq!(count(replies.into_inner()).await?, TIMES);
    Ok(())
}

async fn watch(client: &mut EchoClient<Channel>) -> Result<(), Status> {
    let replies = client.repeat(request(5, 0)).await?;
    count(replies.into_inner()).await?;
    Ok(())
}

/// How many replies come until the server says that it was all.
async fn count(mut replies: Streaming<Reply>) -> Result<u32, Status> {
    let mut count = 0;
    while let Some(reply) = replies.next().await {
        assert_eq!(reply?.text, "hello");
        count += 1;
    }
    Ok(count)
}
