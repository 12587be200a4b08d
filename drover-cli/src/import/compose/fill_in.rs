//! `$NAME` and `${NAME:-default}`, which compose fills in when it reads the file.

use crate::import::draft::{Draft, ForeignText, ImportError};
use crate::import::node::{Node, NodeData};

/// Fills in all texts: defaults where there are some; what has none is named, and stays for a shell.
pub(super) fn node(source: &ForeignText, node: &mut Node, draft: &mut Draft) -> Result<(), ImportError> {
    match &mut node.data {
        NodeData::Text(text) if text.contains('$') => {
            *text = filled(source, node.line, text, draft)?;
        }
        NodeData::List(nodes) => {
            for inside in nodes {
                self::node(source, inside, draft)?;
            }
        }
        NodeData::Table(entries) => {
            for entry in entries {
                self::node(source, &mut entry.value, draft)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn filled(source: &ForeignText, line: usize, text: &str, draft: &mut Draft) -> Result<String, ImportError> {
    let mut made = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        made.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            made.push('$');
            rest = after;
            continue;
        }
        let is_inside = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let (inside, after) = match rest.strip_prefix('{') {
            Some(braced) => braced
                .split_once('}')
                .ok_or_else(|| source.error(line, format!("`${{` is not closed in `{text}`")))?,
            None => rest.split_at(rest.find(|c| !is_inside(c)).unwrap_or(rest.len())),
        };
        let end = inside.find(|c| !is_inside(c)).unwrap_or(inside.len());
        let (name, form) = inside.split_at(end);
        if name.is_empty() {
            made.push('$');
            continue;
        }
        rest = after;
        let default = form.strip_prefix(":-").or_else(|| form.strip_prefix('-'));
        let why = match default {
            Some(_) => "compose fills it in when it reads the file; its default stands here",
            None => "compose fills it in when it reads the file; write its value",
        };
        made.push_str(&default.map_or_else(|| format!("${{{name}}}"), str::to_owned));
        draft.lose(source.at(line), format!("${name}"), why);
    }
    Ok(made + rest)
}
