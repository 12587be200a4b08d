//! Programs as Debian has them, each as a folder of `examples/programs` runs it. What knows nothing of Drover is what a process
//! master is mostly for.

mod nginx;
mod postgres;
mod redis;
mod script;

use std::path::Path;

/// The folders, and the page that shows them.
const FOLDERS: [&str; 4] = ["redis", "postgres", "nginx", "script"];

#[test]
fn the_page_shows_what_the_tests_run() {
    let page = include_str!("../../../docs/guides/programs.md");
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/programs");
    for folder in FOLDERS {
        let text = std::fs::read_to_string(examples.join(folder).join("drover.toml")).unwrap();
        let block = format!("```toml\n{}```", text.strip_prefix("version = 1\n\n").unwrap());
        assert!(page.contains(&block), "docs/guides/programs.md does not show {folder}/drover.toml as it is");
    }
    assert_eq!(examples.read_dir().unwrap().count(), FOLDERS.len());
}
