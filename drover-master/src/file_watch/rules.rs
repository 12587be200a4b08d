//! Which files nobody means when they change.

use std::path::Path;

use glob::{MatchOptions, Pattern};

/// What version control, builds and editors leave about, and logs: a program that wrote one would restart itself for ever.
const ALWAYS: &[&str] = &[
    ".git",
    ".hg",
    ".svn",
    ".jj",
    "target",
    "node_modules",
    "__pycache__",
    ".venv",
    ".pytest_cache",
    ".mypy_cache",
    ".idea",
    ".vscode",
    ".DS_Store",
    "*.pyc",
    "*.log",
    "*.log.*",
    "*.pid",
    "*.sock",
    "*.tmp",
    "*~",
    ".#*",
    "#*#",
    // vim's swap files, and the name by which it tries whether it may write; GNOME's and JetBrains' temporary files.
    ".*.sw?",
    "4913",
    ".goutputstream-*",
    "*___jb_tmp___",
    "*___jb_old___",
];

const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

#[derive(Debug)]
pub(super) struct Rules {
    /// Of a name at any depth.
    names: Vec<Pattern>,
    /// Of the path below what is watched.
    paths: Vec<Pattern>,
}

impl Rules {
    /// The rules that always hold, and these.
    pub(super) fn new(ignore: &[String]) -> Self {
        let (mut names, mut paths) = (Vec::new(), Vec::new());
        for glob in ALWAYS.iter().copied().chain(ignore.iter().map(String::as_str)) {
            let of_path = glob.trim_end_matches('/');
            let is_path = of_path.contains('/');
            let text = of_path.trim_start_matches("./").trim_start_matches('/');
            // What is not a pattern was refused when the description was checked.
            let Ok(pattern) = Pattern::new(text) else { continue };
            if is_path { paths.push(pattern) } else { names.push(pattern) }
        }
        Self { names, paths }
    }

    /// Whether a file or directory is ignored; what a directory above it is, has been asked before.
    pub(super) fn ignore(&self, below: &Path) -> bool {
        let name = below.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        let path = below.to_string_lossy();
        let fits = |patterns: &[Pattern], text: &str| {
            patterns.iter().any(|pattern| pattern.matches_with(text, OPTIONS))
        };
        fits(&self.names, &name) || fits(&self.paths, &path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_means_is_ignored_and_what_the_globs_say() {
        let rules =
            Rules::new(&["*.md".into(), "dist/".into(), "/static/*.css".into(), "docs/**/*.txt".into()]);
        for (path, is_ignored) in [
            ("src/main.rs", false),
            (".git", true),
            ("deep/node_modules", true),
            ("target", true),
            ("targets", false),
            ("a/.main.rs.swp", true),
            ("a/main.rs~", true),
            ("a/4913", true),
            ("app.log", true),
            ("app.log.1", true),
            ("logic.rs", false),
            ("README.md", true),
            ("a/b/README.md", true),
            ("a/dist", true),
            ("static/a.css", true),
            ("static/deep/a.css", false),
            ("other/static/a.css", false),
            ("docs/a.txt", true),
            ("docs/b/c/a.txt", true),
            ("a.txt", false),
        ] {
            assert_eq!(rules.ignore(Path::new(path)), is_ignored, "{path}");
        }
    }
}
