//! The workers of `examples/workers`, in other languages, run as their folders say: none loses a request, they rest and go on, they
//! do not outlive their master, they take and send messages, they read the golden frames, and they keep every rule that can be checked.

mod again;
mod conformance;
mod control;
pub(crate) mod go_module;
pub(crate) mod java_package;
mod language;
mod messages;
mod node_module;
mod packed;
mod python_package;
mod register;
mod service;
pub(crate) mod wheel;

use drover_e2e::harness::{eventually, is_running};
use drover_e2e::load::exchange::Form;
use drover_e2e::load::generator::{self, Clients, Load};
use drover_e2e::load::tally::Tally;
use nix::sys::signal::SIGKILL;

pub(crate) use language::Language;
use language::PATIENCE_WITH_INSTALLING;
pub(crate) use language::output_of;
pub(crate) use packed::packed;
use service::{Service, asked};

/// How many requests each has to answer while it is operated.
const REQUESTS: u64 = 500;

/// Every kind of client.
const ALL: Clients = Clients { once: 3, kept: 3, slow: 6 };

/// The same tests for each.
macro_rules! workers_in {
    ($language:ident) => {
        mod $language {
            use super::Language;

            const LANGUAGE: Language = Language::new(stringify!($language));

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn reloads_and_scales_lose_no_request() {
                super::operated_under_load(LANGUAGE, "shared").await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn reloads_and_scales_lose_no_request_where_each_slot_has_its_queue() {
                super::operated_under_load(LANGUAGE, "reuseport").await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn workers_that_rest_go_on_as_the_same_processes() {
                super::rest_and_go_on(LANGUAGE).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn workers_of_a_killed_master_answer_what_is_under_way_and_leave() {
                super::outlive_no_master(LANGUAGE).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn messages_and_requests_go_in_both_directions() {
                super::messages::in_both_directions(LANGUAGE).await;
            }

            #[tokio::test]
            async fn every_case_of_the_conformance_kit_is_passed() {
                super::conformance::is_shown(LANGUAGE).await;
            }

            #[tokio::test]
            async fn the_golden_frames_are_read_or_refused_as_they_have_to_be() {
                super::golden_frames(LANGUAGE).await;
            }
        }
    };
}

workers_in!(node);
workers_in!(python);
workers_in!(java);
workers_in!(go);

async fn operated_under_load(language: Language, mode: &str) {
    let Some(run) = language.installed().await else { return };
    let service = Service::start(&run, mode).await;
    let tally = under_load(&service, &OPERATIONS, REQUESTS).await;
    drover_e2e::complain(&format!("{language}, {mode}: {tally}"));
    service.end_proves_that_all_left_in_order().await;
}

/// What is done to each, with `{app}` for its app.
const OPERATIONS: [&[&str]; 9] = [
    &["reload", "{app}"],
    &["reload", "{app}", "--max-surge", "100%"],
    &["scale", "{app}=4"],
    &["scale", "{app}=1"],
    &["scale", "{app}=2"],
    &["restart", "{app}/0"],
    &["suspend", "{app}/0"],
    &["resume", "{app}/0"],
    &["reload", "{app}", "--max-surge", "0", "--max-unavailable", "1"],
];

/// Operates it while clients of every kind ask, and proves that none has lost a request.
async fn under_load(service: &Service, operations: &[&[&str]], requests: u64) -> Tally {
    let to = generator::Service { form: Form::Echo, ..generator::Service::at(service.addr()) };
    let load = Load::greedy(to, ALL);
    load.until(requests / 5, PATIENCE_WITH_INSTALLING).await;
    for operation in operations {
        service.run(operation).await;
    }
    load.until(requests, PATIENCE_WITH_INSTALLING).await;
    let tally = load.end().await;
    assert_eq!(tally.failed(), 0, "{tally:#}\n{}", service.log());
    tally
}

async fn rest_and_go_on(language: Language) {
    let Some(run) = language.installed().await else { return };
    let service = Service::start(&run, "shared").await;
    let before = service.pids().await;
    for _ in 0..2 {
        service.run(&["suspend", "{app}"]).await;
        // Nobody takes it until there is somebody again.
        let answer = asked(service.addr(), "/echo?text=late&ms=0");
        service.run(&["resume", "{app}"]).await;
        assert_eq!(answer.await.as_deref(), Some("late"), "{}", service.log());
    }
    assert_eq!(service.pids().await, before);
    service.end_proves_that_all_left_in_order().await;
}

async fn outlive_no_master(language: Language) {
    let Some(run) = language.installed().await else { return };
    let service = Service::start(&run, "shared").await;
    let pids = service.pids().await;
    // One is answered while its worker drains; the other would take longer than a worker has.
    let answer = asked(service.addr(), "/echo?text=whole&ms=1000");
    let cut = asked(service.addr(), "/echo?text=never&ms=600000");
    service.until_accepted(2).await;
    service.signal(SIGKILL);
    assert_eq!(answer.await.as_deref(), Some("whole"));
    assert_eq!(cut.await, None);
    for pid in pids {
        eventually("the worker to leave", || (!is_running(pid)).then_some(())).await;
    }
    service.is_gone().await;
}

async fn golden_frames(language: Language) {
    let Some(run) = language.installed().await else { return };
    language.test(&run).await;
}
