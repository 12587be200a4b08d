//! What is to be measured.

/// Every line, in the order of the table.
pub(crate) const LINES: [&str; 14] = [
    "start", "sdk", "restart", "stop", "memory", "keeper", "idle", "scale", "fairness", "capture", "bus",
    "load", "crash", "reload",
];

/// What was asked for.
#[derive(Debug, Default)]
pub(crate) struct Options {
    is_quick: bool,
    /// The lines; all, if none is named.
    lines: Vec<String>,
}

impl Options {
    pub(crate) fn parse(args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        for arg in args {
            match arg.as_str() {
                "--quick" => options.is_quick = true,
                // What cargo says to every benchmark.
                "--bench" => {}
                line if LINES.contains(&line) => options.lines.push(arg),
                unknown => return Err(format!("`{unknown}` is unknown")),
            }
        }
        Ok(options)
    }

    pub(crate) fn wants(&self, line: &str) -> bool {
        self.lines.is_empty() || self.lines.iter().any(|wanted| wanted == line)
    }

    pub(crate) fn is_quick(&self) -> bool {
        self.is_quick
    }

    /// How many rounds; a third when it is to be quick.
    pub(crate) fn rounds(&self, rounds: usize) -> usize {
        if self.is_quick { rounds.div_ceil(3) } else { rounds }
    }
}
