//! What of a valid `drover.toml` would not work on this machine.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::unistd::{Group, User};
use toml_edit::{Document, Item};

use super::mistake::{Mistake, Mistakes, shown};
use super::model::{App, Config, Listen};

/// Looks for what would fail if the file were run here, by this user, in this environment: a directory or a command that is
/// not there or can't be used, a
/// socket's directory, a user or a group that does not exist.
///
/// `text` is what `config` was parsed from. It is no promise: what is there now may be gone when it is needed, and nothing is
/// started.
#[must_use]
pub fn obstacles(text: &str, config: &Config) -> Vec<Mistake> {
    let Ok(document) = Document::parse(text) else { return Vec::new() };
    let mut found = Mistakes::new(text);
    let place = |keys: &[&str]| span(document.as_item(), keys);
    for socket in &config.sockets {
        if let Listen::Unix(path) = &socket.listen
            && let Some(directory) = path.parent().filter(|path| !path.as_os_str().is_empty())
            && !directory.is_dir()
        {
            let at = place(&["sockets", &socket.name, "listen"]);
            found.add(at, format!("the directory `{}` does not exist", directory.display()));
        }
    }
    for app in &config.apps {
        for (key, unknown) in unknown_accounts(app) {
            found.add(place(&["app", &app.name, key]), unknown);
        }
        if let Some((key, obstacle)) = obstacle(app) {
            found.add(place(&["app", &app.name, key]), obstacle);
        }
    }
    found.into_found()
}

/// The user and the group that there are not on this machine. An id need not have a name.
fn unknown_accounts(app: &App) -> impl Iterator<Item = (&'static str, String)> {
    let is_named = |account: &&String| account.parse::<u32>().is_err();
    // Where the system can't say, nothing is said.
    let user = app.user.as_ref().filter(is_named).filter(|name| matches!(User::from_name(name), Ok(None)));
    let group = app.group.as_ref().filter(is_named).filter(|name| matches!(Group::from_name(name), Ok(None)));
    let unknown = |what, name: &String| format!("there is no {what} `{}`", shown(name));
    let user = user.map(|name| ("user", unknown("user", name)));
    user.into_iter().chain(group.map(|name| ("group", unknown("group", name))))
}

/// The first thing that keeps an app from being run, and its key. Without its directory nothing is known of its command.
fn obstacle(app: &App) -> Option<(&'static str, String)> {
    let cwd = app.cwd.clone().or_else(|| env::current_dir().ok()).unwrap_or_default();
    let named = cwd.display();
    match fs::metadata(&cwd) {
        Err(error) => return Some(("cwd", format!("the directory `{named}` can't be entered: {error}"))),
        Ok(there) if !there.is_dir() => return Some(("cwd", format!("`{named}` is no directory"))),
        Ok(_) => {}
    }
    let program = app.command.first()?;
    let places = candidates(app, program);
    let inside: Vec<PathBuf> = places.iter().map(|place| cwd.join(place)).collect();
    if inside.iter().any(|file| is_program(file)) {
        return None;
    }
    let program = shown(program);
    let why = match inside.iter().find(|file| file.exists()) {
        Some(file) if file.is_file() => format!("`{}` is not executable", file.display()),
        Some(file) => format!("`{}` is no regular file", file.display()),
        None if program.contains('/') => format!("`{program}` does not exist, seen from `{named}`"),
        None => format!("`{program}` is in no directory of the app's PATH"),
    };
    Some(("command", why))
}

/// Where the master would look for a program: it itself if it names a path, else in the worker's own `PATH`.
fn candidates(app: &App, program: &str) -> Vec<PathBuf> {
    if program.contains('/') {
        return vec![PathBuf::from(program)];
    }
    let own = app.env.iter().rev().find(|(key, _)| key == "PATH").map(|(_, value)| OsString::from(value));
    let inherited = || env::var_os("PATH").filter(|_| !app.env_clear);
    // What execvp(3) searches when there is no PATH.
    let path = own.or_else(inherited).unwrap_or_else(|| OsStr::new("/bin:/usr/bin").to_owned());
    env::split_paths(&path).map(|directory| directory.join(program)).collect()
}

/// Whether it is a file that somebody may run.
fn is_program(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// The place of a value, or of the last of these keys that is there.
fn span(root: &Item, keys: &[&str]) -> Range<usize> {
    let (mut item, mut at) = (root, 0..0);
    for key in keys {
        let Some((key, next)) = item.as_table_like().and_then(|table| table.get_key_value(key)) else {
            break;
        };
        at = next.as_value().and_then(|value| value.span()).or_else(|| key.span()).unwrap_or(at);
        item = next;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(toml: &str) -> Vec<String> {
        let text = format!("version = 1\n{toml}\n");
        let config = super::super::parse(&text).unwrap();
        obstacles(&text, &config).iter().map(|told| format!("{}: {told}", told.line())).collect()
    }

    #[test]
    fn what_can_be_run_is_no_obstacle() {
        for app in [
            "command = 'sh -c true'",
            "command = '/bin/sh'",
            "command = './sh'\ncwd = '/bin'",
            "command = 'sh'\nenv_clear = true",
            "command = 'sh'\nenv = { PATH = '/nowhere:/bin' }",
        ] {
            assert_eq!(told(&format!("[app.a]\n{app}")), [""; 0], "{app}");
        }
    }

    #[test]
    fn what_is_in_the_way_is_told_at_its_place() {
        for (toml, expected) in [
            (
                "[app.a]\ncommand = 'no-such-program'",
                "3: `no-such-program` is in no directory of the app's PATH",
            ),
            (
                "[app.a]\ncommand = 'sh'\nenv.PATH = '/nowhere'",
                "3: `sh` is in no directory of the app's PATH",
            ),
            ("[app.a]\ncommand = './sh'\ncwd = '/usr'", "3: `./sh` does not exist, seen from `/usr`"),
            ("[app.a]\ncommand = '/etc/passwd'", "3: `/etc/passwd` is not executable"),
            ("[app.a]\ncommand = 'sh'\nuser = 'no-such-user'", "4: there is no user `no-such-user`"),
            ("[app.a]\ncommand = 'sh'\nuser = 0\ngroup = 'no-such'", "5: there is no group `no-such`"),
            ("[app.a]\ncommand = '/etc'", "3: `/etc` is no regular file"),
            ("[app.a]\ncommand = 'sh'\ncwd = '/etc/passwd'", "4: `/etc/passwd` is no directory"),
            (
                "[app.a]\ncommand = 'nothing'\ncwd = '/nowhere'",
                "4: the directory `/nowhere` can't be entered: No such file or directory (os error 2)",
            ),
            (
                "sockets.a = { listen = 'unix:/nowhere/a.sock' }\n[app.a]\ncommand = 'sh'",
                "2: the directory `/nowhere` does not exist",
            ),
        ] {
            assert_eq!(told(toml), [expected], "{toml}");
        }
    }
}
