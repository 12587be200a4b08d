//! What is wrong with a description: always the caller's fault.

use super::{AccountError, PlaceholderError};

/// An invalid value: the caller's fault.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A name with other characters, or none, or too many.
    #[error("`{name}` is not a usable name: use 1 to 64 letters, digits, `-`, `_` and `.`")]
    Name {
        /// The name as given.
        name: String,
    },
    /// A value that its key does not take, or not beside others.
    #[error("app `{app}`: {key} {fault}")]
    Key {
        /// The app.
        app: String,
        /// The key of `drover.toml`.
        key: String,
        /// What is wrong with it.
        fault: String,
    },
    /// A user or a group that is not there, or that workers can't run as.
    #[error("app `{app}`: {fault}")]
    Account {
        /// The app.
        app: String,
        /// Why.
        fault: AccountError,
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
    #[error("`{text}` is not an address to listen on: {reason}")]
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
    #[error("`{text}` is not a standard input: write `null`, `open` or `socket:NAME`")]
    Stdin {
        /// What was given.
        text: String,
    },
    /// An address with braces that mean nothing.
    #[error("`{text}`: {fault}")]
    Placeholder {
        /// What was given.
        text: String,
        /// What is wrong with it.
        fault: PlaceholderError,
    },
    /// A oneshot app with what only a service can have.
    #[error("app `{app}`: a oneshot {reason}")]
    Oneshot {
        /// The app.
        app: String,
        /// What is invalid.
        reason: &'static str,
    },
    /// The same app twice in one supervisor.
    #[error("the app name `{name}` is given twice")]
    DuplicateApp {
        /// The name.
        name: String,
    },
    /// A URL that a probe can't ask at.
    #[error("`{text}` is not a URL for a probe: {reason}")]
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
    /// A dependency that is not an app of the supervisor.
    #[error("app `{app}` depends on `{dependency}`, which is not one of the apps: {known}")]
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
