//! The form of supervisord.conf: sections with keys, and lines that go on when they are indented.

use crate::import::draft::{ForeignText, ImportError};

/// A section.
#[derive(Debug)]
pub(super) struct IniSection {
    /// What stands in its brackets.
    pub(super) name: String,
    /// The line of that.
    pub(super) line: usize,
    /// Its keys, in lower case, each with its line.
    pub(super) entries: Vec<(String, String, usize)>,
}

/// Reads all sections.
pub(super) fn sections(source: &ForeignText) -> Result<Vec<IniSection>, ImportError> {
    let mut sections: Vec<IniSection> = Vec::new();
    for (at, whole) in source.text.lines().enumerate().map(|(at, line)| (at + 1, line)) {
        let line = whole.trim();
        if line.is_empty() || line.starts_with([';', '#']) {
            continue;
        }
        let line = line.find(" ;").map_or(line, |comment| line[..comment].trim_end());
        if let Some(name) = line.strip_prefix('[') {
            let Some(name) = name.strip_suffix(']').map(str::trim).filter(|name| !name.is_empty()) else {
                return Err(source.error(at, "a section is `[NAME]`, and this one does not end"));
            };
            sections.push(IniSection { name: name.to_owned(), line: at, entries: Vec::new() });
            continue;
        }
        let Some(section) = sections.last_mut() else {
            return Err(source.error(at, "a key stands before the first section, such as `[program:web]`"));
        };
        if whole.starts_with(char::is_whitespace)
            && let Some((_, value, _)) = section.entries.last_mut()
        {
            value.push('\n');
            value.push_str(line);
            continue;
        }
        let Some((key, value)) = line.split_once(['=', ':']) else {
            return Err(source.error(at, format!("`{line}` is neither `KEY = VALUE` nor a section")));
        };
        section.entries.push((key.trim().to_ascii_lowercase(), value.trim().to_owned(), at));
    }
    Ok(sections)
}
