//! `drover conform`: plays one side of the protocol against the other, case by case.
//!
//! ```text
//!  case ──► what is checked: a number, the sentence of docs/protocol.md, how it is played
//!  worker ─► the master's part, against the program of a worker
//!  master ─► a worker's part, against a running master
//!  transcript, verdict, report ─► what came of it
//! ```
//!
//! It is a second implementation: of Drover's own it shares the messages and the codec of frames, and neither the master's
//! nor the worker's side of the conversation. Processes are started and ended by the master's library, which is told that
//! they speak no protocol.

mod case;
mod describe;
pub(crate) mod master;
mod mutator;
mod peer;
mod play;
mod report;
mod transcript;
pub(crate) mod worker;

pub(crate) use case::{About, Played};
pub(crate) use report::{Layout, Report, list};

#[cfg(test)]
mod tests {
    use super::{About, master, worker};

    const PAGE: &str = include_str!("../../../docs/protocol.md");

    fn abouts() -> Vec<About> {
        let of_workers = worker::cases().into_iter().map(|case| case.about);
        of_workers.chain(master::cases().into_iter().map(|case| case.about)).collect()
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
