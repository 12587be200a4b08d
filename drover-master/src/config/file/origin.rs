//! Where each value of a configuration comes from.

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use toml_edit::{Document, TableLike};

use super::layers::Layers;
use super::model::Config;
use super::{env_file, json, write};
use crate::config::text::mistake::key_shown;

/// What a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValueOrigin {
    /// Nobody says otherwise.
    Default,
    /// The file says so, for this key.
    File {
        /// In this line, from 1.
        line: usize,
    },
    /// The file says so for every app, under `[defaults]`.
    Defaults {
        /// In this line, from 1.
        line: usize,
    },
    /// The profile that is laid over the file says so.
    Profile {
        /// In this line of the same file, from 1.
        line: usize,
    },
    /// A file of variables has it.
    EnvFile {
        /// That file, as `env_file` names it.
        path: PathBuf,
    },
}

/// A key, its value, and what that comes from.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Originated {
    /// The whole dotted key, as it may be written in a `drover.toml`.
    pub key: String,
    /// The value as TOML.
    pub toml: String,
    /// The same as JSON.
    pub json: Json,
    /// What it comes from.
    pub origin: ValueOrigin,
}

/// Every value of a configuration, defaults included, with what it comes from. `path`, `text` and `profile` are what it was read
/// from, and have no mistake.
#[must_use]
pub fn origins(config: &Config, path: &Path, text: &str, profile: Option<&str>) -> Vec<Originated> {
    let Ok(document) = Document::parse(text) else { return Vec::new() };
    let Ok(layers) = Layers::of(document.as_table(), profile) else { return Vec::new() };
    let source = FileLayers { config, directory: super::load::directory(path), text, layers };
    let mut found = Vec::new();
    source.walk(write::document(config).as_table(), &mut Vec::new(), &mut found);
    found
}

/// What a configuration was read from.
struct FileLayers<'s> {
    config: &'s Config,
    directory: &'s Path,
    text: &'s str,
    layers: Layers,
}

