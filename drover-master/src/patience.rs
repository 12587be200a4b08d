//! A wait for somebody else, which the time does not count for that the master was away: see [`machine::attention`](crate::machine::attention).

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::machine::attention::Attention;

/// What the future resolves to; none if it takes longer than this. A master that comes too late to its own deadline has all read that is
/// there before it judges, and gives back the time that it was away.
///
/// # Cancel safety
///
/// That of the future.
pub(crate) async fn within<F: Future>(time: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut attention = Attention::default();
    let began = Instant::now();
    attention.look(began.into_std());
    // Further than a clock goes: nobody waits that long.
    let Some(mut due) = began.checked_add(time) else { return Some(future.await) };
    loop {
        let look = attention.plan(Some(due.into_std()), true).map_or(due, Instant::from_std);
        tokio::select! {
            biased;
            output = &mut future => return Some(output),
            () = sleep_until(look) => {}
        }
        let now = Instant::now();
        match attention.look(now.into_std()) {
            Some(by) => {
                due += by;
                // Whoever reads what it waits for has its turn first.
                tokio::task::yield_now().await;
            }
            None if now >= due => return None,
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;
    use tokio::time::advance;

    use super::*;

    const TIME: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn time_that_the_master_was_away_does_not_count() {
        let began = Instant::now();
        let (_never, answer) = oneshot::channel::<()>();
        let waiting = tokio::spawn(within(TIME, answer));
        tokio::task::yield_now().await;
        advance(Duration::from_secs(60)).await;
        assert_eq!(waiting.await.unwrap(), None);
        let took = began.elapsed() - Duration::from_secs(60);
        assert!(took + Duration::from_secs(1) >= TIME && took <= TIME + Duration::from_millis(2), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_came_meanwhile_is_read_before_anybody_is_judged() {
        let (reads, answer) = oneshot::channel();
        let waiting = tokio::spawn(within(TIME, answer));
        tokio::task::yield_now().await;
        // Whoever reads for it comes to it after it: both are due at the same time.
        tokio::spawn(async move {
            tokio::time::sleep(TIME).await;
            let _ = reads.send("here");
        });
        tokio::task::yield_now().await;
        advance(Duration::from_secs(60)).await;
        assert_eq!(waiting.await.unwrap(), Some(Ok("here")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_punctual_wait_ends_when_its_time_is_over() {
        for time in [Duration::ZERO, Duration::from_millis(300), TIME] {
            let began = Instant::now();
            assert_eq!(within(time, std::future::pending::<()>()).await, None);
            assert!(began.elapsed() >= time && began.elapsed() < time + Duration::from_millis(50));
        }
        assert_eq!(within(Duration::MAX, std::future::ready(7)).await, Some(7));
    }
}
