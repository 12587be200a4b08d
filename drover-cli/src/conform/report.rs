//! What came of the cases, for people and as JSON.

use std::io;

use serde::Serialize;
use serde_json::json;

use super::case::{About, Fault, Outcome, Tally};
use crate::output::message;

/// For whom it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Lines to be read.
    Human,
    /// One object a line.
    Json,
}

/// Tells each outcome as it comes, and all of them at the end.
#[derive(Debug)]
pub(crate) struct Report {
    layout: Layout,
    tally: Tally,
    /// A reader that has gone is no error, a full disk is.
    written: io::Result<()>,
}

#[derive(Serialize)]
struct Row<'a> {
    case: &'a str,
    group: &'a str,
    result: &'a str,
    reason: Option<&'a str>,
    sentence: &'a str,
    duration_ms: u64,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    transcript: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    printed: &'a [String],
}

impl Report {
    pub(crate) fn new(layout: Layout) -> Self {
        Self { layout, tally: Tally::default(), written: Ok(()) }
    }

    /// Tells one outcome.
    pub(crate) fn tell(&mut self, outcome: &Outcome) {
        self.tally.count(&outcome.verdict);
        self.write(&match self.layout {
            Layout::Human => human(outcome),
            Layout::Json => json(outcome),
        });
    }

    /// Tells all of them.
    pub(crate) fn finish(mut self, seed: u64) -> (Tally, io::Result<()>) {
        let Tally { passed, failed, skipped } = self.tally;
        let text = match self.layout {
            Layout::Human => format!("{passed} passed, {failed} failed, {skipped} skipped; seed {seed}"),
            Layout::Json => {
                json!({"summary": {"passed": passed, "failed": failed, "skipped": skipped, "seed": seed}})
                    .to_string()
            }
        };
        self.write(&text);
        (self.tally, self.written)
    }

    fn write(&mut self, text: &str) {
        if self.written.is_ok() {
            self.written = message::result(text);
        }
    }
}

/// The cases, one a line.
pub(crate) fn list(cases: &[About], layout: Layout) -> String {
    let line = |about: &About| {
        match layout {
        Layout::Human => format!("{}  {}\n         {}", about.id, about.done, about.sentence),
        Layout::Json => json!({
            "case": about.id, "group": group(about), "sentence": about.sentence, "done": about.done, "needs": about.needs,
        })
        .to_string(),
    }
    };
    cases.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn group(about: &About) -> &'static str {
    about.id.split('-').nth(1).unwrap_or_default()
}

fn human(outcome: &Outcome) -> String {
    let Outcome { about, verdict, took, .. } = outcome;
    match verdict {
        Ok(()) => format!("pass  {}  {} ({:.1} s)", about.id, about.done, took.as_secs_f64()),
        Err(Fault::Skipped(why)) => format!("skip  {}  {}: {why}", about.id, about.done),
        Err(Fault::Failed(why)) => {
            let mut text = format!("FAIL  {}  {}: {why}\n", about.id, about.done);
            text.push_str(&format!("      docs/protocol.md says: {}\n", about.sentence));
            for line in &outcome.transcript {
                text.push_str(&format!("      {line}\n"));
            }
            if !outcome.printed.is_empty() {
                text.push_str("      the last that it printed:\n");
            }
            for line in &outcome.printed {
                text.push_str(&format!("        {line}\n"));
            }
            text
        }
    }
}

fn json(outcome: &Outcome) -> String {
    let (result, reason) = match &outcome.verdict {
        Ok(()) => ("pass", None),
        Err(Fault::Failed(why)) => ("fail", Some(why.as_str())),
        Err(Fault::Skipped(why)) => ("skip", Some(why.as_str())),
    };
    let row = Row {
        case: outcome.about.id,
        group: group(&outcome.about),
        result,
        reason,
        sentence: outcome.about.sentence,
        duration_ms: u64::try_from(outcome.took.as_millis()).unwrap_or(u64::MAX),
        transcript: &outcome.transcript,
        printed: &outcome.printed,
    };
    serde_json::to_string(&row).expect("strings and numbers can be written")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn outcome(verdict: Result<(), Fault>) -> Outcome {
        let about = About { id: "W-KA-01", sentence: "Ping asks.", done: "a Ping", needs: None };
        let transcript = vec!["→ Ping".to_owned()];
        Outcome { about, verdict, took: Duration::from_millis(1500), transcript, printed: Vec::new() }
    }

    #[test]
    fn a_failure_tells_the_case_the_reason_the_sentence_and_the_transcript() {
        assert_eq!(
            human(&outcome(Err(Fault::Failed("no Pong".to_owned())))),
            "FAIL  W-KA-01  a Ping: no Pong\n      docs/protocol.md says: Ping asks.\n      → Ping\n"
        );
        assert_eq!(human(&outcome(Ok(()))), "pass  W-KA-01  a Ping (1.5 s)");
    }

    #[test]
    fn a_json_row_has_the_result_and_the_reason() {
        let row: serde_json::Value =
            serde_json::from_str(&json(&outcome(Err(Fault::Skipped("no bus".to_owned()))))).unwrap();
        assert_eq!((&row["result"], &row["reason"]), (&json!("skip"), &json!("no bus")));
        assert_eq!((&row["group"], &row["duration_ms"]), (&json!("KA"), &json!(1500)));
    }
}
