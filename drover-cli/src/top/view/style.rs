//! Colours: the sixteen that each terminal has, as its user chose them.

use drover_proto::latest::{Phase, WorkerStatus};
use ratatui_core::style::{Color, Modifier, Style};

use crate::top::model::{EntryKind, LineLevel, Tone};

pub(super) const PLAIN: Style = Style::new();
pub(super) const HEAD: Style = Style::new().add_modifier(Modifier::BOLD);
pub(super) const LOST: Style = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
pub(super) const TITLES: Style = Style::new().add_modifier(Modifier::DIM);
pub(super) const QUIET: Style = Style::new().add_modifier(Modifier::DIM);
pub(super) const SELECTED: Style = Style::new().add_modifier(Modifier::REVERSED);
pub(super) const FOUND: Style = Style::new().fg(Color::Black).bg(Color::Yellow);
pub(super) const NAME: Style = Style::new().fg(Color::Cyan);
pub(super) const EVENT: Style = Style::new().fg(Color::Blue);

const fn of(colour: Color) -> Style {
    Style::new().fg(colour)
}

pub(super) const fn phase(phase: Phase) -> Style {
    match phase {
        Phase::Started => of(Color::Green),
        Phase::Failed => of(Color::Red),
        Phase::BackingOff => of(Color::Yellow),
        Phase::Initialized | Phase::Starting | Phase::Stopping | Phase::ShuttingDown => of(Color::Cyan),
        Phase::Unspecified | Phase::Stopped | Phase::ShutDown => QUIET,
    }
}

pub(super) fn worker(worker: &WorkerStatus) -> Style {
    match worker.phase() {
        Phase::Started if !worker.unready.is_empty() => of(Color::Yellow),
        other => phase(other),
    }
}

pub(super) const fn entry(what: EntryKind) -> Style {
    match what {
        EntryKind::Line(Some(LineLevel::Error)) | EntryKind::Event { is_failure: true } => of(Color::Red),
        EntryKind::Line(Some(LineLevel::Warning)) | EntryKind::Missed => of(Color::Yellow),
        EntryKind::Line(Some(LineLevel::Debug)) => QUIET,
        EntryKind::Line(Some(LineLevel::Info) | None) => PLAIN,
        EntryKind::Event { is_failure: false } => EVENT,
    }
}

pub(super) fn tone(tone: &Tone) -> Style {
    match tone {
        Tone::Head => HEAD,
        Tone::Plain => PLAIN,
        Tone::Quiet => QUIET,
        Tone::Worker(of) => worker(of),
    }
}
