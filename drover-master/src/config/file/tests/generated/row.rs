//! The keys, each as the schema and the page have it.

use super::super::super::MasterTable;
use crate::Command;
use crate::config::keys::{self, Form, Key, SubKey};
use crate::config::{Description, FixedSettings, Intensity, ListenSpec, Strategy};

/// A key as the schema and the page have it.
pub(super) struct KeyRow {
    pub(super) path: &'static str,
    pub(super) part: SubKey,
    pub(super) takes: String,
}

fn row<S>(key: &Key<S>, plain: Option<&S>, required: &[&str]) -> KeyRow {
    let default = match key.form() {
        Form::Workers => Some("auto".to_owned()),
        Form::Paths => None,
        Form::Names | Form::Variables | Form::Conditions => Some(String::new()),
        _ if key.is_of_machine() => None,
        _ => plain.and_then(|plain| key.shown(plain)),
    };
    let name = key.path().rsplit('.').next().unwrap();
    let is_required = required.contains(&key.path());
    let part = SubKey { name, form: key.form(), default, is_required, sentence: key.sentence() };
    KeyRow { path: key.path(), part, takes: key.takes().to_string() }
}

pub(super) fn of_app() -> Vec<KeyRow> {
    let plain = keys::plain_app("web", Command::new("web"));
    let default = |row: KeyRow| match row.path {
        // It has to be written.
        "command" => KeyRow { part: SubKey { default: None, ..row.part }, ..row },
        _ => row,
    };
    let keys = keys::of_app().filter(|key| key.is_of_file());
    keys.map(|key| default(row(key, Some(&plain), &["command"]))).collect()
}

pub(super) fn of_master() -> Vec<KeyRow> {
    let intensity = Intensity::default();
    let all = |strategy| Description {
        apps: Vec::new(),
        strategy,
        shutdown_timeout: MasterTable::default().shutdown_timeout,
        fixed: FixedSettings::default(),
    };
    let (none, some) = (all(Strategy::None), all(Strategy::OneForOne(intensity)));
    let plain = |key: &Key<Description>| match key.path() {
        "intensity" | "period" => &some,
        _ => &none,
    };
    keys::of_master().map(|key| row(key, Some(plain(key)), &[])).collect()
}

pub(super) fn of_socket() -> Vec<KeyRow> {
    let plain = ListenSpec::new("http", "h:1".parse().unwrap());
    let keys = keys::of_socket();
    keys.map(|key| row(key, Some(&plain).filter(|_| key.path() != "listen"), &["listen"])).collect()
}

pub(super) fn parts<'r>(all: &'r [KeyRow], section: &str) -> Vec<&'r SubKey> {
    let of = |row: &&KeyRow| row.path.rsplit_once('.').map_or("", |(section, _)| section) == section;
    all.iter().filter(of).map(|row| &row.part).collect()
}
