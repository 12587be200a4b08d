//! How many workers and slots of a fleet are in which state.

/// Kept while things happen, so that no step costs more with more workers.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(super) struct Counts {
    /// Workers whose process is being created.
    pub(super) creating: usize,
    /// Workers that exist and are not ready yet.
    pub(super) starting: usize,
    /// Workers that have to do something in time.
    pub(super) timed: usize,
    /// Workers that are ready.
    pub(super) ready: usize,
    /// Workers that were, and fail their readiness for now.
    pub(super) unready: usize,
    /// Workers that take no work by request, and are alive.
    pub(super) suspended: usize,
    /// Slots whose worker ended with a success that the policy leaves at that.
    pub(super) completed: usize,
    /// Slots that are not tried any more.
    pub(super) given_up: usize,
    /// Slots that were stopped by request.
    pub(super) held: usize,
    /// Slots whose next run is due later.
    pub(super) scheduled: usize,
}
