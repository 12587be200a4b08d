//! The outcomes of `drover conform`, for people and as JSON.

use std::io;

use drover_conform::{About, Fault, Outcome, Tally};
use serde::Serialize;
use serde_json::json;

use super::message;

/// For whom it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Lines to be read.
    Human,
    /// One object a line.
    Json,
}

impl Layout {
    pub(crate) const fn of(json: bool) -> Self {
        if json { Self::Json } else { Self::Human }
    }
}

/// Prints each outcome as it comes, and the summary at the end.
#[derive(Debug)]
pub(crate) struct Report {
    layout: Layout,
    /// A reader that has gone is not an error, a full disk is.
    written: io::Result<()>,
}

#[derive(Serialize)]
struct CaseRow<'a> {
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
        Self { layout, written: Ok(()) }
    }

    /// Prints one outcome.
    pub(crate) fn tell(&mut self, outcome: &Outcome) {
        self.write(&match self.layout {
            Layout::Human => human(outcome),
            Layout::Json => json(outcome),
        });
    }

    /// Prints the summary. The result says whether everything could be written.
    pub(crate) fn finish(mut self, tally: Tally, seed: u64) -> io::Result<()> {
        let Tally { passed, failed, skipped } = tally;
        let text = match self.layout {
            Layout::Human => format!("{passed} passed, {failed} failed, {skipped} skipped; seed {seed}"),
            Layout::Json => {
                json!({"summary": {"passed": passed, "failed": failed, "skipped": skipped, "seed": seed}})
                    .to_string()
            }
        };
        self.write(&text);
        self.written
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
            "case": about.id, "group": about.group(), "sentence": about.sentence, "done": about.done, "needs": about.needs,
        })
        .to_string(),
    }
    };
    cases.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn human(outcome: &Outcome) -> String {
    let Outcome { about, verdict, took, .. } = outcome;
    match verdict {
        Ok(()) => format!("pass  {}  {} ({:.1} s)", about.id, about.done, took.as_secs_f64()),
        Err(Fault::Skipped(why)) => format!("skip  {}  {}: {why}", about.id, about.done),
        Err(Fault::Failed(why)) => {
            let mut text = format!("FAIL  {}  {}: {why}\n", about.id, about.done);
            text.push_str(&format!("      docs/reference/protocol.md says: {}\n", about.sentence));
            for line in &outcome.transcript {
                text.push_str(&format!("      {line}\n"));
            }
            if !outcome.printed.is_empty() {
                text.push_str("      its last output:\n");
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
    let row = CaseRow {
        case: outcome.about.id,
        group: outcome.about.group(),
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
        let about = drover_conform::worker::cases().find(|about| about.id == "W-KA-04").unwrap();
        let mut outcome = Outcome::new(about, verdict, Duration::from_millis(1500));
        outcome.transcript = vec!["→ Ping".to_owned()];
        outcome
    }

    #[test]
    fn a_failure_tells_the_case_the_reason_the_sentence_and_the_transcript() {
        let failed = outcome(Err(Fault::Failed("no Pong".to_owned())));
        let sentence = failed.about.sentence;
        assert_eq!(
            human(&failed),
            format!(
                "FAIL  W-KA-04  a thousand Pings at once: no Pong\n      docs/reference/protocol.md says: {sentence}\n      → Ping\n"
            )
        );
        assert_eq!(human(&outcome(Ok(()))), "pass  W-KA-04  a thousand Pings at once (1.5 s)");
    }

    #[test]
    fn a_json_row_has_the_result_and_the_reason() {
        let row: serde_json::Value =
            serde_json::from_str(&json(&outcome(Err(Fault::Skipped("no bus".to_owned()))))).unwrap();
        assert_eq!((&row["result"], &row["reason"]), (&json!("skip"), &json!("no bus")));
        assert_eq!((&row["group"], &row["duration_ms"]), (&json!("KA"), &json!(1500)));
    }
}
