//! Which request is accepted, ignored, joined or refused: a pure table of (phase of the app, request).
//!
//! ```text
//!               start     shutdown   hurry     kill
//! idle          accept    ignore     ignore    ignore
//! starting      join      accept     accept    accept
//! started       ignore    accept     accept    accept
//! stopping      deny      join       accept    accept
//! killing       deny      join       join      join
//! ```

/// What an app is doing, as far as requests are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// Nothing: never started, or ended.
    Idle,
    /// Waiting for all workers to be ready.
    Starting,
    /// Running.
    Started,
    /// Ending gracefully.
    Stopping,
    /// Ending by force.
    Killing,
}

/// A request to change an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Start all workers and wait until they are ready.
    Start,
    /// Drain, leave.
    Shutdown,
    /// End now what is not gone yet, by SIGTERM; a second time by SIGKILL.
    Hurry,
    /// SIGKILL, now.
    Kill,
}

/// The gate's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It is carried out; what it pre-empts is answered as interrupted.
    Accept,
    /// It is so already: done at once.
    Ignore,
    /// The same is under way: answered with it.
    Join,
    /// It can't be done now.
    Deny(DenyReason),
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DenyReason {
    /// A start came while the app is ending.
    #[error("the app is shutting down; wait for its end, then start it")]
    ShuttingDown,
}

/// Answers a request.
pub const fn admit(doing: Doing, request: Request) -> Admission {
    match (doing, request) {
        (Doing::Idle, Request::Start) => Admission::Accept,
        (Doing::Idle, Request::Shutdown | Request::Hurry | Request::Kill) => Admission::Ignore,
        (Doing::Starting, Request::Start) => Admission::Join,
        (Doing::Started, Request::Start) => Admission::Ignore,
        (Doing::Starting | Doing::Started, Request::Shutdown | Request::Hurry | Request::Kill) => {
            Admission::Accept
        }
        (Doing::Stopping | Doing::Killing, Request::Start) => Admission::Deny(DenyReason::ShuttingDown),
        (Doing::Stopping, Request::Shutdown) => Admission::Join,
        (Doing::Stopping, Request::Hurry | Request::Kill) => Admission::Accept,
        (Doing::Killing, Request::Shutdown | Request::Hurry | Request::Kill) => Admission::Join,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_in_the_module_text_is_the_table_of_the_code() {
        let text = include_str!("gate.rs");
        for (name, doing) in [
            ("idle", Doing::Idle),
            ("starting", Doing::Starting),
            ("started", Doing::Started),
            ("stopping", Doing::Stopping),
            ("killing", Doing::Killing),
        ] {
            let row = text.lines().find_map(|line| line.strip_prefix(&format!("//! {name} "))).unwrap();
            let requests = [Request::Start, Request::Shutdown, Request::Hurry, Request::Kill];
            for (cell, request) in row.split_whitespace().zip(requests) {
                let expected = match cell {
                    "accept" => Admission::Accept,
                    "ignore" => Admission::Ignore,
                    "join" => Admission::Join,
                    "deny" => Admission::Deny(DenyReason::ShuttingDown),
                    other => panic!("{other}"),
                };
                assert_eq!(admit(doing, request), expected, "{name} {request:?}");
            }
        }
    }
}
