//! The tables within an app that have keys of their own and are changed as a whole, and the words of keys.

use super::field::{Field, at};
use super::form::{Form, LimitUnit, Part};
use super::kind::{Flag, Kind, Maybe, Number, One, Signal, Signed, Size, Table, Time, Whole, Words};
use super::{Key, shown};
#[cfg(feature = "file")]
use crate::config::file::{mistake::Mistakes, reader::Entry};
use crate::config::{
    AppSpec, Backoff, Condition, FailureLimit, HealthCheck, Heartbeat, Kind as AppKind, Limit, LimitReached,
    Limits, ListenMode, NotifyAccess, OnStartFailure, OnUpdateFailure, Probe, ProbeKind, Protocol,
    RecyclePolicy, ReloadSignal, Resource, RestartWhen, StopTo, SuspendSignals, UpdateOrder,
};
#[cfg(feature = "file")]
use toml_edit::Item;

pub(super) const PROTOCOLS: Words<Protocol> =
    Words(&[("none", Protocol::None), ("notify", Protocol::Notify), ("drover", Protocol::Drover)]);
pub(super) const ACCESSES: Words<NotifyAccess> =
    Words(&[("main", NotifyAccess::Main), ("all", NotifyAccess::All)]);
pub(super) const APP_KINDS: Words<AppKind> =
    Words(&[("service", AppKind::Service), ("oneshot", AppKind::Oneshot)]);
pub(super) const CONDITIONS: Words<Condition> =
    Words(&[("ready", Condition::Ready), ("completed", Condition::Completed)]);
pub(super) const RECEIVERS: Words<StopTo> = Words(&[("process", StopTo::Process), ("group", StopTo::Group)]);
pub(super) const MODES: Words<ListenMode> =
    Words(&[("shared", ListenMode::Shared), ("reuseport", ListenMode::Reuseport)]);
pub(super) const ON_START_FAILURE: Words<OnStartFailure> =
    Words(&[("fail-fast", OnStartFailure::FailFast), ("keep-going", OnStartFailure::KeepGoing)]);
pub(super) const POLICIES: Words<RestartWhen> = Words(&[
    ("always", RestartWhen::Always),
    ("on-failure", RestartWhen::OnFailure),
    ("never", RestartWhen::Never),
]);
pub(super) const THENS: Words<LimitReached> = Words(&[
    ("give-up", LimitReached::GiveUp),
    ("stop-app", LimitReached::StopApp),
    ("stop-all", LimitReached::StopAll),
]);
pub(super) const ORDERS: Words<UpdateOrder> =
    Words(&[("start-first", UpdateOrder::StartFirst), ("stop-first", UpdateOrder::StopFirst)]);
pub(super) const ON_UPDATE_FAILURE: Words<OnUpdateFailure> =
    Words(&[("rollback", OnUpdateFailure::Rollback), ("pause", OnUpdateFailure::Pause)]);

pub(super) const HEARTBEAT: Table<Heartbeat> = Table {
    keys: &[
        Key::part(
            "interval",
            at!(Heartbeat, interval, Time::SOME),
            "The pause between two questions; more than zero. Too short costs CPU, too long finds a hung worker late.",
        ),
        Key::part(
            "misses",
            at!(Heartbeat, misses, Whole(1, 100)),
            "How many answers in a row may be missing.",
        ),
    ],
    required: &[],
    default: Heartbeat::default,
    has_defaults: true,
    is_inline: true,
    shown: shown::heartbeat,
    form: Form::TableOrFalse,
};

pub(super) const RELOAD: Table<ReloadSignal> = Table {
    keys: &[
        Key::part("signal", at!(ReloadSignal, signal, Signal(false)), "The signal, with or without `SIG`."),
        Key::part(
            "wait",
            at!(ReloadSignal, waits, Flag),
            "Whether the worker says RELOADING=1 and READY=1, within `start.timeout`. Default: yes with `protocol = \"notify\"`, unless it has a `notify_fd`. Otherwise it has reloaded if it is alive after `start.min_uptime`.",
        ),
    ],
    required: &[("signal", "name it, for example `reload = { signal = \"HUP\" }`")],
    default: || ReloadSignal { signal: libc::SIGHUP, waits: false },
    has_defaults: false,
    is_inline: true,
    shown: shown::reload,
    form: Form::Table,
};

