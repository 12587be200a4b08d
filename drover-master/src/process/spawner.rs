//! Hands requests to the one set of threads that makes processes.

use std::sync::{Arc, Mutex, PoisonError};

use nix::errno::Errno;

use super::request::{SpawnFailure, SpawnRequest};
use super::spawn_threads::SpawnThreads;
use super::succession::Succession;
use crate::sys::in_the_making;

/// Hands a request to the maker, which is started by the first one.
pub(crate) fn spawn(request: SpawnRequest) -> Result<(), SpawnFailure> {
    static THREADS: Mutex<Option<Arc<SpawnThreads>>> = Mutex::new(None);
    let mut threads = THREADS.lock().unwrap_or_else(PoisonError::into_inner);
    // What could not be had is tried again by the next request: a limit may have been lifted.
    if threads.is_none() {
        let kill = |place| in_the_making(place).kill();
        *threads = Some(
            SpawnThreads::open(Succession::default(), kill).map_err(|error| SpawnFailure::refused(&error))?,
        );
    }
    threads
        .as_ref()
        .map_or(Err(SpawnFailure::refused(&Errno::EAGAIN.into())), |threads| threads.take(request))
}
