//! How a master is made.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::bus::{Handler, Message};
use crate::config::{
    AppSpec, Command, Condition, ConfigError, CronPolicy, Dependency, HealthPolicy, Heartbeat, Kind,
    ListenAddr, ListenSpec, NotifyAccess, Output, OutputSink, Protocol, RecyclePolicy, ReloadSignal,
    RestartPolicy, Schedule, StartPolicy, Stdin, StopPolicy, SuspendSignals, UpdatePolicy,
};
use crate::driver::Driver;
use crate::handle;
use crate::handle::Master;
use crate::handle::error::BuildError;
use crate::handle::event_log::EventLog;
use crate::handle::hook::{ExitContext, Hook};
use crate::listener::{InheritedSockets, ListenerPool};
use crate::machine::fleet::ExitDecision;
use crate::process::{AppLog, OutputLog, OutputTransit};
use crate::signals::Signals;

/// Describes an app, then makes its master.
#[derive(Debug)]
pub struct MasterBuilder {
    spec: AppSpec,
    own: OwnPart,
    events: EventLog,
    output_log: Option<AppLog>,
    pool: ListenerPool,
    mark: Option<Arc<str>>,
    transit: OutputTransit,
    /// Whether the pool's inherited sockets are for this app alone.
    is_activated: bool,
    /// The first invalid address; told by `build`, so that the chain of calls stays a chain.
    wrong: Option<ConfigError>,
}

/// The program's own part in an app, which no description holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct OwnPart {
    hook: Option<Hook>,
    handler: Option<Handler>,
    shows_messages: bool,
    signals: Option<Signals>,
}

impl Master {
    /// Begins the description of an app.
    pub fn builder(name: &str, command: Command) -> MasterBuilder {
        MasterBuilder::from_spec(AppSpec::new(name, command))
    }
}

impl MasterBuilder {
    /// A builder for a spec that was made elsewhere.
    pub fn from_spec(spec: AppSpec) -> Self {
        Self {
            spec,
            own: OwnPart::default(),
            events: EventLog::new(),
            output_log: None,
            pool: ListenerPool::default(),
            mark: None,
            transit: OutputTransit::default(),
            is_activated: false,
            wrong: None,
        }
    }

    /// How many workers. Default: one a CPU, see [`cpus`](crate::config::cpus).
    #[must_use]
    pub fn workers(mut self, count: u32) -> Self {
        self.spec.workers = count;
        self
    }

    /// A listener that every worker inherits: `HOST:PORT`, `udp:HOST:PORT` or `unix:PATH`. Default: none.
    #[must_use]
    pub fn listen(mut self, name: &str, addr: &str) -> Self {
        match addr.parse::<ListenAddr>() {
            Ok(addr) => self.spec.listeners.push(ListenSpec::new(name, addr)),
            Err(error) => self.wrong = self.wrong.or(Some(error)),
        }
        self
    }

    /// The same from a description, which may ask for more: a queue of connections for each slot, for instance.
    #[must_use]
    pub fn listener(mut self, spec: ListenSpec) -> Self {
        self.spec.listeners.push(spec);
        self
    }

    /// A variable for every worker, over what it inherits.
    #[must_use]
    pub fn env(mut self, key: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.spec.command = self.spec.command.env(key, value);
        self
    }

