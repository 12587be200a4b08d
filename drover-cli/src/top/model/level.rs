//! How serious a line is that a program wrote as JSON.

use serde::Deserialize;
use serde_json::Value;

/// How serious a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineLevel {
    Error,
    Warning,
    Info,
    Debug,
}

/// The names that loggers give it: slog and zap, pino and bunyan, Cloud Logging, Python.
#[derive(Deserialize)]
struct Levelled {
    #[serde(alias = "severity", alias = "lvl", alias = "levelname", alias = "log.level")]
    level: Value,
}

impl LineLevel {
    /// What a line says of itself.
    pub(crate) fn of_line(text: &str) -> Option<Self> {
        if !text.starts_with('{') {
            return None;
        }
        let Levelled { level } = serde_json::from_str(text).ok()?;
        match level {
            Value::String(word) => Self::of_word(&word),
            // Those of pino and bunyan.
            Value::Number(number) => Some(match number.as_f64()? {
                ..30.0 => Self::Debug,
                ..40.0 => Self::Info,
                ..50.0 => Self::Warning,
                _ => Self::Error,
            }),
            _ => None,
        }
    }

    fn of_word(word: &str) -> Option<Self> {
        Some(match &*word.to_ascii_lowercase() {
            "fatal" | "panic" | "critical" | "crit" | "alert" | "emergency" | "error" | "err" => Self::Error,
            "warn" | "warning" => Self::Warning,
            "info" | "information" | "notice" => Self::Info,
            "debug" | "trace" | "verbose" => Self::Debug,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_of_a_json_line_is_found_by_the_names_that_loggers_use() {
        for (text, level) in [
            (r#"{"time":1,"level":"ERROR","msg":"no"}"#, Some(LineLevel::Error)),
            (r#"{"severity":"WARNING"}"#, Some(LineLevel::Warning)),
            (r#"{"level":30,"msg":"pino"}"#, Some(LineLevel::Info)),
            (r#"{"lvl":"debug"}"#, Some(LineLevel::Debug)),
            (r#"{"level":"loud"}"#, None),
            (r#"{"level":"error""#, None),
            ("error: plain", None),
        ] {
            assert_eq!(LineLevel::of_line(text), level, "{text}");
        }
    }
}