const NAME_BOTH: &str = "name both, for example `suspend = { signal = \"USR1\", resume_signal = \"USR2\" }`";

pub(super) const SUSPEND: Table<SuspendSignals> = Table {
    keys: &[
        Key::part(
            "signal",
            at!(SuspendSignals, signal, Signal(true)),
            "Tells it to take no new work. `STOP` halts any program, with what it has in flight.",
        ),
        Key::part(
            "resume_signal",
            at!(SuspendSignals, resume_signal, Signal(true)),
            "Tells it to go on; `CONT` after `STOP`.",
        ),
    ],
    required: &[("signal", NAME_BOTH), ("resume_signal", NAME_BOTH)],
    default: || SuspendSignals { signal: libc::SIGUSR1, resume_signal: libc::SIGUSR2 },
    has_defaults: false,
    is_inline: true,
    shown: shown::suspend,
    form: Form::Table,
};

pub(super) const RECYCLE: Table<RecyclePolicy> = Table {
    keys: &[
        Key::part(
            "age",
            at!(RecyclePolicy, age, Maybe(Time::SOME)),
            "How old a worker may get; more than zero. Too short keeps the app busy starting workers.",
        ),
        Key::part(
            "rss",
            at!(RecyclePolicy, rss, Maybe(Size)),
            "How much memory its process may hold; checked every 10 s. Too low replaces workers that are merely warm, too high leaves it to the kernel.",
        ),
        Key::part(
            "requests",
            at!(RecyclePolicy, requests, Maybe(Whole(1, u32::MAX))),
            "How many requests a worker may answer, by its own count. Only with `protocol = \"drover\"`.",
        ),
        Key::part(
            "jitter",
            at!(RecyclePolicy, jitter, Number(0.0, 1.0)),
            "The random part of each limit, to either side, so that workers do not reach it together.",
        ),
    ],
    required: &[],
    default: RecyclePolicy::default,
    has_defaults: true,
    is_inline: false,
    shown: shown::recycling,
    form: Form::Table,
};

pub(super) const BACKOFF: Table<Backoff> = Table {
    keys: &[
        Key::part("initial", at!(Backoff, initial, Time::ANY), "The first pause."),
        Key::part("max", at!(Backoff, max, Time::ANY), "The longest pause; not below the first."),
        Key::part(
            "factor",
            at!(Backoff, factor, Number(1.0, f64::INFINITY)),
            "How many times longer each pause is than the one before.",
        ),
        Key::part("jitter", at!(Backoff, jitter, Number(0.0, 1.0)), "The random part of each pause."),
    ],
    required: &[],
    default: Backoff::default,
    has_defaults: true,
    is_inline: true,
    shown: shown::backoff,
    form: Form::Table,
};

const FAILURE_LIMIT: &[Key<FailureLimit>] = &[
    Key::part("count", at!(FailureLimit, count, Whole(1, 100_000)), "How many failures are tolerated."),
    Key::part(
        "within",
        at!(FailureLimit, within, Time::SOME),
        "The window in which they count; more than zero.",
    ),
    Key::part(
        "then",
        at!(FailureLimit, then, THENS),
        "What to do then: give up the worker, stop its app, or stop all apps.",
    ),
];

pub(super) const LIMIT: Table<FailureLimit> = Table {
    keys: FAILURE_LIMIT,
    required: &[],
    default: FailureLimit::default,
    has_defaults: true,
    is_inline: true,
    shown: shown::failure_limit,
    form: Form::Table,
};

/// What it leaves out is as in `limit`.
pub(super) const START_LIMIT: Table<FailureLimit> = Table { has_defaults: false, ..LIMIT };

