//! The JSON Schema and the reference page, which are made from the table of keys. With `DROVER_BLESS=1` they are written anew.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use crate::Command;
use crate::config::keys::{self, Form, Key, LimitUnit, SubKey};
use crate::config::{Description, ListenSpec, Strategy};
use serde_json::{Value as Json, json};

const NAME: &str = "^[A-Za-z0-9._-]{1,64}$";

/// A key as the schema and the page have it.
struct KeyRow {
    path: &'static str,
    part: SubKey,
    takes: String,
}

fn row<S>(key: &Key<S>, plain: Option<&S>, required: &[&str]) -> KeyRow {
    let default = match key.form() {
        Form::Workers => Some("auto".to_owned()),
        Form::Paths => None,
        Form::Names | Form::Variables | Form::Conditions => Some(String::new()),
        _ if key.is_of_machine() => None,
        _ => plain.and_then(|plain| key.shown(plain)),
    };
    let name = key.path().rsplit('.').next().unwrap();
    let is_required = required.contains(&key.path());
    let part = SubKey { name, form: key.form(), default, is_required, sentence: key.sentence() };
    KeyRow { path: key.path(), part, takes: key.takes().to_string() }
}

fn of_app() -> Vec<KeyRow> {
    let plain = keys::plain_app("web", Command::new("web"));
    let default = |row: KeyRow| match row.path {
        // It has to be written.
        "command" => KeyRow { part: SubKey { default: None, ..row.part }, ..row },
        _ => row,
    };
    let keys = keys::of_app().filter(|key| key.is_of_file());
    keys.map(|key| default(row(key, Some(&plain), &["command"]))).collect()
}

fn of_master() -> Vec<KeyRow> {
    let intensity = crate::config::Intensity::default();
    let all = |strategy| Description {
        apps: Vec::new(),
        strategy,
        shutdown_timeout: super::super::MasterTable::default().shutdown_timeout,
        fixed: Vec::new(),
    };
    let (none, some) = (all(Strategy::None), all(Strategy::OneForOne(intensity)));
    let plain = |key: &Key<Description>| match key.path() {
        "intensity" | "period" => &some,
        _ => &none,
    };
    keys::of_master().map(|key| row(key, Some(plain(key)), &[])).collect()
}

fn of_socket() -> Vec<KeyRow> {
    let plain = ListenSpec::new("http", "h:1".parse().unwrap());
    let keys = keys::of_socket();
    keys.map(|key| row(key, Some(&plain).filter(|_| key.path() != "listen"), &["listen"])).collect()
}

/// JSON whose objects keep their order.
enum Node {
    Plain(Json),
    Rows(Vec<(String, Self)>),
    List(Vec<Self>),
}

impl From<Json> for Node {
    fn from(json: Json) -> Self {
        Self::Plain(json)
    }
}

fn rows<const N: usize>(rows: [(&str, Node); N]) -> Vec<(String, Node)> {
    rows.into_iter().map(|(key, node)| (key.to_owned(), node)).collect()
}

fn word(word: &str) -> Node {
    Node::Plain(json!(word))
}

impl Node {
    fn write(&self, into: &mut String, depth: usize) {
        let pad = |depth: usize| "  ".repeat(depth);
        match self {
            Self::Plain(json) => *into += &json.to_string(),
            Self::Rows(rows) => {
                *into += "{\n";
                for (at, (key, node)) in rows.iter().enumerate() {
                    write!(into, "{}{}: ", pad(depth + 1), json!(key)).unwrap();
                    node.write(into, depth + 1);
                    *into += if at + 1 < rows.len() { ",\n" } else { "\n" };
                }
                write!(into, "{}}}", pad(depth)).unwrap();
            }
            Self::List(nodes) => {
                *into += "[\n";
                for (at, node) in nodes.iter().enumerate() {
                    *into += &pad(depth + 1);
                    node.write(into, depth + 1);
                    *into += if at + 1 < nodes.len() { ",\n" } else { "\n" };
                }
                write!(into, "{}]", pad(depth)).unwrap();
            }
        }
    }
}

fn any_of(arms: impl IntoIterator<Item = Vec<(String, Node)>>) -> Vec<(String, Node)> {
    rows([("anyOf", Node::List(arms.into_iter().map(Node::Rows).collect()))])
}

