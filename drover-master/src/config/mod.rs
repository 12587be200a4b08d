//! What is to be run and by which rules: plain values, checked before anything is started.

mod account;
mod app;
mod change;
mod check;
mod command;
mod cpus;
mod cron;
mod description;
mod duration;
mod error;
#[cfg(feature = "file")]
pub mod file;
mod fixed;
mod health;
pub mod keys;
pub(crate) mod limits;
mod listen;
mod logs;
mod name;
mod notify;
mod output;
mod placeholder;
mod policy;
mod probe;
mod recycle;
mod relation;
mod shared;
mod size;
mod stdin;
#[cfg(feature = "file")]
pub(crate) mod text;
mod update;
mod watch;

pub use account::AccountError;
pub(crate) use account::{Account, Login};
pub(crate) use app::MAX_WORKERS;
pub use app::{AppSpec, Protocol};
pub(crate) use change::is_same_app;
pub use change::{Change, changes, class_of};
pub use command::Command;
pub use cpus::cpus;
pub use cron::{CronPolicy, Overlap, Schedule, ScheduleError, Zone, ZoneError};
pub use description::{ChangeClass, Description};
pub use duration::{DurationError, format_duration, parse_duration};
pub use error::ConfigError;
pub use fixed::{FixedSettings, HttpSettings};
pub use health::{HealthCheck, HealthPolicy};
pub use limits::{Limit, Limits, Resource};
pub use listen::{ListenAddr, ListenMode, ListenSpec};
pub use logs::{LogFormat, LogOwner, LogPolicy};
pub use name::name_fault;
pub use notify::{NotifyAccess, ReloadSignal};
pub use output::{Colours, Line, Output, OutputSink, Stream};
pub use placeholder::{PlaceholderError, fill_in};
pub use policy::{
    Backoff, FailureLimit, Heartbeat, LimitReached, OnStartFailure, RestartPolicy, RestartWhen, StartPolicy,
    StopPolicy, StopTo, SuspendSignals,
};
pub(crate) use probe::HttpAt;
pub use probe::{HttpUrl, Probe, ProbeKind};
pub use recycle::RecyclePolicy;
pub use relation::{Condition, Dependency, Intensity, Kind, Strategy};
pub(crate) use shared::SpecTable;
pub use size::{SizeError, format_size, parse_size};
pub use stdin::Stdin;
pub use update::{OnUpdateFailure, Share, ShareError, UpdateOrder, UpdatePolicy};
pub use watch::{WatchAction, WatchPolicy};
