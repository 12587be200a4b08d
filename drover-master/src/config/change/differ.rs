//! What is different, key by key.

use std::collections::BTreeMap;
use std::ffi::OsStr;

use crate::config::keys::{self, Key};
use crate::config::{AppSpec, ChangeClass, Description, ListenAddr, ListenSpec};

use super::Change;

use ChangeClass::{Reload, Restart};

const OPEN_BY_ANOTHER_NAME: &str = "its address is open by another name, and can't be opened twice";

/// What is different of what holds for all apps.
pub(super) fn of_all(old: &Description, new: &Description) -> Vec<Change> {
    // What only a restart changes is told last.
    let (fixed, live): (Vec<_>, Vec<_>) =
        keys::of_master().partition(|key| key.takes() == ChangeClass::Master);
    // A strategy that comes or goes is one difference, not three.
    let live = live.into_iter().filter(|key| key.needs(old).is_none() && key.needs(new).is_none());
    live.chain(fixed).filter_map(|key| of_key(key, None, "master", old, new)).collect()
}

/// What is different of an app. `all`: the apps as they run, to know whose address is whose.
pub(super) fn of_app(old: &AppSpec, new: &AppSpec, all: &[AppSpec]) -> Vec<Change> {
    let (app, prefix) = (Some(&*new.name), format!("app.{}", new.name));
    let mut found = Vec::new();
    for key in keys::of_app() {
        match key.path() {
            "env" => found.extend(of_environment(new, &old.command.env, &new.command.env)),
            "sockets" => {
                let names = of_key(key, app, &prefix, old, new).map(|change| {
                    let renamed = new.listeners.iter().any(|one| is_open_by_another_name(one, all));
                    restarted_if(renamed, change)
                });
                found.extend(names);
                found.extend(of_listeners(app, &old.listeners, &new.listeners, all));
            }
            _ => found.extend(of_key(key, app, &prefix, old, new)),
        }
    }
    found
}

fn of_key<S>(key: &Key<S>, app: Option<&str>, prefix: &str, old: &S, new: &S) -> Option<Change> {
    (!key.is_same(old, new)).then(|| Change {
        app: app.map(str::to_owned),
        key: format!("{prefix}.{}", key.path()),
        class: key.takes(),
        from: key.shown(old),
        to: key.shown(new),
        why: key.why(),
    })
}

fn restarted_if(is_so: bool, change: Change) -> Change {
    if is_so { Change { class: Restart, why: Some(OPEN_BY_ANOTHER_NAME), ..change } } else { change }
}

/// Variables one by one, by their names only.
fn of_environment<S: AsRef<OsStr>>(app: &AppSpec, old: &[(S, S)], new: &[(S, S)]) -> Vec<Change> {
    // The last one holds.
    let last = |all: &[(S, S)]| -> BTreeMap<_, _> {
        all.iter().map(|(key, value)| (key.as_ref().to_owned(), value.as_ref().to_owned())).collect()
    };
    let (old, new) = (last(old), last(new));
    let names = old.keys().chain(new.keys().filter(|name| !old.contains_key(*name)));
    let changed = names.filter(|name| old.get(*name) != new.get(*name));
    let hidden = || "(hidden)".to_owned();
    let change = |name: &std::ffi::OsString| {
        let (from, to) = (old.get(name).map(|_| hidden()), new.get(name).map(|_| hidden()));
        let to = if from.is_some() && to.is_some() { Some("(hidden, another value)".to_owned()) } else { to };
        let key = format!("app.{}.env.{}", app.name, name.display());
        Change { app: Some(app.name.clone()), key, class: Reload, from, to, why: None }
    };
    changed.map(change).collect()
}

fn of_listeners(app: Option<&str>, old: &[ListenSpec], new: &[ListenSpec], all: &[AppSpec]) -> Vec<Change> {
    let mut found = Vec::new();
    for wanted in new {
        let Some(known) = old.iter().find(|known| known.name == wanted.name) else { continue };
        let prefix = format!("sockets.{}", wanted.name);
        for key in keys::of_socket() {
            let is_taken = key.path() == "listen" && is_open_by_another_name(wanted, all);
            let change = of_key(key, app, &prefix, known, wanted);
            found.extend(change.map(|change| restarted_if(is_taken, change)));
        }
    }
    found
}

fn is_open_by_another_name(wanted: &ListenSpec, all: &[AppSpec]) -> bool {
    // Port 0 is another port each time.
    let is_chosen = matches!(&wanted.addr, ListenAddr::Tcp(addr) if addr.ends_with(":0"));
    let mut open = all.iter().flat_map(|app| &app.listeners);
    !is_chosen && open.any(|one| one.name != wanted.name && one.addr == wanted.addr)
}
