//! A frame: a `u32` big-endian length, which does not count itself, then that many bytes.
//!
//! ```text
//!  0       1       2       3       4                         4 + length
//!  +-------+-------+-------+-------+--------- … ----------------+
//!  |     length, big-endian        |  one protobuf message      |
//!  +-------+-------+-------+-------+--------- … ----------------+
//! ```
//!
//! Every limit is below 16 MiB, so the first byte of a true frame is 0. A program that prints text on the socket
//! is therefore known by its first byte, and the text is quoted in the error.

use std::fmt;

/// The size of the length field, in bytes.
pub const HEADER_LEN: usize = 4;

/// How much of a stray text an error quotes, in bytes.
const QUOTED: usize = 48;

/// How many hexadecimal digits in a row may be quoted. A token has 32 of them, and a quote goes into logs and to people.
const DIGITS: usize = 7;

/// The largest frame that a side takes or sends, in bytes without the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameLimit(u32);

impl FrameLimit {
    /// The limit of a worker connection: a payload of 1 MiB and 64 KiB for what stands around it.
    pub const WORKER: Self = Self::new(1024 * 1024 + 64 * 1024);
    /// The limit of a control connection: 4 MiB, room for the status of some 20,000 workers.
    pub const CONTROL: Self = Self::new(4 * 1024 * 1024);

    /// A limit in bytes.
    ///
    /// # Panics
    ///
    /// If it is 16 MiB or more: the first byte of a frame must be 0.
    pub const fn new(bytes: u32) -> Self {
        assert!(bytes < 1 << 24, "a frame limit must be below 16 MiB");
        Self(bytes)
    }

    /// The limit in bytes.
    pub const fn bytes(self) -> u32 {
        self.0
    }

    /// Checks the bytes received so far and tells the length of the frame that begins there.
    ///
    /// `Ok(None)` asks for more bytes. Nothing is allocated for a frame before its length has passed here.
    ///
    /// # Errors
    ///
    /// [`FrameError::NotAFrame`] if the first byte is not 0, [`FrameError::LittleEndian`] if the fourth is; [`FrameError::TooLarge`] if the length is over the
    /// limit. All are the peer's fault, and none can be recovered: the place of the next frame is unknown.
    pub fn check_header(self, received: &[u8]) -> Result<Option<usize>, FrameError> {
        match received {
            [] => Ok(None),
            // No text has a zero byte there.
            [a, b, c, 0, ..] if *a != 0 => {
                Err(FrameError::LittleEndian { length: u32::from_le_bytes([*a, *b, *c, 0]) })
            }
            [first, ..] if *first != 0 => Err(FrameError::NotAFrame { text: Quote::new(received) }),
            [a, b, c, d, ..] => {
                let length = u32::from_be_bytes([*a, *b, *c, *d]);
                self.check_length(length as usize)?;
                Ok(Some(length as usize))
            }
            _ => Ok(None),
        }
    }

    /// Checks the length of a frame that is about to be sent.
    ///
    /// # Errors
    ///
    /// [`FrameError::TooLarge`], the caller's fault: nothing has been sent.
    pub fn check_length(self, length: usize) -> Result<(), FrameError> {
        if length > self.0 as usize {
            Err(FrameError::TooLarge { length: length as u64, limit: self.0 })
        } else {
            Ok(())
        }
    }
}

/// What is wrong with a frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The length is over the limit.
    #[error("a frame of {length} bytes is over the limit of {limit} bytes")]
    TooLarge {
        /// The length in the header, or of the message to send.
        length: u64,
        /// The limit of the connection.
        limit: u32,
    },
    /// The first byte is not 0, so this is not a frame; most often a program prints on the socket.
    #[error("not a frame but text: {text}")]
    NotAFrame {
        /// What was received, quoted.
        text: Quote,
    },
    /// The bytes of the length are in the wrong order.
    #[error(
        "the length of the frame is in little-endian order (it would be {length}); the first byte has to be its highest"
    )]
    LittleEndian {
        /// The length, if it is read so.
        length: u32,
    },
    /// It has more fields than any message needs.
    #[error("a frame of more than {limit} fields is refused")]
    TooManyParts {
        /// How many it may have.
        limit: usize,
    },
    /// The connection ended inside a frame.
    #[error("the connection ended inside a frame, after {received} of {expected} bytes")]
    Truncated {
        /// Bytes received of header and payload.
        received: usize,
        /// Bytes that were due; 4 where not even the header was complete.
        expected: usize,
    },
    /// The bytes are no message of the expected type.
    #[error("a frame of {length} bytes could not be decoded: {reason}; it begins {head}")]
    Undecodable {
        /// The frame's length.
        length: usize,
        /// What the protobuf decoder said.
        reason: String,
        /// The first bytes, quoted.
        head: Quote,
    },
}

