//! Who a worker is.

use drover_proto::latest;

use crate::environment::Environment;

/// Who this worker is in the eyes of its master.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Identity {
    /// The app's name. Standalone: `DROVER_APP`, or "standalone".
    pub app: String,
    /// The worker's place, from 0; stable over restarts. Standalone: 0.
    pub slot: u32,
    /// Rises with each reload. Standalone: 0.
    pub generation: u64,
    /// Unique for the life of the master. Standalone: 0.
    pub worker_id: u64,
}

impl Identity {
    pub(crate) fn standalone(environment: &Environment) -> Self {
        let app = environment.app.clone().unwrap_or_else(|| "standalone".to_owned());
        Self { app, slot: 0, generation: 0, worker_id: 0 }
    }
}

impl From<latest::Identity> for Identity {
    fn from(identity: latest::Identity) -> Self {
        let latest::Identity { app, slot, generation, worker_id } = identity;
        Self { app, slot, generation, worker_id }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standalone_worker_keeps_the_name_it_was_given() {
        let mut environment = Environment::default();
        assert_eq!(Identity::standalone(&environment).app, "standalone");
        environment.app = Some("web".to_owned());
        assert_eq!(Identity::standalone(&environment).app, "web");
    }
}
