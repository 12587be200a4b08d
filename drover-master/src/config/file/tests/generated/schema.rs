//! The JSON Schema.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use super::row::{of_app, of_master, of_socket, parts};
use crate::config::keys::{self, Form, LimitUnit, SubKey};

/// What a name of the user's choice may be.
const NAME: &str = "^[A-Za-z0-9._-]{1,64}$";

/// JSON whose objects keep their order.
#[derive(Clone)]
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
        Form::Question(parts) => {
            let asks = ["tcp", "http", "exec", "log"].into_iter();
            let there = asks.filter(|asked| parts.iter().any(|part| part.name == *asked));
            return any_of(there.map(|asked| question(parts, asked)));
        }
    })
}

/// A table that asks by one of the keys, without those of the others.
fn question(parts: &[SubKey], asked: &str) -> Vec<(String, Node)> {
    let is_there = |part: &&SubKey| match part.name {
        "tcp" | "http" | "exec" | "log" => part.name == asked,
        "interval" | "timeout" => asked != "log",
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

/// The same schema for what is laid over or under another table: nothing has to be there, and nothing is there unless it is said.
fn part(schema: &Node) -> Node {
    let Node::Rows(found) = schema else { return schema.clone() };
    let is_kept = |(key, _): &&(String, Node)| !matches!(key.as_str(), "required" | "default");
    let kept = found.iter().filter(is_kept).map(|(key, node)| {
        let node = match (key.as_str(), node) {
            // Here the keys are those of the file.
            ("properties", Node::Rows(keys)) => {
                Node::Rows(keys.iter().map(|(key, node)| (key.clone(), part(node))).collect())
            }
            ("anyOf", Node::List(arms)) => Node::List(arms.iter().map(part).collect()),
            _ => node.clone(),
        };
        (key.clone(), node)
    });
    Node::Rows(kept.collect())
}

fn reference(description: &str, to: &str) -> Vec<(String, Node)> {
    rows([("description", word(description)), ("$ref", word(&format!("#/$defs/{to}")))])
}

/// What a profile says: the whole file, but for the profiles.
fn profile() -> Vec<(String, Node)> {
    let inside = rows([
        ("master", Node::Rows(reference("The master.", "masterPart"))),
        ("sockets", named("Sockets.", false, reference("A listening socket.", "socketPart"))),
        ("app", named("The apps.", false, reference("An app.", "appPart"))),
        ("defaults", Node::Rows(reference("Keys of every app, unless the app says otherwise.", "appPart"))),
    ]);
    rows([
        ("description", word("What the profile says otherwise.")),
        ("type", word("object")),
        ("properties", Node::Rows(inside)),
        ("additionalProperties", json!(false).into()),
    ])
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

pub(super) fn schema() -> String {
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
    let master = Node::Rows(table(Some("The master."), &parts(&master, "")));
    let socket = table(Some("A listening socket."), &parts(&sockets, ""));
    let (app_part, socket_part) = (part(&Node::Rows(app.clone())), part(&Node::Rows(socket.clone())));
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
                ("master", master.clone()),
                (
                    "sockets",
                    named(
                        "Listening sockets that the master opens once and gives to workers.",
                        false,
                        socket,
                    ),
                ),
                ("app", named("The apps.", true, app)),
                (
                    "defaults",
                    Node::Rows(reference("Keys of every app, unless the app says otherwise.", "appPart")),
                ),
                ("profiles", named("Tables that `--profile NAME` lays over the file.", false, profile())),
            ])),
        ),
        (
            "$defs",
            Node::Rows(rows([
                ("masterPart", part(&master)),
                ("socketPart", socket_part),
                ("appPart", app_part),
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
