//! One input changes the state, and what the fleet then wants is done. Nothing here waits.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;

use super::Driver;
use super::input::Input;
use super::trace;
use super::waiting::Waiter;
use super::wall_clock::WallClock;
use crate::handle::DriverRequest;
use crate::handle::error::{OpenError, StartError};
use crate::handle::hook::ExitContext;
use crate::handle::ticket::Reply;
use crate::ids::TicketId;
use crate::listener::AppListeners;
use crate::machine::fleet::{EventKind, FleetAction, FleetEvent, FleetInput, Outcome, Verdict};
use crate::machine::gate::{self, Doing};
use crate::machine::phase::Phase;
use crate::turns;

/// What is told last.
#[derive(Debug, Default)]
struct Over {
    answers: Vec<(TicketId, Verdict)>,
    ended: Option<Outcome>,
}

impl Driver {
    /// Tells whether the master was away before: then nobody is judged yet.
    pub(super) fn apply(&mut self, input: Input) -> bool {
        let now = tokio::time::Instant::now().into_std();
        let away = self.attention.look(now);
        if let Some(by) = away {
            tracing::warn!(
                target: "drover::master",
                app = &*self.app,
                "the master was away for {:.1} s: stopped, or starved of CPU; every deadline is moved by that",
                by.as_secs_f64()
            );
            self.feed(now, FleetInput::WasAway { by });
        }
        if self.fleet.is_cron() {
            self.feed(now, FleetInput::ClockRead { wall: WallClock::read() });
        }
        let (mut admitted, mut taken) = (None, None);
        let _place = turns::at(input.name());
        let (input, _known) = match input {
            Input::LookedUp(looked_up) => {
                let (mut request, mut found) = *looked_up;
                match found.complete(&mut request) {
                    Ok(()) => (Input::Requested(request), Some(found.hosts.known())),
                    Err(fault) => {
                        if let DriverRequest::Change { reply, .. } = request {
                            let _ = reply.verdict.send(Err(fault.into()));
                        }
                        return away.is_some();
                    }
                }
            }
            input => (input, None),
        };
        match input {
            // It was let in above.
            Input::LookedUp(..) => {}
            Input::Requested(DriverRequest::Start { reply }) => admitted = self.start(now, reply),
            Input::Requested(DriverRequest::Operate { request, target, by, reply }) => {
                let ticket = self.wait(Waiter::Operation(reply.verdict));
                admitted = reply.gate;
                let input = FleetInput::OperationRequested { ticket, request, target, by };
                self.feed(now, input);
            }
            Input::Requested(DriverRequest::Scale { count, by, reply }) => {
                let ticket = self.wait(Waiter::Operation(reply.verdict));
                admitted = reply.gate;
                let queued = self.listeners.queued();
                self.feed(now, FleetInput::ScaleRequested { ticket, count, queued, by });
            }
            Input::Requested(DriverRequest::Change { change, by, reply }) => {
                admitted = self.change(now, change, by, reply);
            }
            Input::Requested(DriverRequest::Signal { target, signal, by, reply }) => {
                let ticket = self.wait(Waiter::Operation(reply.verdict));
                admitted = reply.gate;
                self.feed(now, FleetInput::SignalRequested { ticket, target, signal, by });
            }
            Input::Requested(DriverRequest::Reset { target, by, reply }) => {
                let ticket = self.wait(Waiter::Operation(reply.verdict));
                admitted = reply.gate;
                self.feed(now, FleetInput::ResetRequested { ticket, target, by });
            }
            Input::Requested(DriverRequest::History { slot, answer }) => {
                // Who asked may be gone.
                let _ = answer.send(self.fleet.history(slot));
            }
            Input::Requested(DriverRequest::Signalled { name }) => {
                let how = match self.fleet.doing() {
                    Doing::Stopping | Doing::Killing => gate::Request::Hurry,
                    Doing::Idle | Doing::Starting | Doing::Started => gate::Request::Shutdown,
                };
                let ticket = self.next_ticket();
                self.feed(now, FleetInput::EndRequested { ticket, how, by: name.into() });
            }
            Input::Requested(DriverRequest::End { how, by, reply }) => {
                let ticket = self.wait(Waiter::End(reply.verdict));
                admitted = reply.gate;
                self.feed(now, FleetInput::EndRequested { ticket, how, by });
            }
            Input::HandlesDropped => {
                self.is_orphaned = true;
                let (ticket, how) = (self.next_ticket(), gate::Request::Shutdown);
                let by = "the drop of the last handle".into();
                self.feed(now, FleetInput::EndRequested { ticket, how, by });
            }
            Input::Process(news) => self.process_news(now, news),
            Input::Link(news) => taken = self.link_news(now, news),
            Input::ListenerShutDown => self.renew_listeners(now),
            Input::TimePassed => {}
        }
        if self.listeners.next_try().is_some_and(|at| at <= now) {
            self.renew_listeners(now);
        }
        if away.is_none() && self.fleet.next_deadline().is_some_and(|at| at <= now) {
            self.feed(now, FleetInput::TimePassed);
        }
        self.measure(now);
        self.unlisten(now);
        self.carry_out(now);
        self.wall_clock.wait_for(self.fleet.wall_deadline(), now);
        self.tell_strangers(now);
        // Only now: a refusal has its verdict, and what a worker said its effect.
        drop((admitted, taken));
        away.is_some()
    }

