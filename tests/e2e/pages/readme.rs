//! What the README shows is run as it stands there: its file, its commands. Only the address is the test's own.

use std::fs::{self, File};

use drover_e2e::harness::eventually;

use super::place::Place;

const README: &str = include_str!("../../../README.md");

/// The lines of the README's blocks of commands that begin like this.
fn lines(begin: &str) -> Vec<&'static str> {
    let blocks = README.split("```sh\n").skip(1).map(|from| from.split("```").next().unwrap());
    blocks.flat_map(str::lines).filter(|line| line.starts_with(begin)).collect()
}

#[test]
fn the_file_runs_and_is_reloaded_as_it_stands() {
    let place = Place::new(0);
    let (_, from) = README.split_once("```toml\n").unwrap();
    fs::write(place.path("drover.toml"), place.here(from.split("```").next().unwrap())).unwrap();
    assert_eq!(place.succeeds("drover validate --strict"), "");
    place.succeeds("drover up -d");
    assert!("0123".contains(&place.answer(8080, "/")));
    for slot in 0..4 {
        assert_eq!(place.answer(9000 + slot, "/live"), "alive");
    }
    let reloads = lines("drover reload");
    assert_eq!(reloads.len(), 2, "{reloads:?}");
    // Each new worker lives for `soak` first, all one after the other; the second reload says the same of one.
    place.succeeds(&reloads[1].replace(" #", " --soak 0s #"));
    place.succeeds("drover reload web --promote");
    place.succeeds("drover status");
    place.succeeds("drover down");
}

#[tokio::test]
async fn each_command_that_runs_a_program_has_it_ready() {
    let place = Place::new(1);
    let lines = lines("drover run");
    assert_eq!(lines.len(), 2, "{lines:?}");
    for line in lines {
        let log = place.path("log");
        let out = File::create(&log).unwrap();
        let here = place.here(line);
        let words: Vec<String> = here.split_whitespace().skip(1).map(str::to_owned).collect();
        let mut command = place.drover(&words);
        let mut master = command.stdout(out.try_clone().unwrap()).stderr(out).spawn().unwrap();
        eventually(line, || {
            let said = fs::read_to_string(&log).unwrap();
            assert!(!said.contains("error"), "{line}: {said}");
            said.contains("is running: every worker is ready").then_some(())
        })
        .await;
        place.succeeds("drover down");
        let ended = eventually("the end of the master", || master.try_wait().unwrap()).await;
        assert!(ended.success(), "{line}");
    }
}
