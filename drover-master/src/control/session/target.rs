//! What the names of a request mean at this moment.

use drover_proto::latest::{Error, ErrorCode};

use super::Session;
use crate::control::name::Name;
use crate::machine::fleet::{self, Role};
use crate::master::{Master, Snapshot};

/// An app or a worker that a request means.
#[derive(Debug)]
pub(super) struct Target {
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
    pub(super) fn targets(&self, names: &[String]) -> Result<Vec<Target>, Error> {
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
                targets.push(Target { name, master, whom: fleet::Target::All });
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
                // Who names a worker by its number means no other, whoever is in its slot by then.
                let by_id = meant.iter().all(|name| name.worker().is_some());
                let whom = match first.worker() {
                    Some(id) if by_id => fleet::Target::Worker(id),
                    _ => fleet::Target::Slot(worker.slot),
                };
                let name = format!("{app}/{}", worker.slot);
                targets.push(Target { name, master: master.clone(), whom });
            }
        }
        Ok(targets)
    }
}

pub(super) fn parse(names: &[String]) -> Result<Vec<Name>, Error> {
    if names.is_empty() {
        let message = "no app and no worker is named".to_owned();
        return Err(Error { code: ErrorCode::InvalidArgument.into(), message });
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

/// How many rows of slots are named at most.
const NAMED: usize = 16;

/// Says what there is instead.
pub(super) fn nothing_fits(name: &Name, snapshots: &[Snapshot]) -> Error {
    let of_app: Vec<&Snapshot> = snapshots.iter().filter(|shot| name.matches_app(&shot.app)).collect();
    let message = if of_app.is_empty() {
        let known: Vec<&str> = snapshots.iter().map(|shot| &*shot.app).collect();
        format!("there is no app `{name}`; there is {}", known.join(", "))
    } else {
        let known: Vec<String> = of_app.iter().copied().flat_map(occupied).collect();
        let more = known.len().saturating_sub(NAMED);
        let mut listed = known[..known.len() - more].join(", ");
        if more > 0 {
            listed += &format!(" and {more} more");
        }
        format!("there is no worker `{name}`; there is {listed}")
    };
    Error { code: ErrorCode::NotFound.into(), message }
}

/// The slots of an app, those that follow each other as one: `web/0 to web/2`, `web/5`.
fn occupied(shot: &Snapshot) -> Vec<String> {
    let rows = shot.workers.iter().filter(|row| row.role == Role::Occupant);
    ranges(rows.map(|row| row.slot.0))
        .into_iter()
        .map(|(first, last)| match last - first {
            0 => format!("{}/{first}", shot.app),
            _ => format!("{app}/{first} to {app}/{last}", app = shot.app),
        })
        .collect()
}

/// Rising numbers as first and last of those that follow each other.
fn ranges(numbers: impl Iterator<Item = u32>) -> Vec<(u32, u32)> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::ranges;

    #[test]
    fn slots_are_named_as_they_are_and_not_as_if_none_were_missing() {
        let none: [(u32, u32); 0] = [];
        assert_eq!(ranges([].into_iter()), none);
        for (slots, expected) in [
            (vec![0], vec![(0, 0)]),
            (vec![0, 1, 2], vec![(0, 2)]),
            (vec![0, 2], vec![(0, 0), (2, 2)]),
            (vec![0, 1, 4, 5, 6, 9], vec![(0, 1), (4, 6), (9, 9)]),
        ] {
            assert_eq!(ranges(slots.into_iter()), expected);
        }
    }
}