impl FrameError {
    /// The error of a whole frame, without its header, that is not a message.
    pub(crate) fn undecodable(frame: &[u8], reason: &impl fmt::Display) -> Self {
        Self::Undecodable { length: frame.len(), reason: reason.to_string(), head: Quote::new(frame) }
    }
}

/// Received bytes made readable: printable ASCII as it is, the rest escaped, cut after 48 bytes, or before anything that may be a
/// part of a token.
#[derive(Clone, PartialEq, Eq)]
pub struct Quote(String);

impl Quote {
    /// Quotes the beginning of `bytes`.
    pub fn new(bytes: &[u8]) -> Self {
        let cut = &bytes[..bytes.len().min(QUOTED).min(token_in(bytes))];
        let dots = if bytes.len() > cut.len() { "…" } else { "" };
        Self(format!("\"{}{dots}\"", cut.escape_ascii()))
    }
}

/// Where the first row of digits begins that may be a token, or a part of one.
fn token_in(bytes: &[u8]) -> usize {
    let mut row = 0;
    for (at, byte) in bytes.iter().take(QUOTED + DIGITS).enumerate() {
        row = if byte.is_ascii_hexdigit() { row + 1 } else { 0 };
        if row > DIGITS {
            return at + 1 - row;
        }
    }
    bytes.len()
}

impl fmt::Display for Quote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Quote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_refused_at_its_first_byte_and_quoted() {
        let error = FrameLimit::WORKER.check_header(b"Listening on 80\n").unwrap_err();
        assert_eq!(error.to_string(), r#"not a frame but text: "Listening on 80\n""#);
        assert!(FrameLimit::WORKER.check_header(b"L").is_err());
    }

    #[test]
    fn a_token_is_never_quoted_wherever_it_stands() {
        let token = "0123456789abcdef0123456789abcdef";
        for before in 0..QUOTED + 2 {
            let bytes = [&vec![b'-'; before][..], token.as_bytes(), b" and more"].concat();
            let quoted = Quote::new(&bytes).to_string();
            assert!(!quoted.contains("0123"), "{quoted}");
            assert_eq!(quoted.matches('-').count(), before.min(QUOTED));
        }
        assert_eq!(Quote::new(b"cafe 1234567").to_string(), r#""cafe 1234567""#);
    }

    #[test]
    fn a_length_in_the_wrong_order_is_named_so() {
        let error = FrameLimit::WORKER.check_header(&300u32.to_le_bytes()).unwrap_err();
        assert_eq!(error, FrameError::LittleEndian { length: 300 });
    }

    #[test]
    fn a_header_is_asked_for_until_it_is_whole() {
        let header = 300u32.to_be_bytes();
        for received in 0..HEADER_LEN {
            assert_eq!(FrameLimit::WORKER.check_header(&header[..received]), Ok(None));
        }
        assert_eq!(FrameLimit::WORKER.check_header(&header), Ok(Some(300)));
    }

    #[test]
    fn the_limit_itself_passes_and_one_more_does_not() {
        let limit = FrameLimit::new(1000);
        assert_eq!(limit.check_header(&1000u32.to_be_bytes()), Ok(Some(1000)));
        assert_eq!(
            limit.check_header(&1001u32.to_be_bytes()),
            Err(FrameError::TooLarge { length: 1001, limit: 1000 })
        );
    }
}
