//! Frames that wait for a socket: small ones gathered in one buffer, large ones by themselves.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};

use super::{Direction, EncodedFrame, Outbound};
use crate::frame::HEADER_LEN;

/// From this many bytes on, a payload is shared instead of copied. Below, a copy costs less than a piece of its own.
pub(super) const SHARED: usize = 4096;

/// Frames in their order.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pieces: VecDeque<Piece>,
    /// Small frames, the newest of all.
    open: BytesMut,
    open_frames: usize,
    /// Of all frames, with their headers.
    bytes: usize,
}

/// Either any number of small frames in `head`, or one large one, of which `head` is all before its payload.
#[derive(Debug)]
struct Piece {
    head: Bytes,
    payload: Bytes,
    frames: usize,
}

impl Piece {
    /// The lengths of its frames, without their headers.
    fn length(&self) -> usize {
        self.head.len() + self.payload.len() - self.frames * HEADER_LEN
    }

    /// Takes as many small frames off the front as fit into `room`.
    fn split(&mut self, room: usize) -> Option<Self> {
        let (mut end, mut length, mut frames) = (0, 0, 0);
        while self.payload.is_empty() && frames < self.frames {
            let next = header(&self.head[end..]);
            if length + next > room {
                break;
            }
            (end, length, frames) = (end + HEADER_LEN + next, length + next, frames + 1);
        }
        self.frames -= frames;
        let front = Self { head: self.head.split_to(end), payload: Bytes::new(), frames };
        (frames > 0).then_some(front)
    }
}

/// The length that a frame's header tells.
fn header(frame: &[u8]) -> usize {
    frame.iter().take(HEADER_LEN).fold(0, |length, byte| length << 8 | usize::from(*byte))
}

impl Queue {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// `length`: that of the frame, without its header.
    pub(super) fn push(
        &mut self,
        outbound: &Outbound<'_>,
        direction: Direction,
        payload: Bytes,
        length: usize,
    ) {
        if payload.len() >= SHARED {
            return self.push_large(outbound.encode(direction, payload));
        }
        self.grow(HEADER_LEN + length);
        outbound.write_head(direction, payload.len(), length, &mut self.open);
        self.open.extend_from_slice(&payload);
        self.open_frames += 1;
        self.bytes += HEADER_LEN + length;
    }

    pub(super) fn push_encoded(&mut self, frame: &EncodedFrame) {
        let bytes = HEADER_LEN + frame.length();
        if bytes >= SHARED {
            return self.push_large(frame.clone());
        }
        self.grow(bytes);
        self.open.extend_from_slice(&frame.head);
        self.open.extend_from_slice(&frame.payload);
        self.open_frames += 1;
        self.bytes += bytes;
    }

    fn push_large(&mut self, frame: EncodedFrame) {
        self.seal();
        self.bytes += HEADER_LEN + frame.length();
        self.pieces.push_back(Piece { head: frame.head, payload: frame.payload, frames: 1 });
    }

    /// Makes room for this many bytes, and for as many again as are there, so that a burst is copied few times.
    fn grow(&mut self, bytes: usize) {
        if self.open.capacity() - self.open.len() < bytes {
            self.open.reserve(bytes.max(3 * self.open.len()));
        }
    }

    fn seal(&mut self) {
        if self.open_frames > 0 {
            let (head, frames) = (self.open.split().freeze(), std::mem::take(&mut self.open_frames));
            self.pieces.push_back(Piece { head, payload: Bytes::new(), frames });
        }
    }

    /// Moves what fits into `room`, in frames without their headers, into the batch, and tells how much it was. The first is
    /// moved however large it is if it `may_exceed` the room.
    pub(super) fn take(&mut self, room: usize, may_exceed: bool, batch: &mut Batch) -> usize {
        self.seal();
        let mut taken = 0;
        while let Some(mut piece) = self.pieces.pop_front() {
            let left = room - taken.min(room);
            if piece.length() <= left || (piece.frames == 1 && taken == 0 && may_exceed) {
                taken += piece.length();
                self.bytes -= piece.length() + piece.frames * HEADER_LEN;
                batch.push(piece);
                continue;
            }
            let at_least = if taken == 0 && may_exceed { header(&piece.head) } else { 0 };
            if let Some(front) = piece.split(left.max(at_least)) {
                taken += front.length();
                self.bytes -= front.length() + front.frames * HEADER_LEN;
                batch.push(front);
            }
            self.pieces.push_front(piece);
            break;
        }
        taken
    }

    /// Gives back the memory of a burst that is over.
    pub(super) fn rest(&mut self) {
        if self.bytes == 0 {
            *self = Self::default();
        }
    }
}

/// Whole frames to be written, as few slices as possible. A [`Buf`], so that one vectored write takes many.
#[derive(Debug, Default)]
pub struct Batch {
    slices: VecDeque<Bytes>,
    bytes: usize,
}

