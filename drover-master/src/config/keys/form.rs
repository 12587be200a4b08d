//! What values a key takes.

/// What values a key takes, as a file has them.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Form {
    /// `true` or `false`.
    Flag,
    /// A whole number from one to another.
    Whole(i64, i64),
    /// A number, with or without a fraction, from one to another.
    Number(f64, f64),
    /// A text with units, such as `1m30s`.
    Time {
        /// Whether it has to be more than zero.
        is_some: bool,
    },
    /// A text with a unit, such as `512MiB`; more than nothing.
    Size,
    /// A text.
    Text,
    /// A text that fits a regular expression.
    Pattern(&'static str),
    /// A name or a number: of a user, of a group.
    Account,
    /// One of a few words.
    Word(Vec<&'static str>),
    /// The name of a signal, with or without `SIG`; whether SIGSTOP is one of them.
    Signal(bool),
    /// A number of workers, or a part of them in percent.
    Share,
    /// Whole numbers from one to another.
    Codes(i64, i64),
    /// A program and its arguments, or a text that is split into them.
    Command,
    /// One path, or several.
    Paths,
    /// A number of workers, or `auto`.
    Workers,
    /// Names, each once.
    Names,
    /// Variables by their names.
    Variables,
    /// Conditions by the names of apps.
    Conditions,
    /// A limit of the kernel, or its soft and its hard value: a number, a size or a time.
    Limit(LimitUnit),
    /// A table of further keys.
    Table(Vec<SubKey>),
    /// The same, or `false`.
    TableOrFalse(Vec<SubKey>),
    /// One of these tables, by which of `tcp`, `http`, `exec` and `log` it has.
    Question(Vec<SubKey>),
}

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitUnit {
    /// A number.
    Number,
    /// Bytes.
    Bytes,
    /// Whole seconds.
    Seconds,
}

/// A key within a table.
#[derive(Debug, Clone, PartialEq)]
pub struct SubKey {
    /// Its name.
    pub name: &'static str,
    /// What values it takes.
    pub form: Form,
    /// What it is unless it is set, for people; none: nothing.
    pub default: Option<String>,
    /// Whether the table can't be without it.
    pub is_required: bool,
    /// What it is, for people.
    pub sentence: &'static str,
}
