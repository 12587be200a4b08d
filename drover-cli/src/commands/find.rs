//! Which master a verb means.

use std::path::{Path, PathBuf};

use drover_master::control::{ControlClient, ControlPath};

use super::report;
use crate::args::Global;
use crate::config;
use crate::exit_status::ExitStatus;
use crate::output::message;

/// Connects to the master that is meant: the socket that was named, else the master of this directory, else the only one
/// of this user that is alive.
pub(super) async fn connect(global: &Global) -> Result<ControlClient, ExitStatus> {
    let path = locate(global)?;
    ControlClient::connect(&path).await.map_err(|error| report(&error))
}

/// Where the master is that is meant.
pub(super) fn locate(global: &Global) -> Result<PathBuf, ExitStatus> {
    if let Some(path) = &global.socket {
        return Ok(path.clone());
    }
    let live = ControlPath::live();
    if let Some(name) = name_here() {
        let path = ControlPath::Named(name).to_ask();
        if live.contains(&path) {
            return Ok(path);
        }
    }
    match live.as_slice() {
        [only] => Ok(only.clone()),
        [] => {
            message::error_text(
                "no master of this user is running; start one with `drover up`, or name its socket with -s",
            );
            Err(ExitStatus::Unreachable)
        }
        several => {
            let list: String = several.iter().map(|path| format!("\n  -s {}", path.display())).collect();
            message::error_text(&format!("several masters are running; name one:{list}"));
            Err(ExitStatus::Usage)
        }
    }
}

/// The name of the master that `drover up` would be here.
fn name_here() -> Option<String> {
    let file = Path::new("drover.toml");
    let named = config::load(file).ok().and_then(|config| config.master.name);
    named.or_else(|| name_of_directory(file))
}

/// The master's name: the file's, else its directory's.
pub(super) fn name_of_file(config: &config::Config, file: &Path) -> String {
    config.master.name.clone().or_else(|| name_of_directory(file)).unwrap_or_else(|| "drover".to_owned())
}

/// The name of the directory that a file is in, made fit for a name.
fn name_of_directory(file: &Path) -> Option<String> {
    let file = std::path::absolute(file).ok()?;
    let dir = file.parent()?.file_name()?;
    Some(fit(&dir.to_string_lossy()))
}

/// A name made of what may stand in one.
pub(super) fn fit(text: &str) -> String {
    let usable = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let name: String = text.chars().map(usable).take(64).collect();
    if name.is_empty() { "app".to_owned() } else { name }
}
