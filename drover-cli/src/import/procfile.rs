//! A Procfile: `name: command` in each line, as foreman, honcho and Heroku run it.

use super::draft::{Draft, DraftApp, ForeignText, ImportError};
use super::{shell, value::literal};

/// The port of the first worker of the first app, as foreman has it.
const FIRST_PORT: usize = 5000;

/// How far the ports of two apps are apart.
const PORTS: usize = 100;

/// The app that has to be done before all others, as Heroku has it.
const RELEASE: &str = "release";

pub(super) fn read(source: &ForeignText, draft: &mut Draft) -> Result<(), ImportError> {
    let mut port = FIRST_PORT;
    for (at, line) in source.text.lines().enumerate().map(|(at, line)| (at + 1, line.trim())) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let is_name = |name: &&str| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
        };
        let entry = line.split_once(':').map(|(name, command)| (name.trim_end(), command.trim()));
        let Some((name, command)) = entry.filter(|(name, _)| is_name(name)) else {
            return Err(source.error(
                at,
                "a line of a Procfile is `name: command`, with letters, digits, `-` and `_` in the name",
            ));
        };
        let mut app = DraftApp::new(name, source.at(at));
        let placed = format!("{{{port}+slot}}");
        // Without a shell Drover fills in the port; with one, the variable is there.
        let filled = shell::line(&shell::with_variable(&literal(command), "PORT", &placed));
        let read = match filled {
            Some(read) if read.words[0] != "sh" => Some(read),
            _ => shell::line(&literal(command)),
        };
        let Some(read) = read else {
            let what = if command.is_empty() {
                "has no command"
            } else {
                "is not a command line: is a quote left open?"
            };
            return Err(source.error(at, format!("`{name}` {what}")));
        };
        app.set_command(&read.words);
        app.set("workers", 1);
        if name == RELEASE {
            app.set("kind", "oneshot");
            app.comments.push("it runs first, and the others wait until it has completed".to_owned());
        }
        if read.is_group {
            app.set("stop.to", "group");
        }
        if let Some(home) = &source.home {
            app.set("cwd", home.as_str());
        }
        if source.has_dotenv {
            app.set("env_file", source.path(".env"));
        }
        app.set_env("PORT", placed);
        for (name, value) in read.env {
            app.set_env(name, value);
        }
        port += PORTS;
        draft.apps.push(app);
    }
    let release = draft.apps.iter().find(|app| app.name == RELEASE).map(|app| app.place.clone());
    if let Some(place) = release {
        for app in draft.apps.iter_mut().filter(|app| app.name != RELEASE) {
            app.needs.push((RELEASE.to_owned(), "completed", place.clone()));
        }
    }
    Ok(())
}