fn plain(json: &Json) -> Vec<(String, Node)> {
    json.as_object().unwrap().iter().map(|(key, value)| (key.clone(), value.clone().into())).collect()
}

fn table(description: Option<&str>, parts: &[&SubKey]) -> Vec<(String, Node)> {
    let sections = Vec::new();
    table_with(description, parts, sections)
}

fn table_with(
    description: Option<&str>,
    parts: &[&SubKey],
    sections: Vec<(String, Node)>,
) -> Vec<(String, Node)> {
    let mut found: Vec<_> =
        description.into_iter().map(|text| ("description".to_owned(), word(text))).collect();
    let mut properties: Vec<_> =
        parts.iter().map(|part| (part.name.to_owned(), Node::Rows(described(part)))).collect();
    properties.extend(sections);
    found.extend(rows([
        ("type", word("object")),
        ("properties", Node::Rows(properties)),
        ("additionalProperties", json!(false).into()),
    ]));
    let required: Vec<&str> = parts.iter().filter(|part| part.is_required).map(|part| part.name).collect();
    if !required.is_empty() {
        found.push(("required".to_owned(), json!(required).into()));
    }
    found
}

fn described(part: &SubKey) -> Vec<(String, Node)> {
    let mut found = rows([("description", word(part.sentence))]);
    found.extend(schema_of(&part.form));
    if let Some(default) = default(part) {
        found.push(("default".to_owned(), default.into()));
    }
    found
}

fn default(part: &SubKey) -> Option<Json> {
    let text = part.default.as_deref()?;
    Some(match &part.form {
        Form::Names => json!([]),
        Form::Variables | Form::Conditions => json!({}),
        Form::Flag | Form::Whole(..) | Form::Codes(..) => text.parse().unwrap(),
        Form::Number(..) => json!(text.parse::<f64>().unwrap()),
        Form::Share => text.parse().unwrap_or_else(|_| json!(text)),
        Form::Table(_) | Form::TableOrFalse(_) | Form::Question(_) => return None,
        _ => json!(text),
    })
}

fn schema_of(form: &Form) -> Vec<(String, Node)> {
    let text = json!({ "type": "string", "minLength": 1 });
    plain(&match form {
        Form::Flag => json!({ "type": "boolean" }),
        Form::Whole(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Form::Number(least, most) if most.is_finite() => {
            json!({ "type": "number", "minimum": least, "maximum": most })
        }
        Form::Number(least, _) => json!({ "type": "number", "minimum": least }),
        Form::Time { .. } => json!({ "$ref": "#/$defs/duration" }),
        Form::Size => json!({ "$ref": "#/$defs/someSize" }),
        Form::Text => text,
        Form::Pattern(pattern) => json!({ "type": "string", "pattern": pattern }),
        Form::Account => {
            json!({ "anyOf": [text, { "type": "integer", "minimum": 0, "maximum": u32::MAX - 1 }] })
        }
        Form::Word(words) => json!({ "enum": words }),
        Form::Signal(_) => json!({ "type": "string", "pattern": "^(SIG)?[A-Z0-9]+$" }),
        Form::Share => json!({ "anyOf": [
            { "type": "integer", "minimum": 0, "maximum": 100_000 },
            { "type": "string", "pattern": "^(100|[0-9]{1,2})%$" },
        ] }),
        Form::Codes(least, most) => {
            json!({ "type": "array", "items": { "type": "integer", "minimum": least, "maximum": most } })
        }
        Form::Command => {
            json!({ "anyOf": [{ "type": "array", "items": { "type": "string" }, "minItems": 1 }, text] })
        }
        Form::Paths => json!({ "anyOf": [text, { "type": "array", "items": text }] }),
        Form::Workers => {
            json!({ "anyOf": [{ "type": "integer", "minimum": 1, "maximum": 100_000 }, { "const": "auto" }] })
        }
        Form::Names => json!({ "type": "array", "items": { "type": "string" }, "uniqueItems": true }),
        Form::Variables => json!({
            "type": "object",
            "propertyNames": { "pattern": "^[^=]+$" },
            "additionalProperties": { "type": "string" },
        }),
        Form::Conditions => json!({
            "type": "object",
            "propertyNames": { "pattern": NAME },
            "additionalProperties": { "enum": ["ready", "completed"] },
        }),
        Form::Limit(unit) => json!({ "$ref": format!("#/$defs/{}", unit_name(*unit)) }),
        Form::Table(parts) => return table(None, &parts.iter().collect::<Vec<_>>()),
        Form::TableOrFalse(parts) => {
            let boolean = plain(&json!({ "type": "boolean" }));
            return any_of([boolean, table(None, &parts.iter().collect::<Vec<_>>())]);
        }
        Form::Question(parts) => return any_of(["tcp", "http", "exec"].map(|asked| question(parts, asked))),
    })
}

/// A table that asks by one of the keys, without those of the others.
fn question(parts: &[SubKey], asked: &str) -> Vec<(String, Node)> {
    let is_there = |part: &&SubKey| match part.name {
        "tcp" | "http" | "exec" => part.name == asked,
        "host" | "status" => asked == "http",
        _ => true,
    };
    let parts: Vec<SubKey> = parts.iter().filter(is_there).cloned().collect();
    let parts = parts.into_iter().map(|part| SubKey { is_required: part.name == asked, ..part });
    let mut found = table(None, &parts.collect::<Vec<_>>().iter().collect::<Vec<_>>());
    // An answer has a status.
    if let Some((_, Node::Rows(keys))) = found.iter_mut().find(|(key, _)| key == "properties")
        && let Some((_, Node::Rows(status))) = keys.iter_mut().find(|(key, _)| key == "status")
    {
        status.push(("minItems".to_owned(), json!(1).into()));
    }
    found
}

const fn unit_name(unit: LimitUnit) -> &'static str {
    match unit {
        LimitUnit::Number => "number",
        LimitUnit::Bytes => "bytes",
        LimitUnit::Seconds => "seconds",
    }
}

