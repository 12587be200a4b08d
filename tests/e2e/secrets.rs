//! Tokens and values of the environment never show, however closely one looks.

use std::cell::RefCell;
use std::io::{self, Write};

use drover_e2e::harness::{App, Captured, signal, variable_of};
use drover_master::Stream;
use nix::sys::signal::SIGKILL;

use crate::policies::at_once;

thread_local! {
    /// What was traced on this thread, once somebody wants to know.
    static TRACED: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Writes to [`TRACED`]. One for the whole program: a subscriber of one thread would not see what other threads have had
/// traced before.
struct OfThisThread;

impl Write for OfThisThread {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        TRACED.with_borrow_mut(|traced| traced.as_mut().map(|traced| traced.extend_from_slice(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn neither_traces_nor_debug_nor_errors_show_a_token_or_a_value_of_the_environment() {
    const PASSWORD: &str = "correct horse battery staple";
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(|| OfThisThread)
        .with_ansi(false)
        .init();
    TRACED.set(Some(Vec::new()));

    // A life with a crash, seen from both ends at their most talkative.
    let sink = Captured::default();
    let builder = App::builder(program!("worker_good"))
        .env("PASSWORD", PASSWORD)
        .env("E2E_TRACE", "1")
        .restart_policy(at_once())
        .output_sink(sink.clone());
    let mut shown = format!("{builder:#?}");
    let mut app = App::started(builder).await;
    let mut tokens = vec![variable_of(app.pid(0), "DROVER_TOKEN").unwrap()];
    signal(app.pid(0), SIGKILL);
    app.until("restart_scheduled").await;
    app.until("started").await;
    tokens.push(variable_of(app.pid(0), "DROVER_TOKEN").unwrap());
    let (snapshot, events) = app.master().watch();
    shown +=
        &format!("{app:#?} {snapshot:#?} {events:#?} {:#?} {:#?}", app.all_events(), app.master().spec());
    app.end().await;

    // And a start that fails.
    let wrong = App::builder(program!("worker_wrong_token")).env("PASSWORD", PASSWORD);
    let (app, error) = App::failed(wrong).await;
    shown += &format!("{error:#?} {error}");
    app.end().await;

    let traces = String::from_utf8(TRACED.take().unwrap()).unwrap();
    let (traces, of_worker) = (traces, sink.lines(Stream::Stderr).join("\n"));
    assert_ne!(tokens[0], tokens[1], "each worker has a token of its own");
    for (what, text) in [("traces", &traces), ("Debug", &shown), ("the worker's traces", &of_worker)] {
        assert!(text.len() > 500, "{what} say nothing: {text}");
        for secret in tokens.iter().map(String::as_str).chain([PASSWORD]) {
            assert!(!text.contains(secret), "{what} show {secret}: {text}");
        }
    }
    for expected in ["← Hello", "→ Stop", "→ Quit", "← Started", "STARTED", "connection refused"] {
        assert!(traces.contains(expected), "no {expected} in {traces}");
    }
}
