//! Commands that can't be run: each gives one sentence that names what, where and the remedy.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use drover_e2e::harness::App;
use drover_master::{ExitReason, MasterBuilder, Phase, SpawnStep, StartError};

/// The sentence after "app `x` failed to start: worker 0 could not be started: ".
pub(crate) async fn refusal(builder: MasterBuilder, step: SpawnStep, errno: i32) -> String {
    let (mut app, error) = App::failed(builder).await;
    let StartError::Worker { failure, .. } = &error else { panic!("{error:?}") };
    assert_eq!(failure.exit.reason, ExitReason::SpawnFailed { step, errno });
    assert_eq!((failure.exit.during, failure.worker.0), (Phase::Initialized, 1));
    let start = format!("app `{}` failed to start: worker 0 could not be started: ", app.name());
    let sentence = error.to_string().strip_prefix(&start).unwrap_or_else(|| panic!("{error}")).to_owned();
    app.is_gone().await;
    sentence
}

fn file(dir: &Path, name: &str, content: &[u8], mode: u32) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path
}

#[tokio::test]
async fn a_command_that_is_missing() {
    let sentence = refusal(App::builder("/no/such/program"), SpawnStep::Exec, libc::ENOENT).await;
    assert_eq!(sentence, "the command `/no/such/program` does not exist");
    let worker = App::builder("no-such-program").env("PATH", "/usr/bin:/bin");
    let sentence = refusal(worker, SpawnStep::Exec, libc::ENOENT).await;
    assert_eq!(sentence, "the command `no-such-program` was not found in PATH");
}

#[tokio::test]
async fn a_command_that_is_a_symlink_is_run() {
    let dir = tempfile::tempdir().unwrap();
    let link = dir.path().join("current");
    std::os::unix::fs::symlink(program!("worker_good"), &link).unwrap();
    let app = App::started(App::builder(&link)).await;
    assert_eq!(app.worker(0).phase, Phase::Started);
    app.end().await;
}

#[tokio::test]
async fn a_command_that_is_not_executable() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path(), "app", b"#!/bin/sh\n", 0o644);
    let path = path.display();
    let sentence = refusal(App::builder(path.to_string()), SpawnStep::Exec, libc::EACCES).await;
    assert_eq!(sentence, format!("the command `{path}` is not executable; try `chmod +x {path}`"));
}

#[tokio::test]
async fn a_script_whose_interpreter_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path(), "app", b"#!/no/such/python -u\nprint(1)\n", 0o755);
    let path = path.display();
    let sentence = refusal(App::builder(path.to_string()), SpawnStep::Exec, libc::ENOENT).await;
    assert_eq!(
        sentence,
        format!(
            "the command `{path}` names the interpreter `/no/such/python` in its first line, which does not exist"
        )
    );
}

#[tokio::test]
async fn a_script_whose_interpreter_is_not_executable() {
    let dir = tempfile::tempdir().unwrap();
    let interpreter = file(dir.path(), "python", b"", 0o644);
    let first_line = format!("#!{}\n", interpreter.display());
    let path = file(dir.path(), "app", first_line.as_bytes(), 0o755);
    let path = path.display();
    let sentence = refusal(App::builder(path.to_string()), SpawnStep::Exec, libc::EACCES).await;
    assert_eq!(
        sentence,
        format!(
            "the command `{path}` names the interpreter `{}`, which is not executable",
            interpreter.display()
        )
    );
}

#[tokio::test]
async fn a_command_that_is_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().display();
    let sentence = refusal(App::builder(path.to_string()), SpawnStep::Exec, libc::EACCES).await;
    assert_eq!(sentence, format!("the command `{path}` is a directory"));
}

#[tokio::test]
async fn a_file_that_is_no_program() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path(), "app", b"echo hello\n", 0o755);
    let path = path.display();
    let sentence = refusal(App::builder(path.to_string()), SpawnStep::Exec, libc::ENOEXEC).await;
    assert_eq!(
        sentence,
        format!("the command `{path}` is neither a program nor a script with `#!` in its first line")
    );
}

#[tokio::test]
async fn a_working_directory_that_can_not_be_entered() {
    let worker = App::builder(program!("worker_good")).current_dir("/no/such/place");
    let sentence = refusal(worker, SpawnStep::WorkingDirectory, libc::ENOENT).await;
    assert_eq!(sentence, "the working directory `/no/such/place` does not exist; make it, or name another");
}

#[tokio::test]
async fn a_program_that_an_ordinary_user_may_not_reach() {
    if nix::unistd::geteuid().is_root() {
        drover_e2e::complain("SKIPPED: root may enter every directory");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let closed = dir.path().join("closed");
    fs::create_dir(&closed).unwrap();
    let path = file(&closed, "app", b"#!/bin/sh\n", 0o755);
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    let by_path = refusal(App::builder(path.as_os_str()), SpawnStep::Exec, libc::EACCES).await;
    let by_name = App::builder("app").env("PATH", closed.as_os_str());
    let by_name = refusal(by_name, SpawnStep::Exec, libc::EACCES).await;
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(
        by_path,
        format!(
            "the command `{}` can't be reached: this user may not enter a directory above it",
            path.display()
        )
    );
    assert_eq!(
        by_name,
        "the command `app` was not found in PATH, of which this user may not enter every directory"
    );
}
