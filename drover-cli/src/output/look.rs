//! How a status is to look, and the colours of states.

use anstyle::{AnsiColor, Style};
use drover_proto::latest::{Phase, WorkerStatus};

/// How a status is to look.
pub(crate) struct StatusLook<'u> {
    /// Whether states are coloured.
    pub(crate) colour: bool,
    /// How many columns a terminal has; none where lines may be as long as they are.
    pub(crate) width: Option<usize>,
    /// What a worker uses: the part of a CPU in percent, and memory in bytes.
    pub(crate) usage: &'u dyn Fn(&WorkerStatus) -> Option<(f64, u64)>,
}

pub(super) fn style_of_worker(worker: &WorkerStatus) -> Style {
    if worker.phase() == Phase::Started && !worker.unready.is_empty() {
        return AnsiColor::Yellow.on_default();
    }
    style(worker.phase())
}

pub(super) fn style(phase: Phase) -> Style {
    match phase {
        Phase::Started => AnsiColor::Green.on_default(),
        Phase::Failed => AnsiColor::Red.on_default(),
        Phase::BackingOff => AnsiColor::Yellow.on_default(),
        Phase::Initialized | Phase::Starting | Phase::Stopping | Phase::ShuttingDown => {
            AnsiColor::Cyan.on_default()
        }
        Phase::Unspecified | Phase::Stopped | Phase::ShutDown => Style::new().dimmed(),
    }
}
