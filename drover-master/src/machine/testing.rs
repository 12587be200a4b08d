//! A simulated clock, for tests.

use std::time::Instant;

/// Where a simulated clock begins.
#[expect(clippy::disallowed_methods, reason = "any instant will do as the origin of a simulated clock")]
pub(crate) fn origin() -> Instant {
    Instant::now()
}
