//! A gRPC service in tonic, beside plain HTTP on the same socket.

// What `tonic::include_proto!("echo")` takes in where build.rs runs `tonic_prost_build::compile_protos("echo.proto")`; here it lies
// beside this file, so that nobody needs protoc.
#[expect(
    unreachable_pub,
    unused_qualifications,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "made by tonic-prost-build"
)]
mod echo;

use std::error::Error;
use std::pin::Pin;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::response::IntoResponse;
use axum::routing::get;
use drover_worker::MessageBus;
use futures_util::{Stream, StreamExt, stream};
use tonic::service::Routes;
use tonic::{Request, Response, Status, Streaming};

use self::echo::echo_server::{Echo, EchoServer};
use self::echo::{Reply, Request as Said};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    MessageBus::builder()
        .standalone_listen("http", "127.0.0.1:8000")
        .serve(async |bus| {
            let calls = Routes::new(EchoServer::new(Service { bus: bus.clone() })).into_axum_router();
            let app = calls.merge(axum::Router::new().route("/echo", get(echo)).with_state(bus.clone()));
            let listener = bus.listener("http")?;
            bus.started().await?;
            bus.serve_axum(listener, app).await?;
            Ok(())
        })
        .await
}

struct Service {
    bus: MessageBus,
}

type Replies = Pin<Box<dyn Stream<Item = Result<Reply, Status>> + Send>>;

#[tonic::async_trait]
impl Echo for Service {
    type RepeatStream = Replies;
    type TalkStream = Replies;

    async fn say(&self, request: Request<Said>) -> Result<Response<Reply>, Status> {
        Ok(Response::new(say(request.into_inner()).await))
    }

    async fn repeat(&self, request: Request<Said>) -> Result<Response<Replies>, Status> {
        let said = request.into_inner();
        let repeated = stream::repeat(said.clone()).then(say).map(Ok);
        // What has an end is brought to it; what has none ends when the worker is asked to stop, and its client asks another one.
        Ok(Response::new(match usize::try_from(said.times) {
            Ok(times @ 1..) => repeated.take(times).boxed(),
            _ => self.bus.until_stop(repeated).boxed(),
        }))
    }

    async fn talk(&self, request: Request<Streaming<Said>>) -> Result<Response<Replies>, Status> {
        let replies = request.into_inner().then(async |said| Ok(say(said?).await));
        Ok(Response::new(replies.boxed()))
    }
}

async fn say(said: Said) -> Reply {
    tokio::time::sleep(Duration::from_millis(said.ms.into())).await;
    Reply { text: said.text }
}

#[derive(serde::Deserialize)]
struct Text {
    text: String,
    #[serde(default)]
    ms: u32,
}

async fn echo(State(bus): State<MessageBus>, Query(Text { text, ms }): Query<Text>) -> impl IntoResponse {
    let reply = say(Said { text, ms, times: 1 }).await;
    let worker = format!("{} {}", std::process::id(), bus.identity().generation);
    ([("x-worker", worker)], reply.text)
}