pub(super) const LIMITS: Table<Limits> = Table {
    keys: &[
        limit("as", &Of(Resource::AddressSpace), "Address space."),
        limit("core", &Of(Resource::Core), "The size of a core dump; 0: none."),
        limit("cpu", &Of(Resource::Cpu), "CPU time, in whole seconds."),
        limit("data", &Of(Resource::Data), "Initialised data and heap."),
        limit("fsize", &Of(Resource::FileSize), "The size of a file it writes."),
        limit("memlock", &Of(Resource::Memlock), "Memory that it may lock."),
        limit("msgqueue", &Of(Resource::MessageQueues), "POSIX message queues of its user."),
        limit("nofile", &Of(Resource::OpenFiles), "Descriptors."),
        limit("nproc", &Of(Resource::Processes), "Processes and threads of its user on the whole host."),
        limit("rtprio", &Of(Resource::RealtimePriority), "The highest real-time priority."),
        limit("sigpending", &Of(Resource::PendingSignals), "Queued signals of its user."),
        limit("stack", &Of(Resource::Stack), "The stack of its first thread."),
        Key::part(
            "nice",
            at!(Limits, nice, Maybe(Signed(-20, 19))),
            "Its share of the CPU beside others, from -20 (most) to 19 (least).",
        ),
        Key::part(
            "oom_score_adj",
            at!(Limits, oom_score_adj, Maybe(Signed(-1000, 1000))),
            "How early the kernel takes it when memory runs out, from -1000 (never) to 1000 (first).",
        ),
        Key::part(
            "required",
            at!(Limits, is_required, Flag),
            "Whether a limit that can't be set fails the start; otherwise the worker gets the nearest possible.",
        ),
    ],
    required: &[],
    default: Limits::default,
    has_defaults: true,
    is_inline: false,
    shown: shown::limits,
    form: Form::Table,
};

const fn limit(path: &'static str, of: &'static Of, sentence: &'static str) -> Key<Limits> {
    Key::part(path, of, sentence)
}

/// The limit of a resource.
pub(super) struct Of(pub(super) Resource);

impl Of {
    pub(super) fn unit(&self) -> LimitUnit {
        match self.0 {
            Resource::Cpu => LimitUnit::Seconds,
            Resource::OpenFiles
            | Resource::Processes
            | Resource::RealtimePriority
            | Resource::PendingSignals => LimitUnit::Number,
            Resource::AddressSpace
            | Resource::Core
            | Resource::Data
            | Resource::FileSize
            | Resource::Memlock
            | Resource::MessageQueues
            | Resource::Stack => LimitUnit::Bytes,
        }
    }

    pub(super) fn find(&self, limits: &Limits) -> Option<Limit> {
        limits.resources.iter().find(|(resource, _)| *resource == self.0).map(|(_, limit)| *limit)
    }
}

impl Field<Limits> for Of {
    fn is_same(&self, old: &Limits, new: &Limits) -> bool {
        self.find(old) == self.find(new)
    }

    fn take(&self, into: &mut Limits, from: &Limits) {
        into.resources.retain(|(resource, _)| *resource != self.0);
        into.resources.extend(self.find(from).map(|limit| (self.0, limit)));
    }

    fn shown(&self, of: &Limits) -> Option<String> {
        let limit = self.find(of)?;
        shown::limits(&Limits::default().with(self.0, limit))
    }

    fn form(&self) -> Form {
        Form::Limit(self.unit())
    }

    #[cfg(feature = "file")]
    fn read<'t>(&self, into: &mut Limits, entry: &Entry<'t>, mistakes: &mut Mistakes<'t>) -> bool {
        Self::read(self, into, entry, mistakes)
    }

    #[cfg(feature = "file")]
    fn write(&self, of: &Limits) -> Option<Item> {
        Self::write(self, of)
    }
}

/// `restart.start_limit`, of which a file may leave out what `restart.limit` has.
pub(super) struct StartLimit;

impl Field<AppSpec> for StartLimit {
    fn is_same(&self, old: &AppSpec, new: &AppSpec) -> bool {
        old.restart.start_limit == new.restart.start_limit
    }

    fn take(&self, into: &mut AppSpec, from: &AppSpec) {
        into.restart.start_limit.clone_from(&from.restart.start_limit);
    }

    fn shown(&self, of: &AppSpec) -> Option<String> {
        of.restart.start_limit.as_ref().and_then(shown::failure_limit)
    }

    fn form(&self) -> Form {
        START_LIMIT.form()
    }

