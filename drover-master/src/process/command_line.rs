//! A command made ready for the fork: candidates, arguments, environment, as C strings.

use std::collections::BTreeMap;
use std::env;
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::config::{Command, Login};

/// What is searched when there is no `PATH`, as `execvp(3)` does.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// Variables of a master above, or of a service manager, that are not meant for workers.
fn is_ours(key: &OsStr) -> bool {
    let key = key.as_bytes();
    key.starts_with(b"DROVER_WORKER")
        || [
            &b"DROVER_SOCKET"[..],
            b"DROVER_TOKEN",
            b"DROVER_APP",
            b"DROVER_MASTER",
            b"DROVER_SLOT",
            b"DROVER_GENERATION",
            b"DROVER_WATCHDOG_MS",
            b"LISTEN_FDS",
            b"LISTEN_FDNAMES",
            b"LISTEN_PID",
            b"LISTEN_PIDFDID",
            b"NOTIFY_SOCKET",
            b"FDSTORE",
            b"WATCHDOG_USEC",
            b"WATCHDOG_PID",
        ]
        .contains(&key)
}

/// What a login sets, and what of the master's own login is not a worker's (`environ(7)`).
const LOGIN: [&str; 4] = ["USER", "LOGNAME", "HOME", "SHELL"];

/// The environment of a worker: inherited or empty, then its user's, then the command's own, then the master's words.
pub(crate) fn environment(
    command: &Command,
    login: Option<&Login>,
    words: &[(&'static str, OsString)],
) -> BTreeMap<OsString, OsString> {
    let mut environment: BTreeMap<OsString, OsString> = if command.env_clear {
        BTreeMap::new()
    } else {
        env::vars_os().filter(|(key, _)| !is_ours(key)).collect()
    };
    if let Some(login) = login {
        let name = login.name.as_deref().map(OsStr::new);
        let home = login.home.as_deref().map(Path::as_os_str);
        let shell = login.shell.as_deref().map(Path::as_os_str);
        for (key, value) in LOGIN.into_iter().zip([name, name, home, shell]) {
            match value {
                Some(value) => environment.insert(key.into(), value.into()),
                None => environment.remove(OsStr::new(key)),
            };
        }
    }
    environment.extend(command.env.iter().cloned());
    environment.extend(words.iter().map(|(key, value)| ((*key).into(), value.clone())));
    environment
}

/// Where the program may be: itself if it names a path, else in each directory of the worker's own `PATH`.
pub(crate) fn candidates(program: &OsStr, environment: &BTreeMap<OsString, OsString>) -> Vec<PathBuf> {
    if program.as_bytes().contains(&b'/') {
        return vec![PathBuf::from(program)];
    }
    let path = environment.get(OsStr::new("PATH")).map_or(OsStr::new(DEFAULT_PATH), OsString::as_os_str);
    env::split_paths(path).map(|dir| dir.join(program)).collect()
}

/// The first candidate that exists, seen from the worker's working directory.
pub(crate) fn found<'a>(candidates: &'a [PathBuf], cwd: Option<&Path>) -> Option<PathBuf> {
    let seen = |candidate: &'a PathBuf| cwd.map_or_else(|| candidate.clone(), |cwd| cwd.join(candidate));
    candidates.iter().map(seen).find(|candidate| candidate.exists())
}

/// What a program is passed, counted as the kernel counts it (`execve(2)`).
#[derive(Debug)]
pub(crate) struct Passed {
    /// The first single one that is too long: what it is, and its bytes.
    too_long: Option<(String, usize)>,
    /// The bytes of all together.
    all: usize,
}

/// One argument, or one variable with its name, has at most this many bytes, its NUL among them: 32 pages of 4 KiB (MAX_ARG_STRLEN).
const LONGEST: usize = 32 * 4096;

impl Passed {
    pub(crate) fn of(command: &Command, environment: &BTreeMap<OsString, OsString>) -> Self {
        let words = std::iter::once(&command.program).chain(&command.args).map(|word| word.len() + 1);
        let words = words.enumerate().map(|(number, bytes)| (None, number, bytes));
        let variables = environment.iter().map(|(key, value)| (Some(key), 0, key.len() + value.len() + 2));
        let mut passed = Self { too_long: None, all: 0 };
        for (key, number, bytes) in words.chain(variables) {
            passed.all += bytes;
            if bytes > LONGEST && passed.too_long.is_none() {
                let what = key.map_or_else(
                    || format!("argument {number} of the command"),
                    |key| format!("the variable `{}`", key.display()),
                );
                passed.too_long = Some((what, bytes));
            }
        }
        passed
    }

    /// Why a program can't be passed all this.
    pub(crate) fn too_much(&self) -> String {
        match &self.too_long {
            Some((what, bytes)) => format!(
                "{what} has {bytes} bytes, and the kernel passes at most {LONGEST} (128 KiB) in one; put it in a file, and pass \
                 the file's name"
            ),
            None => format!(
                "the arguments and variables have {} bytes together, and the kernel passes at most a quarter of the stack's \
                 limit (ulimit -s) and 6 MiB; pass less, or in files",
                self.all
            ),
        }
    }
}

/// What of a command and its own variables no program can be passed, as a sentence.
#[must_use]
pub fn passed_in_vain(command: &Command) -> Option<String> {
    let passed = Passed::of(command, &command.env.iter().cloned().collect());
    passed.too_long.is_some().then(|| passed.too_much())
}

/// A C string. A NUL inside can't be passed to a program; what follows it is cut, as every C program would.
pub(crate) fn c_string(text: impl AsRef<OsStr>) -> CString {
    let bytes = text.as_ref().as_bytes();
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    CString::new(&bytes[..end]).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_to_be_passed_is_named() {
        let long = "x".repeat(LONGEST - 3);
        assert_eq!(passed_in_vain(&Command::new("x").env("A", &long)), None);
        let told = |command| passed_in_vain(&command).unwrap();
        let variable = told(Command::new("x").env("B", "").env("AB", &long));
        assert!(
            variable.starts_with("the variable `AB` has 131073 bytes, and the kernel passes at most 131072 ")
        );
        let argument = told(Command::new("x").args(["y", &format!("{long}zzzz")]));
        assert!(argument.starts_with("argument 2 of the command has 131074 bytes"), "{argument}");
    }

    #[test]
    fn a_user_brings_its_own_variables_and_the_command_wins_over_them() {
        let login = Login { name: Some("web".into()), home: Some("/srv/web".into()), shell: None };
        let command = Command::new("x").env("HOME", "/elsewhere");
        let environment = environment(&command, Some(&login), &[]);
        let found = |key: &str| environment.get(OsStr::new(key)).map(OsString::as_os_str);
        assert_eq!(found("USER"), Some(OsStr::new("web")));
        assert_eq!(found("LOGNAME"), Some(OsStr::new("web")));
        assert_eq!(found("HOME"), Some(OsStr::new("/elsewhere")));
        // The master's own would be another's.
        assert_eq!(found("SHELL"), None);
    }
}
