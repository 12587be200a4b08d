//! One name for one type in a crate: who reads a name need not ask which of them is meant.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const CRATES: [&str; 5] = ["drover-proto", "drover-master", "drover-worker", "drover-conform", "drover-cli"];

/// Types of tests are known in their own file only, and generated ones are named by the protocol.
const LEFT_OUT: [&str; 3] = ["tests", "tests.rs", "gen"];

#[test]
fn no_crate_has_two_types_of_one_name() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut again = Vec::new();
    for name in CRATES {
        let mut types: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for file in sources(&root.join(name).join("src")) {
            let text = fs::read_to_string(&file).unwrap();
            for (line, name) in defined(&text) {
                let place = format!("{}:{line}", file.strip_prefix(root).unwrap().display());
                types.entry(name.to_owned()).or_default().push(place);
            }
        }
        assert!(types.len() > 10, "no types are found in {name}: {types:?}");
        again.extend(types.into_iter().filter(|(_, places)| places.len() > 1));
    }
    assert!(again.is_empty(), "types of one name, of which one is to be called by what it is: {again:#?}");
}

#[test]
fn a_type_is_found_wherever_it_is_defined_and_an_associated_one_is_none() {
    let text = "pub struct A;\n    enum B<T> {\ntype C = u8;\nimpl D for A {\n    type E = u8;\n}\n\
                pub(in crate::x) struct F(u8);\nstructure\nunion G {\n#[cfg(test)]\nmod tests {\n    struct H;\n}\n";
    let found: Vec<_> = defined(text).collect();
    assert_eq!(found, [(1, "A"), (2, "B"), (3, "C"), (7, "F"), (9, "G")]);
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if LEFT_OUT.iter().any(|name| path.ends_with(name)) {
            continue;
        }
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The types that a file defines, and the lines where it does. Its tests come last.
fn defined(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().take_while(|(_, line)| line.trim() != "mod tests {");
    lines.filter_map(|(at, line)| {
        let item = line.trim_start();
        let item = match item.strip_prefix("pub") {
            Some(item) if item.starts_with('(') => item.split_once(") ")?.1,
            Some(item) => item.trim_start(),
            None => item,
        };
        let (keyword, rest) = item.split_once(' ')?;
        // An alias that stands deeper is of an implementation, or of a function.
        let is_type = match keyword {
            "struct" | "enum" | "trait" | "union" => true,
            "type" => !line.starts_with(' '),
            _ => false,
        };
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let is_name = rest.starts_with(|c: char| c.is_ascii_uppercase());
        (is_type && is_name).then_some((at + 1, &rest[..end]))
    })
}
