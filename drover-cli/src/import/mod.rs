//! `drover import`: what other programs run, as a drover.toml. Pure: text in, text out.

mod compose;
mod draft;
mod format;
mod node;
mod pm2;
mod procfile;
mod shell;
mod supervisord;
mod systemd;
#[cfg(test)]
mod tests;
mod value;
mod write;

pub(crate) use draft::{ForeignText, ImportError, Loss};
pub(crate) use format::ForeignFormat;
pub(crate) use supervisord::includes;

use draft::{Draft, DraftApp};

/// What came of it.
#[derive(Debug)]
pub(crate) struct Imported {
    /// The text of a drover.toml.
    pub(crate) toml: String,
    /// What could not be carried over.
    pub(crate) losses: Vec<Loss>,
}

/// Makes a drover.toml of files of one format; `command` is named in its header.
pub(crate) fn import(
    format: ForeignFormat,
    sources: &[ForeignText],
    command: &str,
) -> Result<Imported, ImportError> {
    let mut draft = Draft::default();
    for source in sources {
        read(format, source, &mut draft)?;
    }
    if format == ForeignFormat::Systemd {
        systemd::settle(&mut draft);
    }
    let first = sources.first().map(|source| source.at(1));
    if let (true, Some(mut place)) = (draft.apps.is_empty(), first) {
        place.line = None;
        return Err(ImportError {
            place,
            what: format!("there is nothing to run in {}", format.emptiness()),
        });
    }
    settle(&mut draft)?;
    let toml = write::text(&draft, command);
    let losses = draft.all_losses().cloned().collect();
    Ok(Imported { toml, losses })
}

fn read(format: ForeignFormat, source: &ForeignText, draft: &mut Draft) -> Result<(), ImportError> {
    match format {
        ForeignFormat::Procfile => procfile::read(source, draft),
        ForeignFormat::Pm2 => pm2::read(source, draft),
        ForeignFormat::Supervisord => supervisord::read(source, draft),
        ForeignFormat::Systemd => systemd::read(source, draft),
        ForeignFormat::Compose => compose::read(source, draft),
    }
}

/// Names are there once, and apps wait for what is there.
fn settle(draft: &mut Draft) -> Result<(), ImportError> {
    for (at, app) in draft.apps.iter().enumerate() {
        if let Some(other) = draft.apps[..at].iter().find(|other| other.name == app.name) {
            let what = format!(
                "there is already an app `{}`, at {}; give one of them another name",
                app.name, other.place
            );
            return Err(ImportError { place: app.place.clone(), what });
        }
    }
    let names: Vec<String> = draft.apps.iter().map(|app| app.name.clone()).collect();
    for app in &mut draft.apps {
        let (kept, gone): (Vec<_>, Vec<_>) =
            std::mem::take(&mut app.needs).into_iter().partition(|(name, ..)| names.contains(name));
        app.needs = kept;
        for (name, _, place) in gone {
            app.lose(place, format!("depends on {name}"), format!("there is no app `{name}` in these files"));
        }
    }
    let awaited: Vec<String> = draft
        .apps
        .iter()
        .flat_map(|app| &app.needs)
        .filter(|(_, state, _)| *state == "completed")
        .map(|(name, ..)| name.clone())
        .collect();
    for app in &mut draft.apps {
        // What others wait to be completed runs once.
        if awaited.contains(&app.name) {
            app.set("kind", "oneshot");
        }
        fit_kind(app);
    }
    Ok(())
}

/// Keys that have no meaning for what runs once, or by a schedule.
const OF_SERVICES: [&str; 4] = ["recycle.", "health.", "reload.", "watch"];

/// Leaves out what has no meaning for an app of this kind.
fn fit_kind(app: &mut DraftApp) {
    let kind = app.keys.iter().find(|(key, _)| *key == "kind").and_then(|(_, kind)| kind.as_str());
    let Some(kind) = kind.map(str::to_owned) else { return };
    let is_cron = kind == "cron";
    let is_foreign = |key: &str| {
        OF_SERVICES.iter().any(|of| key.starts_with(of))
            || (is_cron && key.starts_with("restart.") && key != "restart.success_codes")
    };
    let gone: Vec<&str> = app.keys.iter().map(|(key, _)| *key).filter(|key| is_foreign(key)).collect();
    app.keys.retain(|(key, _)| !is_foreign(key));
    for key in gone.into_iter().filter(|key| *key != "restart.policy") {
        app.lose(app.place.clone(), key, format!("it has no meaning with `kind = \"{kind}\"`"));
    }
    let is_repeated = |(key, value): &(&str, toml_edit::Value)| {
        *key == "restart.policy" && value.as_str() == Some("always")
    };
    if app.keys.iter().any(is_repeated) {
        app.set("restart.policy", "on-failure");
    }
    if is_cron {
        app.keys.retain(|(key, _)| *key != "workers");
    }
}
