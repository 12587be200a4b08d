//! The tables within an app that have keys of their own and are changed as a whole.

use super::form::{Form, SubKey};
use super::key::keys;
use super::kind::{Maybe, ValueFault};
use super::limit::ResourceLimit;
use super::number::{Number, One, Size, Time};
use super::shown;
use super::table::SubTable;
use super::text::{DirectoryPath, Flag, SignalName};
use super::whole::Whole;
use super::words::{LOG_FORMATS, LOG_OWNERS, THENS};
use crate::config::{
    Backoff, FailureLimit, HealthCheck, Heartbeat, Limits, LogPolicy, Probe, ProbeKind, RecyclePolicy,
    ReloadSignal, Resource, SuspendSignals,
};
use crate::signal::Signal;

pub(super) const HEARTBEAT: SubTable<Heartbeat> = SubTable::new(
    keys! { Heartbeat;
        "interval" (interval: Time::SOME)
            "The pause between two questions; more than zero. Too short costs CPU, too long finds a hung worker late.";
        "misses" (misses: Whole(1, 100))
            "How many answers in a row may be missing.";
    },
    Heartbeat::default,
    shown::heartbeat,
)
.of_form(Form::TableOrFalse);

pub(super) const RELOAD: SubTable<ReloadSignal> = SubTable::new(
    keys! { ReloadSignal;
        "signal" (signal: SignalName(false))
            "The signal, with or without `SIG`.";
        "wait" (waits: Flag)
            "Whether the worker says RELOADING=1 and READY=1, within `start.timeout`. Default: yes with `protocol = \"notify\"`, unless it has a `notify_fd`. Otherwise it has reloaded if it is alive after `start.min_uptime`.";
    },
    || ReloadSignal { signal: Signal::HUP, waits: false },
    shown::reload,
)
.requiring(&[("signal", "name it, for example `reload = { signal = \"HUP\" }`")]);

const NAME_BOTH: &str = "name both, for example `suspend = { signal = \"USR1\", resume_signal = \"USR2\" }`";

pub(super) const SUSPEND: SubTable<SuspendSignals> = SubTable::new(
    keys! { SuspendSignals;
        "signal" (signal: SignalName(true))
            "Tells the worker to take no new work. `STOP` halts any program, with what it has in flight.";
        "resume_signal" (resume_signal: SignalName(true))
            "Tells the worker to go on; `CONT` after `STOP`.";
    },
    || SuspendSignals { signal: Signal::USR1, resume_signal: Signal::USR2 },
    shown::suspend,
)
.requiring(&[("signal", NAME_BOTH), ("resume_signal", NAME_BOTH)]);

pub(super) const RECYCLE: SubTable<RecyclePolicy> = SubTable::new(
    keys! { RecyclePolicy;
        "age" (age: Maybe(Time::SOME))
            "How old a worker may get; more than zero. Too short keeps the app busy starting workers.";
        "rss" (rss: Maybe(Size))
            "How much memory its process may hold; checked every 10 s. Too low replaces workers that are merely warm, too high leaves it to the kernel.";
        "requests" (requests: Maybe(Whole(1, u32::MAX as i64)))
            "How many requests a worker may answer, by its own count. Only with `protocol = \"drover\"`.";
        "jitter" (jitter: Number(0.0, 1.0))
            "The random part of each limit, to either side, so that workers do not reach it together.";
    },
    RecyclePolicy::default,
    shown::recycling,
)
.with_header();

pub(super) const LOGS: SubTable<LogPolicy> = SubTable::new(
    keys! { LogPolicy;
        "dir" (dir: Maybe(DirectoryPath))
            "The directory of the files, relative to this file's; it is created if it is missing. It holds `APP.log`, or `APP/SLOT.log`. Default: no files; then `journald` has to be `true`.";
        "journald" (journald: Flag)
            "Whether each line becomes an entry of the system's journal, with app, slot, generation, pid and stream as fields. Default: `false`.";
        "per" (per: LOG_OWNERS)
            "What has a file of its own: the `app`, whose lines begin with `app/slot | `, or each `worker`'s slot. Default: `app`.";
        "format" (format: LOG_FORMATS)
            "`text`: lines as they were printed. `json`: one object a line, as `drover logs --json` prints it. Default: `text`.";
        "timestamps" (timestamps: Flag)
            "Whether lines of text begin with the time at which the master read them, in UTC. Default: `false`.";
        "max_size" (max_size: Size)
            "How large a file may get before it becomes an old one. Default: 64 MiB.";
        "max_age" (max_age: Maybe(Time::SOME))
            "How old a file may get before the next line makes it an old one. Default: no limit.";
        "keep" (keep: Whole(0, 1000))
            "How many old files to keep, as `APP.log.1` and so on, the newest first. Default: 5.";
        "compress" (compress: Flag)
            "Whether to compress old files by gzip, on a thread of low priority. Default: `false`.";
    },
    LogPolicy::nowhere,
    shown::logs,
)
.without_defaults()
.refusing(|logs| {
    let fault = "names nothing to write to; name a directory, for example `dir = \"logs\"`, or write `journald = true`";
    (logs.dir.is_none() && !logs.journald).then(|| ValueFault::new(fault))
});

