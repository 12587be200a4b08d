//! What of a valid `drover.toml` would not work on this machine.

mod shell;

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::unistd::{Group, User};
use toml_edit::{Document, Item};

use crate::config::file::{Config, Mistake};
use crate::config::text::mistake::{Mistakes, shown};
use crate::config::{AppSpec, ListenAddr};
use crate::process::{journal_socket, limits_out_of_reach, passed_in_vain};

/// Looks for what would fail if the file were run here, by this user, in this environment: a directory or a command that is
/// not there or can't be used, a socket's directory, a user or a group that does not exist, a journal that does not listen, limits beyond this user's, what is too
/// long to be passed to a program. And for what is most likely not meant: a command for a shell, a socket of no app.
///
/// `text` is what `config` was parsed from, `directory` where its file lies. Nothing is promised: what is there now may be gone when it
/// is needed, and nothing is started.
#[must_use]
pub fn obstacles(text: &str, config: &Config, directory: Option<&Path>) -> Vec<Mistake> {
    let Ok(document) = Document::parse(text) else { return Vec::new() };
    let mut found = Mistakes::new(text);
    let place = |keys: &[&str]| span(document.as_item(), keys);
    for socket in &config.sockets {
        if let ListenAddr::Unix(path) = &socket.addr
            && let Some(directory) = path.parent().filter(|path| !path.as_os_str().is_empty())
            && !directory.is_dir()
        {
            let at = place(&["sockets", &socket.name, "listen"]);
            found.add(at, format!("the directory `{}` does not exist", directory.display()));
        }
    }
    for socket in &config.sockets {
        if !config.apps.iter().any(|app| app.sockets.contains(&socket.name)) {
            let at = key_span(document.as_item(), &["sockets", &socket.name]);
            found
                .add(at, format!("no app uses the socket `{}`, so it is not opened", shown(&socket.name)))
                .help("name it in the `sockets` of an app, or remove it");
        }
    }
    for app in config.apps.iter().map(|app| &app.spec) {
        for (key, out_of_reach) in limits_out_of_reach(&app.command.limits) {
            let mistake = found.add(place(&["app", &app.name, "limits", key]), out_of_reach);
            mistake.help(match app.command.limits.is_required {
                true => "ask for less, or write `required = false`",
                false => "it is not required, so workers get the nearest that they may have",
            });
        }
        if let Some(in_vain) = too_long(app) {
            let keys: Vec<&str> = ["app", &*app.name].into_iter().chain(in_vain.keys()).collect();
            found.add(place(&keys), in_vain.why);
        }
        let at = place(&["app", &app.name, "command"]);
        if let Some(text) = item(document.as_item(), &["app", &app.name, "command"]).and_then(Item::as_str)
            && let Some(piece) = shell::meant_for_a_shell(text)
        {
            found
                .add(
                    at,
                    format!(
                        "`{}` is for a shell, but no shell is involved: the program gets it as it is",
                        shown(&piece)
                    ),
                )
                .help(for_a_shell(text, &piece));
        }
        for (key, unknown) in unknown_accounts(app) {
            found.add(place(&["app", &app.name, key]), unknown);
        }
        if let Some((key, obstacle)) = obstacle(app, directory) {
            found.add(place(&["app", &app.name, key]), obstacle);
        }
    }
    let mut journal_users =
        config.apps.iter().filter(|app| app.spec.logs.as_ref().is_some_and(|logs| logs.journald));
    // Once: there is one journal.
    if let Some(app) = journal_users.next().filter(|_| !journal_socket().exists()) {
        let at = place(&["app", &app.spec.name, "logs", "journald"]);
        let socket = journal_socket().display();
        found.add(at, format!("the journal does not listen at `{socket}`: lines for it would be lost and counted")).help(
            "start systemd-journald; in a container mount that directory, or write to files by `logs.dir`",
        );
    }
    found.into_found()
}

