//! A place of this user's own in a directory where everybody may write.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// This user's directory of that name, in one where everybody may write. There anybody may have taken the usual name; then it is one
/// with a mark that nobody can guess: of those, one that is ours already, or a new one.
pub(crate) fn own_place(dir: &Path, name: &str) -> PathBuf {
    let uid = nix::unistd::geteuid();
    let usual = dir.join(format!("{name}-{uid}"));
    if !fs::symlink_metadata(&usual).is_ok_and(|found| found.uid() != uid.as_raw()) {
        return usual;
    }
    let marked = marked_places(dir, name).into_iter().min();
    marked.unwrap_or_else(|| dir.join(format!("{name}-{uid}-{:08x}", fastrand::u32(..))))
}

/// This user's directories of that name with a mark.
#[expect(clippy::disallowed_methods, reason = "only where another user has taken the usual place")]
pub(crate) fn marked_places(dir: &Path, name: &str) -> Vec<PathBuf> {
    let uid = nix::unistd::geteuid();
    let prefix = format!("{name}-{uid}-");
    let is_ours = |path: &PathBuf| {
        let mark = path.file_name().and_then(|found| found.to_str()?.strip_prefix(&*prefix));
        mark.is_some_and(|mark| mark.len() == 8)
            && fs::symlink_metadata(path)
                .is_ok_and(|found| found.is_dir() && found.uid() == uid.as_raw() && found.mode() & 0o022 == 0)
    };
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(is_ours).collect()
}

#[cfg(test)]
mod tests {
    use super::super::directory::Directory;
    use super::*;

    #[test]
    fn a_name_that_another_user_has_taken_blocks_nobody() {
        if !nix::unistd::geteuid().is_root() {
            println!("SKIPPED: only root can make a directory of another user's");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let base_in = |dir: &Path| own_place(dir, "drover-workers");
        let usual = base_in(dir.path());
        fs::create_dir(&usual).unwrap();
        assert_eq!(base_in(dir.path()), usual);
        std::os::unix::fs::chown(&usual, Some(65534), None).unwrap();
        let taken = usual.with_file_name(format!("{}-0000000f", usual.file_name().unwrap().display()));
        fs::create_dir(&taken).unwrap();
        std::os::unix::fs::chown(&taken, Some(65534), None).unwrap();
        let marked = base_in(dir.path());
        assert!(marked != usual && marked != taken, "{}", marked.display());
        let made = Directory::create_below(&marked).unwrap();
        assert_eq!(base_in(dir.path()), marked, "what a dead master left there is found");
        drop(made);
    }
}