impl Batch {
    /// Adds a frame with its header.
    pub fn push_frame(&mut self, frame: Bytes) {
        if !frame.is_empty() {
            self.bytes += frame.len();
            self.slices.push_back(frame);
        }
    }

    fn push(&mut self, piece: Piece) {
        self.push_frame(piece.head);
        self.push_frame(piece.payload);
    }
}

impl Buf for Batch {
    fn remaining(&self) -> usize {
        self.bytes
    }

    fn chunk(&self) -> &[u8] {
        self.slices.front().map_or(&[], |slice| &slice[..])
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let filled = slices.iter_mut().zip(&self.slices);
        filled.map(|(to, slice)| *to = IoSlice::new(slice)).count()
    }

    fn advance(&mut self, mut bytes: usize) {
        assert!(bytes <= self.bytes, "only {} bytes are there to be written", self.bytes);
        self.bytes -= bytes;
        while bytes > 0 {
            let front = &mut self.slices[0];
            let here = bytes.min(front.len());
            front.advance(here);
            if front.is_empty() {
                self.slices.pop_front();
            }
            bytes -= here;
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::BufMut;
    use proptest::prelude::*;

    use super::super::OutboundBody;
    use super::*;

    fn reply(reply_to: u64) -> Outbound<'static> {
        Outbound { reply_to, body: OutboundBody::Reply, ..Default::default() }
    }

    fn written(batch: &mut Batch, at_once: usize) -> Vec<u8> {
        let mut written = Vec::new();
        while batch.has_remaining() {
            let mut slices = [IoSlice::new(&[]); 4];
            let count = batch.chunks_vectored(&mut slices);
            let now: Vec<u8> =
                slices[..count].iter().flat_map(|slice| slice.to_vec()).take(at_once).collect();
            batch.advance(now.len());
            written.extend(now);
        }
        written
    }

    proptest! {
        #[test]
        fn what_is_taken_in_any_portions_is_what_was_put_in(
            payloads in prop::collection::vec((0usize..6000, any::<bool>()), 0..30),
            rooms in prop::collection::vec(0usize..9000, 1..10),
            at_once in 1usize..5000,
        ) {
            let (mut queue, mut expected, mut lengths) = (Queue::default(), Vec::new(), Vec::new());
            for (number, (length, is_shared)) in payloads.iter().enumerate() {
                let (outbound, payload) = (reply(number as u64 + 1), Bytes::from(vec![number as u8; *length]));
                let encoded = outbound.encode(Direction::ToWorker, payload.clone());
                expected.put_slice(&encoded.head);
                expected.put_slice(&encoded.payload);
                lengths.push(encoded.length());
                if *is_shared {
                    queue.push_encoded(&encoded);
                } else {
                    let length = outbound.length(Direction::ToWorker, payload.len());
                    queue.push(&outbound, Direction::ToWorker, payload, length);
                }
            }
            prop_assert_eq!(queue.bytes(), expected.len());
            let (mut seen, mut rooms, mut next) = (Vec::new(), rooms.into_iter().cycle(), 0);
            while queue.bytes() > 0 {
                let (mut batch, room) = (Batch::default(), rooms.next().unwrap());
                let taken = queue.take(room, true, &mut batch);
                // As many whole frames as fit, and at least one.
                let (mut fit, first) = (0, next);
                while next < lengths.len() && (next == first || fit + lengths[next] <= room) {
                    fit += lengths[next];
                    next += 1;
                }
                prop_assert_eq!(taken, fit);
                seen.extend(written(&mut batch, at_once));
            }
            prop_assert_eq!(seen, expected);
        }

        #[test]
        fn nothing_over_the_room_is_taken_unless_it_may_exceed(
            payloads in prop::collection::vec(0usize..6000, 1..20), room in 0usize..20_000,
        ) {
            let mut queue = Queue::default();
            for length in &payloads {
                let frame = reply(1).length(Direction::ToMaster, *length);
                queue.push(&reply(1), Direction::ToMaster, vec![0; *length].into(), frame);
            }
            let (mut batch, before) = (Batch::default(), queue.bytes());
            let taken = queue.take(room, false, &mut batch);
            prop_assert!(taken <= room);
            prop_assert_eq!(batch.remaining() + queue.bytes(), before);
        }
    }

    #[test]
    fn a_large_payload_is_not_copied() {
        let payload = Bytes::from(vec![1; SHARED]);
        let mut queue = Queue::default();
        let length = reply(1).length(Direction::ToMaster, SHARED);
        queue.push(&reply(1), Direction::ToMaster, payload.clone(), length);
        let mut batch = Batch::default();
        queue.take(usize::MAX, false, &mut batch);
        assert_eq!(batch.slices[1].as_ptr(), payload.as_ptr());
    }
}
