//! What a driver waits for.

use super::contact::ProcessNews;
use super::lookup::FoundNames;
use crate::handle::DriverRequest;
use crate::link::LinkNews;

/// One thing that happened.
#[derive(Debug)]
pub(super) enum Input {
    Requested(DriverRequest),
    /// What has to be known for it is.
    LookedUp(Box<(DriverRequest, FoundNames)>),
    HandlesDropped,
    Process(ProcessNews),
    Link(LinkNews),
    /// A listener may have been shut down by somebody who inherited it.
    ListenerShutDown,
    TimePassed,
}

impl Input {
    /// For people, where it takes too long.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Requested(_) | Self::LookedUp(..) => "a request to an app",
            Self::HandlesDropped => "the end of an app's handles",
            Self::Process(_) => "news of a process",
            Self::Link(_) => "news of a connection",
            Self::ListenerShutDown => "a listener that was shut down",
            Self::TimePassed => "a deadline",
        }
    }
}
