//! A worker's life as rounds of the same: start, serve, drain, rest; then once more, or leave.

use super::MessageBus;
use super::MessageBusBuilder;
use crate::error::{ConnectError, SendError};

impl MessageBusBuilder {
    /// Connects, and runs `round` for as long as the master wants the worker: the whole life of a worker that can be suspended
    /// and [resumed](Self::resumable).
    ///
    /// A round takes its listeners, says [`started`](MessageBus::started), serves, and returns once it was asked to stop and what was
    /// under way is finished. Then this waits until every guard of [`in_flight`](MessageBus::in_flight) is dropped, in whatever task
    /// it is held; says Stopped, and waits for what follows. What is not finished by the deadline is the master's to end. On a Resume it runs `round` again; when asked to leave it says
    /// ShutDown and returns. What is to outlive a rest (caches, pools) is made outside of `round`; what it drops costs
    /// nothing while the worker rests.
    ///
    /// A round that returns without having been asked ends the worker: nothing is said, and this returns too.
    ///
    /// After ShutDown the process is to end, and the end of a runtime waits for tasks of `spawn_blocking` for as long as they take. The
    /// master waits 5 s by default, then sends SIGTERM, and the worker counts as one that did not leave in time; a line on stderr tells so
    /// after 1 s. Hold a guard of [`in_flight`](MessageBus::in_flight) for such work, so that it belongs to the drain; or end the runtime by
    /// tokio's `Runtime::shutdown_timeout`, or the process by `std::process::exit(0)`, if it need not be finished.
    ///
    /// # Errors
    ///
    /// Those of `round`, at once; those of [`connect`](Self::connect), and those of saying Stopped and ShutDown.
    ///
    /// # Panics
    ///
    /// As [`connect`](Self::connect).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends what `round` does; the connection stays until the runtime or the process ends.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use drover_worker::MessageBus;
    ///
    /// #[tokio::main(flavor = "current_thread")]
    /// async fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let builder = MessageBus::builder().standalone_listen("http", "127.0.0.1:8080");
    ///     builder
    ///         .serve(async |bus| {
    ///             let listener = bus.listener("http")?;
    ///             bus.started().await?;
    ///             loop {
    ///                 tokio::select! {
    ///                     accepted = listener.accept() => {
    ///                         let (_stream, _peer) = accepted?; // serve it
    ///                     }
    ///                     _ = bus.stop_requested() => break,
    ///                 }
    ///             }
    ///             // … finish what is under way …
    ///             Ok(())
    ///         })
    ///         .await
    /// }
    /// ```
    ///
    /// In a task of its own `round` has to own what it uses: `async move |bus|`. Without the `move` the compiler says that something "does not
    /// live long enough", or that an "implementation of `Send` is not general enough". Where it can't tell the argument's type, that is
    /// `bus: &MessageBus`.
    ///
    /// ```no_run
    /// use drover_worker::MessageBus;
    ///
    /// type Failure = Box<dyn std::error::Error + Send + Sync>;
    ///
    /// #[tokio::main(flavor = "current_thread")]
    /// async fn main() -> Result<(), Failure> {
    ///     let greeting = String::from("hello");
    ///     let worker = tokio::spawn(MessageBus::builder().serve(async move |bus| {
    ///         bus.started().await?;
    ///         bus.status(greeting.as_str(), 0);
    ///         bus.stop_requested().await;
    ///         Ok::<(), Failure>(())
    ///     }));
    ///     worker.await?
    /// }
    /// ```
    pub async fn serve<E>(self, mut round: impl AsyncFnMut(&MessageBus) -> Result<(), E>) -> Result<(), E>
    where
        E: From<ConnectError> + From<SendError>,
    {
        let bus = self.resumable().connect().await?;
        loop {
            round(&bus).await?;
            if !bus.is_stopping() {
                return Ok(());
            }
            bus.work_is_over().await;
            bus.stopped().await?;
            if bus.resume_requested().await.is_none() {
                bus.shut_down().await?;
                return Ok(());
            }
        }
    }
}
