//! The file as a whole: `version`, `[master]`, `[sockets]`, `[app]`.

use std::ops::Range;
use std::path::Path;

use toml_edit::Table;

use super::model::Config;
use super::{app, master, relation, socket};
use crate::config::text::mistake::Mistakes;
use crate::config::text::reader::{KeyValue, TableReader};
use crate::config::{AppSpec, Kind, ListenAddr, ListenSpec, RestartWhen, name_fault};

/// Reads the whole file; `None` only when a mistake has been noted. `directory`: where it lies, if that is known.
pub(super) fn read<'t>(
    table: &'t Table,
    directory: Option<&Path>,
    mistakes: &mut Mistakes<'t>,
) -> Option<Config> {
    TableReader::root(table, mistakes, |root| {
        root.required("version", "begin the file with `version = 1`", version);
        check_layers(root);
        let master = root.table("master", master::read);

        let mut declared = Vec::new();
        let sockets = root.named_tables("sockets", |socket, entry| {
            declared.push(entry.name);
            check_name(socket.mistakes(), entry, "socket");
            socket::read(socket, entry)
        });
        let sockets: Vec<(ListenSpec, Range<usize>)> = sockets.into_iter().flatten().collect();
        check_addresses(root.mistakes(), &sockets);
        let specs: Vec<ListenSpec> = sockets.iter().map(|(socket, _)| socket.clone()).collect();

        let (mut named, mut relations) = (Vec::new(), Vec::new());
        let apps = root.named_tables("app", |app, entry| {
            named.push(entry.name);
            check_name(app.mistakes(), entry, "app");
            let depends_on = relation::read(app, entry.name, &mut relations);
            let mut app = app::read(app, entry, &declared, &specs, directory)?;
            app.spec.depends_on = depends_on;
            Some(app)
        });
        root.mistakes().tell_defaults_once(&named);
        relation::check(root.mistakes(), &relations, &named);
        let specs_of_apps = || apps.iter().flatten().map(|app| &app.spec);
        let goes_on = |app: &&AppSpec| app.restart.when == RestartWhen::Always || app.kind == Kind::Cron;
        let endless: Vec<&AppSpec> = specs_of_apps().filter(goes_on).collect();
        relation::check_completions(root.mistakes(), &relations, &endless);
        socket::check_queues(root.mistakes(), &sockets, apps.iter().flatten());
        if table.get("app").is_none_or(|item| item.as_table_like().is_some_and(|table| table.is_empty())) {
            root.miss("app", "no app to run", "add one: `[app.web]` with `command = [\"…\"]`");
        }

        Some(Config { master, sockets: specs, apps: apps.into_iter().collect::<Option<_>>()? })
    })
}

/// Notes what is laid under or over other tables, and is none.
fn check_layers(root: &mut TableReader<'_, '_>) {
    if let Some(defaults) = root.entry("defaults") {
        defaults.rows(root.mistakes());
    }
    if let Some(profiles) = root.entry("profiles") {
        for profile in profiles.rows(root.mistakes()) {
            for key in profile.rows(root.mistakes()) {
                if matches!(key.name, "version" | "profiles") {
                    let message = format!("{} has no meaning in a profile", key.path);
                    root.mistakes().add(key.key_span, message).help("leave it out");
                }
            }
        }
    }
}

/// The version of the file's format that is read here.
const VERSION: i64 = 1;

fn version<'t>(entry: &KeyValue<'t>, mistakes: &mut Mistakes<'t>) -> Option<()> {
    match entry.item.as_integer() {
        Some(VERSION) => return Some(()),
        Some(other) => mistakes
            .add(entry.span.clone(), format!("version {other} of drover.toml is unknown"))
            .help(format!("this drover reads version {VERSION}")),
        None => entry.mistype(mistakes, "an integer").help(format!("write `version = {VERSION}`")),
    };
    None
}

fn check_name(mistakes: &mut Mistakes<'_>, entry: &KeyValue<'_>, what: &str) {
    if let Some((fault, help)) = name_fault(entry.name) {
        mistakes.add(entry.key_span.clone(), format!("{what} name {} {fault}", entry.path)).help(help);
    }
}

/// Notes sockets that the kernel would refuse because an earlier one has their address.
fn check_addresses(mistakes: &mut Mistakes<'_>, sockets: &[(ListenSpec, Range<usize>)]) {
    for (index, (socket, span)) in sockets.iter().enumerate() {
        // Port 0 is another port each time.
        if matches!(&socket.addr, ListenAddr::Tcp(addr) | ListenAddr::Udp(addr) if addr.ends_with(":0")) {
            continue;
        }
        let earlier = sockets[..index].iter().find(|(earlier, _)| earlier.addr == socket.addr);
        if let Some((earlier, earlier_span)) = earlier {
            let message = format!("sockets `{}` and `{}` have the same address", earlier.name, socket.name);
            mistakes
                .add(span.clone(), message)
                .label(span.clone(), format!("{} again", socket.addr))
                .label(earlier_span.clone(), "first here")
                .help("apps can share a socket: name the first one in both");
        }
    }
}
