//! What was received, cut into whole frames without a copy.

use bytes::{Bytes, BytesMut};

use crate::frame::{FrameError, FrameLimit, HEADER_LEN};

/// What is made room for at once when nothing is known of the peer, in bytes: many small frames, little to hold.
const SMALL: usize = 1024;

/// The most that is made room for at once, in bytes, but for a frame that is larger. More than a socket's buffer gains nothing;
/// this is about 700 messages of 64 bytes.
const LARGE: usize = 64 * 1024;

/// The receive buffer of a connection. It begins with nothing, grows with what comes, and is given back when all is read.
#[derive(Debug)]
pub struct Incoming {
    limit: FrameLimit,
    wire: BytesMut,
    /// What room is made for. Doubles as long as it is filled.
    room: usize,
    /// What the last large frame was read into. Fresh memory has to be mapped page by page, which takes as long as reading into
    /// it does; so this is used again as soon as nobody holds the frame any more.
    spare: BytesMut,
}

impl Incoming {
    /// A buffer of a connection with this limit; `received` came with the handshake.
    pub fn new(limit: FrameLimit, received: BytesMut) -> Self {
        Self { limit, wire: received, room: SMALL, spare: BytesMut::new() }
    }

    /// Where to read to. At least 1 KiB, and the rest of the frame under way.
    pub fn room(&mut self) -> &mut BytesMut {
        let rest = match self.limit.check_header(&self.wire) {
            Ok(Some(length)) => (HEADER_LEN + length).saturating_sub(self.wire.len()),
            _ => 0,
        };
        let needed = self.room.max(rest);
        if rest > LARGE
            && self.wire.capacity() - self.wire.len() < rest
            && self.spare.try_reclaim(self.wire.len() + needed)
        {
            self.spare.extend_from_slice(&self.wire);
            self.wire = std::mem::take(&mut self.spare);
        }
        self.wire.reserve(needed);
        &mut self.wire
    }

    /// The whole frames that are there, perhaps none; to be called after each read, until there are none.
    ///
    /// # Errors
    ///
    /// What comes next is not a frame, or over the limit. Whole frames before it come first, by an earlier call,
    /// so who stops at some may wait for ever for a peer that has said its last.
    pub fn frames(&mut self) -> Result<Frames, FrameError> {
        if !self.wire.is_empty() && self.wire.len() == self.wire.capacity() {
            self.room = (self.room * 2).min(LARGE);
        }
        let mut end = 0;
        loop {
            match self.limit.check_header(&self.wire[end..]) {
                Ok(Some(length)) if self.wire.len() - end >= HEADER_LEN + length => {
                    end += HEADER_LEN + length
                }
                Ok(_) => break,
                Err(_) if end > 0 => break,
                Err(error) => return Err(error),
            }
        }
        let whole = self.wire.split_to(end).freeze();
        if end > LARGE && self.wire.is_empty() {
            self.spare = std::mem::take(&mut self.wire);
        }
        Ok(Frames { whole })
    }

    /// Gives the memory back if nothing is under way; for when the peer has nothing more to say for now.
    pub fn rest(&mut self) {
        if self.wire.is_empty() {
            self.wire = BytesMut::new();
            self.spare = BytesMut::new();
            self.room = SMALL;
        }
    }

    /// The stream has ended.
    ///
    /// # Errors
    ///
    /// [`FrameError::Truncated`]: inside a frame.
    pub fn end(&self) -> Result<(), FrameError> {
        if self.wire.is_empty() {
            return Ok(());
        }
        let expected = self.limit.check_header(&self.wire)?.map_or(HEADER_LEN, |length| HEADER_LEN + length);
        Err(FrameError::Truncated { received: self.wire.len(), expected })
    }
}

/// Whole frames, one after the other.
#[derive(Debug)]
pub struct Frames {
    whole: Bytes,
}

