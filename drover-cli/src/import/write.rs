//! A draft as the text of a drover.toml.

use std::fmt::Write as _;

use toml_edit::{Key, Value};

use super::draft::{Draft, DraftApp};
use super::value::time_text;

/// How long a shutdown may take unless a file says otherwise (`master.shutdown_timeout`), in ms.
const SHUTDOWN_MS: u64 = 45_000;

/// From SIGTERM to SIGKILL (`stop.term_timeout`), and as much again for what is in between, in ms.
const AFTER_DRAIN_MS: u64 = 10_000;

/// The text, below a header that names the command.
pub(super) fn text(draft: &Draft, command: &str) -> String {
    let mut text = format!(
        "# Made by `{}`.\n# `drover validate` checks it, `drover config` shows every default.\n",
        one_line(command)
    );
    match draft.all_losses().count() {
        0 => {}
        1 => text.push_str("# 1 key could not be carried over; it is named below.\n"),
        count => {
            let _ = writeln!(text, "# {count} keys could not be carried over; they are named below.");
        }
    }
    for loss in &draft.losses {
        comment(&mut text, &loss.to_string());
    }
    text.push_str("version = 1\n");
    let longest = draft.apps.iter().map(|app| app.grace_ms + AFTER_DRAIN_MS).max().unwrap_or_default();
    let shutdown = (longest > SHUTDOWN_MS).then_some(longest);
    if draft.name.is_some() || shutdown.is_some() {
        text.push_str("\n[master]\n");
        if let Some(name) = &draft.name {
            let _ = writeln!(text, "name = {}", Value::from(name.as_str()));
        }
        if let Some(shutdown) = shutdown {
            let _ = writeln!(text, "shutdown_timeout = \"{}\"", time_text(shutdown));
        }
    }
    for app in &draft.apps {
        write_app(&mut text, app);
    }
    for app in &draft.apps {
        for (profile, env) in &app.profiles {
            let name = Key::new(&*app.name);
            table(&mut text, &format!("profiles.{}.app.{name}.env", Key::new(profile)), env);
        }
    }
    text
}

fn write_app(text: &mut String, app: &DraftApp) {
    let name = Key::new(&*app.name);
    text.push('\n');
    for said in &app.comments {
        comment(text, said);
    }
    for loss in &app.losses {
        comment(text, &loss.to_string());
    }
    let _ = writeln!(text, "[app.{name}]");
    // The keys of a section together, in the order in which the first of each came.
    let section = |key: &str| key.split('.').next().unwrap_or_default().to_owned();
    let place = |key: &str| app.keys.iter().position(|(known, _)| section(known) == section(key));
    let mut keys: Vec<_> = app.keys.iter().collect();
    keys.sort_by_key(|(key, _)| place(key));
    for (key, value) in keys {
        let _ = writeln!(text, "{key} = {}", value.to_string().trim());
    }
    for (other, state, _) in &app.needs {
        let _ = writeln!(text, "depends_on.{} = \"{state}\"", Key::new(other));
    }
    if !app.env.is_empty() {
        table(text, &format!("app.{name}.env"), &app.env);
    }
}

fn table(text: &mut String, name: &str, values: &[(String, String)]) {
    let _ = writeln!(text, "\n[{name}]");
    for (name, value) in values {
        let _ = writeln!(text, "{} = {}", Key::new(name), Value::from(value.as_str()));
    }
}

fn comment(text: &mut String, said: &str) {
    let _ = writeln!(text, "# {}", one_line(said));
}

/// A comment ends with its line, and has no control characters.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
