//! `drover conform master`: a running master passes, and its app runs by itself again.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use drover_e2e::harness::{PATIENCE, Process, eventually, of_app};
use serde_json::Value;

/// How long one run may take, on a machine that does much else.
const RUN: Duration = Duration::from_secs(300);

/// A `drover` that asks the master of this directory.
fn drover(directory: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(program!("drover_command"));
    command.current_dir(directory).arg("--socket").arg(directory.join("control.sock")).args(args);
    command
}

/// What it printed on stdout, and its exit code.
async fn ended(mut command: Command) -> (Option<i32>, String) {
    let command = move || command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().unwrap();
    let output = tokio::time::timeout(RUN, tokio::task::spawn_blocking(command)).await;
    let output = output.expect("it has an end").unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[tokio::test]
async fn a_master_passes_every_case_that_it_can_be_played() {
    let directory = tempfile::tempdir().unwrap();
    let app = format!("conform-{}", std::process::id());
    // Often asked and long borne: cases do not answer, and the one about it does not wait.
    let description = format!(
        "version = 1\n[app.{app}]\ncommand = [{:?}, \"conform\", \"stand-in\"]\nworkers = 1\nprotocol = \"drover\"\n\
         heartbeat = {{ interval = \"300ms\", misses = 100 }}\n",
        program!("drover_command")
    );
    std::fs::write(directory.path().join("drover.toml"), description).unwrap();
    let master = Process::start(&mut drover(directory.path(), &["up"]));
    eventually("the control socket", || directory.path().join("control.sock").exists().then_some(())).await;

    let args = ["conform", "master", "--app", app.as_str(), "--json", "--seed", "1"];
    let (code, text) = ended(drover(directory.path(), &args)).await;
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let results: BTreeMap<&str, &str> =
        rows.iter().filter_map(|row| Some((row["case"].as_str()?, row["result"].as_str()?))).collect();
    let of = |result: &str| -> Vec<&str> {
        results.iter().filter(|(_, is)| **is == result).map(|(case, _)| *case).collect()
    };
    assert_eq!(of("fail"), [""; 0], "{text}");
    assert_eq!(code, Some(0));
    assert_eq!(of("skip"), [""; 0]);
    assert!(of("pass").len() > 30, "{:?}", of("pass"));

    let wait = ["wait", app.as_str(), "--for", "ready", "--timeout", "20s"];
    assert_eq!(ended(drover(directory.path(), &wait)).await.0, Some(0));
    assert_eq!(ended(drover(directory.path(), &["down"])).await.0, Some(0));
    let ended = tokio::time::timeout(PATIENCE, master.end()).await.unwrap();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(of_app(&app), [0; 0]);
}

/// The file as the page has it: with the deadlines that an app has by itself.
fn the_pages_file(app: &str) -> String {
    let page = include_str!("../../docs/reference/conformance.md");
    let (_, block) = page.split_once("```toml\n").expect("the page has a file");
    let (block, _) = block.split_once("```").expect("which has an end");
    let file = block
        .replace("[app.probe]", &format!("[app.{app}]"))
        .replace("[\"drover\"", &format!("[{:?}", program!("drover_command")));
    assert!(file.contains(app) && file.contains(program!("drover_command")), "{file}");
    format!("version = 1\n{file}")
}

#[tokio::test]
async fn with_the_pages_own_file_mutations_end_whatever_the_last_one_left_open() {
    let directory = tempfile::tempdir().unwrap();
    let app = format!("mutated-{}", std::process::id());
    std::fs::write(directory.path().join("drover.toml"), the_pages_file(&app)).unwrap();
    let master = Process::start(&mut drover(directory.path(), &["up"]));
    eventually("the control socket", || directory.path().join("control.sock").exists().then_some(())).await;

    // The last of these leaves a worker that is well, and the case still holds its connection when the app has to end.
    let args = ["conform", "master", "--app", app.as_str(), "--case", "M-FZ-01", "--seed", "2"];
    let (code, text) = ended(drover(directory.path(), &args)).await;
    assert_eq!(code, Some(0), "{text}");

    assert_eq!(ended(drover(directory.path(), &["down"])).await.0, Some(0));
    assert_eq!(tokio::time::timeout(PATIENCE, master.end()).await.unwrap().code, Some(0));
    assert_eq!(of_app(&app), [0; 0]);
}

#[tokio::test]
async fn an_app_that_runs_something_else_is_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    let app = format!("plain-{}", std::process::id());
    let description = format!("version = 1\n[app.{app}]\ncommand = [\"sleep\", \"1000\"]\nworkers = 1\n");
    std::fs::write(directory.path().join("drover.toml"), description).unwrap();
    let master = Process::start(&mut drover(directory.path(), &["up"]));
    eventually("the control socket", || directory.path().join("control.sock").exists().then_some(())).await;

    let (code, text) = ended(drover(directory.path(), &["conform", "master", "--app", "other"])).await;
    assert_eq!((code, text.as_str()), (Some(1), ""));
    let (code, text) = ended(drover(directory.path(), &["conform", "master", "--app", &app])).await;
    assert_eq!((code, text.as_str()), (Some(1), ""));

    assert_eq!(ended(drover(directory.path(), &["down"])).await.0, Some(0));
    assert_eq!(tokio::time::timeout(PATIENCE, master.end()).await.unwrap().code, Some(0));
    assert_eq!(of_app(&app), [0; 0]);
}