impl FileLayers<'_> {
    /// Finds the values below a table; `above` are the keys that lead there.
    fn walk(&self, table: &dyn TableLike, above: &mut Vec<String>, found: &mut Vec<Originated>) {
        for (key, item) in table.iter() {
            above.push(key.to_owned());
            match item.as_table_like().filter(|below| !below.is_empty()) {
                Some(below) => self.walk(below, above, found),
                None => found.push(Originated {
                    key: above.iter().map(|key| key_shown(key)).collect::<Vec<_>>().join("."),
                    toml: if item.is_table_like() {
                        "{}".to_owned()
                    } else {
                        item.to_string().trim().to_owned()
                    },
                    json: json::of_item(item),
                    origin: self.origin(above),
                }),
            }
            above.pop();
        }
    }

    fn origin(&self, path: &[String]) -> ValueOrigin {
        if let Some(place) = self.place(path) {
            let line = self.text[..place.start.min(self.text.len())].matches('\n').count() + 1;
            let is_in = |places: &[Range<usize>]| places.iter().any(|known| known.contains(&place.start));
            return match (is_in(&self.layers.profile), is_in(&self.layers.defaults)) {
                (true, _) => ValueOrigin::Profile { line },
                (false, true) => ValueOrigin::Defaults { line },
                (false, false) => ValueOrigin::File { line },
            };
        }
        self.env_file(path).map_or(ValueOrigin::Default, |path| ValueOrigin::EnvFile { path })
    }

    /// Where in the text the value stands.
    fn place(&self, path: &[String]) -> Option<Range<usize>> {
        let (last, above) = path.split_last()?;
        let mut table: &dyn TableLike = &self.layers.table;
        for (depth, key) in above.iter().enumerate() {
            let (key, item) = table.get_key_value(key)?;
            table = match item.as_table_like() {
                Some(below) => below,
                // A word that stands for a table says one thing of it, `true` all of it.
                None if key.get() == "restart" && depth + 1 == above.len() && last == "policy" => {
                    return key.span();
                }
                None if item.as_bool() == Some(true) => return key.span(),
                None => return None,
            };
        }
        let (key, item) = table.get_key_value(last)?;
        key.span().or_else(|| item.span())
    }

    /// The file that this variable of an app is from; of several the last that has it counts.
    fn env_file(&self, path: &[String]) -> Option<PathBuf> {
        let [top, app, env, variable] = path else { return None };
        if (top.as_str(), env.as_str()) != ("app", "env") {
            return None;
        }
        let app = self.config.apps.iter().find(|known| known.spec.name == *app)?;
        let has_it = |file: &&PathBuf| env_file::names(&self.directory.join(file)).contains(variable);
        app.env_files.iter().rev().find(has_it).cloned()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::file::parse_profile;

    const FILE: &str = r#"version = 1

[defaults]
workers = 3
restart = "never"

[app.web]
command = "web"
env_file = ["a.env", "b.env"]
env.PLAIN = "1"
stop.drain_timeout = "2s"

[profiles.dev]
defaults.stop.term_timeout = "7s"

[profiles.dev.app.web]
workers = 1
"#;

    #[test]
    fn each_value_is_told_with_the_layer_and_the_line_that_it_comes_from() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("a.env"), "A=1\nBOTH=1\n").unwrap();
        fs::write(home.path().join("b.env"), "BOTH=2\n").unwrap();
        let path = home.path().join("drover.toml");
        let of = |profile: Option<&str>| {
            let config = parse_profile(&path, FILE, profile).unwrap();
            origins(&config, &path, FILE, profile)
        };
        let of_key = |all: &[Originated], key: &str| {
            let found =
                all.iter().find(|value| value.key == key).unwrap_or_else(|| panic!("{key} in {all:?}"));
            (found.toml.clone(), found.origin.clone())
        };
        let env_file = |path: &str| ValueOrigin::EnvFile { path: path.into() };
        let plain = of(None);
        for (key, value, origin) in [
            ("version", "1", ValueOrigin::File { line: 1 }),
            ("master.shutdown_timeout", "\"45s\"", ValueOrigin::Default),
            ("app.web.command", "[\"web\"]", ValueOrigin::File { line: 8 }),
            ("app.web.workers", "3", ValueOrigin::Defaults { line: 4 }),
            ("app.web.restart.policy", "\"never\"", ValueOrigin::Defaults { line: 5 }),
            ("app.web.restart.reset_after", "\"1m\"", ValueOrigin::Default),
            ("app.web.restart.backoff.max", "\"30s\"", ValueOrigin::Default),
            ("app.web.stop.drain_timeout", "\"2s\"", ValueOrigin::File { line: 11 }),
            ("app.web.stop.term_timeout", "\"5s\"", ValueOrigin::Default),
            ("app.web.env.PLAIN", "\"1\"", ValueOrigin::File { line: 10 }),
            ("app.web.env.A", "\"1\"", env_file("a.env")),
            ("app.web.env.BOTH", "\"2\"", env_file("b.env")),
            ("app.web.depends_on", "{}", ValueOrigin::Default),
        ] {
            assert_eq!(of_key(&plain, key), (value.to_owned(), origin), "{key}");
        }
        let dev = of(Some("dev"));
        for (key, value, origin) in [
            ("app.web.workers", "1", ValueOrigin::Profile { line: 17 }),
            ("app.web.stop.term_timeout", "\"7s\"", ValueOrigin::Profile { line: 14 }),
            ("app.web.restart.policy", "\"never\"", ValueOrigin::Defaults { line: 5 }),
        ] {
            assert_eq!(of_key(&dev, key), (value.to_owned(), origin), "{key}");
        }
        // Written one after the other they are the same file.
        let written: String = plain.iter().map(|value| format!("{} = {}\n", value.key, value.toml)).collect();
        let again = crate::config::file::parse(&written).unwrap();
        assert_eq!(again.apps[0].spec.workers, 3, "{written}");
    }
}
