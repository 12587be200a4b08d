//! `drover export`: what starts Drover somewhere else, for a drover.toml. Pure: a file in, text out.

mod arithmetic;
mod compose;
mod kubernetes;
mod ports;
mod systemd;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use drover_master::config::file::Config;

use arithmetic::Arithmetic;

/// What is to start Drover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ExportTarget {
    /// A unit of systemd.
    Systemd,
    /// A compose file.
    Compose,
    /// A Deployment of Kubernetes.
    Kubernetes,
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
    /// The text.
    pub(crate) text: String,
    /// What is to be known about it, one line each.
    pub(crate) notes: Vec<String>,
}

impl Export<'_> {
    /// The text for a target.
    pub(crate) fn to(&self, target: ExportTarget) -> Exported {
        let times = Arithmetic::of(self.config);
        let mut notes = times.notes(target);
        let text = match target {
            ExportTarget::Systemd => systemd::text(self, &times),
            ExportTarget::Compose => compose::text(self, &times),
            ExportTarget::Kubernetes => kubernetes::text(self, &times),
        };
        notes.extend(match target {
            ExportTarget::Systemd => systemd::notes(self),
            ExportTarget::Compose | ExportTarget::Kubernetes => ports::notes(self.config),
        });
        if target == ExportTarget::Kubernetes {
            notes.extend(kubernetes::notes(self.config));
        }
        Exported { text, notes }
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
    serde_json::Value::from(text).to_string()
}

/// Texts as a list of YAML in one line.
fn list<T: AsRef<str>>(texts: &[T]) -> String {
    let each: Vec<String> = texts.iter().map(|text| quoted(text.as_ref())).collect();
    format!("[{}]", each.join(", "))
}
