//! Kinds of values as a file has them: how each is read, and what is said when it is not one, and how it is written.

use std::ffi::OsString;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use toml_edit::{Array, InlineTable, Item, Table as TomlTable, value as item};

use super::kind::{
    Account, Address, Asking, Codes, CommandLine, Count, Directory, Flag, Input, Mask, Maybe, Number, One,
    OrFalse, Shares, Signal, Signed, Size, Table, Time, Variables, Whole, Words,
};
use super::parts::{Of, POLICIES, START_LIMIT, StartLimit};
use crate::config::file::mistake::Mistakes;
use crate::config::file::reader::Entry;
use crate::config::file::units::format_duration;
use crate::config::file::{limits, probe, restart, signal, socket, surroundings, update, value};
use crate::config::{AppSpec, HealthCheck, Limits, ListenAddr, Probe, ProbeKind, RestartWhen, Share, Stdin};
use crate::signal_names::{signal_name, signal_number};

/// A kind of values that a file has.
pub(in crate::config) trait Written<V> {
    /// Reads a value; a table keeps of `now` what it does not name. None: a mistake has been noted.
    fn read<'t>(&self, now: Option<&V>, entry: &Entry<'t>, mistakes: &mut Mistakes<'t>) -> Option<V>;

    /// The value as a file has it; none: it is left out.
    fn write(&self, value: &V) -> Option<Item>;
}

/// Implements it for kinds whose values are read and written by themselves.
macro_rules! written {
    ($($kind:ty, $type:ty, |$this:ident, $entry:ident, $mistakes:ident| $read:expr, |$value:ident| $write:expr;)+) => {
        $(impl Written<$type> for $kind {
            fn read<'t>(&self, _: Option<&$type>, $entry: &Entry<'t>, $mistakes: &mut Mistakes<'t>) -> Option<$type> {
                let $this = self;
                $read
            }

            fn write(&self, $value: &$type) -> Option<Item> {
                $write
            }
        })+
    };
}

written! {
    Flag, bool, |_this, entry, mistakes| value::boolean(entry, mistakes), |flag| Some(item(*flag));
    Time, Duration,
        |this, entry, mistakes| if this.is_any() { value::duration(entry, mistakes) } else { value::some_duration(entry, mistakes) },
        // What takes as long as it takes has no number.
        |time| (*time != Duration::MAX).then(|| item(format_duration(*time)));
    Whole, u32,
        |this, entry, mistakes| value::whole(this.0..=this.1)(entry, mistakes),
        |number| Some(item(i64::from(*number)));
    Whole, u64,
        |this, entry, mistakes| value::whole(this.0..=this.1)(entry, mistakes).map(u64::from),
        |number| Some(item(i64::try_from(*number).unwrap_or(i64::MAX)));
    Whole, NonZeroU32,
        |this, entry, mistakes| value::whole(this.0..=this.1)(entry, mistakes).and_then(NonZeroU32::new),
        |number| Some(item(i64::from(number.get())));
    One, NonZeroU32, |_this, entry, mistakes| only_one(entry, mistakes), |number| Some(item(i64::from(number.get())));
    Signed, i32,
        |this, entry, mistakes| value::integer(this.0..=this.1)(entry, mistakes),
        |number| Some(item(i64::from(*number)));
    Number, f64, |this, entry, mistakes| value::number(this.0..=this.1)(entry, mistakes), |number| Some(item(*number));
    Size, u64, |_this, entry, mistakes| limits::some_size(entry, mistakes), |bytes| Some(item(format!("{bytes}B")));
    Account, String, |_this, entry, mistakes| surroundings::account(entry, mistakes), |name| Some(item(name));
    Directory, PathBuf,
        |_this, entry, mistakes| value::filled_string(entry, mistakes).map(PathBuf::from),
        |path| Some(item(path.display().to_string()));
    Mask, u32, |_this, entry, mistakes| surroundings::umask(entry, mistakes), |mask| Some(item(format!("{mask:04o}")));
    Signal, i32,
        |this, entry, mistakes| {
            let name = if this.0 { signal::signal_or_stop(entry, mistakes) } else { signal::signal(entry, mistakes) };
            name.and_then(|name| signal_number(&name))
        },
        |number| Some(item(signal_name(*number)));
    Shares, Share, |_this, entry, mistakes| update::share(entry, mistakes), |share| Some(match share {
        Share::Count(count) => item(i64::from(*count)),
        Share::Percent(_) => item(share.to_string()),
    });
    Codes, Vec<i32>,
        |_this, entry, mistakes| restart::codes(entry, mistakes),
        |codes| Some(item(Array::from_iter(codes.iter().map(|code| i64::from(*code)))));
    Input, Stdin, |_this, entry, mistakes| surroundings::stdin(entry, mistakes), |stdin| Some(item(stdin.to_string()));
    Address, ListenAddr, |_this, entry, mistakes| socket::listen(entry, mistakes), |addr| Some(item(addr.to_string()));
    Count, u32, |_this, entry, mistakes| surroundings::workers(entry, mistakes), |count| Some(item(i64::from(*count)));
    CommandLine, Vec<OsString>,
        |_this, entry, mistakes| surroundings::command(entry, mistakes).map(|words| words.into_iter().map(Into::into).collect()),
        // Words of a file, which are text.
        |words| Some(item(Array::from_iter(words.iter().map(|word| word.to_string_lossy().into_owned()))));
    Variables, Vec<(OsString, OsString)>,
        |_this, entry, mistakes| surroundings::env(entry, mistakes),
        |variables| {
            let text = |text: &OsString| text.to_string_lossy().into_owned();
            Some(header(variables.iter().map(|(name, value)| (text(name), item(text(value))))))
        };
}

