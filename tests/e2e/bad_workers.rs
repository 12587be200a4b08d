//! Workers that break the protocol, and strangers on its socket: each gives one clear reason, and nobody else suffers.

use std::time::Duration;

use drover_e2e::harness::{App, Captured, eventually, patiently, variable_of};
use drover_e2e::raw::{Link, Verdict};
use drover_master::{ExitReason, KillCause, MasterBuilder, Phase, Stream};
use drover_proto::latest::Hello;

use crate::policies::{SHORT, never};

const TEXT: &str = r#"not a frame but text: "Listening on 8080\n""#;
const HUGE: &str = "a frame of 16777215 bytes is over the limit of 1114112 bytes";
const HALF: &str = "the connection ended inside a frame, after 14 of 104 bytes";

/// Why the start failed: the sentence after "app `x` failed to start: worker 0 ".
async fn failure(builder: MasterBuilder) -> String {
    let (mut app, error) = App::failed(builder).await;
    app.is_gone().await;
    let start = format!("app `{}` failed to start: worker 0 ", app.name());
    error.to_string().strip_prefix(&start).unwrap_or_else(|| panic!("{error}")).to_owned()
}

#[tokio::test]
async fn a_first_word_that_can_not_be_understood_fails_the_start_at_once() {
    for (program, trouble) in [
        (program!("worker_prints_text_on_socket"), TEXT),
        (program!("worker_sends_huge_length"), HUGE),
        (program!("worker_sends_half_a_frame"), HALF),
    ] {
        assert_eq!(
            failure(App::builder(program)).await,
            format!("was ended by SIGTERM: it broke the protocol: the first frame is not a Hello: {trouble}")
        );
    }
}

#[tokio::test]
async fn a_later_word_that_can_not_be_understood_ends_the_worker_and_it_is_replaced() {
    for (program, trouble) in [
        (program!("worker_prints_text_on_socket"), TEXT),
        (program!("worker_sends_huge_length"), HUGE),
        (program!("worker_sends_half_a_frame"), HALF),
    ] {
        let mut app = App::started(App::builder(program).env("E2E_WHEN", "started")).await;
        assert_eq!(app.until("protocol_broken").await.kind.detail(), trouble);
        let exit = app.exit().await;
        assert!(matches!(exit.reason, ExitReason::KilledByMaster { cause: KillCause::ProtocolError, .. }));
        assert_eq!(exit.to_string(), format!("was ended by SIGTERM: it broke the protocol: {trouble}"));
        app.until("restart_scheduled").await;
        app.end().await;
    }
}

#[tokio::test]
async fn a_worker_of_another_version_is_told_both_ranges() {
    let sentence = "no protocol version in common: the master speaks 1, the peer speaks 7 to 9";
    let end = failure(App::builder(program!("worker_speaks_unknown_version"))).await;
    // It leaves by itself or is ended, whichever comes first.
    assert!(
        [
            format!("was ended by SIGTERM: it broke the protocol: {sentence}"),
            format!("exited with code 1 after the master ended it: it broke the protocol: {sentence}"),
        ]
        .contains(&end),
        "{end}"
    );
}

#[tokio::test]
async fn a_worker_with_a_wrong_token_is_turned_away_and_its_end_says_why() {
    let (mut app, error) = App::failed(App::builder(program!("worker_wrong_token"))).await;
    let sentence = "the token belongs to no living worker; only processes started by this master may connect";
    assert_eq!(
        error.to_string(),
        format!(
            "app `{}` failed to start: worker 0 exited with code 1 while starting: {sentence}",
            app.name()
        )
    );
    assert_eq!(error.last_words(), [format!("refused: UnknownToken: {sentence}")]);
    assert_eq!(app.until("handshake_refused").await.kind.detail(), sentence);
    app.is_gone().await;
}

#[tokio::test]
async fn a_worker_that_never_says_hello_is_told_so_long_before_its_start_deadline() {
    let mut app = App::new(App::builder(program!("worker_never_hello")));
    drop(app.master().start());
    let refused = app.until("handshake_refused").await;
    assert_eq!(refused.kind.detail(), "no Hello within 5s of connecting");
    assert_eq!(app.worker(0).phase, Phase::Starting);
    app.end().await;
}

#[tokio::test]
async fn a_worker_that_never_says_hello_fails_the_start_at_its_deadline() {
    let start = drover_master::config::StartPolicy { timeout: SHORT, ..Default::default() };
    let end = failure(App::builder(program!("worker_never_hello")).start_policy(start)).await;
    let never =
        "was ended by SIGTERM: it was not ready in time: it never connected to DROVER_SOCKET with a Hello; ";
    assert!(end.starts_with(never), "{end}");
}

