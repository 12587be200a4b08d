//! Each guide is followed from its first block to its last.
//!
//! A block with a title, such as "toml title=drover.toml", is written to that file. The lines of a block of "sh" are run one after the
//! other, and each must succeed; but for those that fetch or build something, in the place of which the test has what they would bring.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::foreign_workers::{Language, go_module, java_package, wheel};

use super::place::Place;

/// Commands that take a network or a compiler.
const DONE_ALREADY: [&str; 8] = [
    "cargo",
    "cp",
    "go ",
    "javac",
    "~/drover/packages/java/build",
    "npm",
    "python3 -m venv",
    ".venv/bin/pip",
];

struct Block<'a> {
    info: &'a str,
    text: &'a str,
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    let fenced = page.split("\n```").skip(1).step_by(2);
    fenced.filter_map(|block| block.split_once('\n')).map(|(info, text)| Block { info, text }).collect()
}

/// Does what the guide says; how many commands that were.
fn follow(place: &Place, guide: &str) -> usize {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guides").join(guide);
    let page = fs::read_to_string(page).unwrap();
    let mut commands = 0;
    for block in blocks(&page) {
        if let Some((_, name)) = block.info.split_once(" title=") {
            fs::write(place.path(name), format!("{}\n", place.here(block.text))).unwrap();
        } else if block.info == "sh" {
            let lines = block.text.lines().map(|line| line.split(" # ").next().unwrap().trim());
            for line in lines.filter(|line| !DONE_ALREADY.iter().any(|word| line.starts_with(word))) {
                succeeds(place, guide, line);
                commands += 1;
            }
        }
    }
    commands
}

fn succeeds(place: &Place, guide: &str, line: &str) {
    if let Some(url) = line.strip_prefix("curl http://127.0.0.1:8080") {
        assert!(
            place.answer(8080, url).starts_with("hello") || guide.ends_with("rust.md"),
            "{guide}: {line}"
        );
        return;
    }
    if let Some(url) = line.strip_prefix("curl http://127.0.0.1:9900") {
        let answer = place.answer(9900, url);
        assert!(answer == "ready\n" || answer.contains("drover_workers_ready"), "{guide}: {line}: {answer}");
        return;
    }
    let Output { status, stdout, stderr } = match line.strip_prefix("drover ") {
        Some(_) => place.run(line),
        None => {
            let mut shell = Command::new("sh");
            shell.args(["-c", &place.here(line)]).current_dir(place.path("")).stdin(Stdio::null());
            shell.output().unwrap()
        }
    };
    let said = [stdout, stderr].concat();
    assert!(status.success(), "{guide}: {line}: {}", String::from_utf8_lossy(&said));
}

#[test]
fn a_first_app_in_rust_starts_answers_and_is_reloaded() {
    let place = Place::new(2);
    fs::create_dir_all(place.path("target/release")).unwrap();
    symlink(program!("worker_axum"), place.path("target/release/web")).unwrap();
    assert_eq!(follow(&place, "first-app-rust.md"), 6);
}

#[tokio::test]
async fn a_first_app_in_node_starts_answers_and_is_reloaded() {
    let place = Place::new(3);
    let Some(run) = Language::new("node").installed().await else { return };
    symlink(run.with_file_name("node_modules"), place.path("node_modules")).unwrap();
    assert_eq!(follow(&place, "first-app-node.md"), 5);
}

#[tokio::test]
async fn the_npm_package_is_used_as_its_readme_says() {
    let place = Place::new(12);
    let Some(run) = Language::new("node").installed().await else { return };
    symlink(run.with_file_name("node_modules"), place.path("node_modules")).unwrap();
    assert_eq!(follow(&place, "../../packages/node/README.md"), 5);
}

#[tokio::test]
async fn the_go_module_is_used_as_its_readme_says() {
    let place = Place::new(34);
    fs::remove_file(place.path("web")).unwrap();
    let app = place.path("web.d").join("web");
    fs::create_dir_all(&app).unwrap();
    let readme = include_str!("../../../packages/go/README.md");
    let source = blocks(readme).into_iter().find(|block| block.info == "go title=main.go").unwrap();
    fs::write(app.join("main.go"), place.here(source.text)).unwrap();
    fs::write(app.join("go.mod"), "module web\n\ngo 1.19\n").unwrap();
    if !go_module::builds(&app).await {
        return;
    }
    symlink(app.join("web"), place.path("web")).unwrap();
    assert_eq!(follow(&place, "../../packages/go/README.md"), 4);
}

#[tokio::test]
async fn the_java_package_is_used_as_its_readme_says() {
    let place = Place::new(35);
    let readme = include_str!("../../../packages/java/README.md");
    let source = blocks(readme).into_iter().find(|block| block.info == "java title=App.java").unwrap();
    fs::write(place.path("App.java"), place.here(source.text)).unwrap();
    if !java_package::builds(&place.path("")).await {
        return;
    }
    assert_eq!(follow(&place, "../../packages/java/README.md"), 4);
}

#[tokio::test]
async fn the_app_of_a_user_of_pm2_runs_as_the_page_says() {
    let place = Place::new(13);
    let Some(run) = Language::new("node").installed().await else { return };
    symlink(run.with_file_name("node_modules"), place.path("node_modules")).unwrap();
    assert_eq!(follow(&place, "from-pm2.md"), 4);
}

#[tokio::test]
async fn a_first_app_in_python_starts_answers_and_is_reloaded() {
    let place = Place::new(4);
    let Some(environments) = wheel::installed().await else { return };
    symlink(environments.join("alone"), place.path(".venv")).unwrap();
    assert_eq!(follow(&place, "first-app-python.md"), 5);
}

#[tokio::test]
async fn the_python_package_is_used_as_its_readme_says() {
    let place = Place::new(14);
    let Some(environments) = wheel::installed().await else { return };
    symlink(environments.join("servers"), place.path(".venv")).unwrap();
    assert_eq!(follow(&place, "../../packages/python/README.md"), 4);
}

#[test]
fn a_reload_a_quick_one_and_a_canary_go_as_the_guide_says() {
    assert_eq!(follow(&Place::new(5), "reload.md"), 11);
}

#[test]
fn several_apps_start_in_order_and_are_operated_one_by_one() {
    let place = Place::new(6);
    fs::remove_file(place.path("queue-worker")).unwrap();
    assert_eq!(follow(&place, "several-apps.md"), 12);
}

#[test]
fn a_deploy_migrates_reloads_and_waits() {
    assert_eq!(follow(&Place::new(7), "deploy-with-migration.md"), 6);
}

#[test]
fn logs_are_shown_and_written_to_files_as_the_guide_says() {
    assert_eq!(follow(&Place::new(9), "logs.md"), 10);
}

#[test]
fn apps_run_by_a_schedule_as_the_guide_says() {
    assert_eq!(follow(&Place::new(11), "cron.md"), 8);
}

#[test]
fn an_app_is_restarted_when_a_file_changes_as_the_guide_says() {
    let place = Place::new(10);
    fs::create_dir(place.path("src")).unwrap();
    assert_eq!(follow(&place, "development.md"), 5);
}

#[test]
fn a_master_is_watched_as_the_guide_says() {
    assert_eq!(follow(&Place::new(8), "monitoring.md"), 6);
}
