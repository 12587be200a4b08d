//! `%(NAME)s` in values of supervisord.conf.

use crate::import::value::literal;

/// What a program knows of itself.
pub(super) struct Expansions<'p> {
    /// `program_name`.
    pub(super) program: &'p str,
    /// `here`: the directory of the file.
    pub(super) here: &'p str,
    /// `numprocs`.
    pub(super) workers: i64,
    /// What the number of the first process is.
    pub(super) first: u64,
}

/// A value as drover.toml has it, and the expansions that are left as they stood.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Expanded {
    /// The value.
    pub(super) text: String,
    /// What has no counterpart.
    pub(super) unknown: Vec<String>,
    /// Variables of the environment, which only a shell fills in; in the text they are `${NAME}`.
    pub(super) variables: Vec<String>,
}

impl Expansions<'_> {
    /// Fills in what is known.
    pub(super) fn apply(&self, text: &str) -> Expanded {
        let mut made = Expanded::default();
        let mut rest = text;
        while let Some(at) = rest.find('%') {
            made.text.push_str(&literal(&rest[..at]));
            rest = &rest[at..];
            if let Some(after) = rest.strip_prefix("%%") {
                made.text.push('%');
                rest = after;
                continue;
            }
            let found = rest.strip_prefix("%(").and_then(|inside| {
                let (name, after) = inside.split_once(')')?;
                // How it is printed: `s`, `d`, or `02d` with its width.
                let end = after.find(|c: char| c.is_ascii_alphabetic())?;
                Some((name, &after[..=end], &after[end + 1..]))
            });
            let Some((name, form, after)) = found else {
                made.text.push('%');
                rest = &rest[1..];
                continue;
            };
            let whole = &rest[..rest.len() - after.len()];
            rest = after;
            match (name, self.known(name)) {
                (_, Some(value)) => {
                    made.text.push_str(&value);
                    if name == "process_num" && !matches!(form, "d" | "s") {
                        made.unknown.push(format!("{whole}, whose zeros before the number"));
                    }
                }
                (name, None) if name.starts_with("ENV_") => {
                    let name = &name["ENV_".len()..];
                    made.text.push_str(&format!("${{{name}}}"));
                    made.variables.push(name.to_owned());
                }
                _ => {
                    made.text.push_str(&literal(whole));
                    made.unknown.push(whole.to_owned());
                }
            }
        }
        made.text.push_str(&literal(rest));
        made
    }

    fn known(&self, name: &str) -> Option<String> {
        match name {
            "program_name" | "group_name" => Some(self.program.to_owned()),
            "here" => Some(self.here.to_owned()),
            "numprocs" => Some(self.workers.to_string()),
            "process_num" if self.first == 0 => Some("{slot}".to_owned()),
            "process_num" => Some(format!("{{{}+slot}}", self.first)),
            _ => None,
        }
    }
}
