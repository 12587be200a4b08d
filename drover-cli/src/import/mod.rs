//! `drover import`: what other programs run, as a drover.toml. Pure: text in, text out.

mod draft;
mod format;
mod procfile;
mod shell;
mod supervisord;
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
    let first = sources.first().map(|source| source.at(1));
    if let (true, Some(mut place)) = (draft.apps.is_empty(), first) {
        place.line = None;
        return Err(ImportError {
            place,
            what: format!("there is nothing to run in this {}", format.name()),
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
        ForeignFormat::Supervisord => supervisord::read(source, draft),
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
            app.lose(place, format!("depends on {name}"), format!("there is no app `{name}` in this file"));
        }
    }
    oneshots_end(&mut draft.apps);
    Ok(())
}

/// What others wait to be completed runs once.
fn oneshots_end(apps: &mut [DraftApp]) {
    let awaited: Vec<String> = apps
        .iter()
        .flat_map(|app| &app.needs)
        .filter(|(_, state, _)| *state == "completed")
        .map(|(name, ..)| name.clone())
        .collect();
    for app in apps.iter_mut().filter(|app| awaited.contains(&app.name)) {
        app.set("kind", "oneshot");
    }
}
