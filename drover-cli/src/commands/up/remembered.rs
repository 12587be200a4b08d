//! What a master that follows a crash has to know of the file, which it does not read again: it may say something else by now.

use std::path::PathBuf;
use std::time::Duration;

use drover_master::config::{Description, FixedSettings, HttpSettings};
use serde::{Deserialize, Serialize};

/// As JSON in the keeper's memory.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Remembered {
    /// The master's own name.
    pub(super) name: String,
    /// The name of its control socket.
    pub(super) served_as: String,
    /// What the file said: for the case that the first master crashed before it had written down what it runs.
    pub(super) text: String,
    pub(super) shutdown_timeout: Duration,
    http: Option<Http>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Http {
    listen: String,
    hosts: Vec<String>,
    control_token_file: Option<PathBuf>,
}

impl Remembered {
    pub(super) fn of(description: &Description, name: String, served_as: String, text: String) -> Self {
        let http = description.fixed.http.as_ref().map(|http| Http {
            listen: http.listen.to_string(),
            hosts: http.hosts.clone(),
            control_token_file: http.control_token_file.clone(),
        });
        Self { name, served_as, text, shutdown_timeout: description.shutdown_timeout, http }
    }

    pub(super) fn bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// What only a restart changes.
    pub(super) fn fixed(&self) -> FixedSettings {
        let mut fixed = FixedSettings::default().named(self.name.clone());
        fixed.http = self.http.as_ref().and_then(Http::settings);
        fixed
    }
}

impl Http {
    fn settings(&self) -> Option<HttpSettings> {
        let mut settings = HttpSettings::new(self.listen.parse().ok()?);
        settings.hosts.clone_from(&self.hosts);
        settings.control_token_file.clone_from(&self.control_token_file);
        Some(settings)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use drover_master::config::file as config;

    use super::*;

    #[test]
    fn what_is_remembered_is_what_the_file_says_beside_its_apps() {
        for master in [
            "shutdown_timeout = \"7s\"\nhttp = { listen = \"127.0.0.1:0\", hosts = [\"a.example\"], control_token_file = \"t\" }",
            "http = { listen = \"unix:/run/x.sock\" }",
            "",
        ] {
            let text = format!("version = 1\n[master]\n{master}\n[app.a]\ncommand = \"true\"\n");
            let config = config::parse_file(Path::new("drover.toml"), &text).unwrap();
            let mut description = config.description();
            description.fixed = description.fixed.named("shop");
            let remembered = Remembered::of(&description, "shop".into(), "shop-1".into(), text);
            let again = Remembered::from_bytes(&remembered.bytes().unwrap()).unwrap();
            assert_eq!(again, remembered);
            let known = (again.fixed(), again.shutdown_timeout);
            assert_eq!(known, (description.fixed, description.shutdown_timeout));
        }
    }
}
