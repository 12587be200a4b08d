//! Values with the lines that they stand in, whether they were written in YAML, JSON or JavaScript.

mod literal;
mod yaml;

pub(super) use literal::literal;
pub(super) use yaml::yaml;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    /// Where it begins.
    pub(super) line: usize,
    /// What it is.
    pub(super) data: NodeData,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum NodeData {
    /// Nothing.
    Null,
    /// Yes or no.
    Truth(bool),
    /// A number, as it was written.
    Number(String),
    /// A text.
    Text(String),
    /// Several values.
    List(Vec<Node>),
    /// Values by their names.
    Table(Vec<NodeEntry>),
}

/// A value of a table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct NodeEntry {
    /// Its name.
    pub(super) key: String,
    /// The line of that.
    pub(super) line: usize,
    /// The value.
    pub(super) value: Node,
}

impl Node {
    /// A text, a number or a truth, as text.
    pub(super) fn text(&self) -> Option<String> {
        match &self.data {
            NodeData::Text(text) | NodeData::Number(text) => Some(text.clone()),
            NodeData::Truth(truth) => Some(truth.to_string()),
            NodeData::Null | NodeData::List(_) | NodeData::Table(_) => None,
        }
    }

    /// Whether it is yes.
    pub(super) fn truth(&self) -> Option<bool> {
        match &self.data {
            NodeData::Truth(truth) => Some(*truth),
            NodeData::Text(text) => super::value::truth(text),
            _ => None,
        }
    }

    /// Its values; one alone is a list of itself.
    pub(super) fn texts(&self) -> Option<Vec<String>> {
        match &self.data {
            NodeData::List(nodes) => nodes.iter().map(Self::text).collect(),
            _ => self.text().map(|text| vec![text]),
        }
    }

    /// The entries of a table; none of anything else.
    pub(super) fn entries(&self) -> &[NodeEntry] {
        match &self.data {
            NodeData::Table(entries) => entries,
            _ => &[],
        }
    }

    /// The values of a list; none of anything else.
    pub(super) fn list(&self) -> &[Self] {
        match &self.data {
            NodeData::List(nodes) => nodes,
            _ => &[],
        }
    }

    /// The value of this name in a table.
    pub(super) fn find(&self, key: &str) -> Option<&Self> {
        self.entries().iter().rev().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// Whether there is nothing.
    pub(super) const fn is_null(&self) -> bool {
        matches!(self.data, NodeData::Null)
    }

    /// What it is, in words.
    pub(super) const fn kind(&self) -> &'static str {
        match self.data {
            NodeData::Null => "nothing",
            NodeData::Truth(_) => "true or false",
            NodeData::Number(_) => "a number",
            NodeData::Text(_) => "a text",
            NodeData::List(_) => "a list",
            NodeData::Table(_) => "a table",
        }
    }
}
