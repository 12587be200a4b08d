//! `drover man`: a manual page for each verb, made from the arguments themselves.

use std::fs;
use std::io;
use std::path::Path;

use clap::{Command, CommandFactory};

use super::completion::without_what_is_hidden;
use crate::args::{Cli, Global, ManArgs};
use crate::exit_status::ExitStatus;
use crate::output::message;
use crate::path::whole;

pub(super) fn run(global: &Global, args: &ManArgs) -> ExitStatus {
    match write(&args.dir) {
        Ok(pages) => {
            if !global.quiet {
                let dir = whole(&args.dir);
                message::note(&format!(
                    "wrote {pages} pages; `man {}/drover.1` shows the first",
                    dir.display()
                ));
            }
            ExitStatus::Done
        }
        Err(error) => {
            message::error_text(&format!("the pages can't be written to {}: {error}", args.dir.display()));
            ExitStatus::Failed
        }
    }
}

/// Writes all of them, and tells how many.
fn write(dir: &Path) -> io::Result<usize> {
    fs::create_dir_all(dir)?;
    let mut whole = without_what_is_hidden(&Cli::command());
    // Spreads what holds for every verb.
    whole.build();
    let verbs = whole.get_subcommands().map(|verb| (format!("drover-{}", verb.get_name()), verb));
    let mut pages = 0;
    for (name, command) in std::iter::once(("drover".to_owned(), &whole)).chain(verbs) {
        fs::write(dir.join(format!("{name}.1")), page(&name, command)?)?;
        pages += 1;
    }
    Ok(pages)
}

fn page(name: &str, command: &Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    let version = format!("drover {}", env!("CARGO_PKG_VERSION"));
    clap_mangen::Man::new(command.clone().disable_help_flag(true).disable_version_flag(true))
        .title(name)
        .source(version)
        .render(&mut page)?;
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_verb_has_a_page_with_its_options_and_no_hidden_one() {
        let dir = tempfile::tempdir().unwrap();
        let pages = write(dir.path()).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), pages);
        let text = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        assert!(text("drover.1").starts_with(".ie"), "{}", text("drover.1"));
        let reload = text("drover-reload.1");
        assert!(reload.contains("canary") && reload.contains(".TH drover-reload 1"), "{reload}");
        assert!(text("drover-up.1").contains("detach"));
        assert!(!dir.path().join("drover-complete-names.1").exists());
        assert!(!text("drover.1").contains("demo\\-worker"));
    }
}
