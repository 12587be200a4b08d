//! What is to be changed of a running app as a whole.

use crate::config::{AppSpec, UpdatePolicy};
use crate::machine::fleet::Target;

/// A reload: what the new workers are, and how they take over.
///
/// # Example
///
/// ```no_run
/// # async fn example(master: drover_master::Master) -> Result<(), drover_master::OperateError> {
/// use drover_master::Reload;
///
/// // The same description: a new program behind the same path, a new configuration of its own.
/// master.reload(Reload::new()).await?;
///
/// // Another description.
/// let mut spec = (*master.spec()).clone();
/// spec.command = spec.command.env("GREETING", "hello");
/// master.reload(Reload::to(spec)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Reload {
    pub(super) spec: Option<Box<AppSpec>>,
    pub(super) policy: Option<UpdatePolicy>,
    pub(super) canary: Option<u32>,
}

impl Reload {
    /// By the description that the app has, when its turn has come.
    pub fn new() -> Self {
        Self::default()
    }

    /// By another description, which is the app's once every worker is replaced. Its name has to be the same. Its number of
    /// workers is not looked at: see [`Master::scale`](super::Master::scale).
    pub fn to(spec: AppSpec) -> Self {
        Self { spec: Some(Box::new(spec)), ..Self::default() }
    }

    /// Goes about it by this policy, not by the one of the description.
    #[must_use]
    pub fn policy(mut self, policy: UpdatePolicy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// Replaces so many workers, 1 at least, then waits for [`Master::promote`](super::Master::promote) or [`Master::abort`](super::Master::abort).
    #[must_use]
    pub fn canary(mut self, workers: u32) -> Self {
        self.canary = Some(workers.max(1));
        self
    }
}

/// A change of the app as a whole.
#[derive(Debug)]
pub(super) enum Change {
    Reload(Reload),
    Renew(Target),
    Promote,
    Abort,
    Adjust(Box<AppSpec>),
}
