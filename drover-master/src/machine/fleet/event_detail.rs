//! What an event's name does not say.

use super::EventKind;
use crate::config::format_duration;
use crate::machine::readable::Readable;

impl EventKind {
    /// What the name does not say, for people; may be empty.
    pub fn detail(&self) -> String {
        match self {
            Self::AppStopping { by } => format!("asked by {by}"),
            Self::AppEnded { outcome } => outcome.to_string(),
            Self::HandshakeRefused { trouble }
            | Self::ProtocolBroken { trouble }
            | Self::NotifyRefused { trouble } => Readable(trouble).to_string(),
            Self::SelfReloadStarted { signal, by } => {
                format!("by {}, one worker after the other, asked by {by}", signal)
            }
            Self::SelfReloadFailed { failure } => failure.to_string(),
            Self::OutOfOrder { said } => format!("it said {said}, which has no place here"),
            Self::Refused { why } => Readable(why).to_string(),
            Self::Repeated { what, times: 1 } => format!("{what} once more"),
            Self::Repeated { what, times } => format!("{what} {times} times more"),
            Self::StrangersRefused { trouble, times: 1 } => format!("a connection: {}", Readable(trouble)),
            Self::StrangersRefused { trouble, times } => {
                format!("{times} connections, the last one: {}", Readable(trouble))
            }
            Self::DeadlineMissed { missed } => (*missed).to_owned(),
            Self::Scaling { from, to, by } => format!("{from} to {to}, asked by {by}"),
            Self::Scaled { from, to } => format!("{from} to {to}"),
            Self::RolledBack { to, failure } => format!("{to} again: {failure}"),
            Self::ReloadStarted { from, to, by } => format!("generation {from} to {to}, asked by {by}"),
            Self::Recycling { why } => why.to_string(),
            Self::RecyclingInVain { why, served, pause } => format!(
                "{why}, {served:.0?} after it was ready: recycle.rss is below what the program needs, so raise it; none is \
                 replaced for its memory within {pause:.0?}, and the pause grows"
            ),
            Self::RecyclingFailed { failure, pause } => format!("{failure}; the next try in {pause:.1?}"),
            Self::Replaced { old: Some((id, pid)) } => format!("in the place of worker {id}, pid {pid}"),
            Self::Replaced { old: None } => "in a place that was empty".to_owned(),
            Self::CanaryReady { workers: 1 } => "1 new worker; promote or abort it".to_owned(),
            Self::CanaryReady { workers } => format!("{workers} new workers; promote or abort them"),
            Self::Suspended { by } | Self::Resumed { by } | Self::Promoted { by } => format!("asked by {by}"),
            Self::ReloadPaused { failure } => format!("{failure}; promote or abort it"),
            Self::RollingBack { failure } => failure.to_string(),
            Self::ReloadRolledBack { to, failure } => format!("generation {to} again: {failure}"),
            Self::Committed { generation } => format!("generation {generation}"),
            Self::Unready { reason } | Self::NotReady { why: reason } => Readable(reason).to_string(),
            Self::Message { topic, text, missed: 0 } => format!("{topic}: {text}"),
            Self::Message { topic, text, missed } => {
                format!("{topic}: {text} ({missed} before it are not shown)")
            }
            Self::SocketRenewed { renewal } => renewal.to_string(),
            Self::RunStarted { number, due: None, .. } => format!("run {number}, asked for"),
            Self::RunStarted { number, due: Some(due), late: None } => format!("run {number}, due {due}"),
            Self::RunStarted { number, due: Some(due), late: Some(late) } => {
                format!("run {number}, due {due}, {} late", format_duration(*late))
            }
            Self::RunSkipped { due, reason, count: 1 } => format!("the run due {due}: {reason}"),
            Self::RunSkipped { due, reason, count } => {
                format!("{count} runs, the last one due {due}: {reason}")
            }
            Self::ClockSetBack { by } => {
                format!("by {}; what has run already does not run again", format_duration(*by))
            }
            Self::WatchFired { file, has_more, action } => {
                let others = if *has_more { " and others" } else { "" };
                format!("{}{others} changed: {action}", Readable(file))
            }
            Self::WatchFailed { trouble } => Readable(trouble).to_string(),
            Self::FileDiffers { told } | Self::MasterReplaced { told } => told.to_string(),
            Self::Signalled { signal, by } => format!("{}, asked by {by}", signal),
            Self::Reset { by } => format!("asked by {by}"),
            Self::Unkillable => "the process is still there long after SIGKILL".to_owned(),
            Self::Exited { exit } => exit.to_string(),
            Self::RestartScheduled { after, attempt } => format!("try {attempt} in {after:.1?}"),
            Self::GaveUp { reason } => reason.text().to_owned(),
            Self::AppStarting
            | Self::AppStarted
            | Self::Spawned
            | Self::Handshaken
            | Self::Entered { .. }
            | Self::Reloaded
            | Self::SelfReloaded
            | Self::ReadyAgain
            | Self::Disconnected => String::new(),
        }
    }
}
