//! How long a worker may take.

use std::time::Duration;

/// From Stop to Stopped, as every worker is told.
pub(super) const DRAIN: Duration = Duration::from_secs(3);

/// From Quit to the end of the process.
pub(super) const QUIT: Duration = Duration::from_secs(2);

/// What a worker may need beyond its deadline, on a busy machine, before it is blamed.
pub(super) const SLACK: Duration = Duration::from_secs(2);

/// How long a worker may take where the case itself ends what it waits for.
pub(super) const AMPLE: Duration = Duration::from_secs(60);

/// How long a worker may outlive its master.
pub(super) const ORPHAN: Duration = Duration::from_secs(5);
