//! Drover in this process: the library, as a program embeds it, described as `drover run` describes an app.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use drover_master::config::Protocol;
use drover_master::{Colours, Command, Event, EventKind, EventStream, Master, MasterBuilder, Output};

use crate::{PLAIN, SDK_WORKER, app};

/// Nothing that is measured takes this long.
const PATIENCE: Duration = Duration::from_secs(300);

/// This many plain workers.
pub(crate) fn plain(count: usize) -> MasterBuilder {
    let [program, argument] = PLAIN;
    described(Command::new(program).arg(argument), count).protocol(Protocol::None)
}

/// This many workers that link the library.
pub(crate) fn sdk(count: usize) -> MasterBuilder {
    described(Command::new(SDK_WORKER), count)
}

fn described(command: Command, count: usize) -> MasterBuilder {
    let count = u32::try_from(count).expect("a count of workers is small");
    Master::builder(&app(), command).workers(count).output(Output::Prefixed { colours: Colours::Kept })
}

/// Every process exists.
pub(crate) fn is_spawned(event: &Event) -> bool {
    matches!(event.kind, EventKind::Spawned)
}

/// A worker is ready.
pub(crate) fn is_ready(event: &Event) -> bool {
    event.worker.is_some() && event.name() == "started"
}

/// An app whose workers have been started.
pub(crate) struct App {
    pub(crate) master: Master,
    pub(crate) events: EventStream,
}

impl App {
    /// Starts it; how long it took from the call until the last worker came to be as `is` says.
    pub(crate) async fn start(builder: MasterBuilder, is: fn(&Event) -> bool) -> (Self, Duration) {
        let master = builder.build().expect("the description can be meant");
        let count = master.spec().workers as usize;
        let mut events = master.events();
        let begin = SystemTime::now();
        let start = master.start();
        let last = tokio::select! {
            last = nth(&mut events, count, is) => last,
            Err(error) = start => panic!("the start fails: {error}"),
        };
        (Self { master, events }, since(begin, &last))
    }

    /// The next event that is such a one.
    pub(crate) async fn until(&mut self, is: fn(&Event) -> bool) -> Arc<Event> {
        nth(&mut self.events, 1, is).await
    }

    pub(crate) async fn kill(self) {
        self.master.kill().await.expect("every process can be killed");
    }
}

/// When something happened by the master's own account, which is later than it was so.
pub(crate) fn since(begin: SystemTime, event: &Event) -> Duration {
    event.time.duration_since(begin).expect("nobody turns the clock back meanwhile")
}

/// The event that is the nth such one.
pub(crate) async fn nth(events: &mut EventStream, count: usize, is: fn(&Event) -> bool) -> Arc<Event> {
    let reading = async {
        let mut left = count;
        loop {
            let event = events.next().await.expect("the reader keeps up");
            left -= usize::from(is(&event));
            if left == 0 {
                return event;
            }
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("it happens")
}
