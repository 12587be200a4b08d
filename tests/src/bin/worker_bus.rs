//! No vice: does what messages ask of it, in their order.
//!
//! | topic | payload | does |
//! | --- | --- | --- |
//! | `echo` | anything | replies it |
//! | `flood` | `COUNT SIZE` | sends this many messages of this many bytes to the program |
//! | `news` | anything | counts it |
//! | `count` | | replies how many `news` came, and begins again |
//! | `subscribe` | a topic | subscribes, then replies |
//! | `publish` | a topic | publishes under it, replies to how many |
//! | `tell` | a word | sends the word to the program, under the topic `told`; then asks it something, and replies what came of it |
//! | `ask` | an id | asks that worker for an `echo`, replies what came of it |
//! | `sulk` | | takes no message any more |
//! | `die` | | exits with 3 |

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use drover_worker::{Message, MessageBus, To};

type Anything = Box<dyn Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Anything> {
    // In a task of its own, as the work of a service is: for the future that `main` blocks on, tokio looks at the sockets once more
    // each time it is woken.
    tokio::spawn(serve()).await?
}

async fn serve() -> Result<(), Anything> {
    let bus = MessageBus::builder().messages().connect().await?;
    bus.started().await?;
    let mut news = 0u64;
    {
        let mut stop = std::pin::pin!(bus.stop_requested());
        loop {
            let message = tokio::select! {
                biased;
                _ = &mut stop => break,
                message = bus.message() => message,
            };
            match message {
                Some(message) if message.topic() == "news" => news += 1,
                Some(message) if message.topic() == "count" => {
                    message.reply(std::mem::take(&mut news).to_string()).await?;
                }
                Some(message) if message.topic() == "sulk" => {
                    (&mut stop).await;
                    break;
                }
                Some(message) => obey(&bus, message).await?,
                None => break,
            }
        }
    }
    bus.stopped().await?;
    bus.quit_requested().await;
    bus.shut_down().await?;
    Ok(())
}

async fn obey(bus: &MessageBus, message: Message) -> Result<(), Anything> {
    let text = std::str::from_utf8(message.payload()).unwrap_or_default().to_owned();
    match message.topic() {
        "echo" => {
            let payload = message.payload().clone();
            message.reply(payload).await?;
        }
        "flood" => {
            let (count, size) = text.split_once(' ').ok_or("COUNT SIZE")?;
            let (count, payload): (u64, _) = (count.parse()?, Bytes::from(vec![b'x'; size.parse()?]));
            for _ in 0..count {
                bus.send(To::App, "flood", payload.clone()).await?;
            }
        }
        "subscribe" => {
            bus.subscribe(&text).await?;
            message.reply("").await?;
        }
        "publish" => {
            let delivery = bus.publish(&text, "hear").await?;
            message.reply(delivery.delivered.to_string()).await?;
        }
        "tell" => {
            bus.send(To::App, "told", text).await?;
            let answer = bus.request(To::App, "why", "", Duration::from_secs(20)).await;
            message.reply(answer.unwrap_or_else(|error| error.to_string().into())).await?;
        }
        "ask" => {
            let answer = bus.request(To::Worker(text.parse()?), "echo", "me", Duration::from_secs(20)).await;
            let answer = answer.unwrap_or_else(|error| error.to_string().into());
            message.reply(answer).await?;
        }
        #[expect(clippy::disallowed_methods, reason = "this is its end")]
        "die" => std::process::exit(3),
        unknown => {
            let message_text = format!("`{unknown}` is nothing this worker knows");
            message.refuse(message_text)?;
        }
    }
    Ok(())
}
