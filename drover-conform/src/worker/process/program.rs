//! Whether a worker's program is there: a shell in between would tell of it in words of its own.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

/// What keeps a program from being run, as execvp(3) would look for it.
pub(super) fn obstacle(program: &OsStr) -> Option<String> {
    let path = Path::new(program);
    let name = path.display();
    if program.as_encoded_bytes().contains(&b'/') {
        return match path {
            path if !path.exists() => Some(format!("the program `{name}` does not exist")),
            path if !is_program(path) => Some(format!("the program `{name}` is not an executable file")),
            _ => None,
        };
    }
    // What execvp(3) searches when there is no PATH.
    let directories = env::var_os("PATH").unwrap_or_else(|| "/bin:/usr/bin".into());
    let files: Vec<PathBuf> = env::split_paths(&directories).map(|directory| directory.join(path)).collect();
    let is_there = files.iter().any(|file| is_program(file));
    (!is_there).then(|| format!("the program `{name}` is in no directory of PATH"))
}

fn is_program(file: &Path) -> bool {
    file.is_file() && access(file, AccessFlags::X_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_can_not_be_run_is_told_by_its_name() {
        for (program, expected) in [
            ("sh", None),
            ("/bin/sh", None),
            ("no-such-program", Some("the program `no-such-program` is in no directory of PATH")),
            ("/no/such/program", Some("the program `/no/such/program` does not exist")),
            ("./", Some("the program `./` is not an executable file")),
            ("/etc/passwd", Some("the program `/etc/passwd` is not an executable file")),
        ] {
            assert_eq!(obstacle(OsStr::new(program)).as_deref(), expected, "{program}");
        }
    }
}
