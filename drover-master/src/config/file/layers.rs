//! What a file lays under and over its tables: `[defaults]` under every app, and the `[profiles.NAME]` that was chosen over everything.
//!
//! Tables are laid over each other key by key, any other value takes the place of the one below. Keys and values keep their places
//! in the text.

use std::ops::Range;

use toml_edit::{Item, Key, Table, TableLike};

use crate::config::text::suggest;

/// The tables of a file as they are to be read.
#[derive(Debug)]
pub(super) struct Layers {
    pub(super) table: Table,
    /// Where in the text the keys stand that are under every app.
    pub(super) defaults: Vec<Range<usize>>,
    /// Where those of the profile stand.
    pub(super) profile: Vec<Range<usize>>,
}

/// There is no such profile: what to do.
#[derive(Debug)]
pub(super) struct NoProfile(pub(super) String);

impl Layers {
    /// Lays the tables of a file over each other.
    pub(super) fn of(file: &Table, profile: Option<&str>) -> Result<Self, NoProfile> {
        let mut of_profile = Vec::new();
        let mut table = match profile {
            Some(name) => {
                let upper = chosen(file, name)?;
                places(upper, &mut of_profile);
                over(file, upper)
            }
            None => file.clone(),
        };
        let Some(defaults) = table.get("defaults").and_then(Item::as_table_like) else {
            return Ok(Self { table, defaults: Vec::new(), profile: of_profile });
        };
        let mut ranges = Vec::new();
        places(defaults, &mut ranges);
        let mut laid = Table::new();
        for (key, item) in rows(table.get("app").and_then(Item::as_table_like)) {
            let app = item.as_table_like().map(|app| Item::Table(over(&fitting(defaults, app), app)));
            laid.insert_formatted(key, app.unwrap_or_else(|| item.clone()));
        }
        if let Some(apps) = table.get_mut("app").filter(|apps| apps.is_table_like()) {
            *apps = Item::Table(laid);
        }
        Ok(Self { table, defaults: ranges, profile: of_profile })
    }
}

/// The profile of this name.
fn chosen<'t>(file: &'t Table, name: &str) -> Result<&'t dyn TableLike, NoProfile> {
    let profiles = file.get("profiles").and_then(Item::as_table_like);
    if let Some(profile) = profiles.and_then(|all| all.get(name)).and_then(Item::as_table_like) {
        return Ok(profile);
    }
    let known: Vec<&str> = rows(profiles).map(|(key, _)| key.get()).collect();
    Err(NoProfile(match suggest::suggest(name, known.iter().copied()) {
        Some(likely) => suggest::did_you_mean(likely),
        None if known.is_empty() => format!("it has none; write `[profiles.{name}]`"),
        None => format!("there is {}", known.join(", ")),
    }))
}

fn rows(table: Option<&dyn TableLike>) -> impl Iterator<Item = (&Key, &Item)> {
    table.into_iter().flat_map(|table| table.iter().filter_map(|(key, _)| table.get_key_value(key)))
}

/// Lays one table over another.
fn over(lower: &dyn TableLike, upper: &dyn TableLike) -> Table {
    let mut laid = Table::new();
    for (key, item) in rows(Some(lower)) {
        laid.insert_formatted(key, item.clone());
    }
    for (key, item) in rows(Some(upper)) {
        let below = laid.get(key.get()).map(|below| spelt_out(key.get(), below));
        let both = below.as_ref().and_then(Item::as_table_like).zip(item.as_table_like());
        let item = match both {
            Some((below, above)) if !asks(above) => Item::Table(over(below, above)),
            _ => item.clone(),
        };
        laid.insert_formatted(key, item);
    }
    laid
}

/// A word that stands for a table, as that table: something may be laid over it.
fn spelt_out(key: &str, item: &Item) -> Item {
    if key != "restart" || !item.is_str() {
        return item.clone();
    }
    let mut table = Table::new();
    table.insert("policy", item.clone());
    Item::Table(table)
}

/// Whether it is a probe that says what it asks: it takes the place of another one.
fn asks(table: &dyn TableLike) -> bool {
    ["tcp", "http", "exec", "log"].iter().any(|key| table.contains_key(key))
}

/// The defaults that an app can have: a oneshot ends by itself, and is ready then.
fn fitting(defaults: &dyn TableLike, app: &dyn TableLike) -> Table {
    let mut fitting = over(defaults, &Table::new());
    let kind = app.get("kind").or_else(|| defaults.get("kind")).and_then(Item::as_str);
    if kind != Some("oneshot") {
        return fitting;
    }
    for key in ["health", "recycle", "reload", "update"] {
        fitting.remove(key);
    }
    if let Some(start) = fitting.get_mut("start").and_then(Item::as_table_like_mut) {
        start.remove("probe");
    }
    let is_always = |item: &Item| item.as_str() == Some("always");
    match fitting.get_mut("restart") {
        Some(restart) if is_always(restart) => drop(fitting.remove("restart")),
        Some(restart) => {
            if let Some(table) = restart.as_table_like_mut()
                && table.get("policy").is_some_and(is_always)
            {
                table.remove("policy");
            }
        }
        None => {}
    }
    fitting
}

/// Where the keys and values of a table stand.
fn places(table: &dyn TableLike, found: &mut Vec<Range<usize>>) {
    for (key, item) in rows(Some(table)) {
        let value = item.as_value().and_then(|value| value.span());
        if let Some(start) = key.span() {
            found.push(start.start..value.map_or(start.end, |value| value.end));
        }
        if let Some(below) = item.as_table_like() {
            places(below, found);
        }
    }
}
