//! What `drover config --origin` shows: each value, and what it comes from.

use std::collections::HashMap;
use std::fmt::Write as _;

use drover_master::Readable;
use drover_master::config::file::{Originated, ValueOrigin};
use serde_json::json;

use crate::args::ConfigArgs;

/// The widest key and value after which what they come from still begins in one column.
const WIDEST: usize = 60;

/// A `drover.toml` that means the same, with the origin of each value as a comment. `running`: what the master of the file runs
/// otherwise, by the key.
pub(crate) fn text(args: &ConfigArgs, values: &[Originated], running: &HashMap<String, String>) -> String {
    let lines: Vec<String> = values.iter().map(|value| format!("{} = {}", value.key, value.toml)).collect();
    let wide =
        lines.iter().map(|line| line.chars().count()).filter(|wide| *wide <= WIDEST).max().unwrap_or(0);
    let mut text = String::new();
    for (line, value) in lines.iter().zip(values) {
        let _ = write!(text, "{line:wide$}  # {}", sentence(args, value));
        if let Some(runs) = running.get(&value.key) {
            let _ = write!(text, "; the master runs with {}", Readable(runs));
        }
        text.push('\n');
    }
    text
}

/// The same as JSON.
pub(crate) fn json(args: &ConfigArgs, values: &[Originated], running: &HashMap<String, String>) -> String {
    let file = args.file.display().to_string();
    let value = |value: &Originated| {
        let (from, line) = match &value.origin {
            ValueOrigin::File { line } => ("file", Some(line)),
            ValueOrigin::Defaults { line } => ("defaults", Some(line)),
            ValueOrigin::Profile { line } => ("profile", Some(line)),
            ValueOrigin::EnvFile { .. } => ("env_file", None),
            _ if is_name_of_directory(value) => ("directory", None),
            _ => ("default", None),
        };
        let env_file = match &value.origin {
            ValueOrigin::EnvFile { path } => Some(path.display().to_string()),
            _ => None,
        };
        let file = env_file.or_else(|| line.is_some().then(|| file.clone()));
        json!({
            "key": value.key,
            "value": value.json,
            "from": from,
            "file": file,
            "line": line,
            "running": running.get(&value.key),
        })
    };
    json!({
        "file": file,
        "profile": args.profile,
        "values": values.iter().map(value).collect::<Vec<_>>(),
    })
    .to_string()
}

fn sentence(args: &ConfigArgs, value: &Originated) -> String {
    let file = args.file.display();
    match &value.origin {
        ValueOrigin::File { line } => format!("{file}:{line}"),
        ValueOrigin::Defaults { line } => format!("{file}:{line}, defaults"),
        ValueOrigin::Profile { line } => match &args.profile {
            Some(profile) => format!("{file}:{line}, profile {profile}"),
            None => format!("{file}:{line}"),
        },
        ValueOrigin::EnvFile { path } => path.display().to_string(),
        _ if is_name_of_directory(value) => "the name of its directory".to_owned(),
        _ => "default".to_owned(),
    }
}

/// A master that the file gives no name is called as the directory is.
fn is_name_of_directory(value: &Originated) -> bool {
    value.key == "master.name" && value.origin == ValueOrigin::Default
}
