//! What a program prints, kept while it runs.

use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::patience::{Deadline, PATIENCE};

/// A stream that is read to its end by a thread.
#[derive(Debug, Clone, Default)]
pub(crate) struct Captured {
    shared: Arc<(Mutex<Kept>, Condvar)>,
}

#[derive(Debug, Default)]
struct Kept {
    bytes: Vec<u8>,
    is_over: bool,
}

impl Kept {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

impl Captured {
    pub(crate) fn new(mut stream: impl Read + Send + 'static) -> Self {
        let captured = Self::default();
        let reader = captured.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 64 * 1024];
            loop {
                // A pty answers EIO when its last user is gone.
                let read = stream.read(&mut buffer).unwrap_or(0);
                let mut kept = reader.lock();
                kept.bytes.extend_from_slice(&buffer[..read]);
                kept.is_over = read == 0;
                let is_over = kept.is_over;
                drop(kept);
                reader.shared.1.notify_all();
                if is_over {
                    return;
                }
            }
        });
        captured
    }

    /// Everything so far.
    pub(crate) fn text(&self) -> String {
        self.lock().text()
    }

    /// Everything, once its end has come.
    pub(crate) fn all(&self) -> String {
        let deadline = Deadline::new();
        let mut kept = self.lock();
        while !kept.is_over {
            kept = self.more(kept, deadline, "the end of the stream");
        }
        kept.text()
    }

    /// Waits until `look` finds something in what there is so far.
    pub(crate) fn until<T>(&self, what: &str, look: impl Fn(&str) -> Option<T>) -> T {
        let deadline = Deadline::new();
        let mut kept = self.lock();
        loop {
            if let Some(found) = look(&kept.text()) {
                return found;
            }
            assert!(!kept.is_over, "{what}: it ended without, after:\n{}", kept.text());
            kept = self.more(kept, deadline, what);
        }
    }

    fn more<'a>(
        &'a self,
        kept: MutexGuard<'a, Kept>,
        deadline: Deadline,
        what: &str,
    ) -> MutexGuard<'a, Kept> {
        let Some(left) = deadline.left() else {
            panic!("{what}: not within {PATIENCE:?}, after:\n{}", kept.text())
        };
        self.shared.1.wait_timeout(kept, left).unwrap_or_else(PoisonError::into_inner).0
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
