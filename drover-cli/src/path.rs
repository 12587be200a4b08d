//! Paths as they are from anywhere.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A path as it is from anywhere. `$PWD` is taken where it is this directory: in a directory that was entered by a link it
/// goes on to mean what the link means, whoever moves it.
pub(crate) fn whole(path: &Path) -> PathBuf {
    if path.is_absolute() {
        return path.to_owned();
    }
    let inode = |dir: &Path| std::fs::metadata(dir).ok().map(|dir| (dir.dev(), dir.ino()));
    let entered = std::env::var_os("PWD").map(PathBuf::from).filter(|dir| dir.is_absolute());
    let entered = entered.filter(|dir| inode(dir).is_some() && inode(dir) == inode(Path::new(".")));
    let joined = entered.map_or_else(|| path.to_owned(), |dir| dir.join(path));
    std::path::absolute(&joined).unwrap_or(joined)
}

/// The file as the master finds it, whatever its directory is; empty: its own.
pub(crate) fn seen_from_anywhere(file: Option<&Path>) -> String {
    file.map_or_else(String::new, |file| whole(file).display().to_string())
}

/// The drover.toml of this directory, if there is one.
pub(crate) fn file_here() -> Option<PathBuf> {
    let file = whole(Path::new("drover.toml"));
    file.exists().then_some(file)
}
