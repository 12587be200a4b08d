//! Variables and limits of a service.

use toml_edit::{Array, InlineTable, Value};

use crate::import::draft::{DraftApp, ForeignText, ImportError};
use crate::import::node::{Node, NodeData, NodeEntry};
use crate::import::value::literal;

/// Limits that are counted in bytes.
const BYTES: [&str; 8] = ["as", "core", "data", "fsize", "memlock", "msgqueue", "stack", "rss"];

/// A table, or a list of `NAME=VALUE`. A name alone is inherited, as workers inherit all of the master's.
pub(super) fn environment(
    source: &ForeignText,
    entry: &NodeEntry,
    app: &mut DraftApp,
) -> Result<(), ImportError> {
    match &entry.value.data {
        NodeData::Table(entries) => {
            for entry in entries.iter().filter(|entry| !entry.value.is_null()) {
                let value = entry.value.text().ok_or_else(|| {
                    source.error(
                        entry.line,
                        format!("`environment.{}` is a text, and not {}", entry.key, entry.value.kind()),
                    )
                })?;
                app.set_env(&entry.key, literal(&value));
            }
        }
        NodeData::List(nodes) => {
            for node in nodes {
                let text = node
                    .text()
                    .ok_or_else(|| source.error(node.line, "`environment` is a list of NAME=VALUE"))?;
                if let Some((name, value)) = text.split_once('=') {
                    app.set_env(name, literal(value));
                }
            }
        }
        _ => {
            return Err(source.error(
                entry.line,
                format!("`environment` is a table or a list, and not {}", entry.value.kind()),
            ));
        }
    }
    Ok(())
}

/// A path, several, or tables with a `path`.
pub(super) fn env_files(
    source: &ForeignText,
    entry: &NodeEntry,
    app: &mut DraftApp,
) -> Result<(), ImportError> {
    let one = std::slice::from_ref(&entry.value);
    let nodes = if let NodeData::List(nodes) = &entry.value.data { nodes } else { one };
    let mut files = Array::new();
    for node in nodes {
        let path = node.find("path").unwrap_or(node).text();
        let path = path.ok_or_else(|| source.error(node.line, "`env_file` is a path, or a list of paths"))?;
        files.push(source.path(&path));
        if node.find("required").and_then(Node::truth) == Some(false) {
            app.lose(
                source.at(node.line),
                "env_file.required",
                "a file that is missing fails the start; make an empty one",
            );
        }
    }
    app.set("env_file", files);
    Ok(())
}

/// A number, or `soft` and `hard`; -1 stands for no limit.
pub(super) fn limits(source: &ForeignText, entry: &NodeEntry, app: &mut DraftApp) -> Result<(), ImportError> {
    for NodeEntry { key, line, value } in entry.value.entries() {
        let one = |node: &Node| -> Option<Value> {
            match (node.text()?.parse::<i64>().ok()?, &**key) {
                (-1, _) => Some("unlimited".into()),
                (number, key) if number >= 0 && BYTES.contains(&key) => Some(format!("{number}B").into()),
                (number, "cpu") if number >= 0 => Some(format!("{number}s").into()),
                (number, _) => (number >= 0).then(|| number.into()),
            }
        };
        let limit = match (value.find("soft"), value.find("hard")) {
            (Some(soft), Some(hard)) => one(soft).zip(one(hard)).map(|(soft, hard)| {
                let mut both = InlineTable::new();
                both.insert("soft", soft);
                both.insert("hard", hard);
                both.into()
            }),
            _ => one(value),
        };
        let limit = limit.ok_or_else(|| {
            source.error(*line, format!("`ulimits.{key}` is a number, or `soft` and `hard`"))
        })?;
        let path = match key.as_str() {
            "as" => "limits.as",
            "core" => "limits.core",
            "cpu" => "limits.cpu",
            "data" => "limits.data",
            "fsize" => "limits.fsize",
            "memlock" => "limits.memlock",
            "msgqueue" => "limits.msgqueue",
            "nofile" => "limits.nofile",
            "nproc" => "limits.nproc",
            "rtprio" => "limits.rtprio",
            "sigpending" => "limits.sigpending",
            "stack" => "limits.stack",
            _ => {
                app.lose(source.at(*line), format!("ulimits.{key}"), "Drover sets no such limit");
                continue;
            }
        };
        app.set(path, limit);
    }
    Ok(())
}
