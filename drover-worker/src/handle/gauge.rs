//! What the app measures of itself, told to the master.

use drover_proto::latest::{Gauge, worker_frame};

use super::MessageBus;
use crate::error::GaugeError;

/// How many names a master keeps of a worker.
const MOST: usize = 64;

/// How long a name may be, in bytes.
const NAME: usize = 100;

impl MessageBus {
    /// Reports a reading of the app's own, such as the length of a queue: the operator sees it in the status and, by app and slot, among the
    /// metrics (`drover_worker_reading`). A name stands for its newest value; there may be 64.
    ///
    /// Never waits: readings go with the next report, and only the newest of each counts. Without a master, nothing is sent.
    ///
    /// # Errors
    ///
    /// If the name is none, if the value is not finite, or if there are 64 other names. What was reported before stays as it is.
    pub fn gauge(&self, name: &str, value: f64) -> Result<(), GaugeError> {
        if !is_name(name) {
            return Err(GaugeError::Name { name: name.chars().take(NAME).collect() });
        }
        if !value.is_finite() {
            return Err(GaugeError::NotFinite { name: name.to_owned(), value });
        }
        let Some(outbox) = &self.shared.outbox else {
            tracing::debug!(target: "drover::worker", name, value, "gauge");
            return Ok(());
        };
        let mut is_full = false;
        outbox.status.send_if_modified(|body| {
            let worker_frame::Body::Status(status) = body else { return false };
            if let Some(known) = status.gauges.iter_mut().find(|known| known.name == name) {
                return std::mem::replace(&mut known.value, value) != value;
            }
            is_full = status.gauges.len() >= MOST;
            if !is_full {
                status.gauges.push(Gauge { name: name.to_owned(), value });
            }
            !is_full
        });
        if is_full { Err(GaugeError::TooMany { name: name.to_owned() }) } else { Ok(()) }
    }
}

fn is_name(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    name.len() <= NAME
        && name.bytes().next().is_some_and(letter)
        && name.bytes().all(|byte| letter(byte) || byte.is_ascii_digit())
}
