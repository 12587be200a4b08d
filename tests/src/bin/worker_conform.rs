//! No vice. A worker of the library that rests and goes on, and knows the topics of docs/reference/conformance.md.

use std::error::Error;
use std::time::Duration;

use drover_worker::{Message, MessageBus, To};

/// How long the program may take to answer.
const ANSWER: Duration = Duration::from_secs(20);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let bus = MessageBus::builder().messages().resumable().connect().await?;
    tokio::select! {
        end = live(&bus) => end,
        error = listen(&bus) => error,
    }
}

async fn live(bus: &MessageBus) -> Result<(), Box<dyn Error>> {
    loop {
        bus.started().await?;
        bus.stop_requested().await;
        bus.stopped().await?;
        if bus.resume_requested().await.is_none() {
            break;
        }
    }
    bus.quit_requested().await;
    bus.shut_down().await?;
    Ok(())
}

/// Takes messages all its life: one that was on the way when it was stopped is answered too.
async fn listen(bus: &MessageBus) -> Result<(), Box<dyn Error>> {
    while let Some(message) = bus.message().await {
        if message.is_request() {
            obey(bus, message).await?;
        }
    }
    std::future::pending().await
}

async fn obey(bus: &MessageBus, message: Message) -> Result<(), Box<dyn Error>> {
    let payload = message.payload().clone();
    let topic = String::from_utf8_lossy(&payload).into_owned();
    match message.topic() {
        "drover.conform.echo" => message.reply(payload).await?,
        "drover.conform.fail" => message.refuse("as asked")?,
        "drover.conform.send" => {
            bus.send(To::App, &topic, "").await?;
            message.reply("").await?;
        }
        "drover.conform.subscribe" => {
            bus.subscribe(&topic).await?;
            message.reply("").await?;
        }
        "drover.conform.ask" => {
            let answer = bus.request(To::App, &topic, "", ANSWER).await;
            message.reply(answer.unwrap_or_else(|error| error.to_string().into())).await?;
        }
        _ => message.refuse("nothing that this worker knows")?,
    }
    Ok(())
}
