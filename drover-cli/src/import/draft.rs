//! What is carried over: apps with the keys of drover.toml, and what was lost on the way.

use std::fmt;

use serde::Serialize;
use toml_edit::Value;

/// A place in a file of another program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ForeignPlace {
    /// The file, as it was named.
    pub(crate) file: String,
    /// The line, from 1; none where the file was run and not read.
    pub(crate) line: Option<usize>,
}

impl fmt::Display for ForeignPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}", self.file),
            None => f.write_str(&self.file),
        }
    }
}

/// A key that could not be carried over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Loss {
    /// Where it stands.
    #[serde(flatten)]
    pub(crate) place: ForeignPlace,
    /// The app that it is lost to; none if it concerns all.
    pub(crate) app: Option<String>,
    /// The key, in the words of the other program.
    pub(crate) key: String,
    /// Why, or what to use instead.
    pub(crate) why: String,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, app, key, why } = self;
        let app = app.as_ref().map_or_else(String::new, |app| format!(" of app `{app}`"));
        write!(f, "{place}: `{key}`{app} is not carried over: {why}")
    }
}

/// Why nothing is made of a file.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{place}: {what}")]
pub(crate) struct ImportError {
    /// Where it is wrong.
    pub(crate) place: ForeignPlace,
    /// What is wrong, and what to do.
    pub(crate) what: String,
}

/// A file of another program.
#[derive(Debug, Clone, Default)]
pub(crate) struct ForeignText {
    /// The file, as it was named.
    pub(crate) name: String,
    /// What it says.
    pub(crate) text: String,
    /// The directory that relative paths in it start at, where that is not the one of the drover.toml.
    pub(crate) home: Option<String>,
    /// Whether a `.env` lies beside it.
    pub(crate) has_dotenv: bool,
    /// Whether its lines are its own; not where a program printed it.
    pub(crate) is_printed: bool,
}

impl ForeignText {
    /// A line of it.
    pub(crate) fn at(&self, line: usize) -> ForeignPlace {
        ForeignPlace { file: self.name.clone(), line: (!self.is_printed).then_some(line) }
    }

    /// What is wrong in a line of it.
    pub(crate) fn error(&self, line: usize, what: impl Into<String>) -> ImportError {
        ImportError { place: self.at(line), what: what.into() }
    }

    /// A path in it, as it is from the drover.toml.
    pub(crate) fn path(&self, path: &str) -> String {
        match &self.home {
            Some(home) if !path.starts_with('/') => {
                format!("{home}/{}", path.strip_prefix("./").unwrap_or(path))
            }
            _ => path.to_owned(),
        }
    }
}

/// A drover.toml in the making.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    /// The name of the master, if the file has one.
    pub(crate) name: Option<String>,
    /// Its apps.
    pub(crate) apps: Vec<DraftApp>,
    /// What is lost to no app in particular.
    pub(crate) losses: Vec<Loss>,
}

impl Draft {
    /// Names what is lost to no app in particular.
    pub(crate) fn lose(&mut self, place: ForeignPlace, key: impl Into<String>, why: impl Into<String>) {
        self.losses.push(Loss { place, app: None, key: key.into(), why: why.into() });
    }

    /// Everything that is lost.
    pub(crate) fn all_losses(&self) -> impl Iterator<Item = &Loss> {
        self.losses.iter().chain(self.apps.iter().flat_map(|app| &app.losses))
    }
}

/// An app in the making.
#[derive(Debug)]
pub(crate) struct DraftApp {
    /// Its name.
    pub(crate) name: String,
    /// Where it stands.
    pub(crate) place: ForeignPlace,
    /// What is said of it to people.
    pub(crate) comments: Vec<String>,
    /// Its keys, dotted, in their order.
    pub(crate) keys: Vec<(&'static str, Value)>,
    /// Its variables; `{slot}` in them is meant.
    pub(crate) env: Vec<(String, String)>,
    /// Its variables in profiles.
    pub(crate) profiles: Vec<(String, Vec<(String, String)>)>,
    /// The apps that it waits for, each `ready` or `completed`, and where that stands.
    pub(crate) needs: Vec<(String, &'static str, ForeignPlace)>,
    /// How long its workers have to leave, in ms.
    pub(crate) grace_ms: u64,
    /// What is lost to it.
    pub(crate) losses: Vec<Loss>,
}

impl DraftApp {
    /// An app of this name, with what of that can be one.
    pub(crate) fn new(name: &str, place: ForeignPlace) -> Self {
        let kept = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
        let usable: String = name.trim_matches('@').chars().map(kept).take(64).collect();
        let comments = if usable == name { Vec::new() } else { vec![format!("it was called `{name}`")] };
        Self {
            name: if usable.is_empty() { "app".to_owned() } else { usable },
            place,
            comments,
            keys: Vec::new(),
            env: Vec::new(),
            profiles: Vec::new(),
            needs: Vec::new(),
            grace_ms: 0,
            losses: Vec::new(),
        }
    }

    /// Sets a key, once.
    pub(crate) fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        self.keys.retain(|(set, _)| *set != key);
        self.keys.push((key, value.into()));
    }

    /// Sets a time.
    pub(crate) fn set_time(&mut self, key: &'static str, ms: u64) {
        self.set(key, super::value::time_text(ms));
        match key {
            "stop.drain_timeout" => self.grace_ms = ms,
            // Neither may be below the other.
            "start.timeout" if ms > 300_000 => self.set_time("start.max_timeout", ms),
            "start.timeout" if ms <= 1000 => self.set_time("start.min_uptime", ms / 2),
            "start.min_uptime" if ms >= 30_000 => self.set_time("start.timeout", ms + 30_000),
            _ => {}
        }
    }

    /// Sets the command. `{slot}` in it is meant.
    pub(crate) fn set_command<W: AsRef<str>>(&mut self, words: &[W]) {
        self.set("command", words.iter().map(AsRef::as_ref).collect::<toml_edit::Array>());
    }

    /// Sets a variable; a later one replaces an earlier one.
    pub(crate) fn set_env(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let name = name.into();
        self.env.retain(|(set, _)| *set != name);
        self.env.push((name, value.into()));
    }

    /// Names what is lost to it.
    pub(crate) fn lose(&mut self, place: ForeignPlace, key: impl Into<String>, why: impl Into<String>) {
        let app = Some(self.name.clone());
        self.losses.push(Loss { place, app, key: key.into(), why: why.into() });
    }
}
