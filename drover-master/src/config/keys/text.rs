//! Kinds of values that are texts, words or lists of them.

use crate::signal::Signal;
use std::ffi::OsString;
use std::path::PathBuf;

#[cfg(feature = "file")]
use toml_edit::{Array, value as item};

use super::form::Form;
use super::kind::{ValueFault, kinds};
use super::words::POLICIES;
#[cfg(feature = "file")]
use super::{address, surroundings};
#[cfg(feature = "file")]
use crate::config::text::{tables::header, value};
use crate::config::{ListenAddr, RestartWhen, Stdin};

/// `true` or `false`.
pub(super) struct Flag;

/// A name or an id, of a user or a group.
pub(super) struct AccountName;

/// A path.
pub(super) struct DirectoryPath;

/// A file mode creation mask.
pub(super) struct Mask;

/// A signal that a program can act on; whether it may also be SIGSTOP.
pub(super) struct SignalName(pub(super) bool);

/// The name of a master, which becomes part of a path.
pub(super) struct MasterName;

/// A standard input.
pub(super) struct StandardInput;

/// When to start an ended worker again; the words of other tools are known.
pub(super) struct RestartWord;

/// Where to listen.
pub(super) struct Address;

/// A program and its arguments.
pub(super) struct CommandLine;

/// Variables, of which a value never shows.
pub(super) struct Variables;

kinds! {
    Flag, bool:
    shown |flag| Some(flag.to_string());
    form |_this| Form::Flag;
    read |_this, entry, mistakes| value::boolean(entry, mistakes);
    write |flag| item(*flag);

    AccountName, String:
    shown |name| Some(name.clone());
    form |_this| Form::Account;
    read |_this, entry, mistakes| surroundings::account(entry, mistakes);
    write |name| item(name);

    DirectoryPath, PathBuf:
    shown |path| Some(path.display().to_string());
    form |_this| Form::Text;
    read |_this, entry, mistakes| value::filled_string(entry, mistakes).map(PathBuf::from);
    write |path| item(path.display().to_string());

    Mask, u32:
    shown |mask| Some(format!("{mask:03o}"));
    form |_this| Form::Pattern("^0?[0-7]{1,3}$");
    read |_this, entry, mistakes| surroundings::umask(entry, mistakes);
    write |mask| item(format!("{mask:04o}"));

    SignalName, Signal:
    shown |signal| Some(signal.to_string());
    form |this| Form::Signal(this.0);
    fault |this, signal| match *signal {
        Signal::STOP if this.0 => None,
        Signal::KILL | Signal::STOP => {
            Some(ValueFault::new(format!("is {signal}, which no program can catch")))
        }
        _ => None,
    };
    read |this, entry, mistakes| surroundings::signal(this.0, entry, mistakes);
    write |signal| item(signal.to_string());

    MasterName, String:
    shown |name| Some(name.clone());
    form |_this| Form::Pattern("^[A-Za-z0-9._-]{1,64}$");
    read |_this, entry, mistakes| surroundings::master_name(entry, mistakes);
    write |name| item(name);

    StandardInput, Stdin:
    shown |stdin| Some(stdin.to_string());
    form |_this| Form::Pattern("^(null|open|socket:.+)$");
    read |_this, entry, mistakes| surroundings::stdin(entry, mistakes);
    write |stdin| item(stdin.to_string());

    RestartWord, RestartWhen:
    shown |when| POLICIES.of(when).map(str::to_owned);
    form |_this| POLICIES.form();
    read |_this, entry, mistakes| surroundings::restart(entry, mistakes);
    write |when| item(POLICIES.of(when)?);

    Address, ListenAddr:
    shown |addr| Some(addr.to_string());
    form |_this| Form::Pattern("^(unix:.+|.+:[0-9]+)$");
    read |_this, entry, mistakes| address::listen(entry, mistakes);
    write |addr| item(addr.to_string());

    CommandLine, Vec<OsString>:
    shown |words| Some(joined(words, " "));
    form |_this| Form::Command;
    read |_this, entry, mistakes| surroundings::command(entry, mistakes).map(|words| words.into_iter().map(Into::into).collect());
    // Words of a file, which are text.
    write |words| item(Array::from_iter(words.iter().map(|word| word.to_string_lossy().into_owned())));

    Variables, Vec<(OsString, OsString)>:
    shown |variables| {
        let names = joined(variables.iter().map(|(name, _)| name), ", ");
        (!names.is_empty()).then_some(names)
    };
    form |_this| Form::Variables;
    read |_this, entry, mistakes| surroundings::env(entry, mistakes);
    write |variables| {
        let text = |text: &OsString| text.to_string_lossy().into_owned();
        header(variables.iter().map(|(name, value)| (text(name), item(text(value)))))
    };
}

fn joined<'w>(words: impl IntoIterator<Item = &'w OsString>, between: &str) -> String {
    words.into_iter().map(|word| word.display().to_string()).collect::<Vec<_>>().join(between)
}
