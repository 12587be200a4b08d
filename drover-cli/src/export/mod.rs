//! `drover export`: what starts Drover somewhere else, for a drover.toml. Pure: a file in, text out.

mod arithmetic;
mod caveat;
mod compose;
mod container;
mod image;
mod kubernetes;
mod ports;
mod swarm;
mod systemd;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use drover_master::config::file::Config;
use serde_json::{Value, json};

use arithmetic::Arithmetic;
pub(crate) use caveat::Caveat;
pub(crate) use image::fault as image_fault;

/// What is to start Drover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ExportTarget {
    /// A unit of systemd.
    Systemd,
    /// A compose file.
    Compose,
    /// A stack of Docker Swarm.
    Swarm,
    /// A Deployment of Kubernetes.
    Kubernetes,
}

impl ExportTarget {
    /// As it is typed.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::Compose => "compose",
            Self::Swarm => "swarm",
            Self::Kubernetes => "kubernetes",
        }
    }

    /// Its key for how long it waits at a stop.
    const fn grace_key(self) -> &'static str {
        match self {
            Self::Systemd => "TimeoutStopSec",
            Self::Compose | Self::Swarm => "stop_grace_period",
            Self::Kubernetes => "terminationGracePeriodSeconds",
        }
    }
}

/// What is exported.
#[derive(Debug)]
pub(crate) struct Export<'c> {
    /// The command that was typed, for the header.
    pub(crate) command: String,
    /// What the file says.
    pub(crate) config: &'c Config,
    /// The name of the master.
    pub(crate) name: String,
    /// The file, as it is from anywhere.
    pub(crate) file: PathBuf,
    /// This program.
    pub(crate) program: PathBuf,
    /// The profile that is laid over the file.
    pub(crate) profile: Option<String>,
    /// The image of a container.
    pub(crate) image: String,
    /// How many containers.
    pub(crate) replicas: u32,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Exported {
    /// What it is for.
    pub(crate) target: ExportTarget,
    /// The text.
    pub(crate) text: String,
    /// Who waits for whom, one line each.
    pub(crate) sums: Vec<String>,
    /// The same in numbers.
    arithmetic: Value,
    /// What has no counterpart there, or does not do what the file says.
    pub(crate) caveats: Vec<Caveat>,
    /// What to know or to do besides, one line each.
    pub(crate) hints: Vec<String>,
}

impl Exported {
    /// What `--json` prints; without the text where it is refused.
    pub(crate) fn json(&self, is_refused: bool) -> Value {
        json!({
            "target": self.target.name(),
            "text": (!is_refused).then_some(&self.text),
            "arithmetic": self.arithmetic,
            "warnings": self.caveats,
            "hints": self.hints,
        })
    }
}

impl Export<'_> {
    /// The text for a target.
    pub(crate) fn to(&self, target: ExportTarget) -> Exported {
        let times = Arithmetic::of(self.config);
        let text = match target {
            ExportTarget::Systemd => systemd::text(self, &times),
            ExportTarget::Compose => compose::text(self, &times),
            ExportTarget::Swarm => swarm::text(self, &times),
            ExportTarget::Kubernetes => kubernetes::text(self, &times),
        };
        let mut caveats = Vec::from_iter(times.caveat());
        let mut hints = Vec::new();
        match target {
            ExportTarget::Systemd => hints.extend(systemd::hints(self)),
            ExportTarget::Compose | ExportTarget::Swarm | ExportTarget::Kubernetes => {
                caveats.extend(container::caveats(self.config, target, self.replicas));
                hints.extend(container::hints(self.config));
            }
        }
        match target {
            ExportTarget::Swarm => {
                caveats.extend(swarm::caveat(&times));
                hints.extend(swarm::hints(self));
            }
            ExportTarget::Compose => hints.extend(compose::hints(self)),
            ExportTarget::Kubernetes => hints.extend(kubernetes::hints(self)),
            ExportTarget::Systemd => {}
        }
        let (sums, arithmetic) = (times.sentences(target), times.json(target));
        Exported { target, text, sums, arithmetic, caveats, hints }
    }

    /// The first lines of each text.
    fn header(&self) -> String {
        let command: String = self.command.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        format!("# Made by `{command}`.\n")
    }

    /// `up` as it is called in a container, where the file lies in the working directory.
    fn up(&self) -> Vec<&str> {
        let profile = self.profile.as_deref().map(|profile| ["--profile", profile]);
        ["drover", "up"].into_iter().chain(profile.into_iter().flatten()).collect()
    }

    /// The name, as hosts and Kubernetes allow it: small letters, digits and `-`, at most 63.
    fn host_name(&self) -> String {
        let kept = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
        let name: String = self.name.chars().map(kept).take(63).collect();
        let name = name.trim_matches('-');
        // What YAML reads as a number or as a truth is none.
        let is_word = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"].contains(&name);
        match name.starts_with(|c: char| c.is_ascii_lowercase()) && !is_word {
            true => name.to_owned(),
            false => format!("drover-{name}").trim_end_matches('-').chars().take(63).collect(),
        }
    }
}

/// A text as YAML has it; what is valid in JSON is so there.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// Texts as a list of YAML in one line.
fn list<T: AsRef<str>>(texts: &[T]) -> String {
    let each: Vec<String> = texts.iter().map(|text| quoted(text.as_ref())).collect();
    format!("[{}]", each.join(", "))
}
