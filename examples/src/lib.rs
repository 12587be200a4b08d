//! What the examples have in common: the error that their `main` returns.

use std::error::Error;
use std::fmt;

use drover_master::StartError;

/// Why a program ends with 1, for the person at the terminal.
///
/// Whatever `main` returns as an error is printed by its `Debug`, so that is where the text is. A program of one's own would
/// take `anyhow` or the like.
pub struct Failure {
    text: String,
}

impl Failure {
    /// A failure that is not an error of any call.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }

    /// A start that failed, with what the worker wrote to stderr before it ended.
    pub fn of_start(error: StartError) -> Self {
        let last_words: Vec<_> = error.last_words().iter().map(|line| format!("\n    {line}")).collect();
        let mut failure = Self::from(error);
        if !last_words.is_empty() {
            failure.text += "\nIts last words:";
            failure.text += &last_words.concat();
        }
        failure
    }
}

/// The error and what caused it, in one line.
impl<E: Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text += &format!(": {error}");
            cause = error.source();
        }
        Self { text }
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
