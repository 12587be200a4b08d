//! How a supervisor is made.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::builder::{MasterBuilder, OwnPart};
use crate::config::{ConfigError, Description, FixedSettings, Strategy};
use crate::control::{ControlError, ControlPath, ControlServer};
use crate::handle::{BuildError, EventLog};
use crate::keeper::{Holds, Kept, MasterCrash};
use crate::listener::{InheritedSockets, ListenerPool, SocketStore};
use crate::machine::composite::{Composite, CompositeRules, Plan};
use crate::process::{OutputLog, mark, protect_output};
use crate::signals::Signals;
use crate::supervision::{
    Entry, Past, ReloadWitness, Reread, Roster, SupervisorEnd, SupervisorHandle, SupervisorMemory,
    SupervisorRemembered, SupervisorState, SupervisorTask, Workshop, run,
};

/// Describes apps that belong together.
#[derive(Debug)]
pub struct SupervisorBuilder {
    apps: Vec<MasterBuilder>,
    control: Option<ControlPath>,
    signals: Option<Signals>,
    inherited: InheritedSockets,
    shows_messages: bool,
    rules: CompositeRules,
    reader: Option<Arc<dyn Reread>>,
    fixed: FixedSettings,
    witness: Option<Arc<dyn ReloadWitness>>,
    store: Option<Arc<dyn SocketStore>>,
    line: Option<Arc<str>>,
    keeps_output: bool,
    holds: Holds,
    /// How the master before this one ended, if this goes on with its apps.
    crash: Option<MasterCrash>,
    keeper: Option<u32>,
}

impl Default for SupervisorBuilder {
    fn default() -> Self {
        let (strategy, shutdown_timeout) = (Strategy::None, Duration::from_secs(45));
        let rules = CompositeRules { keep_going: false, strategy, shutdown_timeout };
        let inherited = InheritedSockets::default();
        Self {
            apps: Vec::new(),
            control: None,
            signals: None,
            inherited,
            shows_messages: false,
            rules,
            reader: None,
            witness: None,
            store: None,
            fixed: FixedSettings::default(),
            line: None,
            keeps_output: false,
            holds: Holds::default(),
            crash: None,
            keeper: None,
        }
    }
}

/// Why a supervisor could not be made. Nothing has been started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SupervisorError {
    /// An app's description is invalid: the caller's fault.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The control socket can't be served.
    #[error(transparent)]
    Control(#[from] ControlError),
}

impl SupervisorBuilder {
    /// Adds an app. Its closures ([`on_exit`](MasterBuilder::on_exit), [`on_message`](MasterBuilder::on_message)) stay with its name
    /// whatever an [apply](SupervisorHandle::apply) makes of it. Each starts once all that it [depends on](MasterBuilder::depends_on) is there, and is asked to end once
    /// all that depend on it are gone; those that have nothing to do with each other start and end at the same time.
    #[must_use]
    pub fn app(mut self, app: MasterBuilder) -> Self {
        self.apps.push(app);
        self
    }

    /// Serves a control socket. Default: none.
    #[must_use]
    pub fn control(mut self, path: ControlPath) -> Self {
        self.control = Some(path);
        self
    }

    /// Ends everything at a signal: the first gracefully, the second in a hurry, the third by SIGKILL. Default: no handler.
    #[must_use]
    pub fn signals(mut self, signals: Signals) -> Self {
        self.signals = Some(signals);
        self
    }

    /// Shows what workers send to the program as events, for people ([`MasterBuilder::messages_as_events`]), also of apps that come
    /// later. Default: no.
    #[must_use]
    pub fn messages_as_events(mut self) -> Self {
        self.shows_messages = true;
        self
    }

    /// Who hears of each reload that SIGHUP asks for ([`Signals::reload_on_hangup`]). Default: nobody.
    #[must_use]
    pub fn reload_witness(mut self, witness: impl ReloadWitness + 'static) -> Self {
        self.witness = Some(Arc::new(witness));
        self
    }

