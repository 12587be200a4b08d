//! Several apps under one roof: started together, ended together, asked at one control socket.

mod builder;
mod driver;

pub use builder::{Supervisor, SupervisorBuilder, SupervisorError};
pub use driver::{SupervisorEnd, SupervisorHandle};

pub use crate::machine::composite::End;

impl End {
    /// A sentence for people.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Completed => "every app completed",
            Self::ShutDown => "shut down gracefully",
            Self::Hurried => "ended in a hurry",
            Self::Killed => "killed",
            Self::StartFailed => "an app failed to start, so everything was stopped",
            Self::Failed => "an app failed for good",
        }
    }
}
