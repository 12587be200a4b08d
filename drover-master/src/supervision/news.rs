//! What the tasks of a supervisor bring.

use crate::handle::{OperateError, StartError, Ticket};
use crate::ids::TicketId;
use crate::machine::composite::AppIndex;
use crate::machine::fleet::Outcome;

/// News of one app.
pub(super) enum AppNews {
    /// Nothing is left of a master that was here before.
    WayMade,
    Started(AppIndex, Result<(), StartError>),
    Ended(AppIndex, Outcome),
    /// The app's task is gone, and with it whoever could tell its outcome.
    Lost(AppIndex),
    /// An end that was asked for stands before a process that does not end.
    Unkillable(AppIndex, u32),
    /// What was passed on to the app's master was let in, and is under way.
    LetIn(AppIndex, TicketId, Ticket<OperateError>),
    Operated(AppIndex, TicketId, Result<(), OperateError>),
    /// An end was carried out, or a reload let in; the app's own events tell the rest.
    Asked,
    /// Everything is as it was asked to be, or was told why not.
    Changed,
}