/// The user and the group that there are not on this machine. An id need not have a name.
#[expect(
    clippy::disallowed_methods,
    reason = "whoever checks a file waits for the answer, and runs nothing meanwhile"
)]
fn unknown_accounts(app: &AppSpec) -> impl Iterator<Item = (&'static str, String)> {
    let is_named = |account: &&String| account.parse::<u32>().is_err();
    // Where the system can't say, nothing is said.
    let user =
        app.command.user.as_ref().filter(is_named).filter(|name| matches!(User::from_name(name), Ok(None)));
    let group =
        app.command.group.as_ref().filter(is_named).filter(|name| matches!(Group::from_name(name), Ok(None)));
    let unknown = |what, name: &String| format!("there is no {what} `{}`", shown(name));
    let user = user.map(|name| ("user", unknown("user", name)));
    user.into_iter().chain(group.map(|name| ("group", unknown("group", name))))
}

/// The first thing that keeps an app from being run, and its key. Without its directory nothing is known of its command.
fn obstacle(app: &AppSpec, directory: Option<&Path>) -> Option<(&'static str, String)> {
    let cwd = app.command.cwd.as_deref().or(directory).unwrap_or(Path::new("."));
    let cwd = if cwd == Path::new(".") { env::current_dir().unwrap_or_default() } else { cwd.to_owned() };
    let named = cwd.display();
    match fs::metadata(&cwd) {
        Err(error) => return Some(("cwd", format!("the directory `{named}` can't be entered: {error}"))),
        Ok(there) if !there.is_dir() => return Some(("cwd", format!("`{named}` is not a directory"))),
        Ok(_) => {}
    }
    let program = app.command.program.to_str()?;
    let places = candidates(app, program);
    let inside: Vec<PathBuf> = places.iter().map(|place| cwd.join(place)).collect();
    if let Some(file) = inside.iter().find(|file| is_program(file)) {
        let why = || {
            format!(
                "`{}` has Windows line ends, which become part of the name of its interpreter",
                file.display()
            )
        };
        return has_windows_line_ends(file).then(|| ("command", why()));
    }
    let program = shown(program);
    let why = match inside.iter().find(|file| file.exists()) {
        Some(file) if file.is_file() => format!("`{}` is not executable", file.display()),
        Some(file) => format!("`{}` is not a regular file", file.display()),
        None if program.contains('/') => format!("`{program}` does not exist, seen from `{named}`"),
        None => format!("`{program}` is in no directory of the app's PATH"),
    };
    Some(("command", why))
}

/// Where the master would look for a program: it itself if it names a path, else in the worker's own `PATH`.
fn candidates(app: &AppSpec, program: &str) -> Vec<PathBuf> {
    if program.contains('/') {
        return vec![PathBuf::from(program)];
    }
    let own = app.command.env.iter().rev().find(|(key, _)| key == "PATH").map(|(_, value)| value.clone());
    let inherited = || env::var_os("PATH").filter(|_| !app.command.env_clear);
    // What execvp(3) searches when there is no PATH.
    let path = own.or_else(inherited).unwrap_or_else(|| OsStr::new("/bin:/usr/bin").to_owned());
    env::split_paths(&path).map(|directory| directory.join(program)).collect()
}

/// Whether it is a file that somebody may run.
fn is_program(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// Whether it is a script whose first line ends as on Windows. Only a regular file is opened.
fn has_windows_line_ends(file: &Path) -> bool {
    // The kernel reads this much of it (execve(2), BINPRM_BUF_SIZE).
    let mut start = Vec::new();
    let read = fs::File::open(file).and_then(|file| file.take(256).read_to_end(&mut start));
    let line = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
    read.is_ok() && line.starts_with(b"#!") && line.ends_with(b"\r")
}

/// What is too long for a program.
struct InVain<'a> {
    why: String,
    /// The name of the variable that it is; none of an argument.
    variable: Option<&'a str>,
}

impl<'a> InVain<'a> {
    /// Where it stands, below the app.
    fn keys(&self) -> Vec<&'a str> {
        self.variable.map_or_else(|| vec!["command"], |variable| vec!["env", variable])
    }
}

fn too_long(app: &AppSpec) -> Option<InVain<'_>> {
    let bare = || crate::config::Command::new(&app.command.program).args(&app.command.args);
    if let Some(why) = passed_in_vain(&bare()) {
        return Some(InVain { why, variable: None });
    }
    app.command.env.iter().find_map(|(key, value)| {
        let why = passed_in_vain(&bare().env(key, value))?;
        Some(InVain { why, variable: key.to_str() })
    })
}