#[tokio::test]
async fn a_message_out_of_order_is_answered_noted_and_changes_nothing() {
    for (program, said) in [
        (program!("worker_says_started_twice"), "Started"),
        (program!("worker_says_stopped_unasked"), "Stopped"),
    ] {
        let sink = Captured::default();
        let mut app = App::started(App::builder(program).output_sink(sink.clone())).await;
        let event = app.until("out_of_order").await;
        assert_eq!(event.kind.detail(), format!("it said {said}, which has no place here"));
        let answer = sink.line(0).await;
        assert!(answer.contains(&format!("{said} has no place while started")), "{answer}");
        assert!(answer.contains("code: BadState"), "{answer}");
        assert_eq!((app.worker(0).phase, app.worker(0).restarts), (Phase::Started, 0));
        app.end().await;
    }
}

#[tokio::test]
async fn much_that_is_said_at_once_is_answered_in_its_order_and_a_stop_that_fails_is_not_waited_for() {
    let mut app = App::started(App::builder(program!("worker_hasty")).restart_policy(never())).await;
    eventually("its answers", || (app.worker(0).status_text == "500 refused, and asked: me").then_some(()))
        .await;
    assert_eq!(app.worker(0).restarts, 0);
    // Its time to drain is 20 s, and what it is to do can't be done.
    patiently("the shutdown", app.master().shutdown()).await.unwrap();
    let refused = app.until("refused").await;
    assert_eq!(refused.kind.detail(), r"the disk is full\n\u{1b}[2J");
    let exit = app.exit().await;
    assert!(matches!(exit.reason, ExitReason::KilledByMaster { cause: KillCause::Refused, .. }), "{exit}");
    assert_eq!(
        exit.to_string(),
        r"was ended by SIGTERM: it could not do what it was asked: the disk is full\n\u{1b}[2J"
    );
    app.is_gone().await;
}

#[tokio::test]
async fn a_worker_that_connects_again_and_again_is_told_a_few_times_and_counted() {
    let worker = App::builder(program!("worker_closes_link")).env("E2E_RETURN", "300");
    let mut app = App::started(worker).await;
    eventually("its last return", || (app.worker(0).status_text == "back").then_some(())).await;
    let events = app.all_events();
    let told = events.iter().filter(|event| event.name() == "disconnected").count();
    assert!((1..100).contains(&told), "{told}");
    patiently("the shutdown", app.master().shutdown()).await.unwrap();
    let rest = app.until("repeated").await.kind.detail();
    assert!(rest.ends_with("times more"), "{rest}");
    app.is_gone().await;
}

#[tokio::test]
async fn a_flood_of_statuses_ends_with_the_newest_and_hinders_nobody() {
    let app = App::started(App::builder(program!("worker_floods_status"))).await;
    // A neighbour comes and goes meanwhile.
    App::started(App::builder(program!("worker_good"))).await.end().await;
    eventually("the last status", || (app.worker(0).status_text == "status 20000").then_some(())).await;
    assert_eq!(app.worker(0).in_flight, Some(20_000));
    let gauges = || Some(app.worker(0).gauges).filter(|gauges| gauges.refused() > 0);
    let gauges = eventually("its readings", gauges).await;
    assert_eq!((gauges.kept().count(), gauges.refused()), (64, 10_002 - 64));
    assert_eq!(gauges.kept().last(), Some(("gauge_0063", 0.5)));
    app.end().await;
}

#[tokio::test]
async fn a_worker_that_stops_reading_is_ended_by_its_deadline_and_the_master_stays_well() {
    let stop = drover_master::config::StopPolicy { drain_timeout: SHORT, ..Default::default() };
    let mut app = App::started(App::builder(program!("worker_stops_reading")).stop_policy(stop)).await;
    App::started(App::builder(program!("worker_good"))).await.end().await;
    patiently("the shutdown", app.master().shutdown()).await.unwrap();
    assert_eq!(app.exit().await.to_string(), "was ended by SIGTERM: it did not drain in time");
    app.is_gone().await;
}

#[tokio::test]
async fn a_worker_that_closes_its_connection_for_good_is_ended() {
    let mut app = App::started(App::builder(program!("worker_closes_link")).restart_policy(never())).await;
    let lost = app.until("disconnected").await;
    assert_eq!(lost.phase, Phase::Started);
    let missed = app.until("deadline_missed").await;
    assert_eq!(missed.kind.detail(), "it did not come back to its connection");
    let waited = missed.time.duration_since(lost.time).unwrap();
    assert!(waited >= Duration::from_secs(5), "{waited:?}");
    let exit = app.exit().await;
    assert!(matches!(exit.reason, ExitReason::KilledByMaster { cause: KillCause::Disconnected, .. }));
    assert_eq!(exit.to_string(), "was ended by SIGTERM: it closed its connection and did not come back");
    app.outcome().await;
}

