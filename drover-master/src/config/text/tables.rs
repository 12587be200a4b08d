//! Tables as they are written.

use toml_edit::{InlineTable, Item, Table, value};

/// A table with a header of its own.
pub(crate) fn header<K: AsRef<str>>(rows: impl IntoIterator<Item = (K, Item)>) -> Item {
    let mut table = Table::new();
    rows.into_iter().for_each(|(key, item)| drop(table.insert(key.as_ref(), item)));
    Item::Table(table)
}

/// A table in one line.
pub(crate) fn inline<'k>(rows: impl IntoIterator<Item = (&'k str, Item)>) -> Item {
    let values = rows.into_iter().filter_map(|(key, item)| Some((key, item.into_value().ok()?)));
    value(values.collect::<InlineTable>())
}
