//! `drover conform worker`: what keeps the rules passes, and each vice fails the cases that are about it and no others.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use drover_e2e::harness::variable_of;
use serde_json::Value;

/// How long one run may take, on a machine that does much else.
const RUN: Duration = Duration::from_secs(300);

/// What came of a run: its exit code, the result of each case with its sentence, and the summary.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    results: BTreeMap<String, (String, String)>,
    /// All that is told of those that failed.
    pub(crate) failures: Vec<String>,
    pub(crate) summary: Value,
}

impl Run {
    /// The cases with this result.
    pub(crate) fn of(&self, result: &str) -> Vec<&str> {
        self.results.iter().filter(|(_, (is, _))| is == result).map(|(case, _)| case.as_str()).collect()
    }
}

/// Plays all cases against this worker, several at once: it does little.
async fn conform(worker: &[&str]) -> Run {
    played(&["--jobs", "4"], worker).await
}

/// Plays all cases against this worker, and proves that nothing is left.
pub(crate) async fn played(options: &[&str], worker: &[&str]) -> Run {
    let mut command = std::process::Command::new(program!("drover_command"));
    command.args(["conform", "worker", "--json", "--seed", "1"]).args(options).arg("--").args(worker);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mark = format!("drover-conform-{}-", child.id());
    let ended = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
    let output = tokio::time::timeout(RUN, ended).await.expect("a run has an end").unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let text = String::from_utf8(output.stdout).unwrap();
    let rows = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let (cases, rest): (Vec<Value>, Vec<Value>) = rows.partition(|row: &Value| row["case"].is_string());
    let [summary] = &rest[..] else { panic!("no summary: {text} {stderr}") };
    let words = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    let results = cases
        .iter()
        .map(|row| (words(row, "case"), (words(row, "result"), words(row, "sentence"))))
        .collect();
    let failed = cases.iter().filter(|row| row["result"] == "fail");
    let failures = failed.map(|row| format!("{row:#}")).collect();
    nothing_is_left(&mark);
    Run { code: output.status.code(), results, failures, summary: summary["summary"].clone() }
}

/// No process of the run, and no socket.
fn nothing_is_left(mark: &str) {
    let left = std::fs::read_dir(std::env::temp_dir()).unwrap().flatten();
    let left: Vec<_> = left.filter(|entry| entry.file_name().to_string_lossy().starts_with(mark)).collect();
    assert!(left.is_empty(), "{left:?}");
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let socket = variable_of(pid, "DROVER_SOCKET").unwrap_or_default();
        assert!(!socket.contains(mark), "process {pid} is left: {socket}");
    }
}

/// Asserts that a vice fails these cases, and no others.
async fn fails(vice: &str, cases: &[&str], sentence: &str) {
    let run = conform(&[program!("broken_worker"), vice]).await;
    assert_eq!(run.of("fail"), cases, "{vice}");
    assert_eq!((run.code, run.of("skip").len()), (Some(1), 0), "{vice}");
    let page = include_str!("../../docs/protocol.md").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(page.contains(sentence), "{sentence}");
    assert_eq!(run.results[cases[0]].1, sentence);
}

#[tokio::test]
async fn a_worker_by_hand_that_keeps_every_rule_passes_every_case() {
    let run = conform(&[program!("broken_worker")]).await;
    assert_eq!((run.of("fail"), run.of("skip")), (vec![], vec![]));
    assert_eq!((run.code, &run.summary["seed"]), (Some(0), &Value::from(1)));
    assert!(run.summary["passed"].as_u64().unwrap() > 80, "{}", run.summary);
}

#[tokio::test]
async fn a_worker_of_the_library_passes_every_case() {
    let run = conform(&[program!("worker_conform")]).await;
    // Its window is its own matter; it may name none.
    let is_of_the_window = |case: &&str| *case == "W-BU-25";
    assert!(run.of("skip").iter().all(is_of_the_window), "{:?}", run.of("skip"));
    assert_eq!((run.of("fail"), run.code), (vec![], Some(0)));
}

#[tokio::test]
async fn a_worker_of_the_library_that_serves_passes_every_case_that_is_not_about_messages() {
    let run = conform(&[program!("worker_axum")]).await;
    assert_eq!((run.of("fail"), run.code), (vec![], Some(0)));
    assert!(run.of("skip").iter().all(|case| case.starts_with("W-BU-")), "{:?}", run.of("skip"));
}

