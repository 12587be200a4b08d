//! What workers print, kept.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use drover_master::{Line, OutputSink, Stream};

use super::eventually;

/// A sink that keeps every line. A clone is the same sink.
#[derive(Debug, Clone, Default)]
pub struct Captured {
    lines: Arc<Mutex<Vec<(Stream, String)>>>,
}

impl Captured {
    /// All lines of a stream so far.
    pub fn lines(&self, stream: Stream) -> Vec<String> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().filter(|(of, _)| *of == stream).map(|(_, line)| line.clone()).collect()
    }

    /// The line of stdout with this number, from 0; waits for it.
    ///
    /// # Panics
    ///
    /// If it never comes.
    pub async fn line(&self, number: usize) -> String {
        eventually("a line on stdout", || self.lines(Stream::Stdout).get(number).cloned()).await
    }
}

impl OutputSink for Captured {
    fn take<'a>(&'a self, line: Line<'a>) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        let text = String::from_utf8_lossy(line.bytes).into_owned();
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push((line.stream, text));
        Box::pin(std::future::ready(()))
    }
}
