//! What the workers of one generation are made from: the description, and the socket they speak on.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::error::OpenError;
use crate::config::{AppSpec, Protocol};
use crate::link::{LinkNews, LinkServer, Token};
use crate::listener::{AppListeners, ListenerPool};
use crate::machine::ids::Generation;
use crate::machine::worker::Identity;

/// What the workers of one generation are made from.
#[derive(Debug)]
pub(super) struct Edition {
    pub(super) spec: Arc<AppSpec>,
    /// One for each generation: its workers come back to it for as long as they live, and it is its user's.
    pub(super) link: Option<LinkServer>,
}

impl Edition {
    pub(super) fn closed(spec: Arc<AppSpec>) -> Self {
        Self { spec, link: None }
    }

    /// Opens what the app listens on, and the socket its workers speak on. What is open already is taken as it is.
    pub(super) fn open(
        &mut self,
        listeners: &mut AppListeners,
        pool: &ListenerPool,
        news: &mpsc::Sender<LinkNews>,
    ) -> Result<(), OpenError> {
        for spec in &self.spec.listeners {
            listeners.open(spec, pool).map_err(|source| OpenError::Listen(Arc::new(source)))?;
        }
        if self.spec.protocol == Protocol::Drover && self.link.is_none() {
            let server =
                LinkServer::open(news.clone()).map_err(|source| OpenError::Link(Arc::new(source)))?;
            self.link = Some(server);
        }
        Ok(())
    }

    /// What the worker is told through its environment.
    pub(super) fn words(&self, identity: Identity, token: Option<&Token>) -> Vec<(&'static str, OsString)> {
        let mut words: Vec<(&'static str, OsString)> = vec![
            ("DROVER_APP", self.spec.name.clone().into()),
            ("DROVER_SLOT", identity.slot.to_string().into()),
            ("DROVER_GENERATION", identity.generation.to_string().into()),
            ("DROVER_WORKER_ID", identity.id.to_string().into()),
        ];
        if let (Some(server), Some(token)) = (&self.link, token) {
            words.push(("DROVER_SOCKET", server.path().into()));
            words.push(("DROVER_TOKEN", token.as_str().into()));
        }
        if !self.spec.listeners.is_empty() {
            let names: Vec<&str> =
                self.spec.listeners.iter().map(|listener| listener.name.as_str()).collect();
            words.push(("LISTEN_FDS", names.len().to_string().into()));
            words.push(("LISTEN_FDNAMES", names.join(":").into()));
        }
        words
    }
}

/// Every generation that has workers, or may have some again.
pub(super) type Editions = BTreeMap<Generation, Edition>;
