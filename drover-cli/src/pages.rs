//! What the README and the pages show: each file is valid and fits a plain machine, each command can be typed.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;
use drover_master::config::file::parse;
use drover_master::obstacles;

use crate::args::Cli;

/// Every page, with its name.
fn pages() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let inside = |dir: &str| {
        let entries = fs::read_dir(root.join(dir)).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|end| end == "md")).collect::<Vec<PathBuf>>()
    };
    let pages = ["", "docs", "docs/design", "docs/guides", "docs/reference", "examples"].map(inside).concat();
    let pages = pages.into_iter();
    pages.map(|path| (path.display().to_string(), fs::read_to_string(path).unwrap())).collect()
}

/// The blocks of a language, each with the page that it is on.
fn blocks(language: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (page, text) in pages() {
        let mut rest = text.as_str();
        while let Some((_, from)) = rest.split_once(&format!("```{language}")) {
            let (info, from) = from.split_once('\n').unwrap();
            let (block, after) = from.split_once("```").unwrap();
            rest = after;
            // A file may have its name beside its language; and `toml` is not `tomlx`.
            if !(info.is_empty() || info.starts_with(" title=")) {
                continue;
            }
            found.push((page.clone(), block.to_owned()));
        }
    }
    found
}

/// What a page can't know of the machine that it is read on.
fn is_of_the_machine(obstacle: &str) -> bool {
    [
        " does not exist",
        " is in no directory of",
        " can't be entered",
        "there is no user",
        "the journal does not listen",
    ]
    .iter()
    .any(|words| obstacle.contains(words))
}

#[test]
fn every_file_on_a_page_is_valid_and_asks_for_no_more_than_a_plain_machine_has() {
    let blocks = blocks("toml");
    assert!(blocks.len() >= 10, "{}", blocks.len());
    for (page, block) in blocks {
        if block.starts_with("[package]") {
            continue;
        }
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
        // Where a shell sends the output is its own matter.
        let words = words.iter().take_while(|word| !word.starts_with('>'));
        if let Err(error) = Cli::try_parse_from(words) {
            panic!("{page}: {line}\n{error}");
        }
    }
}

/// As GitHub makes one: small letters, digits, `-` and `_`.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

fn anchors(page: &str) -> Vec<String> {
    let outside = page.split("\n```").step_by(2).flat_map(str::lines);
    outside.filter(|line| line.starts_with('#')).map(|line| anchor(line.trim_start_matches('#'))).collect()
}

#[test]
fn every_link_on_a_page_leads_to_a_file_and_a_heading() {
    let pages = pages();
    let mut links = 0;
    for (page, text) in &pages {
        let outside = text.split("\n```").step_by(2).collect::<Vec<_>>().join("\n");
        let targets =
            outside.split("](").skip(1).filter_map(|from| from.split_once(')')).map(|(link, _)| link);
        for link in targets.filter(|link| !link.contains("://") && !link.contains(char::is_whitespace)) {
            let (path, wanted) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => PathBuf::from(page),
                path => Path::new(page).parent().unwrap().join(path),
            };
            assert!(target.exists(), "{page}: {link}");
            if !wanted.is_empty() && target.extension().is_some_and(|end| end == "md") {
                let there = anchors(&fs::read_to_string(&target).unwrap());
                assert!(there.iter().any(|anchor| anchor == wanted), "{page}: {link}: {there:?}");
            }
            links += 1;
        }
    }
    assert!(links > 100, "{links}");
}

/// Phrases that a reader has to translate back; each has a plain way to say it.
const FOREIGN: &[&str] = &[
    " is waited",
    " are waited",
    " was waited",
    " were waited",
    "can't be meant",
    " to be had",
    "is it meant",
    " the begin of",
    " for who ",
    " gets on with",
];

/// Whether something "is no" something, which a native says of comparisons alone ("is no longer", "there is no").
fn is_no(line: &str) -> bool {
    line.match_indices(" is no ").any(|(at, found)| {
        let (before, after) = (&line[..at], &line[at + found.len()..]);
        let is_there = before.to_lowercase().ends_with("there");
        !is_there && !["longer", "more than", "better", "worse"].iter().any(|word| after.starts_with(word))
    })
}

/// Every page, source and definition of the repository, but for what is generated or was written by others.
fn texts(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_own = !name.starts_with('.') && !["target", "gen", "node_modules"].contains(&&*name);
        if is_own && path.is_dir() && !path.is_symlink() {
            texts(&path, found);
        } else if is_own
            && [".md", ".rs", ".proto", ".toml", ".py", ".js", ".ts", ".go", ".java", ".rb"]
                .iter()
                .any(|end| name.ends_with(end))
        {
            found.push(path);
        }
    }
}

#[test]
fn no_page_or_message_or_comment_has_a_phrase_that_has_to_be_read_twice() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (mut files, mut faults) = (Vec::new(), Vec::new());
    texts(&root, &mut files);
    assert!(files.len() > 300, "{}", files.len());
    // This file has to name them; what was is told as it was; and a frame that others keep as a vector stays as it is.
    let exempt = ["pages.rs", "CHANGELOG.md", "golden_frames/expected.rs"];
    for path in files.iter().filter(|path| !exempt.iter().any(|end| path.ends_with(end))) {
        let text = fs::read_to_string(path).unwrap_or_default();
        for (number, line) in text.lines().enumerate() {
            let phrases = FOREIGN.iter().filter(|phrase| line.contains(**phrase));
            faults.extend(phrases.map(|phrase| format!("{}:{}: `{phrase}`", path.display(), number + 1)));
            if is_no(line) {
                faults.push(format!("{}:{}: say `is not a`", path.display(), number + 1));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