/// A word of another tool is answered with ours.
impl<T: Copy + PartialEq + 'static> Written<T> for Words<T> {
    fn read<'t>(&self, _: Option<&T>, entry: &Entry<'t>, mistakes: &mut Mistakes<'t>) -> Option<T> {
        value::word(self.0)(entry, mistakes)
    }

    fn write(&self, value: &T) -> Option<Item> {
        self.of(value).map(item)
    }
}

impl Written<RestartWhen> for super::kind::Policy {
    fn read<'t>(
        &self,
        _: Option<&RestartWhen>,
        entry: &Entry<'t>,
        mistakes: &mut Mistakes<'t>,
    ) -> Option<RestartWhen> {
        restart::policy(POLICIES.0, entry, mistakes)
    }

    fn write(&self, value: &RestartWhen) -> Option<Item> {
        POLICIES.write(value)
    }
}

fn only_one<'t>(entry: &Entry<'t>, mistakes: &mut Mistakes<'t>) -> Option<NonZeroU32> {
    let number = value::whole(1..=100)(entry, mistakes)?;
    if number != 1 {
        let message = format!("{} is {number}, and can only be 1", entry.path);
        let help = "leave it out: a worker that fails its liveness is ended, and none comes back";
        mistakes.add(entry.span.clone(), message).help(help);
        return None;
    }
    NonZeroU32::new(number)
}

impl<V, K: Written<V>> Written<Option<V>> for Maybe<K> {
    fn read<'t>(
        &self,
        now: Option<&Option<V>>,
        entry: &Entry<'t>,
        mistakes: &mut Mistakes<'t>,
    ) -> Option<Option<V>> {
        self.0.read(now.and_then(Option::as_ref), entry, mistakes).map(Some)
    }

    fn write(&self, value: &Option<V>) -> Option<Item> {
        self.0.write(value.as_ref()?)
    }
}

impl<V: Clone> Written<V> for Table<V> {
    fn read<'t>(&self, now: Option<&V>, entry: &Entry<'t>, mistakes: &mut Mistakes<'t>) -> Option<V> {
        let mut value = now.cloned().unwrap_or_else(self.default);
        let is_whole = entry.section(mistakes, |table| {
            self.keys.iter().fold(true, |is_whole, key| {
                let required = self.required.iter().find(|(name, _)| *name == key.path());
                table.key(key, key.path(), required.map(|(_, help)| *help), &mut value) && is_whole
            })
        });
        // One that has to be there and is not leaves nothing to go on with.
        (is_whole || self.required.is_empty()).then_some(value)
    }

    fn write(&self, value: &V) -> Option<Item> {
        let rows = self.keys.iter().filter_map(|key| Some((key.path(), key.write(value)?)));
        Some(if self.is_inline { inline(rows) } else { header(rows) })
    }
}

