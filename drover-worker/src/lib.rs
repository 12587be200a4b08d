//! The worker's side of Drover: a service that links this crate can be started, watched and drained by a master, and runs on
//! its own just as well.
//!
//! # A whole worker
//!
//! ```no_run
//! use drover_worker::MessageBus;
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let bus = MessageBus::builder().standalone_listen("http", "127.0.0.1:8080").connect().await?;
//!     let listener = bus.listener("http")?;
//!     bus.started().await?;
//!
//!     loop {
//!         tokio::select! {
//!             accepted = listener.accept() => {
//!                 let (_stream, _peer) = accepted?; // serve it
//!             }
//!             _ = bus.stop_requested() => break,
//!         }
//!     }
//!     drop(listener); // what is queued stays for the other workers
//!     // … finish what is under way …
//!     bus.stopped().await?;
//!
//!     bus.quit_requested().await;
//!     bus.shut_down().await?;
//!     Ok(())
//! }
//! ```
//!
//! # How it works
//!
//! ```text
//!            started()           Stop             stopped()           Quit               shut_down()
//!  Connected ────────► Started ────────► Stopping ────────► Stopped ────────► ShuttingDown ────────► exit
//! ```
//!
//! - **Under a master**, `DROVER_SOCKET` and `DROVER_TOKEN` are set. [`MessageBus::connect`] connects and introduces
//!   the worker; a task then reads what the master asks, answers its pings, and writes what the app says. The app's
//!   environment and its signal handlers are not touched.
//! - **SIGTERM** that the master has not sent is a request to stop too ([`StopCause::Signal`]), and to leave after
//!   [`stopped`](MessageBus::stopped): that of a service manager which tells all processes at once, or of a person. It is nothing new to a
//!   worker that is stopping already. The second one, and that of the master, end the process at once. A program that handles the
//!   signal itself, or ignores it, is left in peace.
//! - **A drain** loses no request, also of clients that keep their connections open: `MessageBus::serve_axum` does what it takes, and
//!   [`letting_go`](MessageBus::letting_go) and [`in_flight`](MessageBus::in_flight) are for servers of one's own. An answer without an end
//!   ends by [`until_stop`](MessageBus::until_stop).
//! - **Rest.** A stopped worker need not leave: one that runs by [`serve`](MessageBusBuilder::serve), or that announces it
//!   ([`resumable`](MessageBusBuilder::resumable)), stays alive without its listeners, and when it is
//!   [resumed](MessageBus::resume_requested) takes the same sockets and begins again, as often as it is asked.
//! - **Standalone**, without `DROVER_SOCKET`, the same program runs alone. SIGINT or SIGTERM is the request to stop
//!   ([`StopCause::Signal`]); the request to leave follows [`stopped`](MessageBus::stopped). A second signal, half a second later or more, ends the
//!   process with 130 or 143.
//! - **When the connection is lost** because the master has crashed, the worker serves on and connects again, to the successor that takes over
//!   the master's socket. The app notices nothing, but that what it had asked ends with [`NoBusError::MasterGone`]; it may ask again. What it says
//!   and sends meanwhile goes to the successor.
//! - **When the master is dead**, because nobody holds its socket or no successor welcomes the worker in time, the request to stop comes with
//!   [`StopCause::MasterGone`], and the request to leave after
//!   [`stopped`](MessageBus::stopped). A process that is not gone when the
//!   [orphan timeout](MessageBusBuilder::orphan_timeout) has passed ends with code 70, even with a blocked runtime: no
//!   worker outlives its last master. A link that the worker itself has to close, because the master broke the protocol or
//!   because the runtime was torn down before [`shut_down`](MessageBus::shut_down), counts as the master's death.
//! - **Sockets** are bound by the master and handed over (`LISTEN_FDS`). A [`Listener`] or a [`UnixListener`] takes one
//!   connection and then waits behind the other workers; UDP sockets come from [`MessageBus::udp_socket`].
//! - **Misuse**, such as [`started`](MessageBus::started) twice, is an error of that call; nothing is sent.
//! - **Children** of a worker are best started by [`command`], which keeps Drover's variables from them.
//!
//! # Messages
//!
//! The application's own messages, bytes with a topic: between a worker and the program that embeds the master ([`To::App`]), and among
//! the workers of one app. All go through the master.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use drover_worker::{Message, MessageBus, To};
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let bus = MessageBus::builder().messages().connect().await?;
//!     if !bus.is_standalone() {
//!         bus.subscribe("cache.clear").await?;
//!     }
//!     bus.started().await?;
//!
//!     loop {
//!         tokio::select! {
//!             Some(message) = bus.message() => answer(&bus, message).await?,
//!             _ = bus.stop_requested() => break,
//!         }
//!     }
//!     bus.stopped().await?;
//!     bus.quit_requested().await;
//!     bus.shut_down().await?;
//!     Ok(())
//! }
//!
//! async fn answer(bus: &MessageBus, message: Message) -> Result<(), Box<dyn std::error::Error>> {
//!     match message.topic() {
//!         "cache.clear" => println!("{:?} wants the cache cleared", message.from()),
//!         "who" => message.reply(format!("slot {}", bus.identity().slot)).await?,
//!         "price" => match bus.request(To::Slot(0), "price", message.payload().clone(), Duration::from_secs(2)).await {
//!             Ok(price) => message.reply(price).await?,
//!             Err(error) => message.refuse(error.to_string())?,
//!         },
//!         // A request is answered even so: its sender is told that it was dropped.
//!         topic => eprintln!("nothing is known of {topic:?}"),
//!     }
//!     Ok(())
//! }
//! ```
//!
//! | call | goes to | is done when |
//! | --- | --- | --- |
//! | [`send`](MessageBus::send) | the program, or one worker | it is in the queue to the master; of a worker: in that worker's queue |
//! | [`try_send`](MessageBus::try_send) | the program, or one worker | at once, or there is no room |
//! | [`request`](MessageBus::request) | the program, or one worker | the reply is there |
//! | [`broadcast`](MessageBus::broadcast) | all other workers of the app | it is in the queue of each that has room |
//! | [`publish`](MessageBus::publish) | those that have [subscribed](MessageBus::subscribe) to the topic | as above |
//!
//! - A message arrives at most once, and those of one sender to one receiver in their order. Nothing is kept for a worker that is not there.
//! - A [request](Message::is_request) has exactly one answer, whatever becomes of the worker that was asked.
//! - A slow app costs bounded memory: what it does not take waits at the master ([`message_window`](MessageBusBuilder::message_window)), and
//!   senders are told when the queue there is full. The worker hears Stop and answers pings all the same.
//! - Topics have up to 255 bytes, payloads up to 1 MiB, and 1,024 answers may be awaited at a time. More is an error before anything is sent.
//! - What was sent before [`shut_down`](MessageBus::shut_down) is written before it.
//! - Standalone there is nobody to talk with: sending is [`NoBusError::Standalone`], and [`message`](MessageBus::message) waits until the worker
//!   is to leave.
//!
//! # Traces
//!
//! Traces go to the targets `drover::worker` (changes of state) and `drover::protocol` (each message by its name).
//!
//! # Features
//!
//! | feature | default | what it adds |
//! | --- | --- | --- |
//! | `axum` | no | `MessageBus::serve_axum`; and [`Listener`] and [`UnixListener`] go into `axum::serve` |
//! | `http2` | no | `MessageBus::serve_axum` speaks HTTP/2 too, and so gRPC |
//! | `testing` | no | `testing::FakeMaster`, to test a worker without a master |

#![deny(unsafe_code)]

mod child;
pub mod environment;
mod error;
mod handle;
mod identity;
mod lifecycle;
mod link;
mod listener;
mod messages;
#[cfg(feature = "axum")]
mod serve;
#[expect(unsafe_code, reason = "system calls without a safe wrapper")]
mod sys;
#[cfg(feature = "testing")]
pub mod testing;
mod text;

pub use child::command;
pub use error::{ConnectError, EnvironmentError, GaugeError, ListenFdsError, ListenerError, SendError};
pub use handle::{MessageBus, MessageBusBuilder, UntilStop};
pub use identity::Identity;
pub use lifecycle::in_flight::InFlight;
pub use lifecycle::request::{QuitRequest, ResumeRequest, StopCause, StopRequest};
pub use listener::{Incoming, Listener, UnixListener};
pub use messages::{
    Delivery, InvalidMessageError, Message, NoBusError, PublishError, Reach, RefusedError, ReplyError,
    RequestError, SendMessageError, Sender, SubscribeError, To, TooManyOpenError,
};
