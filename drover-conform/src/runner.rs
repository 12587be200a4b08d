//! Plays cases, several at once, and tells their outcomes in the order of the cases.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::case::{About, Case, Fault, Outcome, Played, Tally, failed};
use crate::transcript::Log;

/// How long one case may take, with the starts of its workers: the largest, with 10,000 mutations, stays below it. Only a fault
/// in a case reaches it.
const CASE: Duration = Duration::from_secs(20 * 60);

/// Where one case is played.
pub(crate) trait Stage: Send + Sized + 'static {
    /// What is said during the case.
    fn log(&self) -> &Log;

    /// Whether the side under test has this capability, as far as that is known before the case.
    fn can(&self, capability: &str) -> bool;

    /// The last lines that the side under test printed.
    fn printed(&self) -> Vec<String>;

    /// Removes what the case has left.
    fn close(self) -> impl Future<Output = ()> + Send;
}

/// Plays these cases, at most `jobs` at once, each on a stage of its own. Once `interrupted` is there, it ends the cases under
/// way and begins no more.
pub(crate) async fn play<S: Stage>(
    cases: Vec<Case<S>>,
    jobs: usize,
    mut stage: impl FnMut(&About) -> Result<S, Fault>,
    mut tell: impl FnMut(&Outcome),
    mut interrupted: Pin<&mut impl Future<Output = ()>>,
) -> Played {
    let (cancel, cancelled) = watch::channel(false);
    let mut waiting = cases.into_iter().enumerate();
    let mut playing = JoinSet::new();
    let mut done = BTreeMap::new();
    let mut next_told = 0;
    let mut played = Played { tally: Tally::default(), is_interrupted: false };
    loop {
        while playing.len() < jobs.max(1) && !played.is_interrupted {
            let Some((number, case)) = waiting.next() else { break };
            match stage(&case.about) {
                Ok(stage) => {
                    let cancelled = cancelled.clone();
                    playing.spawn(async move { (number, play_one(case, stage, cancelled).await) });
                }
                Err(fault) => {
                    done.insert(number, Outcome::new(case.about, Err(fault), Duration::ZERO));
                }
            }
        }
        while let Some(outcome) = done.remove(&next_told) {
            played.tally.count(&outcome.verdict);
            tell(&outcome);
            next_told += 1;
        }
        let joined = tokio::select! {
            joined = playing.join_next() => joined,
            () = &mut interrupted, if !played.is_interrupted => {
                played.is_interrupted = true;
                let _ = cancel.send(true);
                continue;
            }
        };
        // A case that panics is a fault of this program, and says so on stderr by itself.
        match joined {
            Some(Ok((number, outcome))) => drop(done.insert(number, outcome)),
            Some(Err(_)) => {}
            None => return played,
        }
    }
}

async fn play_one<S: Stage>(case: Case<S>, mut stage: S, mut cancelled: watch::Receiver<bool>) -> Outcome {
    let began = Instant::now();
    let verdict = match case.about.needs.filter(|needed| !stage.can(needed)) {
        Some(needed) => Err(Fault::Skipped(format!("the worker does not have the capability `{needed}`"))),
        None => tokio::select! {
            verdict = (case.play)(&mut stage) => verdict,
            _ = cancelled.wait_for(|is_cancelled| *is_cancelled) => Err(Fault::Skipped("interrupted".to_owned())),
            () = tokio::time::sleep(CASE) => Err(failed(format!("it was not over within {CASE:?}"))),
        },
    };
    let mut outcome = Outcome::new(case.about, verdict, Duration::ZERO);
    if matches!(outcome.verdict, Err(Fault::Failed(_))) {
        outcome.transcript = stage.log().lines();
        outcome.printed = stage.printed();
    }
    stage.close().await;
    outcome.took = began.elapsed();
    outcome
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;
    use crate::case::Playing;

    struct Bare(Log);

    impl Stage for Bare {
        fn log(&self) -> &Log {
            &self.0
        }

        fn can(&self, _: &str) -> bool {
            false
        }

        fn printed(&self) -> Vec<String> {
            vec!["oh".to_owned()]
        }

        async fn close(self) {}
    }

    fn slow(_: &mut Bare) -> Playing<'_> {
        Box::pin(async {
            tokio::task::yield_now().await;
            Ok(())
        })
    }

    fn wrong(stage: &mut Bare) -> Playing<'_> {
        stage.0.remark("a remark");
        Box::pin(std::future::ready(Err(failed("no"))))
    }

    fn endless(_: &mut Bare) -> Playing<'_> {
        Box::pin(std::future::pending())
    }

    const fn case(id: &'static str, play: for<'a> fn(&'a mut Bare) -> Playing<'a>) -> Case<Bare> {
        Case::new(id, "", "", play)
    }

    #[tokio::test]
    async fn outcomes_are_told_in_the_order_of_the_cases_and_failures_with_their_evidence() {
        let cases = vec![case("1", slow), case("2", wrong), case("3", slow).needs("bus"), case("4", slow)];
        let mut told = Vec::new();
        let stage = |about: &About| match about.id {
            "4" => Err(failed("no stage")),
            _ => Ok(Bare(Log::new())),
        };
        let played =
            play(cases, 3, stage, |outcome| told.push(outcome.clone()), pin!(std::future::pending())).await;
        assert_eq!(
            played,
            Played { tally: Tally { passed: 1, failed: 2, skipped: 1 }, is_interrupted: false }
        );
        assert_eq!(told.iter().map(|outcome| outcome.about.id).collect::<Vec<_>>(), ["1", "2", "3", "4"]);
        assert_eq!(told[1].printed, ["oh"]);
        assert!(told[1].transcript[0].ends_with("a remark"), "{:?}", told[1].transcript);
        assert!(told[0].printed.is_empty() && told[0].transcript.is_empty());
    }

    #[tokio::test]
    async fn an_interrupt_ends_the_case_under_way_and_begins_no_other() {
        let cases = vec![case("1", endless), case("2", endless)];
        let mut told = Vec::new();
        let stage = |_: &About| Ok(Bare(Log::new()));
        let interrupted = pin!(tokio::task::yield_now());
        let played = play(cases, 1, stage, |outcome| told.push(outcome.verdict.clone()), interrupted).await;
        assert_eq!(told, [Err(Fault::Skipped("interrupted".to_owned()))]);
        assert!(played.is_interrupted);
    }
}
