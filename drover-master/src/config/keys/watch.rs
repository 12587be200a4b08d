//! The keys of what is watched for changes.

use std::path::PathBuf;

use glob::Pattern;
#[cfg(feature = "file")]
use toml_edit::{Array, value as item};

use super::form::Form;
use super::key::keys;
use super::kind::{ValueFault, kinds};
use super::number::Time;
use super::shown;
use super::table::SubTable;
use super::words::WATCH_ACTIONS;
use crate::config::WatchPolicy;
#[cfg(feature = "file")]
use crate::config::text::value;

pub(super) const WATCH: SubTable<WatchPolicy> = SubTable::new(
    keys! { WatchPolicy;
        "paths" (paths: WatchedPaths)
            "Files, and directories with all below them, relative to this file's directory; they may come later. Default: the app's `cwd`.";
        "ignore" (ignore: Globs)
            "Globs of what to ignore besides: with a `/` of the whole path below what is watched, otherwise of a name at any depth. Ignored in any case: `.git`, `target`, `node_modules`, `*.log`, the temporary files of editors, and their like.";
        "debounce" (debounce: Time::SOME)
            "How long nothing may change before the action; more than zero. Too short restarts in the middle of a build, too long keeps you waiting.";
        "action" (action: WATCH_ACTIONS)
            "What follows: `restart` restarts all workers at once, `reload` replaces them as `drover reload` does.";
    },
    WatchPolicy::default,
    shown::watch,
)
.of_form(Form::TableOrFalse);

/// One path, or several.
struct WatchedPaths;

/// Patterns of paths.
struct Globs;

kinds! {
    WatchedPaths, Vec<PathBuf>:
    shown |paths| shown::paths(paths);
    form |_this| Form::Paths;
    fault |_this, paths| {
        let is_empty = paths.iter().any(|path| path.as_os_str().is_empty());
        is_empty.then(|| ValueFault::new("holds an empty path; write `.` for the directory itself"))
    };
    read |_this, entry, mistakes| match entry.item.as_str() {
        Some(_) => value::filled_string(entry, mistakes).map(|path| vec![PathBuf::from(path)]),
        None => {
            let read = value::elements(entry, mistakes, ("paths", "a path"), |path| path.as_str().map(PathBuf::from));
            read.map(|paths| paths.into_iter().map(|(path, _)| path).collect())
        }
    };
    write |paths| item(Array::from_iter(paths.iter().map(|path| path.display().to_string())));

    Globs, Vec<String>:
    shown |globs| (!globs.is_empty()).then(|| globs.join(", "));
    form |_this| Form::Names;
    fault |_this, globs| globs.iter().find_map(|glob| {
        let error = Pattern::new(glob).err()?;
        Some(ValueFault::new(format!("holds `{glob}`, which is not a glob: {}", error.msg)))
    });
    read |_this, entry, mistakes| {
        let read = value::elements(entry, mistakes, ("globs", "a glob"), |glob| glob.as_str().map(str::to_owned));
        read.map(|globs| globs.into_iter().map(|(glob, _)| glob).collect())
    };
    write |globs| item(Array::from_iter(globs));
}
