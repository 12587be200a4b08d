//! An ecosystem file of pm2: JSON, YAML, or a literal of JavaScript.

mod app;
mod keys;

use super::draft::{Draft, ForeignText, ImportError};
use super::node::{self, Node, NodeData};

pub(super) fn read(source: &ForeignText, draft: &mut Draft) -> Result<(), ImportError> {
    let is_yaml = [".yml", ".yaml"].iter().any(|end| source.name.ends_with(end));
    let root = if is_yaml { node::yaml(source)? } else { node::literal(source)? };
    for entry in root.entries().iter().filter(|_| root.find("apps").is_some()) {
        let why = match &*entry.key {
            "apps" => continue,
            "deploy" => "Drover deploys nothing; `drover apply` brings a new file about",
            _ => "Drover knows no such key",
        };
        draft.lose(source.at(entry.line), &entry.key, why);
    }
    for node in apps(&root) {
        draft.apps.push(app::app(source, node)?);
    }
    Ok(())
}

/// A list of apps, an object with one as `apps`, or one app.
fn apps(root: &Node) -> &[Node] {
    let named = root.find("apps").unwrap_or(root);
    match &named.data {
        NodeData::List(nodes) => nodes,
        NodeData::Null => &[],
        _ => std::slice::from_ref(named),
    }
}
