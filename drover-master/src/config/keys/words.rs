//! The words of keys, each with its meaning.

use crate::config::{
    Condition, Kind, LimitReached, ListenMode, LogFormat, LogOwner, NotifyAccess, OnStartFailure,
    OnUpdateFailure, Overlap, Protocol, RestartWhen, StopTo, UpdateOrder, WatchAction,
};

/// One of a few words, each with its meaning.
pub(in crate::config) struct Words<T: 'static>(pub(in crate::config) &'static [(&'static str, T)]);

impl<T: PartialEq> Words<T> {
    /// The word that means this.
    pub(in crate::config) fn of(&self, value: &T) -> Option<&'static str> {
        self.0.iter().find(|(_, meaning)| meaning == value).map(|(word, _)| *word)
    }
}

pub(super) const PROTOCOLS: Words<Protocol> =
    Words(&[("none", Protocol::None), ("notify", Protocol::Notify), ("drover", Protocol::Drover)]);
pub(super) const ACCESSES: Words<NotifyAccess> =
    Words(&[("main", NotifyAccess::Main), ("all", NotifyAccess::All)]);
pub(super) const APP_KINDS: Words<Kind> =
    Words(&[("service", Kind::Service), ("oneshot", Kind::Oneshot), ("cron", Kind::Cron)]);
pub(super) const OVERLAPS: Words<Overlap> =
    Words(&[("skip", Overlap::Skip), ("queue", Overlap::Queue), ("replace", Overlap::Replace)]);
pub(in crate::config) const CONDITIONS: Words<Condition> =
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
pub(super) const LOG_OWNERS: Words<LogOwner> = Words(&[("app", LogOwner::App), ("worker", LogOwner::Worker)]);
pub(super) const LOG_FORMATS: Words<LogFormat> =
    Words(&[("text", LogFormat::Text), ("json", LogFormat::Json)]);
pub(super) const ORDERS: Words<UpdateOrder> =
    Words(&[("start-first", UpdateOrder::StartFirst), ("stop-first", UpdateOrder::StopFirst)]);
pub(super) const ON_UPDATE_FAILURE: Words<OnUpdateFailure> =
    Words(&[("rollback", OnUpdateFailure::Rollback), ("pause", OnUpdateFailure::Pause)]);
pub(super) const WATCH_ACTIONS: Words<WatchAction> =
    Words(&[("restart", WatchAction::Restart), ("reload", WatchAction::Reload)]);
