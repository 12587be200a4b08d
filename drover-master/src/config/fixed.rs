//! What a master takes when it starts, and never anew.

use std::path::PathBuf;

use super::ListenAddr;

/// What only a restart of the master changes.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct FixedSettings {
    /// Its name. None: it has none, or that of the file's directory.
    pub name: Option<String>,
    /// What it serves over HTTP. Default none.
    pub http: Option<HttpSettings>,
}

/// What a master serves over HTTP: metrics, health, an API and a page for people.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct HttpSettings {
    /// A loopback address, or the path of a Unix socket.
    pub listen: ListenAddr,
    /// The hosts by which a proxy makes it known.
    pub hosts: Vec<String>,
    /// The file of the token that lets a client change something. Default none: nobody may.
    #[serde(default, with = "crate::written")]
    pub control_token_file: Option<PathBuf>,
}

impl HttpSettings {
    /// Serves there, and only shows.
    pub const fn new(listen: ListenAddr) -> Self {
        Self { listen, hosts: Vec::new(), control_token_file: None }
    }
}

impl FixedSettings {
    /// The same with this name.
    #[must_use]
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..self }
    }
}
