//! What runs, as a `drover.toml` that could have started it.

use std::fmt::Write as _;

use toml_edit::{DocumentMut, Item, TableLike, value};

use super::model::{AppTable, Config, MasterTable};
use super::parse::parse;
use super::write;
use crate::config::{Description, ListenSpec, cpus};

/// A description as a `drover.toml` that means the same and says nothing that goes without saying. Values of variables, which may be
/// secrets, are not in it: a comment names them.
#[must_use]
pub fn of_description(description: &Description) -> String {
    let mut head = String::new();
    let config = config_of(description, &mut head);
    let mut whole = write::document(&config);
    // Written out it would be that of the other one, which may change.
    for app in config.apps.iter().filter(|app| app.spec.restart.start_limit.is_none()) {
        if let Some(restart) = whole["app"][&*app.spec.name]["restart"].as_table_like_mut() {
            restart.remove("start_limit");
        }
    }
    let mut short = whole.clone();
    if let Some(plain) = plain(&config) {
        prune(short.as_table_mut(), plain.as_table());
    }
    let (short, whole) = (short.to_string(), whole.to_string());
    // Whatever both of them say when they are read is what they mean.
    let meaning = |text: &str| parse(text).ok().map(|read| write::to_toml(&read));
    let text = if meaning(&short).is_some_and(|one| Some(one) == meaning(&whole)) { short } else { whole };
    if head.is_empty() { text } else { format!("{head}\n{text}") }
}

/// As a file would have been read; what is left out of it is told at its head.
fn config_of(description: &Description, head: &mut String) -> Config {
    let mut sockets: Vec<ListenSpec> = Vec::new();
    let mut apps = Vec::new();
    for app in &description.apps {
        let mut spec = app.clone();
        for listener in &spec.listeners {
            if !sockets.iter().any(|known| known.name == listener.name) {
                sockets.push(listener.clone());
            }
        }
        let variables: Vec<_> =
            spec.command.env.drain(..).map(|(name, _)| name.to_string_lossy().into_owned()).collect();
        if !variables.is_empty() {
            let names = variables.join(", ");
            let _ = writeln!(
                head,
                "# app.{}: the values of its variables are not told; add them: {names}",
                spec.name
            );
        }
        // What it depends on may not be among these.
        spec.depends_on.retain(|on| description.apps.iter().any(|other| other.name == on.app));
        let names = spec.listeners.iter().map(|listener| listener.name.clone()).collect();
        let mut of_machine = vec!["start.parallel"];
        if spec.follows_cpus && spec.workers == cpus() {
            of_machine.push("workers");
        }
        apps.push(AppTable { spec, sockets: names, env_files: Vec::new(), of_machine });
    }
    let Description { strategy, shutdown_timeout, fixed, .. } = description.clone();
    Config { master: MasterTable { fixed, shutdown_timeout, strategy }, sockets, apps }
}

/// What goes without saying: the same file with nothing in it but what has no default, and what defaults depend on.
fn plain(config: &Config) -> Option<DocumentMut> {
    let whole = write::document(config);
    let mut least = DocumentMut::new();
    least["version"] = value(1);
    for (name, app) in whole.get("app")?.as_table_like()?.iter() {
        let table = &mut least["app"][name];
        for key in ["command", "kind", "protocol"] {
            table[key] = app.get(key)?.clone();
        }
        if let Some(schedule) = app.get("schedule") {
            table["schedule"] = schedule.clone();
        }
    }
    if let Some(sockets) = whole.get("sockets") {
        least["sockets"] = sockets.clone();
    }
    let read = parse(&least.to_string()).ok()?;
    Some(write::document(&read))
}

/// Takes away what is there in the plain one too.
fn prune(table: &mut dyn TableLike, plain: &dyn TableLike) {
    let keys: Vec<String> = table.iter().map(|(key, _)| key.to_owned()).collect();
    for key in keys {
        let (Some(item), Some(known)) = (table.get_mut(&key), plain.get(&key)) else { continue };
        let is_said = match &*key {
            "version" | "command" | "schedule" | "listen" => true,
            "kind" => known.as_str() != Some("service"),
            "protocol" => known.as_str() != Some("none"),
            _ => false,
        };
        if is_said {
            continue;
        }
        let is_gone = match (item.as_table_like_mut(), known.as_table_like()) {
            (Some(below), Some(known)) => {
                prune(below, known);
                below.is_empty()
            }
            _ => is_same(item, known),
        };
        if is_gone {
            table.remove(&key);
        }
    }
}

fn is_same(one: &Item, other: &Item) -> bool {
    one.to_string().trim() == other.to_string().trim()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::changes;
    use crate::config::file::tests::EVERY_KEY;

    #[test]
    fn what_is_written_means_the_same_and_has_no_value_of_a_variable() {
        let short = "version = 1\n\n[app.web]\ncommand = [\"sleep\", \"7 5\"]\nworkers = 2\n";
        let cron =
            "version = 1\n\n[app.tick]\ncommand = [\"date\"]\nkind = \"cron\"\nschedule = \"@every 3s\"\n";
        for (text, written) in [
            (short, Some(short)),
            (cron, Some(cron)),
            (
                "version = 1\nsockets.http.listen = 'h:1'\n[app.web]\ncommand = 'w'\nsockets = ['http']\nprotocol = 'drover'",
                None,
            ),
            ("version = 1\n[app.job]\ncommand = 'j'\nkind = 'oneshot'\nrestart.limit.count = 3", None),
            (EVERY_KEY, None),
        ] {
            let config = parse(text).unwrap();
            let mut wanted = config.description();
            let told = of_description(&wanted);
            for app in &mut wanted.apps {
                for (name, value) in app.command.env.drain(..) {
                    assert!(told.contains(name.to_str().unwrap()), "{told}");
                    let value = value.to_str().unwrap();
                    assert!(value.is_empty() || !told.contains(value), "{told}");
                }
            }
            let again =
                parse(&told).unwrap_or_else(|error| panic!("{}\n{told}", error.render("", &told, false)));
            let different = changes(&wanted, &again.description());
            assert!(different.is_empty(), "{different:?}\n{told}");
            if let Some(written) = written {
                assert_eq!(told, written);
            }
        }
    }
}
