//! What each format becomes: every result is a valid drover.toml, and what is lost is named with its line.

mod compose;
mod pm2;
mod procfile;
mod supervisord;
mod systemd;

use drover_master::config::file as config;

use super::{ForeignFormat, ForeignText, Imported, import};

/// Imports files, given as name and text, and checks that the result is valid.
fn imported(format: ForeignFormat, files: &[(&str, &str)]) -> Imported {
    let sources: Vec<ForeignText> = files.iter().map(source).collect();
    let imported = import(format, &sources, "drover import x").unwrap_or_else(|error| panic!("{error}"));
    if let Err(error) = config::parse(&imported.toml) {
        panic!("{}\n{}", error.render("made", &imported.toml, false), imported.toml);
    }
    imported
}

fn source((name, text): &(&str, &str)) -> ForeignText {
    ForeignText { name: (*name).to_owned(), text: (*text).to_owned(), ..Default::default() }
}

/// Why a file is refused.
fn refused(format: ForeignFormat, name: &str, text: &str) -> String {
    import(format, &[source(&(name, text))], "drover import x").expect_err(text).to_string()
}

impl Imported {
    /// Checks that these lines are in the text.
    fn has(&self, lines: &[&str]) {
        for line in lines {
            assert!(self.toml.lines().any(|there| there == *line), "{line} is not in\n{}", self.toml);
        }
    }

    /// Checks that exactly these are lost, each as `line key`.
    fn lost(&self, expected: &[&str]) {
        let lost: Vec<String> = self
            .losses
            .iter()
            .map(|loss| format!("{} {}", loss.place.line.unwrap_or_default(), loss.key))
            .collect();
        assert_eq!(lost, expected, "{:#?}", self.losses);
        // Each is told in the file too.
        let told = self.toml.lines().filter(|line| line.contains("is not carried over: ")).count();
        assert_eq!(told, expected.len(), "{}", self.toml);
    }
}