/// One value of a limit, or both.
fn limit(value: &Json) -> Vec<(String, Node)> {
    let pair = json!({
        "type": "object",
        "properties": {
            "soft": { "description": "What holds.", "anyOf": value },
            "hard": {
                "description": "How far the program may raise it. Default: the master's own.",
                "anyOf": value,
            },
        },
        "additionalProperties": false,
        "required": ["soft"],
    });
    let sentence = "One value, or `soft` and `hard` apart; without `hard` the master's own holds.";
    let mut found = rows([("description", word(sentence))]);
    found.extend(any_of([plain(&json!({ "anyOf": value })), plain(&pair)]));
    found
}

/// Tables with names of the user's choice.
fn named(description: &str, is_needed: bool, each: Vec<(String, Node)>) -> Node {
    let mut found = rows([
        ("description", word(description)),
        ("type", word("object")),
        ("propertyNames", json!({ "pattern": NAME }).into()),
    ]);
    if is_needed {
        found.push(("minProperties".to_owned(), json!(1).into()));
    }
    found.push(("additionalProperties".to_owned(), Node::Rows(each)));
    Node::Rows(found)
}

fn parts<'r>(all: &'r [KeyRow], section: &str) -> Vec<&'r SubKey> {
    let of = |row: &&KeyRow| row.path.rsplit_once('.').map_or("", |(section, _)| section) == section;
    all.iter().filter(of).map(|row| &row.part).collect()
}

