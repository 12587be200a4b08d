//! What the README and the pages show: each file is valid and fits a plain machine, each command can be typed.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;

use crate::args::Cli;
use crate::config::{obstacles, parse};

/// Every page, with its name.
fn pages() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let inside = |dir: &str| {
        let entries = fs::read_dir(root.join(dir)).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|end| end == "md")).collect::<Vec<PathBuf>>()
    };
    let pages = [inside(""), inside("docs"), inside("docs/design"), inside("examples")].concat();
    let pages = pages.into_iter();
    pages.map(|path| (path.display().to_string(), fs::read_to_string(path).unwrap())).collect()
}

/// The blocks of a language, each with the page that it is on.
fn blocks(language: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (page, text) in pages() {
        let mut rest = text.as_str();
        while let Some((_, from)) = rest.split_once(&format!("```{language}\n")) {
            let (block, after) = from.split_once("```").unwrap();
            found.push((page.clone(), block.to_owned()));
            rest = after;
        }
    }
    found
}

/// What a page can't know of the machine that it is read on.
fn is_of_the_machine(obstacle: &str) -> bool {
    [" does not exist", " is in no directory of", " can't be entered", "there is no user"]
        .iter()
        .any(|words| obstacle.contains(words))
}

#[test]
fn every_file_on_a_page_is_valid_and_asks_for_no_more_than_a_plain_machine_has() {
    let blocks = blocks("toml");
    assert!(blocks.len() >= 10, "{}", blocks.len());
    for (page, block) in blocks {
        let mut text = block;
        if !text.contains("version = ") {
            text.insert_str(0, "version = 1\n");
        }
        // A part of an app is shown without the rest of it.
        if !text.contains("command") {
            text.push_str("[app.web]\ncommand = 'web'\nprotocol = 'drover'\n");
        }
        let config =
            parse(&text).unwrap_or_else(|error| panic!("{page}: {}", error.render(&page, &text, false)));
        for obstacle in obstacles(&text, &config, None) {
            assert!(is_of_the_machine(obstacle.message()), "{page}: {obstacle}");
        }
    }
}

/// Else a stop reaches the workers beside their master, and they leave in the middle of their requests.
#[test]
fn every_unit_on_a_page_has_the_master_alone_told_to_stop() {
    let units = blocks("ini");
    assert!(!units.is_empty());
    for (page, unit) in units {
        assert!(unit.lines().any(|line| line == "KillMode=mixed"), "{page}: {unit}");
        let start = unit
            .lines()
            .find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/"))
            .expect("it starts it");
        Cli::try_parse_from(shlex::split(start).unwrap()).unwrap_or_else(|error| panic!("{page}: {error}"));
    }
}

#[test]
fn every_command_on_a_page_can_be_typed() {
    let blocks = blocks("sh");
    let lines = blocks.iter().flat_map(|(page, block)| block.lines().map(move |line| (page, line)));
    let commands: Vec<_> = lines
        .map(|(page, line)| (page, line.strip_prefix("target/debug/").unwrap_or(line)))
        .filter(|(_, line)| line.starts_with("drover "))
        .collect();
    assert!(commands.len() >= 9, "{commands:?}");
    for (page, line) in commands {
        let words = shlex::split(line).unwrap_or_else(|| panic!("{page}: {line}"));
        if let Err(error) = Cli::try_parse_from(words) {
            panic!("{page}: {line}\n{error}");
        }
    }
}
