use std::error::Error;
use std::fs;

use tempfile::tempdir;

use super::super::{LoadError, load};
use super::{EVERY_KEY, web};

#[test]
fn a_file_is_loaded() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("drover.toml");
    fs::write(&path, EVERY_KEY).unwrap();
    assert_eq!(load(&path).unwrap().name.as_deref(), Some("shop"));
}

#[test]
fn a_directory_without_a_file_is_named() {
    let directory = tempdir().unwrap();
    let real = fs::canonicalize(directory.path()).unwrap();
    let error = load(&directory.path().join("drover.toml")).unwrap_err();
    assert_eq!(
        error.render(false),
        format!("error: no drover.toml here: {}; write one, or name another file with -f", real.display())
    );
    let other = directory.path().join("other.toml");
    assert_eq!(load(&other).unwrap_err().to_string(), format!("no such file: {}", other.display()));
}

#[test]
fn a_file_that_cannot_be_read_has_its_reason() {
    let directory = tempdir().unwrap();
    let error = load(directory.path()).unwrap_err();
    assert!(error.source().is_some());
    let shown = error.render(false);
    let expected = format!("error: cannot read {}: Is a directory", directory.path().display());
    assert!(shown.starts_with(&expected), "{shown}");
}

#[test]
fn a_file_that_is_no_text_is_told_by_its_line() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("drover.toml");
    fs::write(&path, b"version = 1\n# \xff\n").unwrap();
    let error = load(&path).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{} is not UTF-8 text: line 2 has bytes that are no character", path.display())
    );
}

#[test]
fn mistakes_are_shown_with_the_path_of_the_file() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("drover.toml");
    fs::write(&path, web("worker = 4")).unwrap();
    let error = load(&path).unwrap_err();
    assert!(matches!(error, LoadError::Invalid { .. }));
    assert!(
        error.render(false).contains(&format!(" --> {}:4:1\n", path.display())),
        "{}",
        error.render(false)
    );
}
