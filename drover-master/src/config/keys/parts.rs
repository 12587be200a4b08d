//! The tables within an app that have keys of their own and are changed as a whole.

use super::field::at;
use super::form::{Form, SubKey};
use super::key::Key;
use super::kind::Maybe;
use super::limit::ResourceLimit;
use super::number::{Number, One, Size, Time};
use super::shown;
use super::table::SubTable;
use super::text::{Flag, SignalName};
use super::whole::Whole;
use super::words::THENS;
use crate::config::{
    Backoff, FailureLimit, HealthCheck, Heartbeat, Limits, Probe, ProbeKind, RecyclePolicy, ReloadSignal,
    Resource, SuspendSignals,
};

pub(super) const HEARTBEAT: SubTable<Heartbeat> = SubTable {
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

pub(super) const RELOAD: SubTable<ReloadSignal> = SubTable {
    keys: &[
        Key::part(
            "signal",
            at!(ReloadSignal, signal, SignalName(false)),
            "The signal, with or without `SIG`.",
        ),
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

pub(super) const SUSPEND: SubTable<SuspendSignals> = SubTable {
    keys: &[
        Key::part(
            "signal",
            at!(SuspendSignals, signal, SignalName(true)),
            "Tells it to take no new work. `STOP` halts any program, with what it has in flight.",
        ),
        Key::part(
            "resume_signal",
            at!(SuspendSignals, resume_signal, SignalName(true)),
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

pub(super) const RECYCLE: SubTable<RecyclePolicy> = SubTable {
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
            at!(RecyclePolicy, requests, Maybe(Whole(1, u32::MAX as i64))),
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

pub(super) const BACKOFF: SubTable<Backoff> = SubTable {
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

pub(super) const LIMIT: SubTable<FailureLimit> = SubTable {
    keys: FAILURE_LIMIT,
    required: &[],
    default: FailureLimit::default,
    has_defaults: true,
    is_inline: true,
    shown: shown::failure_limit,
    form: Form::Table,
};

/// What it leaves out is as in `limit`.
pub(super) const START_LIMIT: SubTable<FailureLimit> = SubTable { has_defaults: false, ..LIMIT };

pub(super) const LIMITS: SubTable<Limits> = SubTable {
    keys: &[
        limit("as", &ResourceLimit(Resource::AddressSpace), "Address space."),
        limit("core", &ResourceLimit(Resource::Core), "The size of a core dump; 0: none."),
        limit("cpu", &ResourceLimit(Resource::Cpu), "CPU time, in whole seconds."),
        limit("data", &ResourceLimit(Resource::Data), "Initialised data and heap."),
        limit("fsize", &ResourceLimit(Resource::FileSize), "The size of a file it writes."),
        limit("memlock", &ResourceLimit(Resource::Memlock), "Memory that it may lock."),
        limit("msgqueue", &ResourceLimit(Resource::MessageQueues), "POSIX message queues of its user."),
        limit("nofile", &ResourceLimit(Resource::OpenFiles), "Descriptors."),
        limit(
            "nproc",
            &ResourceLimit(Resource::Processes),
            "Processes and threads of its user on the whole host.",
        ),
        limit("rtprio", &ResourceLimit(Resource::RealtimePriority), "The highest real-time priority."),
        limit("sigpending", &ResourceLimit(Resource::PendingSignals), "Queued signals of its user."),
        limit("stack", &ResourceLimit(Resource::Stack), "The stack of its first thread."),
        Key::part(
            "nice",
            at!(Limits, nice, Maybe(Whole(-20, 19))),
            "Its share of the CPU beside others, from -20 (most) to 19 (least).",
        ),
        Key::part(
            "oom_score_adj",
            at!(Limits, oom_score_adj, Maybe(Whole(-1000, 1000))),
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

const fn limit(path: &'static str, of: &'static ResourceLimit, sentence: &'static str) -> Key<Limits> {
    Key::part(path, of, sentence)
}

pub(super) const PROBE: SubTable<Probe> = SubTable {
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
    shown: |probe| Some(probe.to_string()),
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

pub(super) const READINESS: SubTable<HealthCheck> = SubTable {
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

pub(super) const LIVENESS: SubTable<HealthCheck> = SubTable {
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
fn asking(own: Vec<SubKey>) -> Form {
    let asks = |name, form, sentence| SubKey { name, form, default: None, is_required: false, sentence };
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
