//! A service in axum: answers, a stream of events (SSE) that never ends by itself, and WebSockets.

use std::convert::Infallible;
use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Query, State};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use drover_worker::MessageBus;
use futures_util::{Stream, stream};

/// How long a client has to answer the end of its WebSocket. Longer: one that has vanished holds up the stop. Shorter: a slow one is cut off.
const FAREWELL: Duration = Duration::from_secs(5);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    MessageBus::builder()
        .standalone_listen("http", "127.0.0.1:8000")
        .serve(async |bus| {
            let app = Router::new()
                .route("/echo", get(echo))
                .route("/events", get(events))
                .route("/chat", any(chat))
                .with_state(bus.clone());
            let listener = bus.listener("http")?;
            bus.started().await?;
            bus.serve_axum(listener, app).await?;
            Ok(())
        })
        .await
}

#[derive(serde::Deserialize)]
struct Echo {
    text: String,
    #[serde(default)]
    ms: u64,
}

/// Says back `text`, after `ms` milliseconds.
async fn echo(State(bus): State<MessageBus>, Query(query): Query<Echo>) -> impl IntoResponse {
    tokio::time::sleep(Duration::from_millis(query.ms)).await;
    let worker = format!("{} {}", std::process::id(), bus.identity().generation);
    ([("x-worker", worker)], query.text)
}

/// Counts, until the worker is asked to stop. A browser then asks another one by itself.
async fn events(State(bus): State<MessageBus>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let numbers = stream::unfold(0, async |number: u64| {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Some((Ok(Event::default().data(number.to_string())), number + 1))
    });
    Sse::new(bus.until_stop(numbers))
}

async fn chat(State(bus): State<MessageBus>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async move |socket| talk(socket, &bus).await)
}

/// Says back each message, and goodbye when the worker is asked to stop: its client connects again, to another one.
async fn talk(mut socket: WebSocket, bus: &MessageBus) {
    loop {
        let message = tokio::select! {
            message = socket.recv() => message,
            _ = bus.stop_requested() => break,
        };
        let sent = match message {
            Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => socket.send(message).await,
            // The library answers Ping and Close by itself.
            Some(Ok(_)) => continue,
            Some(Err(_)) | None => return,
        };
        if sent.is_err() {
            return;
        }
    }
    let away = CloseFrame { code: close_code::AWAY, reason: "please connect again".into() };
    if socket.send(Message::Close(Some(away))).await.is_ok() {
        let answered = async { while let Some(Ok(_)) = socket.recv().await {} };
        // Without an answer the connection is closed all the same.
        let _ = tokio::time::timeout(FAREWELL, answered).await;
    }
}