impl<V: Clone + Asks> Written<V> for Asking<V> {
    fn read<'t>(&self, now: Option<&V>, entry: &Entry<'t>, mistakes: &mut Mistakes<'t>) -> Option<V> {
        let mut value = now.cloned().unwrap_or_else(self.0.default);
        let is_whole = entry.section(mistakes, |table| {
            let asked = probe::question(table);
            self.0.keys.iter().for_each(|key| {
                table.key(key, key.path(), None, &mut value);
            });
            asked.map(|kind| *value.kind_mut() = kind).is_some()
        });
        is_whole.then_some(value)
    }

    fn write(&self, value: &V) -> Option<Item> {
        let asked = probe::written(value.kind()).into_iter().map(|(key, value)| (key, item(value)));
        let rows = self.0.keys.iter().filter_map(|key| Some((key.path(), key.write(value)?)));
        Some(inline(asked.chain(rows)))
    }
}

impl<V: Clone> Written<Option<V>> for OrFalse<V> {
    fn read<'t>(
        &self,
        now: Option<&Option<V>>,
        entry: &Entry<'t>,
        mistakes: &mut Mistakes<'t>,
    ) -> Option<Option<V>> {
        match entry.item.as_bool() {
            Some(false) => Some(None),
            Some(true) => Some(Some((self.0.default)())),
            None if !entry.item.is_table_like() => {
                entry
                    .mistype(mistakes, "a table or `false`")
                    .help("write for example `heartbeat = { interval = \"5s\", misses = 3 }`");
                None
            }
            None => self.0.read(now.and_then(Option::as_ref), entry, mistakes).map(Some),
        }
    }

    fn write(&self, value: &Option<V>) -> Option<Item> {
        value.as_ref().map_or_else(|| Some(item(false)), |value| self.0.write(value))
    }
}

/// Who asks something.
trait Asks {
    fn kind(&self) -> &ProbeKind;
    fn kind_mut(&mut self) -> &mut ProbeKind;
}

impl Asks for Probe {
    fn kind(&self) -> &ProbeKind {
        &self.kind
    }

    fn kind_mut(&mut self) -> &mut ProbeKind {
        &mut self.kind
    }
}

impl Asks for HealthCheck {
    fn kind(&self) -> &ProbeKind {
        &self.probe.kind
    }

    fn kind_mut(&mut self) -> &mut ProbeKind {
        &mut self.probe.kind
    }
}

impl Of {
    pub(super) fn read<'t>(&self, into: &mut Limits, entry: &Entry<'t>, mistakes: &mut Mistakes<'t>) -> bool {
        let limit = limits::limit(entry, self.unit(), mistakes);
        limit.map(|limit| *into = std::mem::take(into).with(self.0, limit)).is_some()
    }

    pub(super) fn write(&self, of: &Limits) -> Option<Item> {
        self.find(of).map(|limit| limits::written(self.unit(), limit))
    }
}

/// What it leaves out is as in `limit`, which holds for failed starts too where there is none.
impl StartLimit {
    pub(super) fn read<'t>(into: &mut AppSpec, entry: &Entry<'t>, mistakes: &mut Mistakes<'t>) -> bool {
        let limit = START_LIMIT.read(Some(&into.restart.limit), entry, mistakes);
        limit.map(|limit| into.restart.start_limit = Some(limit)).is_some()
    }

    pub(super) fn write(of: &AppSpec) -> Option<Item> {
        START_LIMIT.write(of.restart.start_limit.as_ref().unwrap_or(&of.restart.limit))
    }
}

/// A table with a header of its own.
pub(in crate::config) fn header<K: AsRef<str>>(rows: impl IntoIterator<Item = (K, Item)>) -> Item {
    let mut table = TomlTable::new();
    rows.into_iter().for_each(|(key, item)| drop(table.insert(key.as_ref(), item)));
    Item::Table(table)
}

/// A table in one line.
pub(in crate::config) fn inline<'k>(rows: impl IntoIterator<Item = (&'k str, Item)>) -> Item {
    let values = rows.into_iter().filter_map(|(key, item)| Some((key, item.into_value().ok()?)));
    item(values.collect::<InlineTable>())
}
