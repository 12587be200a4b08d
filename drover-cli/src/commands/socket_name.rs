//! The name of a master's socket: by it a file finds its master.

use std::path::{Path, PathBuf};

use drover_master::config::file as config;

use crate::path::whole;

/// The name of a socket, without its directory and ending.
pub(super) fn name_of_socket(path: &Path) -> String {
    path.file_stem().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

/// Whether the name of a master's socket has the mark of another file than this one.
pub(super) fn is_of_another_file(socket: &Path, file: &Path) -> bool {
    let name = name_of_socket(socket);
    let mark = name.rsplit_once('-').map(|(_, mark)| mark).filter(|mark| mark.len() == 8);
    mark.is_some_and(|mark| mark.bytes().all(|byte| byte.is_ascii_hexdigit()) && mark != mark_of_file(file))
}

/// The socket among these whose master runs a file; the file may have changed its name since.
pub(super) fn socket_of_file<'p>(file: &Path, live: &'p [PathBuf]) -> Option<&'p PathBuf> {
    let ending = format!("-{}.sock", mark_of_file(file));
    live.iter().find(|path| path.to_string_lossy().ends_with(&ending))
}

/// What tells a file from all others in the name of its master's socket: FNV-1a of its absolute path, which is the same in
/// every version of this program.
pub(super) fn mark_of_file(file: &Path) -> String {
    let bytes = file.as_os_str().as_encoded_bytes();
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{:08x}", hash & 0xffff_ffff)
}

/// The name that the master of a file serves under.
pub(super) fn served_as(config: &config::Config, file: &Path) -> String {
    format!("{}-{}", fit(&name_of_file(config, file)), mark_of_file(&whole(file)))
}

/// The master's name: the file's, else its directory's.
pub(super) fn name_of_file(config: &config::Config, file: &Path) -> String {
    config
        .master
        .fixed
        .name
        .clone()
        .or_else(|| name_of_directory(file))
        .unwrap_or_else(|| "drover".to_owned())
}

/// The name of the directory that a file is in, made fit for a name.
fn name_of_directory(file: &Path) -> Option<String> {
    let file = whole(file);
    let dir = file.parent()?.file_name()?;
    Some(fit(&dir.to_string_lossy()))
}

/// A name made of what may stand in one. Short enough for a socket's path with the mark behind it.
pub(super) fn fit(text: &str) -> String {
    let usable = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let name: String = text.chars().map(usable).take(48).collect();
    if name.is_empty() { "app".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(name: &str, file: &str) -> PathBuf {
        format!("/run/drover/{name}-{}.sock", mark_of_file(Path::new(file))).into()
    }

    #[test]
    fn the_name_of_a_socket_tells_whether_its_master_runs_another_file() {
        let (shop, blog) = (Path::new("/srv/shop/drover.toml"), Path::new("/srv/blog/drover.toml"));
        let of_shop = socket("shop", "/srv/shop/drover.toml");
        assert!(!is_of_another_file(&of_shop, shop));
        assert!(is_of_another_file(&of_shop, blog));
        // These tell nothing.
        for unmarked in ["/x.sock", "/run/drover/demo-7.sock", "/run/drover/web-standby1.sock"] {
            assert!(!is_of_another_file(Path::new(unmarked), blog), "{unmarked}");
        }
    }

    #[test]
    fn names_that_are_alike_when_made_fit_are_told_apart_by_the_mark() {
        let mark = |path: &str| mark_of_file(Path::new(path));
        assert_ne!(mark("/srv/ä/drover.toml"), mark("/srv/ö/drover.toml"));
        assert_eq!(mark("/srv/shop/drover.toml"), mark("/srv/shop/drover.toml"));
        assert_eq!(mark("/srv/shop/drover.toml").len(), 8);
    }
}
