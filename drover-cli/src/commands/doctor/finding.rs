//! What is wrong, as it is shown.

use serde_json::json;

use super::facts::Facts;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// Something does not work, or will not.
    Error,
    /// It works until something else happens.
    Warning,
    /// Worth knowing.
    Note,
}

impl Level {
    const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// One thing that is wrong, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) level: Level,
    /// Which check found it.
    pub(super) check: &'static str,
    pub(super) what: String,
    pub(super) remedy: String,
}

/// What is found, in the order of the checks.
#[derive(Debug, Default)]
pub(super) struct Findings(pub(super) Vec<Finding>);

impl Findings {
    pub(super) fn error(&mut self, check: &'static str, what: impl Into<String>, remedy: impl Into<String>) {
        self.add(Level::Error, check, what.into(), remedy.into());
    }

    pub(super) fn warning(
        &mut self,
        check: &'static str,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(Level::Warning, check, what.into(), remedy.into());
    }

    pub(super) fn note(&mut self, check: &'static str, what: impl Into<String>, remedy: impl Into<String>) {
        self.add(Level::Note, check, what.into(), remedy.into());
    }

    fn add(&mut self, level: Level, check: &'static str, what: String, remedy: String) {
        self.0.push(Finding { level, check, what, remedy });
    }
}

/// What was looked at, then the findings, the worst first.
pub(super) fn as_text(facts: &Facts, found: &[Finding], is_quiet: bool) -> String {
    let mut lines = Vec::new();
    if !is_quiet {
        lines.push(match &facts.file {
            Some(file) => format!("file: {}", file.path.display()),
            None => "file: there is no drover.toml here, so only the machine was checked".to_owned(),
        });
        lines.push(match &facts.master {
            Some(master) => match &master.answer {
                Some(answer) => format!("master: pid {}, {}", answer.pid, master.socket.display()),
                None => format!("master: does not answer, {}", master.socket.display()),
            },
            None => "master: none is running".to_owned(),
        });
    }
    for finding in found.iter().filter(|finding| !is_quiet || finding.level != Level::Note) {
        lines.push(format!("{} ({}): {}", finding.level.name(), finding.check, finding.what));
        if !finding.remedy.is_empty() {
            lines.push(format!("  remedy: {}", finding.remedy));
        }
    }
    if !is_quiet {
        let count = |level| found.iter().filter(|finding| finding.level == level).count();
        let counted =
            |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        lines.push(format!(
            "{}, {}, {}",
            counted(count(Level::Error), "error"),
            counted(count(Level::Warning), "warning"),
            counted(count(Level::Note), "note")
        ));
    }
    lines.join("\n")
}

/// What `doctor --json` prints.
pub(super) fn as_json(facts: &Facts, found: &[Finding]) -> String {
    let finding = |finding: &Finding| {
        json!({
            "level": finding.level.name(),
            "check": finding.check,
            "what": finding.what,
            "remedy": finding.remedy,
        })
    };
    json!({
        "file": facts.file.as_ref().map(|file| file.path.display().to_string()),
        "master": facts.master.as_ref().map(|master| json!({
            "socket": master.socket.display().to_string(),
            "pid": master.answer.as_ref().map(|answer| answer.pid),
        })),
        "findings": found.iter().map(finding).collect::<Vec<_>>(),
    })
    .to_string()
}
