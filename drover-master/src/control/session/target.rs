//! What the names of a request mean at this moment.

use drover_proto::latest::{Error, ErrorCode};

use super::Session;
use crate::control::name::Name;
use crate::handle::{Master, Snapshot};
use crate::machine::fleet::{self, Role};

/// An app or a worker that a request means.
#[derive(Debug)]
pub(super) struct NamedTarget {
    /// `APP` or `APP/SLOT`.
    pub name: String,
    pub master: Master,
    pub whom: fleet::Target,
}

impl Session {
    pub(super) fn snapshots(&self) -> Vec<Snapshot> {
        self.supervisor.masters().iter().map(Master::snapshot).collect()
    }

    /// Everything that is meant, each once, in the order of apps and slots.
    ///
    /// # Errors
    ///
    /// A name that is none, or that fits nothing: then nothing is meant at all.
    pub(super) fn targets(&self, names: &[String]) -> Result<Vec<NamedTarget>, Error> {
        let names = parse(names)?;
        let masters = self.supervisor.masters();
        let snapshots: Vec<Snapshot> = masters.iter().map(Master::snapshot).collect();
        if let Some(unknown) = names.iter().find(|name| !snapshots.iter().any(|shot| fits(name, shot))) {
            return Err(nothing_fits(unknown, &snapshots));
        }
        let mut targets = Vec::new();
        for (master, snapshot) in masters.iter().zip(&snapshots) {
            let app = &*snapshot.app;
            if names.iter().any(|name| name.is_of_apps() && name.matches_app(app)) {
                let (name, master) = (app.to_owned(), master.clone());
                targets.push(NamedTarget { name, master, whom: fleet::Target::All });
                continue;
            }
            for worker in &snapshot.workers {
                // A slot's name means the one whose place it is; who else is there has to be named by its number.
                let may_mean = |name: &Name| worker.role == Role::Occupant || name.worker().is_some();
                let meant: Vec<_> = names
                    .iter()
                    .filter(|name| may_mean(name) && name.matches(app, worker.slot, worker.id))
                    .collect();
                let Some(first) = meant.first() else { continue };
                // A worker's number means that worker, whichever one is in its slot by then.
                let by_id = meant.iter().all(|name| name.worker().is_some());
                let whom = match first.worker() {
                    Some(id) if by_id => fleet::Target::Worker(id),
                    _ => fleet::Target::Slot(worker.slot),
                };
                let name = format!("{app}/{}", worker.slot);
                targets.push(NamedTarget { name, master: master.clone(), whom });
            }
        }
        Ok(targets)
    }
}

/// How many names a request may have. Each is compared with each app and worker; a pattern means as many as one likes.
const NAMES: usize = 1024;

pub(super) fn parse(names: &[String]) -> Result<Vec<Name>, Error> {
    let wrong = |message| Err(Error { code: ErrorCode::InvalidArgument.into(), message });
    if names.is_empty() {
        return wrong("no app and no worker is named".to_owned());
    }
    if names.len() > NAMES {
        let count = names.len();
        return wrong(format!(
            "{count} names are more than the {NAMES} that a request may have; a pattern such as `web/*` means many"
        ));
    }
    let parsed = names.iter().map(|name| name.parse::<Name>());
    parsed
        .collect::<Result<_, _>>()
        .map_err(|error| Error { code: ErrorCode::InvalidArgument.into(), message: error.to_string() })
}

/// Whether a name means the app, or something that is there of it.
pub(super) fn fits(name: &Name, snapshot: &Snapshot) -> bool {
    if name.is_of_apps() {
        return name.matches_app(&snapshot.app);
    }
    snapshot.workers.iter().any(|worker| name.matches(&snapshot.app, worker.slot, worker.id))
}

/// Says what there is instead.
pub(super) fn nothing_fits(name: &Name, snapshots: &[Snapshot]) -> Error {
    let of_app: Vec<&Snapshot> = snapshots.iter().filter(|shot| name.matches_app(&shot.app)).collect();
    let message = if of_app.is_empty() {
        let known: Vec<&str> = snapshots.iter().map(|shot| &*shot.app).collect();
        format!("there is no app `{name}`; there is {}", known.join(", "))
    } else {
        let slots = |shot: &&Snapshot| rows(&shot.app, shot.workers.iter().map(|row| row.slot.0));
        let known: Vec<String> = of_app.iter().flat_map(slots).collect();
        format!("there is no worker `{name}`; there is {}", list(&known))
    };
    Error { code: ErrorCode::NotFound.into(), message }
}

/// How many rows of slots are named one by one. There are gaps where workers were scaled away between others.
const SHOWN: usize = 8;

/// The slots of an app, three and more in a row together.
fn rows(app: &str, slots: impl Iterator<Item = u32>) -> Vec<String> {
    let mut rows: Vec<(u32, u32)> = Vec::new();
    for slot in slots {
        match rows.last_mut() {
            // A slot has several workers while they are replaced.
            Some((_, last)) if *last == slot => {}
            Some((_, last)) if *last + 1 == slot => *last = slot,
            _ => rows.push((slot, slot)),
        }
    }
    let named = |(first, last): (u32, u32)| match last - first {
        0 => vec![format!("{app}/{first}")],
        1 => vec![format!("{app}/{first}"), format!("{app}/{last}")],
        _ => vec![format!("{app}/{first} to {app}/{last}")],
    };
    let more = (rows.len() > SHOWN).then(|| "others".to_owned());
    rows.into_iter().take(SHOWN).flat_map(named).chain(more).collect()
}

fn list(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [others @ .., last] => format!("{} and {last}", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_instead_is_named_with_its_gaps() {
        for (slots, text) in [
            (&[][..], "none"),
            (&[0], "p/0"),
            (&[0, 2], "p/0 and p/2"),
            (&[0, 0, 1, 1], "p/0 and p/1"),
            (&[0, 1, 2, 3], "p/0 to p/3"),
            (&[0, 1, 2, 4, 6, 7], "p/0 to p/2, p/4, p/6 and p/7"),
            (&[0, 2, 4, 6, 8, 10, 12, 14, 16, 18], "p/0, p/2, p/4, p/6, p/8, p/10, p/12, p/14 and others"),
        ] {
            assert_eq!(list(&rows("p", slots.iter().copied())), text, "{slots:?}");
        }
    }

    #[test]
    fn names_without_end_are_refused() {
        let names = vec!["web".to_owned(); NAMES + 1];
        assert!(parse(&names[1..]).is_ok());
        let error = parse(&names).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
        assert!(error.message.starts_with("1025 names are more"), "{}", error.message);
    }
}
