//! YAML, with its aliases and merged keys.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::{Node, NodeData, NodeEntry};
use crate::import::draft::{ForeignText, ImportError};

/// How deep values may lie in each other. A compose file has eight levels at the most.
const DEEPEST: usize = 64;

/// How many values there may be once aliases are filled in: a few lines of aliases of aliases mean billions.
const MOST: usize = 100_000;

/// Reads the only document of a text.
pub(in crate::import) fn yaml(source: &ForeignText) -> Result<Node, ImportError> {
    let mut builder = Builder { source, open: Vec::new(), anchors: HashMap::new(), root: None, count: 0 };
    let mut documents = 0;
    for event in Parser::new_from_str(&source.text) {
        let (event, span) = event.map_err(|error| {
            source.error(error.marker().line(), format!("is not valid YAML: {}", error.info()))
        })?;
        let line = span.start.line();
        match event {
            Event::DocumentStart(_) if documents > 0 => {
                return Err(source.error(line, "a second document begins; give each a file of its own"));
            }
            Event::DocumentStart(_) => documents += 1,
            event => builder.event(event, line)?,
        }
    }
    Ok(builder.root.unwrap_or(Node { line: 1, data: NodeData::Null }))
}

/// A list or a table that has not ended yet.
struct Open {
    node: Node,
    anchor: usize,
    /// The key that waits for its value, and its line.
    key: Option<(String, usize)>,
}

struct Builder<'s> {
    source: &'s ForeignText,
    open: Vec<Open>,
    /// The values that were named, each with how many it holds.
    anchors: HashMap<usize, (Node, usize)>,
    root: Option<Node>,
    count: usize,
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, line: usize) -> Result<(), ImportError> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_text = style != ScalarStyle::Plain || tag.is_some_and(|tag| tag.suffix == "str");
                let data = if is_text { NodeData::Text(text.into_owned()) } else { plain(&text) };
                self.ended(Node { line, data }, anchor, 1)
            }
            Event::SequenceStart(anchor, _) => self.begin(NodeData::List(Vec::new()), anchor, line),
            Event::MappingStart(anchor, _) => self.begin(NodeData::Table(Vec::new()), anchor, line),
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(Open { node, anchor, .. }) = self.open.pop() else { return Ok(()) };
                self.ended(node, anchor, 1)
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some((node, size)) => self.ended(node, 0, size),
                None => Err(self.source.error(line, "an alias stands for what it is a part of")),
            },
            _ => Ok(()),
        }
    }

    fn begin(&mut self, data: NodeData, anchor: usize, line: usize) -> Result<(), ImportError> {
        if self.open.len() >= DEEPEST {
            return Err(self
                .source
                .error(line, format!("values lie more than {DEEPEST} levels deep in each other")));
        }
        self.open.push(Open { node: Node { line, data }, anchor, key: None });
        Ok(())
    }

    fn ended(&mut self, node: Node, anchor: usize, size: usize) -> Result<(), ImportError> {
        self.count = self.count.saturating_add(size);
        if self.count > MOST {
            return Err(self
                .source
                .error(node.line, format!("there are more than {MOST} values, with those of aliases")));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), size_of(&node)));
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut open.node.data {
            NodeData::List(nodes) => nodes.push(node),
            NodeData::Table(entries) => match open.key.take() {
                None => {
                    let line = node.line;
                    let key = node.text().or_else(|| node.is_null().then(String::new));
                    let key = key.ok_or_else(|| {
                        self.source.error(line, format!("a key is {}, and not a text", node.kind()))
                    })?;
                    open.key = Some((key, line));
                }
                Some((key, _)) if key == "<<" => merge(entries, &node),
                Some((key, line)) => {
                    // What was merged before gives way.
                    entries.retain(|entry| entry.key != key);
                    entries.push(NodeEntry { key, line, value: node });
                }
            },
            _ => {}
        }
        Ok(())
    }
}

/// The keys of another table, or of several, where they are not there yet.
fn merge(entries: &mut Vec<NodeEntry>, node: &Node) {
    let tables = if node.list().is_empty() { std::slice::from_ref(node) } else { node.list() };
    for entry in tables.iter().flat_map(Node::entries) {
        if !entries.iter().any(|known| known.key == entry.key) {
            entries.push(entry.clone());
        }
    }
}

fn size_of(node: &Node) -> usize {
    let inside = node.list().iter().chain(node.entries().iter().map(|entry| &entry.value));
    1 + inside.map(size_of).sum::<usize>()
}

/// What a word without quotes means.
fn plain(text: &str) -> NodeData {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => NodeData::Null,
        "true" | "True" | "TRUE" => NodeData::Truth(true),
        "false" | "False" | "FALSE" => NodeData::Truth(false),
        _ if text.parse::<f64>().is_ok()
            && text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) =>
        {
            NodeData::Number(text.to_owned())
        }
        _ => NodeData::Text(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Node, String> {
        let source = ForeignText { name: "a.yml".into(), text: text.into(), ..Default::default() };
        yaml(&source).map_err(|error| error.to_string())
    }

    #[test]
    fn values_have_their_lines_and_aliases_are_filled_in() {
        let node = of("x: &x\n  a: 1\n  b: no\ny:\n  <<: *x\n  b: 'true'\n  c: [~, true, 1e3]\n").unwrap();
        let y = node.find("y").unwrap();
        assert_eq!(y.find("a").unwrap(), &Node { line: 2, data: NodeData::Number("1".into()) });
        assert_eq!(y.find("b").unwrap(), &Node { line: 6, data: NodeData::Text("true".into()) });
        let kinds: Vec<_> = y.find("c").unwrap().list().iter().map(Node::kind).collect();
        assert_eq!(kinds, ["nothing", "true or false", "a number"]);
    }

    #[test]
    fn nonsense_ends_and_is_told_with_its_line() {
        let deep = "[".repeat(100);
        let bomb = (0..12).fold("a0: &a0 [1]\n".to_owned(), |text, at| {
            let alias = format!("*a{at}, ").repeat(10);
            format!("{text}a{}: &a{} [{alias}]\n", at + 1, at + 1)
        });
        for (text, words) in [
            ("a: [1\nb: 2\n", "a.yml:2: is not valid YAML"),
            ("a: 1\n---\nb: 2\n", "a.yml:2: a second document begins"),
            ("? [a]\n: 1\n", "a.yml:1: a key is a list"),
            ("a: &a [*a]\n", "a.yml:1: "),
            (&deep, "a.yml:1: values lie more than 64 levels deep"),
            (&bomb, "there are more than 100000 values"),
        ] {
            let error = of(text).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
