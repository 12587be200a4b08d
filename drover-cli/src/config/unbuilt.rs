//! Keys that belong to the file's format but that nothing acts on yet.
//!
//! They are refused as "not supported yet", not as unknown: whoever writes one has made no mistake, and must not
//! believe that it works. An entry leaves this file in the change that builds it.

/// The tables of a `drover.toml`, whatever their names are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The file itself.
    Root,
    /// `[master]`.
    Master,
    /// `[sockets.NAME]`.
    Socket,
    /// `[app.NAME]`.
    App,
    /// `[app.NAME.limits]`.
    Limits,
    /// `[app.NAME.limits.NAME]`.
    LimitValues,
    /// `[app.NAME.start]`.
    Start,
    /// `[app.NAME.start.probe]`.
    Probe,
    /// `[app.NAME.stop]`.
    Stop,
    /// `[app.NAME.suspend]`.
    Suspend,
    /// `[app.NAME.heartbeat]`.
    Heartbeat,
    /// `[app.NAME.reload]`.
    Reload,
    /// `[app.NAME.update]`.
    Update,
    /// `[app.NAME.restart]`.
    Restart,
    /// `[app.NAME.restart.backoff]`.
    Backoff,
    /// `[app.NAME.restart.limit]` and `[app.NAME.restart.start_limit]`.
    Limit,
    /// `[app.NAME.recycle]`.
    Recycle,
}

/// Keys that are not built yet.
pub(super) const KEYS: [(Place, &str); 1] = [(Place::App, "health")];
