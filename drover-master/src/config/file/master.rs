//! `[master]`.

use super::model::MasterTable;
use crate::config::keys;
use crate::config::text::reader::TableReader;

/// Reads `[master]`.
pub(super) fn read(table: &mut TableReader<'_, '_>) -> MasterTable {
    let mut all = MasterTable::default().description();
    let mut read = Vec::new();
    for key in keys::of_master() {
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
    MasterTable { fixed: all.fixed, strategy: all.strategy, shutdown_timeout: all.shutdown_timeout }
}
