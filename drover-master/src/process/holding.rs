//! Whether any process of some trees still has one of these sockets open.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::census::{TreeKey, walk};

/// The numbers of sockets, as /proc shows who has them open.
///
/// # Errors
///
/// One can't be asked.
pub(crate) fn socket_numbers(sockets: &[impl AsFd]) -> io::Result<HashSet<u64>> {
    sockets.iter().map(|socket| Ok(nix::sys::stat::fstat(socket)?.st_ino)).collect()
}

/// Whether a living process of the trees that these lead has one of these sockets open. Who can't be looked at may have.
///
/// Reads /proc: not on the runtime's thread.
pub(crate) fn is_held(leaders: &HashSet<i32>, sockets: &HashSet<u64>) -> bool {
    let kins: Vec<TreeKey> =
        leaders.iter().map(|leader| TreeKey { leader: Some(*leader), stamp: None }).collect();
    let Ok(found) = walk(&kins) else { return true };
    found.into_iter().flatten().any(|member| {
        let directory = Path::new("/proc").join(member.pid.to_string());
        match has_open(&directory.join("fd"), sockets) {
            Ok(has) => has,
            // It has gone meanwhile.
            Err(_) => directory.exists(),
        }
    })
}

#[expect(clippy::disallowed_methods, reason = "its caller is on a thread of its own")]
fn has_open(descriptors: &Path, sockets: &HashSet<u64>) -> io::Result<bool> {
    for descriptor in std::fs::read_dir(descriptors)? {
        // One that was closed meanwhile is not open.
        let Ok(target) = std::fs::read_link(descriptor?.path()) else { continue };
        if number_of(target.as_os_str()).is_some_and(|number| sockets.contains(&number)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The number in `socket:[4711]` (`proc_pid_fd(5)`).
fn number_of(target: &OsStr) -> Option<u64> {
    let number = target.as_bytes().strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
    str::from_utf8(number).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_socket_is_held_as_long_as_it_is_open_in_the_tree_and_by_nobody_else() {
        let own = nix::unistd::getsid(None).unwrap().as_raw();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let numbers = socket_numbers(&[&listener]).unwrap();
        assert!(is_held(&HashSet::from([own]), &numbers));
        assert!(!is_held(&HashSet::new(), &numbers));
        drop(listener);
        assert!(!is_held(&HashSet::from([own]), &numbers));
    }

    #[test]
    fn only_a_socket_has_the_number_of_one() {
        for (target, number) in [
            ("socket:[4711]", Some(4711)),
            ("pipe:[4711]", None),
            ("/tmp/socket:[4711]", None),
            ("socket:[4711] (deleted)", None),
            ("socket:[]", None),
        ] {
            assert_eq!(number_of(OsStr::new(target)), number, "{target}");
        }
    }
}