impl Frames {
    /// Each frame, without its header.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.whole[..];
        std::iter::from_fn(move || {
            let (header, after) = rest.split_first_chunk::<HEADER_LEN>()?;
            let (frame, after) = after.split_at_checked(u32::from_be_bytes(*header) as usize)?;
            rest = after;
            Some(frame)
        })
    }

    /// How many bytes they are, with their headers.
    pub fn bytes(&self) -> usize {
        self.whole.len()
    }

    /// A part of one of these frames, to be kept: shared if it is large, so that it is not copied, and else copied, so that it
    /// does not hold all of them.
    pub fn keep(&self, part: &[u8]) -> Bytes {
        if part.len() < super::queue::SHARED {
            Bytes::copy_from_slice(part)
        } else {
            self.whole.slice_ref(part)
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::BufMut;
    use proptest::prelude::*;

    use super::*;

    fn wire(frames: &[Vec<u8>]) -> Vec<u8> {
        frames.iter().flat_map(|frame| [&(frame.len() as u32).to_be_bytes()[..], frame].concat()).collect()
    }

    proptest! {
        #[test]
        fn frames_survive_any_cut_of_the_stream(
            frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3000), 0..8),
            cuts in prop::collection::vec(1usize..4000, 1..20),
        ) {
            let (stream, mut read) = (wire(&frames), Vec::new());
            let mut incoming = Incoming::new(FrameLimit::WORKER, BytesMut::new());
            let (mut rest, mut cuts) = (&stream[..], cuts.into_iter().cycle());
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(cuts.next().unwrap().min(rest.len()));
                incoming.room().put_slice(piece);
                rest = after;
                read.extend(incoming.frames().unwrap().iter().map(<[u8]>::to_vec));
                incoming.rest();
            }
            prop_assert_eq!(read, frames);
            prop_assert_eq!(incoming.end(), Ok(()));
        }
    }

    #[test]
    fn whole_frames_come_before_the_error_that_follows_them() {
        let received = [&wire(&[b"one".to_vec(), b"two".to_vec()])[..], b"Listening"].concat();
        let mut incoming = Incoming::new(FrameLimit::WORKER, BytesMut::from(&received[..]));
        assert_eq!(incoming.frames().unwrap().iter().collect::<Vec<_>>(), [b"one", b"two"]);
        assert_eq!(incoming.frames().unwrap_err().to_string(), r#"not a frame but text: "Listening""#);
    }

    #[test]
    fn the_end_inside_a_frame_says_where() {
        let mut incoming = Incoming::new(FrameLimit::WORKER, BytesMut::from(&wire(&[b"half".to_vec()])[..6]));
        assert!(incoming.frames().unwrap().iter().next().is_none());
        assert_eq!(incoming.end(), Err(FrameError::Truncated { received: 6, expected: 8 }));
    }

    #[test]
    fn room_grows_while_it_is_filled_and_is_given_back() {
        let mut incoming = Incoming::new(FrameLimit::WORKER, BytesMut::new());
        let mut most = 0;
        for _ in 0..40 {
            let room = incoming.room();
            let free = room.capacity() - room.len();
            most = most.max(free);
            // Nothing but empty frames.
            room.put_bytes(0, free);
            incoming.frames().unwrap();
        }
        assert!((LARGE..2 * LARGE).contains(&most), "{most}");
        incoming.rest();
        // What is left of a header is kept.
        assert!(incoming.wire.capacity() == 0 || !incoming.wire.is_empty());
    }

    #[test]
    fn the_memory_of_a_large_frame_is_used_again_when_nobody_holds_it() {
        let stream = wire(&[vec![7; 200_000]]);
        let mut incoming = Incoming::new(FrameLimit::WORKER, BytesMut::new());
        let read = |incoming: &mut Incoming| {
            for piece in [&stream[..10], &stream[10..]] {
                incoming.room().put_slice(piece);
                let frames = incoming.frames().unwrap();
                if let Some(frame) = frames.iter().next() {
                    return frames.keep(frame);
                }
            }
            panic!("no frame");
        };
        let first = read(&mut incoming);
        let second = read(&mut incoming);
        assert_ne!(first.as_ptr(), second.as_ptr(), "the first is still held");
        assert_eq!(first, second);
        let held = second.as_ptr();
        drop((first, second));
        assert_eq!(read(&mut incoming).as_ptr(), held);
        incoming.rest();
        assert_eq!((incoming.wire.capacity(), incoming.spare.capacity()), (0, 0));
    }

    #[test]
    fn a_large_frame_is_made_room_for_at_once_and_its_payload_is_not_copied() {
        let frame = vec![7; 200_000];
        let stream = wire(std::slice::from_ref(&frame));
        let mut incoming = Incoming::new(FrameLimit::WORKER, BytesMut::from(&stream[..10]));
        assert!(incoming.frames().unwrap().iter().next().is_none());
        let room = incoming.room();
        assert!(room.capacity() >= stream.len());
        room.put_slice(&stream[10..]);
        let frames = incoming.frames().unwrap();
        let part = frames.iter().next().unwrap();
        assert_eq!(part, frame);
        assert_eq!(frames.keep(part).as_ptr(), part.as_ptr());
    }
}