/// How to have a shell after all, or to do without.
fn for_a_shell(text: &str, piece: &str) -> String {
    if piece.ends_with('=') {
        return format!("write it in `env = {{ {} = \"…\" }}`", piece.trim_end_matches('='));
    }
    let short = if text.chars().count() <= 60 { shown(text) } else { "…".to_owned() };
    format!(
        "for a shell write `[\"sh\", \"-c\", {}]`; to give it to the program as it is, put it in quotes",
        toml_edit::Value::from(short)
    )
}

/// The value at these keys.
fn item<'d>(root: &'d Item, keys: &[&str]) -> Option<&'d Item> {
    keys.iter().try_fold(root, |item, key| item.as_table_like()?.get(key))
}

/// The place of the last key.
fn key_span(root: &Item, keys: &[&str]) -> Range<usize> {
    let Some((last, above)) = keys.split_last() else { return 0..0 };
    let table = item(root, above).and_then(Item::as_table_like);
    table.and_then(|table| table.get_key_value(last)?.0.span()).unwrap_or(0..0)
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
        let config = crate::config::file::parse(&text).unwrap();
        obstacles(&text, &config, None).iter().map(|told| format!("{}: {told}", told.line())).collect()
    }

    /// How far this user may go is a matter of the machine.
    fn without_own_limit(text: &str) -> String {
        const BEFORE: &str = "own hard limit is ";
        match text.split_once(BEFORE) {
            Some((start, rest)) => {
                format!("{start}{BEFORE}NUMBER{}", rest.trim_start_matches(|c: char| c.is_ascii_digit()))
            }
            None => text.to_owned(),
        }
    }

    #[test]
    fn a_variable_that_is_too_long_is_told_at_its_place() {
        let long = "x".repeat(128 * 1024);
        let toml = format!("[app.a]\ncommand = 'sh'\n[app.a.env]\nA = 'b'\nLONG = '{long}'");
        let told = told(&toml);
        assert!(
            told.len() == 1 && told[0].starts_with("6: the variable `LONG` has 131078 bytes"),
            "{told:?}"
        );
    }

    #[test]
    fn a_script_with_windows_line_ends_is_told_before_it_is_run() {
        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join("run");
        fs::write(&script, "#!/usr/bin/env python3\r\nprint()\r\n").unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        let told = told(&format!("[app.a]\ncommand = '{}'", script.display()));
        assert!(
            told.len() == 1
                && told[0]
                    .ends_with("has Windows line ends, which become part of the name of its interpreter")
        );
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
            ("[app.a]\ncommand = '/etc'", "3: `/etc` is not a regular file"),
            ("[app.a]\ncommand = 'sh'\ncwd = '/etc/passwd'", "4: `/etc/passwd` is not a directory"),
            (
                "[app.a]\ncommand = 'nothing'\ncwd = '/nowhere'",
                "4: the directory `/nowhere` can't be entered: No such file or directory (os error 2)",
            ),
            (
                "sockets.a = { listen = 'unix:/nowhere/a.sock' }\n[app.a]\ncommand = 'sh'\nsockets = ['a']",
                "2: the directory `/nowhere` does not exist",
            ),
            (
                "[sockets.http]\nlisten = '127.0.0.1:0'\n[app.a]\ncommand = 'sh'",
                "2: no app uses the socket `http`, so it is not opened; name it in the `sockets` of an app, or remove it",
            ),
            (
                "[app.a]\ncommand = 'sh a | tee b'",
                "3: `|` is for a shell, but no shell is involved: the program gets it as it is; for a shell write `[\"sh\", \"-c\", \"sh a | tee b\"]`; \
                 to give it to the program as it is, put it in quotes",
            ),
            (
                "[app.a]\ncommand = 'sh'\nlimits = { nofile = 9000000000000000000, required = true }",
                "4: the limit nofile can't be set to 9000000000000000000: the master's own hard limit is NUMBER, and only a process \
                 with CAP_SYS_RESOURCE may go beyond it, up to fs.nr_open; ask for less, or write `required = false`",
            ),
        ] {
            let told: Vec<String> = told(toml).iter().map(|told| without_own_limit(told)).collect();
            assert_eq!(told, [expected], "{toml}");
        }
    }
}
