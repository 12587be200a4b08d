//! What a stage asks of its fleet.

use crate::signal::Signal;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::*;
use super::stage::{Stage, spec};
use super::witness::Wanted;
use crate::config::{AppSpec, UpdatePolicy};
use crate::machine::gate::{Request, SlotRequest};

impl Stage {
    fn ticket(&mut self, wanted: Wanted) -> TicketId {
        self.tickets += 1;
        let ticket = TicketId(self.tickets);
        self.witness.will_wait(ticket, wanted);
        ticket
    }

    /// Asks for a change of some workers.
    pub(super) fn operate(&mut self, request: SlotRequest, target: Target) -> TicketId {
        let ticket = self.ticket(Wanted::Workers(Some(request)));
        self.feed(FleetInput::OperationRequested { ticket, request, target, by: "a test".into() });
        ticket
    }

    /// The same of one slot.
    pub(super) fn operate_on(&mut self, request: SlotRequest, slot: u32) -> TicketId {
        self.operate(request, Target::Slot(SlotIndex(slot)))
    }

    pub(super) fn scale(&mut self, count: Count) -> TicketId {
        self.scale_with(count, BTreeSet::new())
    }

    /// The same while connections wait in the queues of these slots.
    pub(super) fn scale_with(&mut self, count: Count, queued: BTreeSet<SlotIndex>) -> TicketId {
        let ticket = self.ticket(Wanted::Count);
        self.feed(FleetInput::ScaleRequested { ticket, count, queued, by: "a test".into() });
        ticket
    }

    /// Asks for a reload by this description.
    pub(super) fn reload(&mut self, policy: UpdatePolicy, canary: Option<u32>) -> TicketId {
        self.reload_to(spec(self.fleet.current.spec.protocol), policy, canary, false)
    }

    pub(super) fn reload_to(
        &mut self,
        spec: AppSpec,
        policy: UpdatePolicy,
        canary: Option<u32>,
        is_new: bool,
    ) -> TicketId {
        let ticket = self.ticket(Wanted::Replacement);
        let release = Release { generation: self.fleet.next_generation(), spec: Arc::new(spec) };
        let reload = Box::new(ReloadPlan { release, policy: Some(policy), canary, is_new });
        self.feed(FleetInput::ReloadRequested { ticket, reload, by: "a test".into() });
        ticket
    }

    pub(super) fn renew(&mut self, target: Target) -> TicketId {
        let ticket = self.ticket(Wanted::Replacement);
        self.feed(FleetInput::RenewalRequested { ticket, target, by: "a test".into() });
        ticket
    }

    pub(super) fn promote(&mut self) -> TicketId {
        let ticket = self.ticket(Wanted::Replacement);
        self.feed(FleetInput::PromotionRequested { ticket, by: "a test".into() });
        ticket
    }

    pub(super) fn abort(&mut self) -> TicketId {
        let ticket = self.ticket(Wanted::Word);
        self.feed(FleetInput::AbortRequested { ticket, by: "a test".into() });
        ticket
    }

    pub(super) fn adjust(&mut self) -> TicketId {
        let ticket = self.ticket(Wanted::Word);
        let release = self.fleet.current.clone();
        self.feed(FleetInput::AdjustmentRequested { ticket, release });
        ticket
    }

    pub(super) fn send_signal(&mut self, target: Target, signal: Signal) -> TicketId {
        let ticket = self.ticket(Wanted::Workers(None));
        self.feed(FleetInput::SignalRequested { ticket, target, signal, by: "a test".into() });
        ticket
    }

    pub(super) fn reset(&mut self, target: Target) -> TicketId {
        let ticket = self.ticket(Wanted::Word);
        self.feed(FleetInput::ResetRequested { ticket, target, by: "a test".into() });
        ticket
    }

    pub(super) fn start(&mut self) -> TicketId {
        let ticket = self.ticket(Wanted::App(Request::Start));
        self.feed(FleetInput::StartRequested { ticket });
        ticket
    }

    pub(super) fn end(&mut self, how: Request) -> TicketId {
        let ticket = self.ticket(Wanted::App(how));
        self.feed(FleetInput::EndRequested { ticket, how, by: "a test".into() });
        ticket
    }
}
