//! A start that does not succeed says why, once, and ends with 1.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::program::Program;
use super::{Example, MULTI_APP_CLUSTER, SINGLE_APP_CLUSTER, SINGLE_APP_INSTANCE};

/// An example's main context in a folder of its own, beside another worker.
fn beside(script: Option<&str>, example: &Example) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let place = |path: &str| dir.path().join(Path::new(path).file_name().unwrap());
    let main = place(example.main);
    // A link, because a file that was just written can't be run while another test forks.
    fs::hard_link(example.main, &main).unwrap();
    if let Some(script) = script {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/examples/workers").join(script);
        symlink(script, place(example.worker)).unwrap();
    }
    (dir, main)
}

fn free(example: &Example) -> impl Iterator<Item = (&'static str, &'static str)> {
    example.variables.iter().map(|(_, variable)| (*variable, "127.0.0.1:0"))
}

#[tokio::test]
async fn a_worker_that_fails_is_quoted() {
    for example in [SINGLE_APP_CLUSTER, MULTI_APP_CLUSTER, SINGLE_APP_INSTANCE] {
        let (_dir, main) = beside(Some("no-database.sh"), &example);
        let end = Program::start(&main, free(&example)).end().await;
        assert_eq!(end.code, Some(1), "{end:#?}");
        let told = "exited with code 3 while starting\nIts last words:\n    no database at db:5432\n";
        assert!(end.stderr.contains(told), "{end:#?}");
        assert_eq!(end.stderr.matches("Error: ").count(), 1, "{end:#?}");
    }
}

#[tokio::test]
async fn a_worker_that_is_not_there_is_named() {
    let (_dir, main) = beside(None, &SINGLE_APP_CLUSTER);
    let end = Program::start(&main, free(&SINGLE_APP_CLUSTER)).end().await;
    assert_eq!(end.code, Some(1), "{end:#?}");
    let told = format!("the command `{}-worker` does not exist\n", main.display());
    assert!(
        end.stderr.starts_with("Error: app `app` failed to start") && end.stderr.ends_with(&told),
        "{end:#?}"
    );
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let variables = [("FOO_LISTEN", "127.0.0.1:0"), ("BAR_LISTEN", &address), ("BAZ_LISTEN", "127.0.0.1:0")];
    for (example, app) in [(SINGLE_APP_CLUSTER, "app"), (MULTI_APP_CLUSTER, "bar")] {
        let variables = variables.into_iter().chain([("LISTEN", address.as_str())]);
        let end = Program::start(Path::new(example.main), variables).end().await;
        assert_eq!(end.code, Some(1), "{end:#?}");
        let told = format!("Error: app `{app}` can't listen: ");
        assert!(end.stderr.starts_with(&told) && end.stderr.contains(&address), "{end:#?}");
        assert_eq!(end.stderr.lines().count(), 1, "{end:#?}");
    }
}

#[tokio::test]
async fn an_address_that_is_none_is_shown() {
    let end = Program::start(Path::new(SINGLE_APP_CLUSTER.main), [("LISTEN", "nowhere")]).end().await;
    assert_eq!(end.code, Some(1), "{end:#?}");
    assert!(end.stderr.starts_with("Error: `nowhere` is not an address to listen on"), "{end:#?}");
}

#[tokio::test]
async fn ctrl_c_before_all_are_ready_is_no_failure() {
    for example in [SINGLE_APP_CLUSTER, MULTI_APP_CLUSTER, SINGLE_APP_INSTANCE] {
        let (_dir, main) = beside(Some("never-ready.sh"), &example);
        let mut program = Program::start(&main, free(&example));
        program.line(|line| line.ends_with("-0]: STARTING")).await;
        program.signal(Signal::SIGINT);
        let end = program.end().await;
        assert_eq!((end.code, end.stderr.as_str()), (Some(0), ""), "{:#?}", end.printed);
    }
}
