//! The reference page.

use std::fmt::Write as _;

use super::row::{KeyRow, of_app, of_master, of_socket};
use crate::config::keys::{self, Form, LimitUnit, SubKey};

const HEAD: &str = "# drover.toml

Every key, as `drover` knows it. This page is made from the table of keys (`drover-master/src/config/keys`), as the JSON Schema is
that `drover schema` prints; a test keeps it current.

A time is a text with units, larger ones first: `250ms`, `30s`, `1h30m`, `2d`. A size is a whole number with one of the units B, KiB,
MiB, GiB and TiB; kB, MB, GB and TB count by 1000.

What `drover apply` needs to bring a change about:

* `live`: takes effect at once, and no running worker is touched. Of `workers`, the surplus leaves or the missing ones start.
* `reload`: new workers take the place of the old ones.
* `restart`: the app is stopped and started.
* `master`: Drover itself must be ended and started.

The file begins with `version = 1`.

Keys in `[defaults]` are those of every app that does not say otherwise. `--profile NAME` lays the tables of `[profiles.NAME]` over the file.
[What a drover.toml can say](../guides/configuration.md#defaults-and-profiles) tells how.
";

pub(super) fn page() -> String {
    let mut page = HEAD.to_owned();
    let (master, sockets, app) = (of_master(), of_socket(), of_app());
    section(&mut page, "## `[master]`", "What concerns all apps together.", &master, "");
    section(
        &mut page,
        "## `[sockets.NAME]`",
        "A socket that the master opens once and gives to workers.",
        &sockets,
        "",
    );
    section(
        &mut page,
        "## `[app.NAME]`",
        "An app: what is run, how many times, and by which rules.",
        &app,
        "",
    );
    for (name, sentence) in keys::sections() {
        section(&mut page, &format!("### `[app.NAME.{name}]`"), sentence, &app, name);
    }
    page
}

fn section(page: &mut String, head: &str, sentence: &str, all: &[KeyRow], name: &str) {
    write!(page, "\n{head}\n\n{sentence}\n\n").unwrap();
    *page += "| Key | Value | Default | A change takes | |\n|---|---|---|---|---|\n";
    for KeyRow { path, part, takes } in all {
        let (section, _) = path.rsplit_once('.').unwrap_or(("", path));
        if section == name {
            line(page, part.name, part, takes);
            if let Form::Table(parts) | Form::TableOrFalse(parts) | Form::Question(parts) = &part.form {
                parts
                    .iter()
                    .for_each(|below| line(page, &format!("{}.{}", part.name, below.name), below, ""));
            }
        }
    }
}

fn line(page: &mut String, name: &str, part: &SubKey, takes: &str) {
    let default = match (&part.default, &part.form) {
        _ if part.is_required => "required".to_owned(),
        (None, _) | (_, Form::Table(_) | Form::TableOrFalse(_) | Form::Question(_)) => String::new(),
        (Some(text), Form::Names) if text.is_empty() => "`[]`".to_owned(),
        (Some(text), _) if text.is_empty() => "`{}`".to_owned(),
        (Some(text), _) => format!("`{text}`"),
    };
    let takes = if takes.is_empty() { String::new() } else { format!("`{takes}`") };
    let value = value(&part.form).replace('|', "\\|");
    writeln!(page, "| `{name}` | {value} | {default} | {takes} | {} |", part.sentence.replace('|', "\\|"))
        .unwrap();
}

/// What values there are, for people.
fn value(form: &Form) -> String {
    let ticked = |words: &[&str]| words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    match form {
        Form::Flag => ticked(&["true", "false"]),
        Form::Whole(least, most) => format!("{least} to {most}"),
        Form::Number(least, most) if most.is_finite() => format!("a number, {least} to {most}"),
        Form::Number(least, _) => format!("a number, at least {least}"),
        Form::Time { is_some: false } => "a time".to_owned(),
        Form::Time { is_some: true } => "a time, more than zero".to_owned(),
        Form::Size => "a size, more than zero".to_owned(),
        Form::Text | Form::Pattern(_) => "a text".to_owned(),
        Form::Account => "a name or an id".to_owned(),
        Form::Word(words) => ticked(words),
        Form::Signal(false) => "a signal".to_owned(),
        Form::Signal(_) => "a signal, or `STOP`".to_owned(),
        Form::Share => "a number, or a part such as `25%`".to_owned(),
        Form::Codes(least, most) => format!("numbers from {least} to {most}"),
        Form::Command => "words, or a text".to_owned(),
        Form::Paths => "a path, or several".to_owned(),
        Form::Workers => "1 to 100000, or `auto`".to_owned(),
        Form::Names => "names".to_owned(),
        Form::Variables => "texts by their names".to_owned(),
        Form::Conditions => "`ready` or `completed`, by the names of apps".to_owned(),
        Form::Limit(LimitUnit::Number) => "a number, or `soft` and `hard`".to_owned(),
        Form::Limit(LimitUnit::Bytes) => "a size, or `soft` and `hard`".to_owned(),
        Form::Limit(LimitUnit::Seconds) => "a time, or `soft` and `hard`".to_owned(),
        Form::Table(_) | Form::Question(_) => "a table".to_owned(),
        Form::TableOrFalse(_) => "a table, or `false`".to_owned(),
    }
}
