//! Another process goes on with the state that one has written.

use proptest::collection::vec;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::properties::{any_rules, apps, op};
use super::*;
use crate::config::Strategy;
use crate::state::testing::{
    assert_kept, assert_never_panics, document, golden, of_later_version, read_document,
};
use crate::state::{decode, encode};

/// An input and its time, as they are written.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    #[serde(with = "crate::written")]
    now: Instant,
    input: CompositeInput,
}

fn again<T: Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    decode(&encode(value)).unwrap()
}

fn text(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}")
}

proptest! {
    // Each step writes and compares everything. Forty times as many have found nothing.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_successor_wants_the_same_done_and_stands_the_same(
        specs in apps(), rules in any_rules(), ops in vec(op(), 1..80), at in 0..40usize,
    ) {
        let mut stage = Stage::new(specs, rules);
        stage.feed(CompositeInput::StartRequested);
        for (number, op) in ops.into_iter().enumerate() {
            if number == at {
                let mut successor = again(&stage.composite);
                prop_assert_eq!(text(&successor), text(&stage.composite));
                stage.shadow = Some(Box::new(move |now, input, actions, composite| {
                    let Record { now, input } = again(&Record { now, input: input.clone() });
                    assert_eq!(text(&successor.handle(now, input)), text(&actions));
                    assert_eq!(text(&successor), text(composite));
                }));
            }
            stage.play(op);
        }
    }
}

/// Apps in every state, and somebody who waits.
fn busy() -> Composite {
    let specs = vec![
        app("db", &[]),
        app("migrate", &["db"]),
        app("api", &["db", "migrate!"]),
        app("web", &["api"]),
        essential(app("mail", &[])),
        app("batch", &[]),
    ];
    let mut stage = Stage::new(specs, with(Strategy::RestForOne, 3));
    stage.feed(CompositeInput::StartRequested);
    stage.started_now("db");
    stage.started_now("migrate");
    stage.ended("migrate", Outcome::Completed);
    stage.started_now("api");
    stage.started_now("mail");
    stage.started_now("batch");
    stage.hold("batch");
    stage.restart("api");
    stage.ended("mail", failed());
    stage.composite
}

fn inputs() -> Vec<Record> {
    let by: Arc<str> = "the operator".into();
    let plan = Plan::of(&[app("db", &[]), app("api", &["db"])]).unwrap();
    let ticket = TicketId(7);
    let inputs = [
        CompositeInput::StartRequested,
        CompositeInput::AppStarted(0),
        CompositeInput::AppNotStarted(1),
        CompositeInput::AppEnded(0, Outcome::Completed),
        CompositeInput::AppEnded(0, Outcome::ShutDown { by: by.clone() }),
        CompositeInput::AppEnded(1, Outcome::Killed { by: by.clone() }),
        CompositeInput::AppEnded(1, failed()),
        CompositeInput::AppEnded(1, start_failed()),
        CompositeInput::AppOperated { ticket, app: 0, is_done: true },
        CompositeInput::AppUnkillable { app: 1, pid: 4711 },
        CompositeInput::OperationRequested {
            ticket,
            app: 1,
            operation: AppOperation::Stop(Request::Hurry),
            by: by.clone(),
        },
        CompositeInput::OperationRequested {
            ticket,
            app: 0,
            operation: AppOperation::Restart,
            by: by.clone(),
        },
        CompositeInput::Reconfigured { plan, rules: with(Strategy::OneForAll, 2) },
        CompositeInput::EndRequested { how: Request::Shutdown, by },
        CompositeInput::TimePassed,
        CompositeInput::WasAway { by: Duration::from_millis(2500) },
    ];
    let now = crate::machine::testing::origin();
    inputs.map(|input| Record { now, input }).into()
}

#[test]
fn what_the_first_version_wrote_is_read_for_ever() {
    let written = golden("composite-1.json", busy);
    let mut read: Composite = read_document(&written);
    assert_kept(&written, &document(&read), "composite-1.json");
    // And it goes on from there.
    let end = CompositeInput::EndRequested { how: Request::Kill, by: "a test".into() };
    let actions = read.handle(crate::machine::testing::origin(), end);
    assert!(actions.iter().any(|action| matches!(action, CompositeAction::EndApp { .. })), "{actions:?}");

    let written = golden("composite-inputs-1.json", inputs);
    let read: Vec<Record> = read_document(&written);
    assert_kept(&written, &document(&read), "composite-inputs-1.json");
}

#[test]
fn what_a_later_version_adds_is_ignored() {
    let written = document(&busy());
    let read: Composite = read_document(&of_later_version(&written));
    assert_eq!(document(&read), written);
}

#[test]
fn bytes_that_were_cut_or_changed_are_refused_without_a_panic() {
    assert_never_panics(&encode(&busy()), |bytes| drop(decode::<Composite>(bytes)));
}