    /// Who keeps listening sockets from one run of this program to the next, so that nobody is refused meanwhile. Those that it hands over at
    /// the start have to be given to [`inherited`](Self::inherited). Only TCP sockets that all workers share are kept. Default: nobody.
    #[must_use]
    pub fn socket_store(mut self, store: impl SocketStore + 'static) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// Uses sockets that this process was started with, where their names or addresses are those of listeners. Default: none;
    /// nothing is read from the environment unless the program asks for it.
    #[must_use]
    pub fn inherited(mut self, sockets: InheritedSockets) -> Self {
        self.inherited = sockets;
        self
    }

    /// The line of masters that this one is of: all that ever run the same thing, one after the other, such as "the service of
    /// /srv/shop". What one of them that was killed has left is ended before this one opens or starts anything: its processes are
    /// told to end (SIGTERM), parents first, and are killed after the [shutdown timeout](Self::shutdown_timeout). They are known by
    /// `DROVER_MASTER` in the environment that workers get. Default: none, nothing is marked and nothing ended.
    ///
    /// Two lines of one name: each ends what the other has left, but nothing of one that lives.
    #[must_use]
    pub fn line(mut self, line: impl Into<Arc<str>>) -> Self {
        self.line = Some(line.into());
        self
    }

    /// Keeps the last of what workers print, also without a [control socket](Self::control): for the
    /// [admin HTTP](crate::http::AdminServer). Default: only with a control socket. Up to 1 MiB for each app.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn keep_output(mut self) -> Self {
        self.keeps_output = true;
        self
    }

    /// Has this keeper hold what must outlive a crash of this process. After one, the apps and their workers are those that there were,
    /// whatever the builder was given. Default: none.
    #[must_use]
    pub fn kept(mut self, kept: &Kept) -> Self {
        self.holds = kept.holds().clone();
        self.crash = kept.crash();
        self.keeper = Some(kept.keeper());
        self
    }

    /// Goes on with the other apps when one fails to start; those that depend on it are not started. Default: a failed start
    /// ends everything.
    #[must_use]
    pub fn keep_going(mut self, keep_going: bool) -> Self {
        self.rules.keep_going = keep_going;
        self
    }

    /// What follows when an app fails for good while it runs. Default: [`Strategy::None`].
    #[must_use]
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.rules.strategy = strategy;
        self
    }

    /// From the start of shutdown to SIGKILL for all that is left; the end is [`End::TimedOut`](super::End::TimedOut) then.
    /// Default 45 s. Too low: apps that drain one after the other are cut, though each keeps within its own stop policy. Too
    /// high: whoever waits for the end, such as a container's runtime, kills first, and nobody tells what hung.
    #[must_use]
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.rules.shutdown_timeout = timeout;
        self
    }

    /// Whoever reads anew what is to be run, for a control client that asks to [apply](SupervisorHandle::apply) it, and what
    /// only a restart changes of what is there now. Default: nobody, and such a client is refused.
    #[must_use]
    pub fn reread(mut self, reader: impl Reread + 'static, fixed: FixedSettings) -> Self {
        self.reader = Some(Arc::new(reader));
        self.fixed = fixed;
        self
    }

    /// Makes the supervisor and claims its control socket. Nothing is started before [`Supervisor::run`].
    ///
    /// # Errors
    ///
    /// [`SupervisorError`]: an invalid app, two of one name, apps that wait for each other or for one that there
    /// is not, or a control socket that is taken.
    pub fn build(mut self) -> Result<Supervisor, SupervisorError> {
        let mut resumed = match SupervisorMemory::resume(&self.holds) {
            Ok(resumed) => resumed,
            Err(error) => {
                tracing::error!(target: "drover::keeper", %error, "what an earlier master has written can't be read; its workers are ended, and everything begins anew");
                None
            }
        };
        if let Some((_, remembered)) = &mut resumed {
            self.go_on_with(&mut remembered.whole);
        }
        if self.apps.is_empty() {
            return Err(BuildError::from(ConfigError::NoApp).into());
        }
        let events = EventLog::new();
        events.keep(&self.holds);
        for (at, app) in self.apps.iter().enumerate() {
            let name = &app.spec().name;
            if self.apps[..at].iter().any(|other| &other.spec().name == name) {
                return Err(BuildError::from(ConfigError::DuplicateApp { name: name.clone() }).into());
            }
        }
        for app in &self.apps {
            app.spec().check().map_err(BuildError::from)?;
        }
        let plan = match &resumed {
            Some(_) => None,
            None => Some(Plan::of(self.apps.iter().map(MasterBuilder::spec)).map_err(BuildError::from)?),
        };
        let control =
            self.control.as_ref().map(|path| ControlServer::claim(path, &self.holds)).transpose()?;
        let pool = ListenerPool::of(self.inherited).held_by(self.holds.clone());
        let pool = match self.store {
            Some(store) => pool.stored_by(store),
            None => pool,
        };
        pool.tell_left_over(self.apps.iter().flat_map(|app| &app.spec().listeners));
        let output = OutputLog::held_by(&self.holds);
        // Otherwise nobody can ask for it.
        let kept = (control.is_some() || self.keeps_output).then(|| output.clone());
        let is_kept = self.holds.keeper().is_some();
        let mark = self.line.as_deref().and_then(|line| match mark(line, is_kept) {
            Ok(mark) => Some(mark),
            Err(error) => {
                tracing::warn!(target: "drover::supervisor", %error, "/proc can't be read: if this master is killed, the next one will not know what it left");
                None
            }
        });
        let own = self.apps.iter().map(|app| (app.spec().name.clone(), app.own_part())).collect();
        let shows_messages = self.shows_messages;
        // Before anybody prints: what an earlier master had on its way comes first.
        let transit = protect_output(&self.holds);
        let workshop = Workshop {
            transit,
            events: events.clone(),
            output: kept,
            pool,
            mark,
            shows_messages,
            witness: self.witness,
            own,
        };
        let mut apps = Vec::with_capacity(self.apps.len());
        let mut known = resumed.as_mut().map(|(_, remembered)| std::mem::take(&mut remembered.whole.apps));
        for (place, app) in self.apps.into_iter().enumerate() {
            let spec = Arc::new(app.spec().clone());
            let known = known.as_mut().map(|known| &mut known[place]);
            let (index, past) =
                known.map_or((place, Vec::new()), |known| (known.index, std::mem::take(&mut known.past)));
            apps.push(Entry { index, master: workshop.finish(app)?, spec, past: Past::of(past) });
        }
        let CompositeRules { strategy, shutdown_timeout, .. } = self.rules;
        let settings = Description { apps: Vec::new(), strategy, shutdown_timeout, fixed: self.fixed };
        let (mut handle, requests) =
            SupervisorHandle::new(Roster::new(apps, settings), events, output, self.reader);
        handle.holds = self.holds;
        handle.keeper = self.keeper;
        let (memory, composite, remembered) = match (resumed, plan) {
            (Some((memory, SupervisorRemembered { whole, composite, undone })), _) => {
                (Some(memory), composite, Some((whole, undone, handle.holds.taking())))
            }
            (None, plan) => {
                let plan = plan.unwrap_or_default();
                (SupervisorMemory::begin(&handle.holds), Composite::new(plan, self.rules), None)
            }
        };
        if composite.is_ending() {
            workshop.pool.leave_stored();
        }
        if let Some(keeper) = handle.holds.keeper() {
            tokio::spawn(Arc::clone(keeper).attend());
        }
        let (signals, line, crash) = (self.signals, self.line, self.crash);
        let task = SupervisorTask {
            handle,
            requests,
            signals,
            composite,
            workshop,
            line,
            crash,
            memory,
            remembered,
        };
        Ok(Supervisor { task, control })
    }
}

