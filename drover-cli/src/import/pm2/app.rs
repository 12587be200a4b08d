//! One app: its command, then its other keys.

use super::keys::Pm2Reader;
use crate::import::draft::{DraftApp, ForeignText, ImportError};
use crate::import::node::Node;
use crate::import::shell;
use crate::import::value::literal;

/// What pm2 runs a script by, by the end of its name.
const INTERPRETERS: [(&str, &str); 10] = [
    (".js", "node"),
    (".cjs", "node"),
    (".mjs", "node"),
    (".py", "python3"),
    (".rb", "ruby"),
    (".php", "php"),
    (".pl", "perl"),
    (".sh", "bash"),
    (".ts", "bun"),
    (".tsx", "bun"),
];

pub(super) fn app(source: &ForeignText, node: &Node) -> Result<DraftApp, ImportError> {
    if node.entries().is_empty() {
        return Err(
            source.error(node.line, format!("an app is a table with a `script`, and not {}", node.kind()))
        );
    }
    let text = |keys: &[&str]| keys.iter().find_map(|key| node.find(key)?.text());
    let script = text(&["script", "exec"]).filter(|script| !script.trim().is_empty());
    let script = script.ok_or_else(|| source.error(node.line, "an app has no `script`"))?;
    let base = script.rsplit('/').next().unwrap_or(&script);
    let stem = base.split_whitespace().next().unwrap_or(base);
    let stem = stem.split_once('.').map_or(stem, |(stem, _)| stem);
    let name = text(&["name"]).unwrap_or_else(|| stem.to_owned());
    let mut app = DraftApp::new(&name, source.at(node.line));
    app.set_command(&command(source, node, &script)?);
    app.set("workers", 1);
    // What pm2 sends, and what apps for it listen to.
    app.set("stop.signal", "INT");
    if let Some(home) = source.home.as_ref().filter(|_| node.find("cwd").is_none()) {
        app.set("cwd", home.as_str());
    }
    let mut reader = Pm2Reader::new(source, node, app);
    for entry in node.entries() {
        reader.entry(entry)?;
    }
    Ok(reader.finish())
}

fn command(source: &ForeignText, node: &Node, script: &str) -> Result<Vec<String>, ImportError> {
    let words = |keys: &[&str]| -> Result<Vec<String>, ImportError> {
        let Some((key, value)) = keys.iter().find_map(|key| Some((key, node.find(key)?))) else {
            return Ok(Vec::new());
        };
        let wrong = || source.error(value.line, format!("`{key}` is a text or a list of texts"));
        let texts = value.texts().or_else(|| value.is_null().then(Vec::new)).ok_or_else(wrong)?;
        match value.text() {
            // As a text it is split into words.
            Some(text) => shlex::split(&text).ok_or_else(wrong),
            None => Ok(texts),
        }
        .map(|words| words.iter().map(|word| literal(word)).collect())
    };
    let args = words(&["args"])?;
    let flags = words(&["node_args", "interpreter_args", "interpreterArgs", "nodeArgs"])?;
    let named = ["interpreter", "exec_interpreter"].iter().find_map(|key| node.find(key)?.text());
    let by_end =
        || INTERPRETERS.iter().find(|(end, _)| script.ends_with(end)).map(|(_, by)| (*by).to_owned());
    let interpreter = named.or_else(by_end).filter(|by| by != "none");
    if interpreter.is_none() && args.is_empty() && script.contains(char::is_whitespace) {
        // pm2 gives such a one to a shell.
        let line = node.find("script").map_or(node.line, |script| script.line);
        let read = shell::line(&literal(script));
        return read
            .map(|read| read.words)
            .ok_or_else(|| source.error(line, "`script` is not a command line: is a quote left open?"));
    }
    Ok(interpreter.into_iter().chain(flags).chain([literal(script)]).chain(args).collect())
}
