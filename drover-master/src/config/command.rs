//! The command of a worker.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

use super::placeholder::fill_in_known;
use super::{Account, Limits};

/// What a worker process runs, and in which surroundings.
///
/// Its environment never shows in `Debug`, traces or status: it may hold secrets.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Command {
    #[serde(with = "crate::written")]
    pub(crate) program: OsString,
    #[serde(with = "crate::written")]
    pub(crate) args: Vec<OsString>,
    #[serde(with = "crate::written")]
    pub(crate) env: Vec<(OsString, OsString)>,
    pub(crate) env_clear: bool,
    #[serde(default, with = "crate::written")]
    pub(crate) cwd: Option<PathBuf>,
    pub(crate) umask: Option<u32>,
    pub(crate) user: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) limits: Limits,
    /// Who `user` and `group` are; looked up when a master is built.
    pub(crate) account: Option<Account>,
}

impl Command {
    /// A program by path, or by name to be searched in `PATH`. No shell is involved.
    pub fn new(program: impl Into<OsString>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            env_clear: false,
            cwd: None,
            umask: None,
            user: None,
            group: None,
            limits: Limits::default(),
            account: None,
        }
    }

    /// Adds an argument. `{slot}` in it becomes the worker's slot, and `{9000+slot}` the sum, so that each can have a port of its own;
    /// `{{slot}}` becomes `{slot}`.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable for every worker, over what it inherits. `{slot}` and `{9000+slot}` in its value become numbers, as in an
    /// [argument](Self::arg).
    #[must_use]
    pub fn env(mut self, key: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((key.into(), value.into()));
        self
    }

    /// Starts workers with an empty environment and only what [`env`](Self::env) and [`user`](Self::user) set. Default: inherited.
    #[must_use]
    pub fn env_clear(mut self, clear: bool) -> Self {
        self.env_clear = clear;
        self
    }

    /// The working directory, entered as the worker's user. Default: the master's.
    #[must_use]
    pub fn current_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.cwd = Some(dir.into());
        self
    }

    /// The file mode creation mask. Default: the master's.
    #[must_use]
    pub fn umask(mut self, mask: u32) -> Self {
        self.umask = Some(mask);
        self
    }

    /// The user that workers run as: a name, or an id in digits. Default: the master's. Another one needs a master that runs as
    /// root.
    ///
    /// Its group and supplementary groups come with it, as by a login. As systemd does, it sets `USER`, `LOGNAME`, `HOME` and
    /// `SHELL`, but neither a home that is `/` nor a shell that lets nobody in; what the master has in these is not inherited.
    /// [`env`](Self::env) wins over them. The name is looked up when the master is built.
    ///
    /// A worker that changes its user anew, or whose program is setuid, loses the signal that would end it with its master.
    #[must_use]
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self.account = None;
        self
    }

    /// The group that workers run as: a name, or an id in digits. Default: the user's. Alone it needs a master that runs as
    /// root, and the worker has no supplementary groups.
    #[must_use]
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.group = Some(group.into());
        self.account = None;
        self
    }

    /// What workers are limited to. Default: nothing but what the master itself is.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The command of the worker in this slot.
    pub(crate) fn of_slot(&self, slot: u32) -> Self {
        let mut command = self.clone();
        for arg in &mut command.args {
            *arg = fill_in_known(arg, slot);
        }
        for (_, value) in &mut command.env {
            *value = fill_in_known(value, slot);
        }
        command
    }

    /// The directory that workers run in; none: the master's.
    pub fn cwd(&self) -> Option<&Path> {
        self.cwd.as_deref()
    }

    /// Whether workers run as a user of their own.
    pub const fn has_user(&self) -> bool {
        self.user.is_some()
    }

    /// The user that workers run as; none: the master's.
    pub fn user_name(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The group that workers run as; none: the user's.
    pub fn group_name(&self) -> Option<&str> {
        self.group.as_deref()
    }

    /// The program as it was given.
    pub fn program(&self) -> &OsStr {
        &self.program
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command")
            .field("program", &self.program)
            .field("args", &self.args)
            .field("env", &format_args!("{} variables", self.env.len()))
            .field("cwd", &self.cwd)
            .field("user", &self.user)
            .field("group", &self.group)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// The words of the command line, for people.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.program.display())?;
        self.args.iter().try_for_each(|arg| write!(f, " {}", arg.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_the_environment_are_never_printed() {
        let command = Command::new("app").arg("x").env("PASSWORD", "hunter2");
        assert!(!format!("{command:?} {command}").contains("hunter2"));
    }
}