pub(super) const BACKOFF: SubTable<Backoff> = SubTable::new(
    keys! { Backoff;
        "initial" (initial: Time::ANY)
            "The first pause.";
        "max" (max: Time::ANY)
            "The longest pause; not below the first.";
        "factor" (factor: Number(1.0, f64::INFINITY))
            "How many times longer each pause is than the one before.";
        "jitter" (jitter: Number(0.0, 1.0))
            "The random part of each pause.";
    },
    Backoff::default,
    shown::backoff,
);

pub(super) const LIMIT: SubTable<FailureLimit> = SubTable::new(
    keys! { FailureLimit;
        "count" (count: Whole(1, 100_000))
            "How many failures are tolerated.";
        "within" (within: Time::SOME)
            "The window in which they count; more than zero.";
        "then" (then: THENS)
            "What to do then: give up the worker, stop its app, or stop all apps.";
    },
    FailureLimit::default,
    shown::failure_limit,
);

/// What it leaves out is as in `limit`.
pub(super) const START_LIMIT: SubTable<FailureLimit> = LIMIT.without_defaults();

pub(super) const LIMITS: SubTable<Limits> = SubTable::new(
    keys! { Limits;
        "as" (&ResourceLimit(Resource::AddressSpace)) "Address space.";
        "core" (&ResourceLimit(Resource::Core)) "The largest core dump; 0: none.";
        "cpu" (&ResourceLimit(Resource::Cpu)) "CPU time, in whole seconds.";
        "data" (&ResourceLimit(Resource::Data)) "Initialised data and heap.";
        "fsize" (&ResourceLimit(Resource::FileSize)) "The largest file that it may write.";
        "memlock" (&ResourceLimit(Resource::Memlock)) "Memory that it may lock.";
        "msgqueue" (&ResourceLimit(Resource::MessageQueues)) "POSIX message queues of its user.";
        "nofile" (&ResourceLimit(Resource::OpenFiles)) "Descriptors.";
        "nproc" (&ResourceLimit(Resource::Processes)) "Processes and threads of its user on the whole host.";
        "rtprio" (&ResourceLimit(Resource::RealtimePriority)) "The highest real-time priority.";
        "sigpending" (&ResourceLimit(Resource::PendingSignals)) "Queued signals of its user.";
        "stack" (&ResourceLimit(Resource::Stack)) "The stack of its first thread.";
        "nice" (nice: Maybe(Whole(-20, 19)))
            "The worker's share of the CPU, from -20 (most) to 19 (least).";
        "oom_score_adj" (oom_score_adj: Maybe(Whole(-1000, 1000)))
            "How early the kernel kills it when memory runs out, from -1000 (never) to 1000 (first).";
        "required" (is_required: Flag)
            "Whether a limit that can't be set fails the start; otherwise the worker gets the nearest possible.";
    },
    Limits::default,
    shown::limits,
)
.with_header();

pub(super) const PROBE: SubTable<Probe> = SubTable::new(
    keys! { Probe;
        "interval" (interval: Time::SOME)
            "The pause between two tries; more than zero. Too short keeps a slow start busy answering, too long notices readiness late.";
        "timeout" (timeout: Time::SOME)
            "How long one try may take; more than zero. Too short and an answer that takes its time never counts, too long and a try that hangs keeps the next one waiting.";
    },
    || Probe::tcp(""),
    |probe| Some(probe.to_string()),
)
.of_form(asking_or_listening);

/// The same for both, but for what `successes` may be.
macro_rules! check {
    ($successes:expr, $sentence:literal) => {
        SubTable::new(
            keys! { HealthCheck;
                "interval" (probe.interval: Time::SOME)
                    "The pause between two tries, a tenth longer or shorter by chance; more than zero. Too short keeps workers busy answering, too long notices a failure late.";
                "timeout" (probe.timeout: Time::SOME)
                    "How long one try may take; more than zero. Too short and an answer that takes its time never counts, too long notices late what hangs.";
                "failures" (failures: Whole(1, 100))
                    "How many tries in a row must fail.";
                "successes" (successes: $successes) $sentence;
                "initial_delay" (initial_delay: Time::ANY)
                    "The pause before the first try. Too short and the first tries fail though nothing is wrong, too long notices a failure late.";
            },
            || HealthCheck::new(ProbeKind::Tcp { addr: String::new() }),
            |check| Some(check.to_string()),
        )
        .of_form(asking)
    };
}

pub(super) const READINESS: SubTable<HealthCheck> =
    check!(Whole(1, 100), "How many tries in a row must pass before a worker is ready.");
pub(super) const LIVENESS: SubTable<HealthCheck> =
    check!(One, "Only 1: the master ends a worker that fails, so none passes again.");

/// The same of a start, which may also listen.
fn asking_or_listening(own: Vec<SubKey>) -> Form {
    let form = asking(own);
    if let Form::Question(mut parts) = form {
        parts.push(SubKey {
            name: "log",
            form: Form::Pattern(r"^[^\n\r]+$"),
            default: None,
            is_required: false,
            sentence: "A text that a line of its stdout or stderr contains, as it stands there: neither a pattern nor a placeholder. Without `interval` and `timeout`.",
        });
        return Form::Question(parts);
    }
    form
}

/// A table that asks something, beside these keys of its own.
fn asking(own: Vec<SubKey>) -> Form {
    let asks = |name, form, sentence| SubKey { name, form, default: None, is_required: false, sentence };
    let mut parts = vec![
        asks("tcp", Form::Pattern(r"^.+:([0-9]|\{[^{}]+\})+$"), "HOST:PORT that accepts a connection."),
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
