//! Waits for keys.

use std::fs::File;
use std::io;
use std::time::Duration;

use tokio::net::unix::pipe::Receiver;

use super::keys::KeyReader;
use crate::top::model::Key;

/// A key's sequence comes at once, or in parts that a network carries; an Escape alone is one after this time.
const ESCAPE: Duration = Duration::from_millis(60);

/// The keys of a terminal.
#[derive(Debug)]
pub(crate) struct Keyboard {
    /// Read as a pipe is, which tokio can wait for without `unsafe`: a terminal works the same in that.
    tty: Receiver,
    reader: KeyReader,
}

impl Keyboard {
    pub(super) fn new(tty: File) -> io::Result<Self> {
        Ok(Self { tty: Receiver::from_file_unchecked(tty)?, reader: KeyReader::default() })
    }

    /// The keys that are pressed next.
    ///
    /// # Errors
    ///
    /// If the terminal is gone.
    ///
    /// # Cancel safety
    ///
    /// A dropped future loses no key.
    pub(crate) async fn next(&mut self) -> io::Result<Vec<Key>> {
        loop {
            if self.reader.is_waiting() {
                match tokio::time::timeout(ESCAPE, self.tty.readable()).await {
                    Ok(ready) => ready?,
                    Err(_) => match self.reader.time_passed() {
                        Some(key) => return Ok(vec![key]),
                        None => continue,
                    },
                }
            } else {
                self.tty.readable().await?;
            }
            let mut buffer = [0; 1024];
            match self.tty.try_read(&mut buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    let keys = self.reader.take(&buffer[..read]);
                    if !keys.is_empty() {
                        return Ok(keys);
                    }
                }
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(error) => return Err(error),
            }
        }
    }
}