impl SupervisorBuilder {
    /// The apps are those that an earlier master has written down, with what this program itself does for each.
    fn go_on_with(&mut self, whole: &mut SupervisorState) {
        let mut own: HashMap<String, OwnPart> =
            self.apps.drain(..).map(|app| (app.spec().name.clone(), app.own_part())).collect();
        let settings = &whole.settings;
        (self.rules.strategy, self.rules.shutdown_timeout) = (settings.strategy, settings.shutdown_timeout);
        self.fixed = settings.fixed.clone();
        let known = whole.apps.iter().map(|app| {
            let own = own.remove(&app.spec.name).unwrap_or_default();
            MasterBuilder::from_spec(app.spec.clone()).with_own_part(own)
        });
        self.apps = known.collect();
    }
}

/// Apps that belong together.
#[derive(Debug)]
pub struct Supervisor {
    task: SupervisorTask,
    control: Option<ControlServer>,
}

impl Supervisor {
    /// Begins the description.
    pub fn builder() -> SupervisorBuilder {
        SupervisorBuilder::default()
    }

    /// The handle, to look and to end while [`run`](Self::run) runs.
    pub fn handle(&self) -> SupervisorHandle {
        self.task.handle.clone()
    }

    /// Where the control socket is, if one was asked for.
    pub fn control_path(&self) -> Option<&std::path::Path> {
        self.control.as_ref().map(ControlServer::path)
    }

    /// Starts every app and runs until nothing is left: everything completed, failed for good, or was asked to end. An app
    /// that was [stopped](SupervisorHandle::stop_app) on its own is held, and keeps it alive.
    ///
    /// # Errors
    ///
    /// [`SupervisorError::Control`] if the control socket can't be served; nothing has been started then.
    ///
    /// # Cancel safety
    ///
    /// A dropped future lets go of the masters; see [`Master`](crate::Master) for what that means.
    pub async fn run(self) -> Result<SupervisorEnd, SupervisorError> {
        let Self { task, mut control } = self;
        if let Some(control) = &mut control {
            control.serve(task.handle.clone())?;
        }
        let tell_clients = |end| async move {
            if let Some(control) = control {
                control.finish(end).await;
            }
        };
        Ok(run(task, tell_clients).await)
    }
}
