//! What is to be run and by which rules: plain values, checked before anything is started.

mod app;
mod change;
mod command;
mod cpus;
mod error;
#[cfg(feature = "file")]
pub mod file;
mod health;
pub mod keys;
pub(crate) mod limits;
mod listen;
mod notify;
mod placeholder;
mod policy;
mod probe;
mod recycle;
mod relation;
mod stdin;
mod update;

pub(crate) use app::MAX_WORKERS;
pub use app::{AppSpec, Output, Protocol};
pub use error::ConfigError;

pub use change::{Change, ChangeClass, Description, changes, class_of};
pub use command::Command;
pub use cpus::cpus;
pub use health::{HealthCheck, HealthPolicy};
pub use limits::{Limit, Limits, Resource};
pub use listen::{ListenAddr, ListenMode, ListenSpec};
pub use notify::{NotifyAccess, ReloadSignal};
pub use placeholder::{PlaceholderError, fill_in};
pub use policy::{
    Backoff, FailureLimit, Heartbeat, LimitReached, OnStartFailure, RestartPolicy, RestartWhen, StartPolicy,
    StopPolicy, StopTo, SuspendSignals,
};
pub(crate) use probe::HttpAt;
pub use probe::{HttpUrl, Probe, ProbeKind};
pub use recycle::RecyclePolicy;
pub use relation::{Condition, Dependency, Intensity, Kind, Strategy};
pub use stdin::Stdin;
pub use update::{OnUpdateFailure, Share, ShareError, UpdateOrder, UpdatePolicy};