#[tokio::test]
async fn a_worker_that_comes_back_with_its_token_goes_on_as_if_nothing_had_been() {
    let worker = App::builder(program!("worker_closes_link")).env("E2E_RETURN", "1");
    let mut app = App::started(worker).await;
    let pid = app.pid(0);
    app.until("disconnected").await;
    app.until("handshaken").await;
    assert_eq!((app.worker(0).phase, app.pid(0)), (Phase::Started, pid));
    patiently("the shutdown", app.master().shutdown()).await.unwrap();
    assert_eq!(app.exit().await.to_string(), "exited with code 0 while quitting");
    app.is_gone().await;
}

#[tokio::test]
async fn a_second_connection_with_the_same_token_is_refused_and_the_first_goes_on() {
    let sink = Captured::default();
    let worker = App::builder(program!("worker_second_connection")).output_sink(sink.clone());
    let mut app = App::started(worker).await;
    let told = sink.line(0).await;
    let sentence = "the token's worker is connected already; a second connection is not taken";
    assert_eq!(told, format!("Err({:?})", format!("TokenInUse: {sentence}")));
    assert_eq!(app.until("handshake_refused").await.kind.detail(), sentence);
    assert_eq!((app.worker(0).phase, app.worker(0).restarts), (Phase::Started, 0));
    patiently("the shutdown", app.master().shutdown()).await.unwrap();
    assert_eq!(app.exit().await.to_string(), "exited with code 0 while quitting");
    app.is_gone().await;
}

#[tokio::test]
async fn strangers_are_turned_away_with_a_sentence_each_and_one_event() {
    let mut app = App::started(App::builder(program!("worker_good"))).await;
    let socket = app.socket(0);
    let before = app.all_events().len();
    let say = |hello: Hello| {
        let socket = socket.clone();
        patiently(
            "a verdict",
            tokio::task::spawn_blocking(move || Link::connect_to(socket).introduce(&hello)),
        )
    };
    let hello =
        |token: &str| Hello { min_version: 1, max_version: 1, token: token.to_owned(), ..Default::default() };

    let verdict: Verdict = say(hello("")).await.unwrap();
    assert_eq!(verdict.unwrap_err(), "UnknownToken: Hello carries no token: send the value of DROVER_TOKEN");
    let verdict = say(hello("00112233445566778899aabbccddeeff")).await.unwrap();
    assert_eq!(
        verdict.unwrap_err(),
        "UnknownToken: the token belongs to no living worker; only processes started by this master may connect"
    );
    let verdict = say(Hello { min_version: 0, ..hello("x") }).await.unwrap();
    assert_eq!(
        verdict.unwrap_err(),
        "Malformed: the first frame is not a usable Hello: version range 0 to 1 is not usable: it must begin at 1 or later and not end before it begins"
    );
    // The true token of a worker that is connected does not help either.
    let token = variable_of(app.pid(0), "DROVER_TOKEN").unwrap();
    let verdict = say(hello(&token)).await.unwrap();
    assert!(verdict.unwrap_err().starts_with("TokenInUse: "));

    let events = app.all_events();
    let told: Vec<_> = events[before..].iter().map(|event| event.kind.detail()).collect();
    assert_eq!(told, ["a connection: Hello carries no token: send the value of DROVER_TOKEN"]);
    assert_eq!(app.worker(0).phase, Phase::Started);
    app.end().await;
}

#[tokio::test]
async fn a_crowd_of_silent_strangers_does_not_keep_workers_out() {
    let mut app = App::started(App::builder(program!("worker_good")).workers(2)).await;
    let socket = app.socket(0);
    let strangers: Vec<_> =
        (0..300).map(|_| std::os::unix::net::UnixStream::connect(&socket).unwrap()).collect();
    drover_e2e::harness::signal(app.pid(1), nix::sys::signal::SIGKILL);
    app.until("restart_scheduled").await;
    app.until("started").await;
    drop(strangers);
    app.end().await;
}

#[tokio::test]
async fn a_token_is_worth_nothing_once_its_worker_is_gone() {
    let sink = Captured::default();
    let mut app =
        App::started(App::builder(program!("worker_good")).workers(2).output_sink(sink.clone())).await;
    let (socket, old) = (app.socket(0), variable_of(app.pid(0), "DROVER_TOKEN").unwrap());
    drover_e2e::harness::signal(app.pid(0), nix::sys::signal::SIGKILL);
    app.until("exited").await;
    let hello = Hello { min_version: 1, max_version: 1, token: old, ..Default::default() };
    let verdict =
        tokio::task::spawn_blocking(move || Link::connect_to(socket).introduce(&hello)).await.unwrap();
    assert!(verdict.unwrap_err().starts_with("UnknownToken: "));
    assert_eq!(sink.lines(Stream::Stderr), [""; 0]);
    app.end().await;
}