fn schema() -> String {
    let (master, sockets, app) = (of_master(), of_socket(), of_app());
    let sections = keys::sections().iter().map(|(section, sentence)| {
        let mut inside = table(Some(sentence), &parts(&app, section));
        if *section == "restart" {
            let policy = app.iter().find(|row| row.path == "restart.policy").unwrap();
            let arms = any_of([schema_of(&policy.part.form), inside.split_off(1)]);
            inside.extend(arms);
        }
        ((*section).to_owned(), Node::Rows(inside))
    });
    let each = "An app: what is run, how many times, and by which rules.";
    let app = table_with(Some(each), &parts(&app, ""), sections.collect());
    let size = "^([0-9]+(B|[KMGT]iB|kB|[MGT]B)|unlimited)$";
    let unlimited = json!({ "const": "unlimited" });
    let root = Node::Rows(rows([
        ("$schema", word("https://json-schema.org/draft/2020-12/schema")),
        ("title", word("drover.toml")),
        ("description", word("What `drover up` runs. `drover validate` checks more than a schema can.")),
        ("type", word("object")),
        ("required", json!(["version", "app"]).into()),
        ("additionalProperties", json!(false).into()),
        (
            "properties",
            Node::Rows(rows([
                ("version", json!({ "description": "The version of the file's format.", "const": 1 }).into()),
                ("master", Node::Rows(table(Some("The master."), &parts(&master, "")))),
                (
                    "sockets",
                    named(
                        "Listening sockets that the master opens once and gives to workers.",
                        false,
                        table(Some("A listening socket."), &parts(&sockets, "")),
                    ),
                ),
                ("app", named("The apps.", true, app)),
            ])),
        ),
        (
            "$defs",
            Node::Rows(rows([
                (
                    "duration",
                    json!({
                        "type": "string",
                        "pattern": "^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$",
                        "minLength": 2,
                        "examples": ["250ms", "30s", "1h30m"],
                    })
                    .into(),
                ),
                (
                    "someSize",
                    json!({
                        "type": "string",
                        "pattern": "^[0-9]+(B|[KMGT]iB|kB|[MGT]B)$",
                        "examples": ["512MiB", "2GiB"],
                    })
                    .into(),
                ),
                ("number", Node::Rows(limit(&json!([{ "type": "integer", "minimum": 0 }, unlimited])))),
                ("bytes", Node::Rows(limit(&json!([{ "const": 0 }, { "type": "string", "pattern": size }])))),
                ("seconds", Node::Rows(limit(&json!([{ "$ref": "#/$defs/duration" }, unlimited])))),
            ])),
        ),
    ]));
    let mut text = String::new();
    root.write(&mut text, 0);
    text.push('\n');
    text
}

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
";

fn page() -> String {
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

/// Compares a file with what it should be, or writes it.
fn assert_current(path: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if env::var_os("DROVER_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    let differs = found.lines().zip(text.lines()).find(|(found, made)| found != made);
    assert!(
        found == text,
        "{} is not as the table of keys has it, which `DROVER_BLESS=1 cargo test -p drover-master --features file generated` writes: {differs:?}",
        path.display()
    );
}

#[test]
fn the_schema_is_as_the_table_of_keys_has_it() {
    assert_current("src/config/file/drover.schema.json", &schema());
}

#[test]
fn the_reference_page_is_as_the_table_of_keys_has_it() {
    assert_current("../docs/reference/drover-toml.md", &page());
}

#[test]
fn every_key_is_read_written_described_and_on_the_page() {
    let app = of_app();
    let all = app.iter().map(|row| ("app.*.", row));
    let (master, sockets) = (of_master(), of_socket());
    let all = all.chain(master.iter().map(|row| ("master.", row)));
    let all = all.chain(sockets.iter().map(|row| ("sockets.*.", row)));
    let notify =
        super::web("protocol = 'notify'\nnotify_access = 'all'\nreload.signal = 'HUP'\nwatchdog = '1s'");
    let fd = super::web("protocol = 'notify'\nnotify_fd = 7\n");
    let probe = super::web("start.probe.tcp = 'h:1'");
    let texts = [super::EVERY_KEY, &notify, &fd, &probe];
    let written: Vec<Json> =
        texts.iter().map(|text| super::super::to_json(&super::super::parse(text).unwrap())).collect();
    let asked = super::asked(super::EVERY_KEY);
    let page = page();
    for (prefix, KeyRow { path, part, .. }) in all {
        assert!(asked.contains(&format!("{prefix}{path}")), "{path} is not read");
        let of_name =
            |json: &Json, name: &str| json.pointer(&format!("/{name}")).cloned().unwrap_or_default();
        let inside = format!("{}{path}", prefix.trim_start_matches("app.*."))
            .replace("sockets.*.", "sockets/http/")
            .replace('.', "/");
        let is_written = written.iter().any(|json| {
            let apps = json["app"].as_object().unwrap().values();
            apps.chain([json]).any(|json| !of_name(json, &inside).is_null())
        });
        // What they hold is in `env`.
        assert!(is_written || part.form == Form::Paths, "{path} is not written");
        assert!(page.contains(&format!("| `{}` |", part.name)), "{path} is not on the page");
    }
}
