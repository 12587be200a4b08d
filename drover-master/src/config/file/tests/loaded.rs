use std::error::Error;
use std::fs;

use tempfile::tempdir;

use super::super::{LoadError, load};
use super::{EVERY_KEY, web};

#[test]
fn a_file_is_loaded() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("drover.toml");
    fs::write(&path, EVERY_KEY.replace("/etc/b.env", "b.env")).unwrap();
    fs::write(directory.path().join("a.env"), "NODE_ENV=test\nA=a\nB=a\n").unwrap();
    fs::write(directory.path().join("b.env"), "B='of b'\n").unwrap();
    let config = load(&path).unwrap();
    assert_eq!(config.master.fixed.name.as_deref(), Some("shop"));
    // A later one wins: a file over one before it, the key `env` over all files.
    let env = config.apps[0].spec.command.env.iter();
    let env: Vec<_> = env.map(|(key, value)| (key.to_str().unwrap(), value.to_str().unwrap())).collect();
    let expected = [
        ("NODE_ENV", "test"),
        ("A", "a"),
        ("B", "a"),
        ("B", "of b"),
        ("NODE_ENV", "production"),
        ("EMPTY", ""),
    ];
    assert_eq!(env, expected);
}

#[test]
fn paths_are_taken_from_the_directory_of_the_file() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("drover.toml");
    fs::write(&path, web("cwd = 'srv'")).unwrap();
    assert_eq!(load(&path).unwrap().apps[0].spec.command.cwd, Some(directory.path().join("srv")));
    fs::write(&path, web("cwd = '/srv'")).unwrap();
    assert_eq!(load(&path).unwrap().apps[0].spec.command.cwd, Some("/srv".into()));
}

#[test]
fn a_file_of_variables_that_can_not_be_used_is_told_where_it_is_named() {
    let directory = tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::write(at("wrong.env"), "A=1\nhunter2\n").unwrap();
    fs::write(at("binary.env"), b"A=1\nB=\xff\n").unwrap();
    fs::write(at("large.env"), vec![b'#'; 1024 * 1024 + 1]).unwrap();
    let lines = "env_file = ['no.env', 'wrong.env', '.', 'binary.env', 'large.env', '/no/such.env']";
    fs::write(at("drover.toml"), web(lines)).unwrap();
    let LoadError::Invalid { error, .. } = load(&at("drover.toml")).unwrap_err() else {
        panic!("it is text")
    };
    let told: Vec<String> = error.to_string().lines().map(str::to_owned).collect();
    let dir = directory.path().display();
    let expected = [
        format!(
            "line 4, column 13: `{dir}/no.env` can't be read: No such file or directory (os error 2); a path is taken \
             from the directory of this file"
        ),
        format!("line 4, column 23: {dir}/wrong.env:2: this line has no `=`; write KEY=VALUE, one a line"),
        format!("line 4, column 36: `{dir}/.` is not a regular file"),
        format!(
            "line 4, column 41: `{dir}/binary.env` is not UTF-8 text: line 2 has bytes that are not characters"
        ),
        format!("line 4, column 55: `{dir}/large.env` is larger than 1048576 bytes; is it the right file?"),
        "line 4, column 68: `/no/such.env` can't be read: No such file or directory (os error 2)".to_owned(),
    ];
    assert_eq!(told, expected);
    assert!(!load(&at("drover.toml")).unwrap_err().render(false).contains("hunter2"));
}

#[test]
fn a_directory_without_a_file_is_named() {
    let directory = tempdir().unwrap();
    let real = fs::canonicalize(directory.path()).unwrap();
    let error = load(&directory.path().join("drover.toml")).unwrap_err();
    assert_eq!(
        error.render(false),
        format!("error: no drover.toml here: {}; write one, or name another file", real.display())
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
        format!("{} is not UTF-8 text: line 2 has bytes that are not characters", path.display())
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