    /// The workers' directory. Default: the master's.
    #[must_use]
    pub fn current_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.spec.command = self.spec.command.current_dir(dir);
        self
    }

    /// What each worker has as its standard input: nothing, or one of the app's listeners. Default: nothing.
    #[must_use]
    pub fn stdin(mut self, stdin: Stdin) -> Self {
        self.spec.stdin = stdin;
        self
    }

    /// What the workers speak. Default: [`Protocol::Drover`].
    #[must_use]
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.spec.protocol = protocol;
        self
    }

    /// How workers start.
    #[must_use]
    pub fn start_policy(mut self, policy: StartPolicy) -> Self {
        self.spec.start = policy;
        self
    }

    /// How workers end.
    #[must_use]
    pub fn stop_policy(mut self, policy: StopPolicy) -> Self {
        self.spec.stop = policy;
        self
    }

    /// How protocol workers are asked for a sign of life; none: never. Default: every 5 s, ended after 3 unanswered.
    #[must_use]
    pub fn heartbeat(mut self, heartbeat: Option<Heartbeat>) -> Self {
        self.spec.heartbeat = heartbeat;
        self
    }

    /// How often a worker that is ready has to say that it makes progress; see [`AppSpec::watchdog`]. Default: never.
    #[must_use]
    pub fn watchdog(mut self, every: Option<Duration>) -> Self {
        self.spec.watchdog = every;
        self
    }

    /// The descriptor by which workers say that they are ready; see [`AppSpec::notify_fd`]. Default: none.
    #[must_use]
    pub fn notify_fd(mut self, number: Option<u32>) -> Self {
        self.spec.notify_fd = number;
        self
    }

    /// Which processes of a worker may speak for it; see [`AppSpec::notify_access`]. Default: the main one.
    #[must_use]
    pub fn notify_access(mut self, access: NotifyAccess) -> Self {
        self.spec.notify_access = access;
        self
    }

    /// The signal by which workers reload by themselves; see [`AppSpec::reload`]. Default: none.
    #[must_use]
    pub fn reload_signal(mut self, reload: Option<ReloadSignal>) -> Self {
        self.spec.reload = reload;
        self
    }

    /// What workers are asked from outside while they serve. Default: nothing.
    #[must_use]
    pub fn health(mut self, policy: HealthPolicy) -> Self {
        self.spec.health = policy;
        self
    }

    /// How workers come back. Default: on failure, with backoff.
    #[must_use]
    pub fn restart_policy(mut self, policy: RestartPolicy) -> Self {
        self.spec.restart = policy;
        self
    }

    /// How workers are replaced by a reload: in which order, how many at once, what becomes of a failure. Default:
    /// [`UpdatePolicy::default`].
    #[must_use]
    pub fn update_policy(mut self, policy: UpdatePolicy) -> Self {
        self.spec.update = policy;
        self
    }

    /// The signals by which workers without the protocol are suspended and resumed; see [`AppSpec::suspend`]. Default: none.
    #[must_use]
    pub fn suspend(mut self, signals: Option<SuspendSignals>) -> Self {
        self.spec.suspend = signals;
        self
    }

    /// When workers that serve have served enough, and others take their places. Default: never.
    #[must_use]
    pub fn recycle_policy(mut self, policy: RecyclePolicy) -> Self {
        self.spec.recycle = policy;
        self
    }

    /// Where the workers' output goes. Default: to the master's own.
    #[must_use]
    pub fn output(mut self, output: Output) -> Self {
        self.spec.output = output;
        self
    }

    /// Hands the workers' output to a sink, line by line.
    #[must_use]
    pub fn output_sink(self, sink: impl OutputSink + 'static) -> Self {
        self.output(Output::Sink(Arc::new(sink)))
    }

    /// Decides what follows the end of a worker that nobody asked for. Default: the restart policy, whose proposal the
    /// closure is given. It is called on the master's task, so it must not wait. If it panics, the policy decides.
    #[must_use]
    pub fn on_exit(mut self, hook: impl FnMut(&ExitContext<'_>) -> ExitDecision + Send + 'static) -> Self {
        self.own.hook = Some(Hook::new(hook));
        self
    }

    /// Takes the messages that workers send to the program ([`Bus`](crate::Bus) is for the other way). Default: nobody takes them,
    /// and workers are told so.
    ///
    /// It is called on the task of the worker's connection, for several workers at the same time. A worker whose messages are
    /// handled slowly waits, and only that one; but it must not block: to do what takes long, hand
    /// [`to_bytes`](Message::to_bytes) and [`responder`](Message::responder) to a task. If it panics, the message is lost.
    ///
    /// # Example
    ///
    /// ```
    /// # use drover_master::{Command, Master};
    /// let builder = Master::builder("web", Command::new("./web-worker")).on_message(|mut message| {
    ///     match (message.topic(), message.responder()) {
    ///         ("ping", Some(responder)) => responder.reply("pong"),
    ///         (topic, None) => println!("{}: {topic}: {} bytes", message.from().slot, message.payload().len()),
    ///         // A request that is not answered is answered with an error.
    ///         (_, Some(_)) => {}
    ///     }
    /// });
    /// ```
    #[must_use]
    pub fn on_message(mut self, handler: impl Fn(Message<'_>) + Send + Sync + 'static) -> Self {
        self.own.handler = Some(Handler::new(handler));
        self
    }

    /// Shows what workers send to the program as events (`message`), for people. Default: no, it is refused. Requests are refused in
    /// any case, and of a flood only a part is shown. With a handler of one's own it has no meaning.
    #[must_use]
    pub fn messages_as_events(mut self) -> Self {
        self.own.shows_messages = true;
        self
    }

    /// Lets signals to this process end the app. Default: no signal handler is installed.
    #[must_use]
    pub fn signals(mut self, signals: Signals) -> Self {
        self.own.signals = Some(signals);
        self
    }

    /// What the app is for. Default: [`Kind::Service`]. A [`Kind::Oneshot`] has one worker, and its work may take as long as
    /// it takes, unless [`workers`](Self::workers) or a start policy that is given after this says otherwise.
    #[must_use]
    pub fn kind(mut self, kind: Kind) -> Self {
        self.spec.kind = kind;
        if kind == Kind::Oneshot {
            self.spec.workers = 1;
            self.spec.start.timeout = Duration::MAX;
        }
        self
    }

    /// Runs the app by this schedule, one run at a time: it is of the kind [`Kind::Cron`] then, without a protocol. A run may take as long
    /// as it takes, unless a start policy that is given after this says otherwise. The other rules of its runs are at their
    /// [defaults](CronPolicy).
    #[must_use]
    pub fn schedule(mut self, schedule: Schedule) -> Self {
        (self.spec.kind, self.spec.workers, self.spec.protocol) = (Kind::Cron, 1, Protocol::None);
        (self.spec.heartbeat, self.spec.start.timeout) = (None, Duration::MAX);
        self.spec.cron = CronPolicy { schedule: Some(schedule), ..self.spec.cron };
        self
    }

    /// Starts the app only once another one of its [`Supervisor`](crate::supervisor::Supervisor) is there, or done; at the
    /// end that one stays until this app is gone. Default: it waits for none. Without a supervisor it has no meaning.
    #[must_use]
    pub fn depends_on(mut self, app: impl Into<String>, condition: Condition) -> Self {
        self.spec.depends_on.push(Dependency { app: app.into(), condition });
        self
    }

    /// Ends all apps of the [`Supervisor`](crate::supervisor::Supervisor) when this one ends and nobody asked for it: it
    /// completed, or it failed and no strategy starts it again. Default: no.
    #[must_use]
    pub fn essential(mut self, essential: bool) -> Self {
        self.spec.essential = essential;
        self
    }

    /// Writes events to a log that others share. Default: a log of its own.
    #[must_use]
    pub fn event_log(mut self, log: EventLog) -> Self {
        self.events = log;
        self
    }

    /// Opens listeners in a pool that other apps share, so that two of them can have the same one.
    #[must_use]
    pub(crate) fn listener_pool(mut self, pool: ListenerPool) -> Self {
        self.pool = pool;
        self.is_activated = false;
        self
    }

    /// Uses sockets that this process was started with, where their names or addresses are those of listeners. Default: none;
    /// nothing is read from the environment unless the program asks for it. Of an app of a
    /// [`Supervisor`](crate::supervisor::Supervisor) that one's builder is told instead.
    #[must_use]
    pub fn inherited(mut self, sockets: InheritedSockets) -> Self {
        self.pool = ListenerPool::of(sockets);
        self.is_activated = true;
        self
    }

    /// Keeps the last of what the workers print, for those who ask.
    #[must_use]
    pub(crate) fn output_log(mut self, log: Option<&OutputLog>) -> Self {
        self.output_log = log.map(|log| log.of(&self.spec.name));
        self
    }

    /// What is on its way of what the workers print outlives this process.
    #[must_use]
    pub(crate) fn output_transit(mut self, transit: OutputTransit) -> Self {
        self.transit = transit;
        self
    }

    /// What the program itself does for the app, for the next master of it.
    pub(crate) fn own_part(&self) -> OwnPart {
        self.own.clone()
    }

    /// Takes over what the program did for the app before.
    pub(crate) fn with_own_part(mut self, own: OwnPart) -> Self {
        self.own = own;
        self
    }

    /// Has workers bear the mark of their master, by which the next one of its line knows them.
    #[must_use]
    pub(crate) fn mark(mut self, mark: Option<Arc<str>>) -> Self {
        self.mark = mark;
        self
    }

    /// The app as described so far.
    pub fn spec(&self) -> &AppSpec {
        &self.spec
    }

    /// Makes the master. Nothing is opened or started before [`Master::start`].
    ///
    /// # Errors
    ///
    /// [`BuildError`] for an invalid value, and outside a tokio runtime.
    pub fn build(mut self) -> Result<Master, BuildError> {
        if let Some(wrong) = self.wrong {
            return Err(wrong.into());
        }
        self.spec.resolve()?;
        if crate::sys::is_child_signal_ignored() {
            return Err(BuildError::ChildSignalIgnored);
        }
        if self.is_activated {
            self.pool.tell_left_over(&self.spec.listeners);
        }
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| BuildError::NoRuntime)?;
        let OwnPart { hook, mut handler, shows_messages, signals } = self.own;
        if handler.is_none() && shows_messages {
            handler = Some(handle::shown(self.spec.name.as_str().into(), self.events.clone()));
        }
        let (master, driver) =
            Driver::new(self.spec, hook, handler, self.events, self.output_log, self.pool, self.mark);
        let driver = driver.with_transit(self.transit);
        runtime.spawn(driver.run());
        if let Some(signals) = signals {
            signals.watch(&master);
        }
        Ok(master)
    }
}
