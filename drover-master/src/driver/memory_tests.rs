use std::sync::Arc;

use super::*;
use crate::config::{AppSpec, Command};
use crate::ids::{SlotIndex, TicketId};
use crate::machine::testing::origin;
use crate::machine::worker::WorkerInput;

/// An app with its memory.
struct Remembering {
    spec: Arc<AppSpec>,
    fleet: Fleet,
    memory: DriverMemory,
}

impl Remembering {
    fn new() -> Self {
        let spec = Arc::new(AppSpec::new("web", Command::new("web")));
        let fleet = Fleet::new(Arc::clone(&spec), 2, false, fastrand::Rng::with_seed(1));
        let memory =
            DriverMemory { journal: Journal::unheld(), specs: Specs::default(), workers: BTreeMap::new() };
        let mut remembering = Self { spec, fleet, memory };
        remembering.renew(7);
        remembering
    }

    fn renew(&mut self, last_ticket: u64) {
        let Self { spec, fleet, memory } = self;
        let release = Release { generation: fleet.generation(), spec: Arc::clone(spec) };
        let edition = EditionMemory { release, follows: true, speaks: false };
        memory.renew(fleet, &[edition], last_ticket).unwrap();
    }

    /// As a driver does it: written, then told; and what the fleet wants done.
    fn feed(&mut self, input: FleetInput) -> Vec<FleetAction> {
        self.memory.told(origin(), &input).unwrap();
        self.fleet.handle(origin(), input);
        let mut wanted = Vec::new();
        // Another fleet has still to do it: of this one it is only looked at.
        while let Some(action) = self.fleet.poll_action() {
            wanted.push(action);
        }
        let _ = self.fleet.take_changed();
        wanted
    }

    fn read(&self) -> (DriverMemory, Remembered) {
        read(&self.memory.journal.bytes()).unwrap().unwrap()
    }
}

fn read(bytes: &[u8]) -> Result<Option<(DriverMemory, Remembered)>, StateError> {
    let mut memory =
        DriverMemory { journal: Journal::unheld(), specs: Specs::default(), workers: BTreeMap::new() };
    Ok(memory.read(Journal::records_of(bytes))?.map(|read| (memory, read)))
}

fn identity(actions: &[FleetAction]) -> Identity {
    let spawn = actions.iter().find_map(|action| match action {
        FleetAction::Spawn(identity) => Some(*identity),
        _ => None,
    });
    spawn.expect("a worker is to be born")
}

#[test]
fn what_was_written_is_read_and_what_was_not_done_is_to_be_done() {
    let mut app = Remembering::new();
    let wanted = app.feed(FleetInput::StartRequested { ticket: TicketId(8) });
    let (_, read) = app.read();
    assert_eq!(format!("{:?}", read.undone), format!("{wanted:?}"), "nothing is known to be done");
    assert_eq!(format!("{:?}", read.fleet.status()), format!("{:?}", app.fleet.status()));
    assert_eq!(read.last_ticket, 8);

    let worker = identity(&wanted);
    app.memory.worker(WorkerMemory::new(worker, None, None, None)).unwrap();
    app.memory.done().unwrap();
    let (memory, read) = app.read();
    assert_eq!(format!("{:?}", read.undone), "[]");
    assert_eq!(memory.workers().iter().map(|worker| worker.identity).collect::<Vec<_>>(), [worker]);

    let spawned = FleetInput::Worker { id: worker.id, input: WorkerInput::Spawned { pid: 4711 } };
    let wanted = app.feed(spawned);
    let (_, read) = app.read();
    assert_eq!(format!("{:?}", read.undone), format!("{wanted:?}"));
    assert_eq!(read.fleet.worker(worker.id).and_then(|worker| worker.pid()), Some(4711));

    // Written anew it is the same, and a worker that is forgotten is not there.
    app.memory.done().unwrap();
    app.renew(9);
    app.memory.forget(worker.id).unwrap();
    let (memory, read) = app.read();
    assert_eq!(format!("{:?}", read.undone), "[]");
    assert_eq!((read.last_ticket, memory.workers().len(), read.editions.len()), (9, 0, 1));
    assert_eq!(format!("{:?}", read.fleet.rows(SlotIndex(0))), format!("{:?}", app.fleet.rows(SlotIndex(0))));
}

#[test]
fn a_journal_that_was_cut_or_damaged_is_read_up_to_there_or_refused() {
    let mut app = Remembering::new();
    let wanted = app.feed(FleetInput::StartRequested { ticket: TicketId(8) });
    app.memory.worker(WorkerMemory::new(identity(&wanted), None, None, None)).unwrap();
    app.memory.done().unwrap();
    crate::state::testing::assert_never_panics(&app.memory.journal.bytes(), |bytes| {
        let _ = read(bytes);
    });
    // As a record that is whole, and says something else than what it was meant to.
    for bad in ["", "{}", "[]", "{\"at\":0}", "null", "\u{0}"] {
        for kind in [kind::SPEC, kind::FLEET, kind::INPUT, kind::EDITION, kind::WORKER, kind::FORGOTTEN] {
            let mut app = Remembering::new();
            app.memory.journal.add(kind, bad.as_bytes()).unwrap();
            assert!(read(&app.memory.journal.bytes()).is_err(), "{kind}: {bad}");
        }
    }
    // One of a later version is left out.
    app.memory.journal.add(200, b"{}").unwrap();
    assert!(matches!(read(&app.memory.journal.bytes()), Ok(Some(_))));
}
