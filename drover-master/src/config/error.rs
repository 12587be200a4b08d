//! What is wrong with a description: always the caller's fault.

use std::time::Duration;

use super::PlaceholderError;
use crate::process::AccountError;

/// An invalid value: the caller's fault.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A name with other characters, or none, or too many.
    #[error("`{name}` is no usable name: use 1 to 64 letters, digits, `-`, `_` and `.`")]
    Name {
        /// The name as given.
        name: String,
    },
    /// No workers, or too many.
    #[error("app `{app}`: {got} workers asked for, expected 1 to {max}")]
    Workers {
        /// The app.
        app: String,
        /// What was given.
        got: u32,
        /// The bound.
        max: u32,
    },
    /// An empty program.
    #[error("app `{app}`: the command is empty")]
    EmptyCommand {
        /// The app.
        app: String,
    },
    /// A user or a group that is not there, or that workers can't run as.
    #[error("app `{app}`: {fault}")]
    Account {
        /// The app.
        app: String,
        /// Why.
        fault: AccountError,
    },
    /// A limit that no kernel would take.
    #[error("app `{app}`: the limit {limit} {reason}")]
    Limit {
        /// The app.
        app: String,
        /// Its name.
        limit: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// More than all of the workers.
    #[error("app `{app}`: update.{key} is {got}%, expected 0% to 100%")]
    UpdateShare {
        /// The app.
        app: String,
        /// Which share.
        key: &'static str,
        /// What was given.
        got: u32,
    },
    /// A reload that is over before the first new worker has proved itself.
    #[error(
        "app `{app}`: update.soak ({soak:?}) is longer than update.timeout ({timeout:?}): no reload could succeed"
    )]
    UpdateSoak {
        /// The app.
        app: String,
        /// How long a new worker has to live.
        soak: Duration,
        /// How long all of it may take.
        timeout: Duration,
    },
    /// A description of another app.
    #[error("app `{app}` can't become `{got}`: a reload keeps the name")]
    OtherName {
        /// The app.
        app: String,
        /// The name as given.
        got: String,
    },
    /// Two listeners of one name.
    #[error("the listener name `{name}` is given twice")]
    DuplicateListener {
        /// The name.
        name: String,
    },
    /// Not an address.
    #[error("`{text}` is no address to listen on: {reason}")]
    ListenAddr {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A listener that can't be had as it is described.
    #[error("listener `{name}`: {fault}")]
    Listener {
        /// Its name.
        name: String,
        /// Why.
        fault: String,
    },
    /// Neither nothing, nor open, nor a socket.
    #[error("`{text}` is no standard input: write `null`, `open` or `socket:NAME`")]
    Stdin {
        /// What was given.
        text: String,
    },
    /// A standard input that the app does not listen on.
    #[error("app `{app}`: the socket `{name}`, which is its standard input, is none of its listeners")]
    StdinListener {
        /// The app.
        app: String,
        /// The socket's name.
        name: String,
    },
    /// A backoff that shrinks.
    #[error("app `{app}`: the backoff factor is {got}, expected 1 or more")]
    BackoffFactor {
        /// The app.
        app: String,
        /// What was given.
        got: f64,
    },
    /// A jitter that is no fraction.
    #[error("app `{app}`: the backoff jitter is {got}, expected 0 to 1")]
    BackoffJitter {
        /// The app.
        app: String,
        /// What was given.
        got: f64,
    },
    /// A limit by which no worker could serve.
    #[error("app `{app}`: recycle.{limit} is zero; to have no such limit, set none")]
    RecycleLimit {
        /// The app.
        app: String,
        /// Which one.
        limit: &'static str,
    },
    /// A jitter that is no fraction.
    #[error("app `{app}`: the jitter of recycle is {got}, expected 0 to 1")]
    RecycleJitter {
        /// The app.
        app: String,
        /// What was given.
        got: f64,
    },
    /// An address with braces that mean nothing.
    #[error("`{text}`: {fault}")]
    Placeholder {
        /// What was given.
        text: String,
        /// What is wrong with it.
        fault: PlaceholderError,
    },
    /// A heartbeat without a pause.
    #[error("app `{app}`: the heartbeat interval is zero; to have no heartbeat, set none")]
    HeartbeatInterval {
        /// The app.
        app: String,
    },
    /// An invalid setting of notifications.
    #[error("app `{app}`: {key} {fault}")]
    Notify {
        /// The app.
        app: String,
        /// Which key of `drover.toml`.
        key: &'static str,
        /// What is wrong with it.
        fault: String,
    },
    /// A oneshot app with what only a service can have.
    #[error("app `{app}`: a oneshot {reason}")]
    Oneshot {
        /// The app.
        app: String,
        /// What is invalid.
        reason: &'static str,
    },
    /// A stop signal that can't ask.
    #[error(
        "app `{app}`: signal {got} can't ask a worker to leave; use one that it can handle, such as SIGTERM (15)"
    )]
    StopSignal {
        /// The app.
        app: String,
        /// What was given.
        got: i32,
    },
    /// A signal that no worker can rest by.
    #[error("app `{app}`: no worker can be suspended or resumed by signal {got}")]
    SuspendSignal {
        /// The app.
        app: String,
        /// What was given.
        got: i32,
    },
    /// The same app twice in one supervisor.
    #[error("the app name `{name}` is given twice")]
    DuplicateApp {
        /// The name.
        name: String,
    },
    /// A URL that a probe can't ask at.
    #[error("`{text}` is no URL for a probe: {reason}")]
    ProbeUrl {
        /// The text as given.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An invalid probe.
    #[error("app `{app}`: the probe can't be asked: {fault}")]
    Probe {
        /// The app.
        app: String,
        /// What is wrong with it.
        fault: String,
    },
    /// An app that waits for itself.
    #[error("app `{app}` depends on itself")]
    SelfDependency {
        /// The app.
        app: String,
    },
    /// The same dependency twice.
    #[error("app `{app}` depends on `{dependency}` twice; give one condition")]
    DuplicateDependency {
        /// The app.
        app: String,
        /// What it depends on.
        dependency: String,
    },
    /// A dependency that is no app of the supervisor.
    #[error("app `{app}` depends on `{dependency}`, which is none of the apps: {known}")]
    UnknownDependency {
        /// The app.
        app: String,
        /// What it depends on.
        dependency: String,
        /// The names that there are, separated by commas.
        known: String,
    },
    /// Apps that wait for each other.
    #[error("apps wait for each other: {cycle}")]
    DependencyCycle {
        /// Who depends on whom: `web → db → web`.
        cycle: String,
    },
    /// A supervisor without apps.
    #[error("no app is given")]
    NoApp,
}
