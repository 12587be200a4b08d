//! JSON, and an object literal of JavaScript behind `module.exports =`.

use jsonc_parser::ast::Value;
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::{Node, NodeData, NodeEntry};
use crate::import::draft::{ForeignText, ImportError};

/// How deep brackets may lie in each other; the parser calls itself for each.
const DEEPEST: usize = 64;

/// Reads a literal. Nothing is run: a value that has to be is a mistake.
pub(in crate::import) fn literal(source: &ForeignText) -> Result<Node, ImportError> {
    let line_of = |at: usize| source.text[..at].matches('\n').count() + 1;
    let begin = exported(&source.text);
    let text = &source.text[begin..];
    let text = text.trim_end().trim_end_matches(';');
    if let Some(at) = too_deep(text) {
        return Err(source.error(
            line_of(begin + at),
            format!("values lie more than {DEEPEST} levels deep in each other"),
        ));
    }
    let options = ParseOptions { allow_missing_commas: false, ..ParseOptions::default() };
    let parsed = parse_to_ast(text, &CollectOptions::default(), &options).map_err(|error| {
        let line = line_of(begin + error.range().start.min(text.len()));
        source.error(line, format!("is not a literal: {}; --allow-js has node run the file", error.kind()))
    })?;
    let value = parsed.value.ok_or_else(|| source.error(line_of(begin), "has no value"))?;
    Ok(node(&value, &|at| line_of(begin + at)))
}

/// Where the value begins: behind `module.exports =`, if that is there.
fn exported(text: &str) -> usize {
    for words in ["module.exports", "export default"] {
        let Some(at) = text.find(words) else { continue };
        let is_first = text[..at].lines().all(|line| {
            let line = line.trim();
            line.is_empty()
                || line.starts_with("//")
                || line.starts_with("/*")
                || line.starts_with('*')
                || line.contains("use strict")
        });
        let after = &text[at + words.len()..];
        let rest = after.trim_start();
        let rest = rest.strip_prefix('=').unwrap_or(rest);
        if is_first {
            return text.len() - rest.len();
        }
    }
    0
}

fn too_deep(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    text.char_indices().find_map(|(at, c)| {
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        (depth > DEEPEST).then_some(at)
    })
}

fn node(value: &Value<'_>, line_of: &dyn Fn(usize) -> usize) -> Node {
    let data = match value {
        Value::StringLit(text) => NodeData::Text(text.value.to_string()),
        Value::NumberLit(number) => NodeData::Number(number.value.to_owned()),
        Value::BooleanLit(truth) => NodeData::Truth(truth.value),
        Value::NullKeyword(_) => NodeData::Null,
        Value::Array(array) => {
            NodeData::List(array.elements.iter().map(|value| node(value, line_of)).collect())
        }
        Value::Object(object) => {
            let entries = object.properties.iter().map(|property| NodeEntry {
                key: property.name.as_str().to_owned(),
                line: line_of(property.range.start),
                value: node(&property.value, line_of),
            });
            NodeData::Table(entries.collect())
        }
    };
    Node { line: line_of(value.start()), data }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Node, String> {
        let source = ForeignText { name: "e.js".into(), text: text.into(), ..Default::default() };
        literal(&source).map_err(|error| error.to_string())
    }

    #[test]
    fn a_literal_is_read_with_its_lines() {
        let node = of(
            "// pm2\n'use strict';\nmodule.exports = {\n  a: 'x', /* c */\n  \"b\": [1, true, null,],\n};\n",
        )
        .unwrap();
        assert_eq!(node.find("a").unwrap(), &Node { line: 4, data: NodeData::Text("x".into()) });
        let kinds: Vec<_> = node.find("b").unwrap().list().iter().map(Node::kind).collect();
        assert_eq!(kinds, ["a number", "true or false", "nothing"]);
        assert_eq!(node.entries()[1].line, 5);
    }

    #[test]
    fn what_has_to_be_run_is_refused_with_its_line() {
        for (text, line) in [
            ("module.exports = {\n  a: process.env.A,\n};", 2),
            ("module.exports = {\n a: 1,\n b: require('x'),\n};", 3),
            ("const a = 1;\nmodule.exports = { a };", 1),
            ("module.exports = {\n a: `x`,\n};", 2),
            ("module.exports = {\n a: 1\n", 1),
        ] {
            let error = of(text).unwrap_err();
            assert!(error.starts_with(&format!("e.js:{line}: is not a literal: ")), "{text}: {error}");
            assert!(error.ends_with("--allow-js has node run the file"), "{error}");
        }
        assert!(of(&"[".repeat(100_000)).unwrap_err().contains("64 levels deep"));
    }
}
