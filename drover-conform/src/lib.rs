//! The conformance kit of the Drover protocol: it plays one side against the other, case by case.
//!
//! ```text
//!  case    what is checked: a number, a sentence of docs/reference/protocol.md, how it is played, its outcome
//!  worker  plays the master against the program of a worker
//!  master  plays workers against a running master
//! ```
//!
//! It is a second implementation of the protocol. It shares the messages and the codec of frames with Drover, and neither the
//! master's nor the worker's side of the conversation.
//!
//! `drover conform` is its command. A program of your own chooses cases, plays them, and is told each outcome:
//!
//! ```no_run
//! use drover_conform::worker;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), worker::WorkerRunError> {
//! let run = worker::WorkerRun {
//!     settings: worker::Settings::new(["./my-worker", "--its", "args"]),
//!     cases: worker::cases().filter(|case| case.group() == "LC").collect(),
//!     jobs: 4,
//! };
//! let played = worker::run(run, |outcome| println!("{}: {:?}", outcome.about.id, outcome.verdict), std::future::pending()).await?;
//! assert_eq!(played.tally.failed, 0);
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod case;
mod describe;
mod frames;
pub mod master;
mod mutator;
mod peer;
mod runner;
mod transcript;
pub mod worker;

pub use case::{About, Fault, Outcome, Played, Tally};

#[cfg(test)]
mod tests {
    use super::{About, master, worker};

    const PAGE: &str = include_str!("../../docs/reference/protocol.md");

    fn abouts() -> Vec<About> {
        worker::cases().chain(master::cases()).collect()
    }

    fn words(text: &str) -> String {
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn every_case_checks_a_sentence_of_the_protocols_page() {
        let page = words(PAGE);
        for about in abouts() {
            assert!(page.contains(&words(about.sentence)), "{}: {}", about.id, about.sentence);
        }
    }

    #[test]
    fn every_case_has_a_number_of_its_own_and_its_groups_prefix() {
        let mut seen = std::collections::BTreeSet::new();
        for About { id, .. } in abouts() {
            let parts: Vec<&str> = id.split('-').collect();
            assert!(matches!(parts[..], ["W" | "M", _, number] if number.len() == 2), "{id}");
            assert!(seen.insert(id), "{id} twice");
        }
    }
}