    /// Does what the fleet wants done. Answers go out last, when everything is as they say.
    pub(super) fn carry_out(&mut self, now: Instant) {
        self.carry_out_all(now, Vec::new());
    }

    /// The same, and before that what an earlier master may not have done.
    pub(super) fn carry_out_all(&mut self, now: Instant, undone: Vec<FleetAction>) {
        let mut over = Over::default();
        for action in undone {
            self.do_action(now, action, &mut over);
        }
        while let Some(action) = self.fleet.poll_action() {
            self.do_action(now, action, &mut over);
        }
        let Over { answers, ended } = over;
        self.tidy_editions();
        self.all_done();
        let changed = self.fleet.take_changed();
        self.close_queues(&changed);
        self.tidy_stores(&changed);
        self.view.update(&self.fleet, &changed, self.events.last_seq());
        if ended.is_some() {
            self.outcome.send_replace(ended);
        }
        for (ticket, verdict) in answers {
            self.answer(ticket, verdict);
        }
    }

    /// Answers, and the outcome of the app, are told when everything is as they say.
    fn do_action(&mut self, now: Instant, action: FleetAction, over: &mut Over) {
        match action {
            FleetAction::Spawn(identity) => self.spawn(identity),
            FleetAction::Worker { id, action } => self.worker_action(now, id, action),
            FleetAction::Forget { id } => self.forget(id),
            FleetAction::AskPolicy { worker, exit, proposed } => {
                let context = ExitContext { worker, exit: &exit, proposed };
                let decision = self.hook.as_ref().map_or(proposed, |hook| hook.ask(&context));
                self.feed(now, FleetInput::ExitDecided { worker, decision });
            }
            FleetAction::Publish(event) => {
                if let EventKind::ReloadStarted { from, to, .. } = event.kind {
                    self.begin_edition(from, to);
                }
                self.follow(&event);
                self.tell_bus(&event);
                self.publish(event);
            }
            FleetAction::Answer { ticket, verdict } => over.answers.push((ticket, verdict)),
            FleetAction::End(outcome) => {
                self.close();
                over.ended = Some(outcome);
            }
        }
    }

    pub(super) fn publish(&self, event: FleetEvent) {
        trace::event(&self.events.publish(&self.app, event));
    }

    /// Messages are for those who are ready.
    pub(super) fn tell_bus(&self, event: &FleetEvent) {
        if let (EventKind::Entered { .. } | EventKind::Exited { .. }, Some((worker, _))) =
            (&event.kind, event.worker)
        {
            self.bus.set_ready(worker.id, event.phase == Phase::Started);
        }
    }

    pub(super) fn start(&mut self, now: Instant, reply: Reply<StartError>) -> Option<oneshot::Sender<()>> {
        if self.fleet.doing() == Doing::Idle {
            if let Err(error) = self.open() {
                self.close();
                reply.refuse(StartError::opening(Arc::clone(&self.app), error));
                return None;
            }
            self.outcome.send_replace(None);
        }
        let ticket = self.wait(Waiter::Start(reply.verdict));
        self.feed(now, FleetInput::StartRequested { ticket });
        reply.gate
    }

    /// Opens what the app is started with.
    pub(super) fn open(&mut self) -> Result<(), OpenError> {
        let generation = self.fleet.generation();
        if let Some(edition) = self.editions.get_mut(&generation) {
            edition.open(&mut self.listeners, &self.pool, &self.link_sender, &self.teller)?;
        }
        // From now on it speaks: workers that drain come back to it under another master, too.
        self.remember_edition(generation);
        self.show_edition();
        Ok(())
    }

    /// Nobody can connect any more, unless another app listens there too.
    pub(super) fn close_listeners(&mut self) {
        self.listeners = AppListeners::new(Arc::clone(&self.app), self.teller.clone());
        self.show_edition();
    }

    pub(super) fn close(&mut self) {
        for edition in self.editions.values_mut() {
            (edition.link, edition.notify) = (None, None);
        }
        self.stores.clear();
        self.close_listeners();
    }

    pub(super) fn wait(&mut self, waiting: Waiter) -> TicketId {
        let ticket = self.next_ticket();
        self.waiting.insert(ticket, waiting);
        ticket
    }

    pub(super) fn next_ticket(&mut self) -> TicketId {
        self.last_ticket += 1;
        TicketId(self.last_ticket)
    }

    /// Signals and the drop of the last handle wait for nothing.
    pub(super) fn answer(&mut self, ticket: TicketId, verdict: Verdict) {
        if let Some(waiting) = self.waiting.remove(&ticket) {
            waiting.answer(Arc::clone(&self.app), verdict);
        }
    }
}
