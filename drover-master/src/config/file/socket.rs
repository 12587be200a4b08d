//! `[sockets.NAME]`.

use std::ops::Range;

use super::model::AppTable;
use crate::config::text::mistake::{Mistakes, key_shown, shown};
use crate::config::text::reader::{KeyValue, TableReader};
use crate::config::text::{suggest, value};
use crate::config::{ListenAddr, ListenMode, ListenSpec, keys};

/// Reads one socket, with the place of its address.
pub(super) fn read<'t>(
    table: &mut TableReader<'t, '_>,
    entry: &KeyValue<'t>,
) -> Option<(ListenSpec, Range<usize>)> {
    let mut socket = ListenSpec::new(entry.name, ListenAddr::Tcp(String::new()));
    for key in keys::of_socket() {
        let help = "say where, for example `listen = \"127.0.0.1:8080\"`";
        key.ask(table, key.path(), Some(help).filter(|_| key.path() == "listen"), &mut socket);
    }
    let place =
        |key: &str, mistakes: &Mistakes<'t>| mistakes.place(&format!("{}.{key}", entry.path)).cloned();
    let listen = place("listen", table.mistakes()).filter(|place| place.is_right)?;
    if let (ListenMode::Reuseport, Some(mode)) = (socket.mode, place("mode", table.mistakes()))
        && let Some((what, help)) = no_queues(&socket.addr)
    {
        table.mistakes().add(mode.span, format!("{}.mode is `reuseport`, but {what}", entry.path)).help(help);
    }
    Some((socket, listen.span))
}

/// What keeps a socket from having a queue for each slot, and what helps.
fn no_queues(listen: &ListenAddr) -> Option<(&'static str, &'static str)> {
    match listen {
        ListenAddr::Tcp(_) => None,
        ListenAddr::Udp(_) => {
            Some(("with UDP every restart would lead clients to other workers", "use `shared`, the default"))
        }
        ListenAddr::Unix(_) => Some(("a Unix socket has no such mode", "use `shared`, the default")),
    }
}

/// Notes sockets with a queue for each slot that have more than one app's slots to serve, or too many.
pub(super) fn check_queues<'c>(
    mistakes: &mut Mistakes<'_>,
    sockets: &[(ListenSpec, Range<usize>)],
    apps: impl Iterator<Item = &'c AppTable> + Clone,
) {
    for (socket, span) in sockets.iter().filter(|(socket, _)| socket.mode == ListenMode::Reuseport) {
        let mut named = apps.clone().filter(|app| app.sockets.contains(&socket.name));
        let what = match (named.next(), named.next()) {
            (Some(one), Some(other)) => {
                format!(
                    "apps `{}` and `{}` name the socket `{}`",
                    one.spec.name, other.spec.name, socket.name
                )
            }
            // How many CPUs there are is known where it runs.
            (Some(app), None)
                if app.spec.workers > ListenMode::MAX_SLOTS && !app.of_machine.contains(&"workers") =>
            {
                let (name, count) = (&app.spec.name, app.spec.workers);
                format!("app `{name}` has {count} workers on the socket `{}`", socket.name)
            }
            _ => continue,
        };
        let bound = ListenMode::MAX_SLOTS;
        mistakes.add(span.clone(), format!("{what}, whose mode is `reuseport`")).help(format!(
            "that mode is for one app of at most {bound} workers: use `shared`, or more sockets"
        ));
    }
}

/// Reads the names of an app's sockets, each of which has to be among `known`.
pub(super) fn names<'t>(
    entry: &KeyValue<'t>,
    mistakes: &mut Mistakes<'t>,
    known: &[&str],
) -> Option<Vec<String>> {
    if let Some(name) = entry.item.as_str() {
        let help = format!("write `[\"{}\"]`", shown(name));
        entry.mistype(mistakes, "an array of socket names").help(help);
        return None;
    }
    let names = value::elements(entry, mistakes, ("socket names", "a socket's name"), |name| name.as_str())?;
    for (index, (name, span)) in names.iter().enumerate() {
        if let Some((_, first)) = names[..index].iter().find(|(earlier, _)| earlier == name) {
            mistakes
                .add(span.clone(), format!("{} names `{}` twice", entry.path, shown(name)))
                .label(first.clone(), "first here");
        } else if !known.contains(name) {
            let help = match suggest::suggest(name, known.iter().copied()) {
                Some(known) => suggest::did_you_mean(known),
                None => format!("add `[sockets.{}]` with its `listen`", key_shown(name)),
            };
            mistakes
                .add(span.clone(), format!("unknown socket `{}` in {}", shown(name), entry.path))
                .help(help);
        }
    }
    Some(names.into_iter().map(|(name, _)| name.to_owned()).collect())
}
