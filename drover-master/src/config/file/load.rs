//! Loads a `drover.toml` from the disk.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::layers::NoProfile;
use super::model::Config;
use super::parse::{Unread, parse_in};
use crate::config::text::mistake::{ParseError, render_title};

/// Reads and parses the file, and the files of variables that it names. Relative paths of these and of `cwd` are taken from
/// its directory.
///
/// # Errors
///
/// [`LoadError`]: the file is not there, cannot be read, is not UTF-8, or has mistakes; a file that it names and that can't be read is one.
pub fn load(path: &Path) -> Result<Config, LoadError> {
    load_profile(path, None)
}

/// As [`load`], with the profile of this name laid over the file.
///
/// # Errors
///
/// As [`load`], and [`LoadError::NoProfile`].
pub fn load_profile(path: &Path, profile: Option<&str>) -> Result<Config, LoadError> {
    parse_profile(path, &read(path)?, profile)
}

/// Reads the text of the file.
///
/// # Errors
///
/// As [`load`], but of mistakes nothing is known yet.
pub fn read(path: &Path) -> Result<String, LoadError> {
    let bytes = if path == Path::new(STDIN) { stdin() } else { fs::read(path) };
    let bytes = bytes.map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => missing(path),
        _ => LoadError::Unreadable { path: path.to_owned(), source },
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..valid].iter().filter(|byte| **byte == b'\n').count() + 1;
        LoadError::NotUtf8 { path: path.to_owned(), line }
    })
}

/// The path that means standard input.
pub const STDIN: &str = "-";

fn stdin() -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether a file can be read only once: standard input, a FIFO, what a shell makes of `<(command)`.
pub fn is_stream(path: &Path) -> bool {
    path == Path::new(STDIN) || fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

/// Parses the text that [`read`] has read from this file, and reads the files that it names.
///
/// # Errors
///
/// [`LoadError::Invalid`] with every mistake.
pub fn parse_file(path: &Path, text: &str) -> Result<Config, LoadError> {
    parse_profile(path, text, None)
}

/// As [`parse_file`], with the profile of this name laid over the file.
///
/// # Errors
///
/// As [`parse_file`], and [`LoadError::NoProfile`].
pub fn parse_profile(path: &Path, text: &str, profile: Option<&str>) -> Result<Config, LoadError> {
    parse_in(text, Some(directory(path)), profile).map_err(|error| match error {
        Unread::Mistaken(error) => LoadError::Invalid { path: path.to_owned(), text: text.to_owned(), error },
        Unread::NoProfile(NoProfile(help)) => LoadError::NoProfile {
            path: path.to_owned(),
            profile: profile.unwrap_or_default().to_owned(),
            help,
        },
    })
}

/// Where relative paths in a file are seen from. What comes by a stream is seen from where it is read.
pub(super) fn directory(path: &Path) -> &Path {
    if is_stream(path) { Path::new("") } else { path.parent().unwrap_or(Path::new("")) }
}

/// Why a `drover.toml` could not be loaded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The directory has no `drover.toml`.
    #[error("no drover.toml here: {}; write one, or name another file", directory.display())]
    NoneHere {
        /// Where it was looked for.
        directory: PathBuf,
    },
    /// The named file does not exist.
    #[error("no such file: {}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file exists, but the system does not let it be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file is not text.
    #[error("{} is not UTF-8 text: line {line} has bytes that are not characters", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// The first line that is not text, from 1.
        line: usize,
    },
    /// The file has no such profile.
    #[error("{} has no profile `{profile}`; {help}", path.display())]
    NoProfile {
        /// The file.
        path: PathBuf,
        /// The profile.
        profile: String,
        /// What to do.
        help: String,
    },
    /// The file has mistakes.
    #[error("{} has mistakes", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What was read.
        text: String,
        /// The mistakes in it.
        #[source]
        error: ParseError,
    },
}

impl LoadError {
    /// Shows the error with all there is to know, as [`ParseError::render`] does.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        match self {
            Self::Invalid { path, text, error } => error.render(&path.display().to_string(), text, colour),
            Self::Unreadable { source, .. } => render_title(&format!("{self}: {source}"), colour),
            Self::NoneHere { .. } | Self::Missing { .. } | Self::NotUtf8 { .. } | Self::NoProfile { .. } => {
                render_title(&self.to_string(), colour)
            }
        }
    }
}

fn missing(path: &Path) -> LoadError {
    if path.file_name().is_some_and(|name| name == "drover.toml") {
        let directory = path.parent().unwrap_or(Path::new("."));
        // The directory's full name, because "." says little; it may be what does not exist.
        let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        return LoadError::NoneHere {
            directory: fs::canonicalize(directory).unwrap_or(directory.to_owned()),
        };
    }
    LoadError::Missing { path: path.to_owned() }
}
