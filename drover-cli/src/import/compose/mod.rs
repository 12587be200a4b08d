//! A compose file: each service that says what it runs is an app.

mod fill_in;
mod service;
mod surroundings;

use super::draft::{Draft, ForeignText, ImportError};
use super::node::{self, NodeData};

pub(super) fn read(source: &ForeignText, draft: &mut Draft) -> Result<(), ImportError> {
    let mut root = node::yaml(source)?;
    fill_in::node(source, &mut root, draft)?;
    for entry in root.entries() {
        let why = match &*entry.key {
            "services" | "version" => continue,
            "name" => match entry.value.text() {
                Some(name) => {
                    draft.name = Some(name);
                    continue;
                }
                None => "it is not text",
            },
            key if key.starts_with("x-") => continue,
            "networks" => "apps share the machine's network",
            "volumes" => "apps share the machine's files; name directories by their paths",
            "secrets" | "configs" => "name the file by its path, or `env_file`",
            "include" => "import the included files by themselves",
            _ => "Drover knows no such key",
        };
        draft.lose(source.at(entry.line), &entry.key, why);
    }
    let services = root.find("services");
    if let Some(services) = services.filter(|node| !matches!(node.data, NodeData::Table(_) | NodeData::Null))
    {
        return Err(source.error(
            services.line,
            format!("`services` is a table of services, and not {}", services.kind()),
        ));
    }
    for entry in services.into_iter().flat_map(|services| services.entries()) {
        if !matches!(entry.value.data, NodeData::Table(_)) {
            let what = format!("service `{}` is a table, and not {}", entry.key, entry.value.kind());
            return Err(source.error(entry.line, what));
        }
        match service::app(source, entry)? {
            Some(app) => draft.apps.push(app),
            None => draft.lose(
                source.at(entry.line),
                format!("service {}", entry.key),
                "what it runs is known to its image alone; write an app with that `command`, or start it beside Drover",
            ),
        }
    }
    Ok(())
}
