//! Tokens and values of the environment never show, however closely one looks.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use drover_e2e::harness::{App, Captured, signal, variable_of};
use drover_master::Stream;
use nix::sys::signal::SIGKILL;
use tracing_subscriber::fmt::MakeWriter;

use crate::policies::at_once;

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Buffer {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn neither_traces_nor_debug_nor_errors_show_a_token_or_a_value_of_the_environment() {
    const PASSWORD: &str = "correct horse battery staple";
    let traces = Buffer::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(traces.clone())
        .with_ansi(false)
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

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

    let (traces, of_worker) = (traces.text(), sink.lines(Stream::Stderr).join("\n"));
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
