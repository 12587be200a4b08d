//! `[master]`.

use super::model::MasterTable;
use crate::config::text::mistake::Mistakes;
use crate::config::text::reader::{KeyValue, TableReader};
use crate::config::text::value;
use crate::config::{keys, name_fault};

/// Reads `[master]`.
pub(super) fn read(table: &mut TableReader<'_, '_>) -> MasterTable {
    let mut all = MasterTable::default().description();
    let name = table.optional("name", name);
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
    MasterTable { name, strategy: all.strategy, shutdown_timeout: all.shutdown_timeout }
}

fn name<'t>(entry: &KeyValue<'t>, mistakes: &mut Mistakes<'t>) -> Option<String> {
    let name = value::string(entry, mistakes)?;
    if let Some((fault, help)) = name_fault(name) {
        entry.refuse(mistakes, fault).help(help);
        return None;
    }
    Some(name.to_owned())
}
