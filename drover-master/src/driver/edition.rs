//! What the workers of one generation are made from: the description, and the socket they speak on.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::Driver;
use crate::config::{AppSpec, ListenSpec, Protocol};
use crate::handle::error::OpenError;
use crate::ids::Generation;
use crate::keeper::Holds;
use crate::link::{LinkNews, LinkServer, Token};
use crate::listener::{AppListeners, ListenerPool};
use crate::machine::worker::Identity;
use crate::notify::NotifyPlace;
use crate::process::MARK;
use crate::upkeep::Teller;

/// What the workers of one generation are made from.
#[derive(Debug)]
pub(super) struct Edition {
    pub(super) spec: Arc<AppSpec>,
    /// Whether it becomes what the app is described by when its turn comes.
    pub(super) follows: bool,
    /// One for each generation: its workers come back to it for as long as they live, and it is its user's.
    pub(super) link: Option<LinkServer>,
    /// Where the sockets are that its workers notify the master by.
    pub(super) notify: Option<NotifyPlace>,
    generation: Generation,
    holds: Holds,
}

impl Edition {
    pub(super) fn closed(spec: Arc<AppSpec>, generation: Generation, holds: Holds) -> Self {
        Self { spec, follows: false, link: None, notify: None, generation, holds }
    }

    /// Opens what the app listens on, and the socket its workers speak on. What is open already is taken as it is.
    pub(super) fn open(
        &mut self,
        listeners: &mut AppListeners,
        pool: &ListenerPool,
        news: &mpsc::Sender<LinkNews>,
        teller: &Teller,
    ) -> Result<(), OpenError> {
        for spec in &self.spec.listeners {
            listeners.open(spec, pool).map_err(|source| OpenError::Listen(Arc::new(source)))?;
        }
        match self.spec.protocol {
            Protocol::Drover => self.speak(news, teller),
            Protocol::Notify if self.spec.notify_fd.is_none() => self.listen(teller).map(drop),
            Protocol::Notify | Protocol::None => Ok(()),
        }
    }

    /// Opens the socket that its workers speak on.
    pub(super) fn speak(&mut self, news: &mpsc::Sender<LinkNews>, teller: &Teller) -> Result<(), OpenError> {
        if self.link.is_none() {
            let name = format!("worker-socket/{}/{}", self.spec.name, self.generation);
            let server = LinkServer::open(&self.holds, &name, news.clone(), teller.clone())
                .map_err(|source| OpenError::Link(Arc::new(source)))?;
            self.link = Some(server);
        }
        Ok(())
    }

    /// Makes the place for the sockets that its workers notify the master by. One that follows another description may need it only
    /// when its turn has come.
    pub(super) fn listen(&mut self, teller: &Teller) -> Result<&mut NotifyPlace, OpenError> {
        let place = match self.notify.take() {
            Some(place) => place,
            None => NotifyPlace::open(&self.holds, &self.spec.name, self.generation, teller)
                .map_err(|source| OpenError::Link(Arc::new(source)))?,
        };
        Ok(self.notify.insert(place))
    }

    /// What the worker is told through its environment.
    pub(super) fn words(
        &self,
        identity: Identity,
        token: Option<&Token>,
        mark: Option<&str>,
    ) -> Vec<(&'static str, OsString)> {
        let mut words: Vec<(&'static str, OsString)> = vec![
            ("DROVER_APP", self.spec.name.clone().into()),
            ("DROVER_SLOT", identity.slot.to_string().into()),
            ("DROVER_GENERATION", identity.generation.to_string().into()),
            ("DROVER_WORKER_ID", identity.id.to_string().into()),
        ];
        words.extend(mark.map(|mark| (MARK, mark.into())));
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

impl Driver {
    /// The turn of a generation has come: it may have waited for one that has changed the description.
    pub(super) fn begin_edition(&mut self, from: Generation, to: Generation) {
        let current = self.editions.get(&from).map(|edition| Arc::clone(&edition.spec));
        if let (Some(current), Some(edition)) = (current, self.editions.get_mut(&to))
            && edition.follows
        {
            edition.spec = current;
            self.remember_edition(to);
        }
    }

    /// Lets go of generations that are over, and shows the one that is current.
    pub(super) fn tidy_editions(&mut self) {
        let before = self.editions.len();
        self.editions.retain(|generation, _| self.fleet.uses(*generation));
        if self.editions.len() < before || self.shown != self.fleet.generation() {
            self.keep_listeners();
            self.keep_stores();
            self.show_edition();
        }
    }

    /// Closes what no generation listens on. What all have is as the current one says.
    pub(super) fn keep_listeners(&mut self) {
        let editions = self.editions.values();
        let used: Vec<&ListenSpec> = editions.flat_map(|edition| &edition.spec.listeners).collect();
        self.listeners.keep(&used);
        self.listeners.follow(&self.editions[&self.fleet.generation()].spec.listeners, &self.pool);
    }

    pub(super) fn show_edition(&mut self) {
        self.shown = self.fleet.generation();
        if let Some(edition) = self.editions.get(&self.shown) {
            let shown = self.listeners.shown(&edition.spec.listeners);
            let shown = shown.map(|(name, addr)| (name.to_owned(), addr.clone())).collect();
            self.view.show_edition(Arc::clone(&edition.spec), shown);
        }
    }
}
