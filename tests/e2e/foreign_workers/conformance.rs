//! `drover conform worker` with the workers: who copies one copies no broken rule.

use super::language::Language;
use crate::conform::played;

/// Fewer than one plays by hand. The frames are made by a seed, so they are the same ones each time.
const MUTATIONS: &str = "20";

/// The case of a worker that has named a window. The one in Node names none: it has no queue of its own.
const WINDOW: &str = "W-BU-25";

pub(super) async fn is_shown(language: Language) {
    let Some(program) = language.installed().await else { return };
    let program = program.to_str().expect("the folder's path is text");
    // No more at once than there are CPUs on a small machine: each is a whole runtime.
    let run = played(&["--mutations", MUTATIONS, "--jobs", "2"], &[program]).await;
    assert_eq!((run.code, run.of("fail").len()), (Some(0), 0), "{language}: {}", run.failures.join("\n"));
    let skipped: &[&str] = if language.to_string() == "node" { &[WINDOW] } else { &[] };
    assert_eq!(run.of("skip"), skipped, "{language}");
    assert!(run.summary["passed"].as_u64().unwrap() > 80, "{language}: {}", run.summary);
}