    #[cfg(feature = "file")]
    fn read<'t>(&self, into: &mut AppSpec, entry: &Entry<'t>, mistakes: &mut Mistakes<'t>) -> bool {
        Self::read(into, entry, mistakes)
    }

    #[cfg(feature = "file")]
    fn write(&self, of: &AppSpec) -> Option<Item> {
        Self::write(of)
    }
}

pub(super) const PROBE: Table<Probe> = Table {
    keys: &[
        Key::part(
            "interval",
            at!(Probe, interval, Time::SOME),
            "The pause between two tries; more than zero. Too short keeps a slow start busy answering, too long notices readiness late.",
        ),
        Key::part(
            "timeout",
            at!(Probe, timeout, Time::SOME),
            "How long one try may take; more than zero. Too short and an answer that takes its time never counts, too long and a try that hangs keeps the next one waiting.",
        ),
    ],
    required: &[],
    default: || Probe::tcp(""),
    has_defaults: true,
    is_inline: true,
    shown: |probe| Some(shown::probe(probe)),
    form: asking,
};

const INTERVAL: Key<HealthCheck> = Key::part(
    "interval",
    at!(HealthCheck, probe.interval, Time::SOME),
    "The pause between two tries, a tenth longer or shorter by chance; more than zero. Too short keeps workers busy answering, too long notices a failure late.",
);
const TIMEOUT: Key<HealthCheck> = Key::part(
    "timeout",
    at!(HealthCheck, probe.timeout, Time::SOME),
    "How long one try may take; more than zero. Too short and an answer that takes its time never counts, too long notices late what hangs.",
);
const FAILURES: Key<HealthCheck> =
    Key::part("failures", at!(HealthCheck, failures, Whole(1, 100)), "How many tries in a row must fail.");
const DELAY: Key<HealthCheck> = Key::part(
    "initial_delay",
    at!(HealthCheck, initial_delay, Time::ANY),
    "The pause before the first try. Too short and the first tries fail though nothing is wrong, too long notices a failure late.",
);

pub(super) const READINESS: Table<HealthCheck> = Table {
    keys: &[
        INTERVAL,
        TIMEOUT,
        FAILURES,
        Key::part(
            "successes",
            at!(HealthCheck, successes, Whole(1, 100)),
            "How many tries in a row must pass before a worker is ready.",
        ),
        DELAY,
    ],
    required: &[],
    default: || HealthCheck::new(ProbeKind::Tcp { addr: String::new() }),
    has_defaults: true,
    is_inline: true,
    shown: |check| Some(check.to_string()),
    form: asking,
};

pub(super) const LIVENESS: Table<HealthCheck> = Table {
    keys: &[
        INTERVAL,
        TIMEOUT,
        FAILURES,
        Key::part(
            "successes",
            at!(HealthCheck, successes, One),
            "Only 1: a worker that failed is ended and never asked again.",
        ),
        DELAY,
    ],
    ..READINESS
};

/// A table that asks something, beside these keys of its own.
fn asking(own: Vec<Part>) -> Form {
    let asks = |name, form, sentence| Part { name, form, default: None, is_required: false, sentence };
    let mut parts = vec![
        asks("tcp", Form::Pattern(r"^.+:([0-9]|\{[^{}]+\})+$"), "HOST:PORT at which it answers."),
        asks(
            "http",
            Form::Pattern("^(http://[^/?#@]+([/?].*)?|unix:.+)$"),
            "http://HOST:PORT/PATH or unix:SOCKET:/PATH that answers a GET. Redirects are not followed.",
        ),
        asks(
            "exec",
            Form::Command,
            "A program and its arguments that exits with code 0 if all is well. It runs as the worker does, with DROVER_PID, DROVER_SLOT and DROVER_WORKER_ID in its environment.",
        ),
        asks(
            "host",
            Form::Text,
            "What the request's `Host` says; only with `http`. Default: as the URL has it; `localhost` for a Unix socket.",
        ),
        asks(
            "status",
            Form::Codes(200, 599),
            "The status codes that pass; only with `http`. Default: 200 to 399.",
        ),
    ];
    parts.extend(own);
    Form::Question(parts)
}
