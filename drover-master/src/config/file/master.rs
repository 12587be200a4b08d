//! `[master]`.

use super::model::Master;
use super::reader::Reader;
use super::value;
use crate::config::keys;

/// Reads `[master]`.
pub(super) fn read(table: &mut Reader<'_, '_>) -> Master {
    let mut all = Master::default().description();
    let name = table.optional("name", value::name);
    let mut read = Vec::new();
    for key in keys::of_master().filter(|key| key.path() != "name") {
        if let Some(entry) = table.entry(key.path()) {
            read.push((key, key.read(&mut all, &entry, table.mistakes()), entry));
        }
    }
    // Of what is not known yet nothing can be said.
    let is_known = read.iter().all(|(key, is_right, _)| *is_right || key.path() != "strategy");
    for (key, _, entry) in read.into_iter().filter(|(_, is_right, _)| is_known && *is_right) {
        if let Some((fault, help)) = key.needs(&all) {
            table.mistakes().add(entry.span, format!("{} {fault}", entry.path)).help(help);
        }
    }
    Master { name, strategy: all.strategy, shutdown_timeout: all.shutdown_timeout }
}
