//! What a verb asks for.

/// What a verb asks for, of apps and workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    Start,
    Stop,
    Restart,
    /// A restart with the new worker first.
    Renew,
    Suspend,
    Resume,
    Scale,
    /// What failed before does not count any more.
    Reset,
    /// With the signal's number in the request.
    Signal,
}
