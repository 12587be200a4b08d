//! Steps under load, and what they cost.

use std::fmt;
use std::time::Duration;

use super::generator::{self, Clients, Load};
use super::inside::Inside;
use super::notes::Notes;
use super::now;
use super::observer::Observation;
use super::service::Service;
use super::step::{Step, Wanted};
use super::tally::Tally;

/// How long a trial waits for the requests it is to count, once its steps are done.
const PATIENCE: Duration = Duration::from_secs(120);

/// What happened.
#[derive(Debug)]
pub struct Report {
    /// What became of the requests.
    pub tally: Tally,
    /// What the workers noted.
    pub observed: Observation,
    /// How many of the failed requests were inside workers that a step killed.
    pub killed_inside: usize,
    /// How many steps there were, and how long all of them took.
    pub steps: (usize, Duration),
    /// What should not be: in words, for the message of a test that fails.
    pub problems: Vec<String>,
}

/// Carries out the steps one after the other under load, which goes on until so many requests have ended. The steps are spread
/// over that: each waits for its part of the requests.
///
/// A request fails only inside a worker that a step killed; at no moment fewer workers serve than the step allows; and no worker
/// vanishes. What is otherwise is a problem of the report.
pub async fn under_load(service: &Service, clients: Clients, steps: &[Step], requests: u64) -> Report {
    let load = Load::greedy(generator::Service::at(service.addr()), clients);
    let mut wanted = Wanted::serving(service.workers());
    let mut took = Duration::ZERO;
    for (number, step) in (1..).zip(steps) {
        load.until(requests * number / (steps.len() as u64 + 1), PATIENCE).await;
        let begin = now();
        step.carry_out(service, &mut wanted).await;
        took += begin.elapsed();
    }
    load.until(requests, PATIENCE).await;
    Report::of(service.notes(), load.end().await, (steps.len(), took))
}

impl Report {
    /// What clients counted and workers noted while so many steps took so long.
    pub fn of(notes: &Notes, tally: Tally, steps: (usize, Duration)) -> Self {
        let observed = Observation::of(&notes.lives());
        let mut problems = Vec::new();
        let inside = Inside::of(tally.failures(), &notes.all_accepts(), &observed.killed);
        if !inside.elsewhere.is_empty() || inside.unknown.len() > observed.killed.len() {
            problems.push(format!("lost: {inside}"));
        }
        if tally.failed() > tally.failures().len() as u64 {
            problems.push(format!("{} failures, too many to be kept", tally.failed()));
        }
        problems.extend(observed.shortfalls.iter().map(ToString::to_string));
        let vanished = observed.vanished();
        if !vanished.is_empty() {
            problems.push(format!("gone without a word: {vanished:?}"));
        }
        let killed_inside = inside.killed.len();
        Self { tally, observed, killed_inside, steps, problems }
    }

    /// Ends a test if there is a problem.
    ///
    /// # Panics
    ///
    /// If there is one.
    pub fn is_clean(&self) {
        assert!(self.problems.is_empty(), "{self}\n{}", self.problems.join("\n"));
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tally, observed, killed_inside, steps: (steps, took), .. } = self;
        write!(f, "{steps} steps of {took:.1?} in all; {tally}")?;
        if !observed.killed.is_empty() {
            write!(f, "; {killed_inside} were inside the {} that were killed", observed.killed.len())?;
        }
        if let Some(fewest) = observed.fewest {
            write!(f, "; never fewer than {fewest} served")?;
        }
        Ok(())
    }
}
