//! Tells a pause within a conversation from its end.

use std::pin::{Pin, pin};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// How long a connection is silent before the memory of its last burst is given back. A pause within a conversation is shorter.
const SILENCE: Duration = Duration::from_millis(100);

/// A watch for silence, for between 100 and 200 ms. Its timer is set once in that time, and not for each message.
#[derive(Debug, Default)]
pub struct Lull {
    timer: Option<Pin<Box<Sleep>>>,
    /// Something came since the timer was set.
    was_heard: bool,
}

impl Lull {
    /// Waits for what comes next. `None`: nothing has come for a while; another call goes on waiting for the event.
    ///
    /// # Cancel safety
    ///
    /// As the event.
    pub async fn unless_silent<T>(&mut self, event: impl Future<Output = T>) -> Option<T> {
        let mut event = pin!(event);
        loop {
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(SILENCE)));
            tokio::select! {
                biased;
                came = &mut event => {
                    self.was_heard = true;
                    return Some(came);
                }
                () = timer.as_mut() => {
                    if !std::mem::take(&mut self.was_heard) {
                        self.timer = None;
                        return None;
                    }
                    timer.as_mut().reset(Instant::now() + SILENCE);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silence_is_told_once_nothing_came_for_a_while() {
        let (mut lull, begin) = (Lull::default(), Instant::now());
        for _ in 0..10 {
            sleep(SILENCE / 2).await;
            assert_eq!(lull.unless_silent(ready(7)).await, Some(7));
        }
        let heard = begin.elapsed();
        assert_eq!(lull.unless_silent(pending::<()>()).await, None);
        let silent = begin.elapsed() - heard;
        assert!((SILENCE..=2 * SILENCE).contains(&silent), "{silent:?}");
        // The next silence is told too.
        assert_eq!(lull.unless_silent(pending::<()>()).await, None);
    }
}
