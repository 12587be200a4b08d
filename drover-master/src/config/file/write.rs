//! Writes a [`Config`] as `drover.toml` has it, with every default.

use serde_json::Value as Json;
use toml_edit::{Array, DocumentMut, Item, Table, value};

use super::json;
use super::model::{AppTable, Config, MasterTable};
use crate::config::keys::{self, CONDITIONS};
use crate::config::text::tables::{header, inline};
use crate::config::{Dependency, ListenSpec};

/// The whole configuration as a `drover.toml` that means the same.
///
/// Every key that has a default stands there with its value. What a key takes from where the file is run (`cwd`, `umask`,
/// `start.parallel`) or is not there at all (`start.probe`, `health`) is left out.
#[must_use]
pub fn to_toml(config: &Config) -> String {
    document(config).to_string()
}

/// The same as JSON: the keys of `drover.toml`, durations as texts.
#[must_use]
pub fn to_json(config: &Config) -> Json {
    json::of_item(document(config).as_item())
}

pub(super) fn document(config: &Config) -> DocumentMut {
    let Config { master: overall, sockets, apps } = config;
    let mut root = DocumentMut::new();
    root["version"] = value(1);
    root["master"] = master(overall);
    if !sockets.is_empty() {
        root["sockets"] = tables(sockets.iter().map(|item| (&*item.name, socket(item))));
    }
    root["app"] = tables(apps.iter().map(|item| (&*item.spec.name, app(item))));
    root
}

fn master(master: &MasterTable) -> Item {
    let all = master.description();
    header(keys::of_master().filter_map(|key| Some((key.path(), key.write(&all)?))))
}

fn socket(socket: &ListenSpec) -> Item {
    header(keys::of_socket().filter_map(|key| Some((key.path(), key.write(socket)?))))
}

fn app(app: &AppTable) -> Item {
    let mut root = Table::new();
    for key in keys::of_app().filter(|key| key.is_of_file()) {
        let is_of_machine = app.of_machine.contains(&key.path());
        let written = match key.path() {
            "workers" if is_of_machine => Some(value("auto")),
            _ if is_of_machine => None,
            "sockets" => Some(value(Array::from_iter(&app.sockets))),
            "depends_on" => Some(relations(&app.spec.depends_on)),
            _ => key.write(&app.spec),
        };
        // What has no meaning can be `false` at most.
        let has_meaning = |item: &Item| {
            let is_wanted = key.needs(&app.spec).is_none() || item.as_bool() == Some(false);
            is_wanted && keys::pointless_for_cron(key.path(), &app.spec).is_none()
        };
        let Some(item) = written.filter(has_meaning) else { continue };
        match key.section() {
            None => drop(root.insert(key.path(), item)),
            Some(section) => {
                let table = root.entry(section).or_insert_with(|| Item::Table(Table::new()));
                if let Some(table) = table.as_table_mut() {
                    table.insert(key.name(), item);
                }
            }
        }
    }
    Item::Table(root)
}

fn relations(dependencies: &[Dependency]) -> Item {
    let word = |dependency: &Dependency| CONDITIONS.of(&dependency.condition).map(value);
    inline(dependencies.iter().filter_map(|dependency| Some((&*dependency.app, word(dependency)?))))
}

/// Tables under a key that gets no header of its own.
fn tables<'k>(rows: impl IntoIterator<Item = (&'k str, Item)>) -> Item {
    let mut item = header(rows);
    if let Some(table) = item.as_table_mut() {
        table.set_implicit(true);
    }
    item
}

#[cfg(test)]
mod tests {
    use super::super::tests::{EVERY_KEY, web};
    use super::*;
    use crate::config::{Kind, RestartPolicy};

    /// The same configuration, with nothing left to be taken from elsewhere in it.
    fn spelt_out(mut config: Config) -> Config {
        for app in &mut config.apps {
            app.env_files.clear();
            let RestartPolicy { limit, start_limit, .. } = &mut app.spec.restart;
            if app.spec.kind != Kind::Cron {
                start_limit.get_or_insert_with(|| limit.clone());
            }
        }
        config
    }

    #[test]
    fn what_is_written_means_the_same() {
        let probe = web("start.probe = { tcp = 'h:1' }\nenv.'a b' = \"\\\"\\n\\u007f\"");
        let halted = web("suspend = { signal = 'STOP', resume_signal = 'SIGCONT' }");
        let notify = web("protocol = 'notify'\nwatchdog = '5s'\nreload.signal = 'HUP'");
        let any = web("protocol = 'notify'\nnotify_access = 'all'");
        let http = web("start.probe = { http = 'http://h/', host = 'a', status = [204], interval = '1s' }");
        let exec = web("start.probe = { exec = \"./check 'a b'\", timeout = '1m' }");
        let log = web("start.probe.log = 'listening on {port}'");
        let quiet = web("protocol = 'drover'\nheartbeat = false\nrestart.limit.count = 4");
        let oneshot = web("kind = 'oneshot'\nstart.max_timeout = '1s'");
        let cron =
            web("kind = 'cron'\nschedule = '@every 5m'\noverlap = 'queue'\nrestart.success_codes = [0, 3]");
        let plain = web("");
        for text in
            [EVERY_KEY, &plain, &cron, &probe, &halted, &notify, &any, &http, &exec, &log, &quiet, &oneshot]
        {
            let config = super::super::parse::parse(text).unwrap();
            let written = to_toml(&config);
            let again = super::super::parse::parse(&written)
                .unwrap_or_else(|error| panic!("{}\n{written}", error.render("written", &written, false)));
            assert_eq!(again, spelt_out(config), "{written}");
            assert_eq!(to_toml(&again), written);
        }
    }

    #[test]
    fn every_default_stands_there_and_nothing_that_has_none() {
        let config = super::super::parse::parse(&web("")).unwrap();
        let expected = r#"version = 1

[master]
strategy = "none"
shutdown_timeout = "45s"

[app.web]
command = ["web"]
workers = "auto"
sockets = []
stdin = "null"
protocol = "none"
kind = "service"
essential = false
depends_on = {}
heartbeat = false
watch = false
env_clear = false

[app.web.env]

[app.web.limits]
required = true

[app.web.start]
timeout = "30s"
max_timeout = "5m"
min_uptime = "1s"

[app.web.stop]
pre_delay = "0s"
drain_timeout = "20s"
term_timeout = "5s"
signal = "SIGTERM"
to = "process"

[app.web.restart]
policy = "always"
backoff = { initial = "200ms", max = "30s", factor = 2.0, jitter = 0.2 }
limit = { count = 10, within = "5m", then = "give-up" }
start_limit = { count = 10, within = "5m", then = "give-up" }
reset_after = "1m"
success_codes = [0]
fatal_codes = []

[app.web.update]
max_surge = 1
max_unavailable = 0
soak = "0s"
order = "start-first"
on_failure = "rollback"
timeout = "10m"
max_generations = 4

[app.web.recycle]
jitter = 0.1
"#;
        assert_eq!(to_toml(&config), expected);
        let json = to_json(&config);
        assert_eq!(json["app"]["web"]["restart"]["backoff"]["factor"], 2.0);
        assert_eq!(json["app"]["web"]["command"][0], "web");
    }
}
