//! What is to be run and by which rules: plain values, checked before anything is started.

mod app;
mod change;
mod command;
mod cpus;
pub(crate) mod limits;
mod listen;
mod policy;
mod relation;
mod settings;

pub(crate) use app::MAX_WORKERS;
pub use app::{AppSpec, ConfigError, Output, Protocol};

pub use change::{Change, ChangeClass, Description, changes, class_of};
pub use command::Command;
pub use cpus::cpus;
pub use limits::{Limit, Limits, Resource};
pub use listen::{ListenAddr, ListenSpec};
pub use policy::{
    Backoff, FailureLimit, Heartbeat, LimitReached, OnStartFailure, Probe, ProbeKind, RestartPolicy,
    RestartWhen, StartPolicy, StopPolicy,
};
pub use relation::{Condition, Dependency, Intensity, Kind, Strategy};