#[tokio::test]
async fn a_worker_that_takes_any_version_fails_in_the_handshake() {
    let sentence = "`version` is the highest that both sides speak; close if it is not one you offered.";
    fails("takes any version", &["W-HS-10"], sentence).await;
}

#[tokio::test]
async fn a_worker_with_a_frame_limit_of_its_own_fails_at_the_masters() {
    let sentence = "`Welcome.limits.max_frame_bytes` is what counts after the handshake.";
    fails("has a limit of its own", &["W-FR-08"], sentence).await;
}

#[tokio::test]
async fn a_worker_that_ignores_what_is_unknown_fails_where_an_answer_is_expected() {
    let sentence = "| no | yes | answer with `Error`, code `UNIMPLEMENTED` |";
    fails("ignores the unknown", &["W-FW-02", "W-FW-04"], sentence).await;
}

#[tokio::test]
async fn a_worker_that_leaves_at_a_second_stop_fails_in_its_life() {
    let sentence = "It is logged and counted. The connection and the state stay as they are";
    fails("leaves at a second Stop", &["W-LC-22", "W-LC-23"], sentence).await;
}

#[tokio::test]
async fn a_worker_that_goes_on_without_saying_why_fails_at_resume() {
    let sentence = "**Resume** means: take work again, and say `Started`.";
    fails("resumes unasked", &["W-LC-20", "W-LC-21"], sentence).await;
}

#[tokio::test]
async fn a_worker_that_counts_in_doubles_fails_at_large_numbers() {
    let sentence = "`seq` has 64 bits. Copy it into `reply_to` as your library gave it to you, be it a number, a `Long` or a `BigInt`.";
    let run = conform(&[program!("broken_worker"), "counts in doubles"]).await;
    assert_eq!(run.of("fail"), ["W-BU-06", "W-RQ-01", "W-RQ-02", "W-RQ-03"]);
    assert_eq!(run.results["W-RQ-01"].1, sentence);
}

#[tokio::test]
async fn a_worker_that_closes_when_it_is_not_read_fails_under_pressure() {
    let sentence = "Both sides read and write independently: a side that only reads once its write is through, and a peer that does the same, wait for each other for ever.";
    fails("impatient", &["W-BP-01"], sentence).await;
}

#[tokio::test]
async fn a_worker_that_forgets_pings_fails_at_a_burst() {
    let run = conform(&[program!("broken_worker"), "forgets Pings"]).await;
    assert_eq!(run.of("fail"), ["W-BP-01", "W-KA-04"]);
    assert!(run.results["W-KA-04"].1.starts_with("**Ping** asks whether the worker is alive"));
}

#[tokio::test]
async fn a_worker_that_waits_for_the_other_to_close_fails_at_half_a_close() {
    let sentence = "**Whoever reads the end of the stream closes at once.**";
    fails("waits for the other to close", &["W-HC-07"], sentence).await;
}

#[tokio::test]
async fn a_worker_that_calls_the_end_of_its_master_a_failure_fails_at_its_exit_code() {
    fails("fails without a master", &["W-HC-02"], "Exit with 0 if you got done.").await;
}

#[tokio::test]
async fn a_worker_that_prints_its_token_fails_at_its_secrets() {
    fails("tells its token", &["W-EN-01"], "A secret: never print it.").await;
}

#[tokio::test]
async fn a_worker_that_is_silent_on_unknown_topics_fails_at_its_messages() {
    fails("is silent on unknown topics", &["W-BU-03"], "A request is answered exactly once").await;
}

#[tokio::test]
async fn a_worker_that_never_makes_room_fails_at_its_window() {
    let sentence = "With a `window` in a `Consumed` before `Started`, the master sends no more than so many";
    fails("never makes room", &["W-BU-25"], sentence).await;
}

#[tokio::test]
async fn a_worker_that_aborts_at_what_it_can_not_read_fails_at_mutations() {
    let run = conform(&[program!("broken_worker"), "aborts"]).await;
    let failing = run.of("fail");
    assert!(!failing.is_empty() && failing.iter().all(|case| case.starts_with("W-FZ-")), "{failing:?}");
    assert_eq!(run.results[failing[0]].1, "bytes that can't be decoded, a frame over the limit, text");
}
