//! Frames, and bytes that are none. Pure.

use drover_proto::codec::encode_frame;
use drover_proto::frame::FrameLimit;
use drover_proto::latest::WorkerFrame;
use prost::Message;

/// Text of a program that takes the connection for its stdout.
pub(crate) const TEXT: &[u8] = b"Listening on port 8080\n";

/// A message as a frame.
pub(crate) fn framed<M: Message>(message: &M) -> Vec<u8> {
    encode_frame(message, FrameLimit::WORKER).expect("what is sent as a message is small").to_vec()
}

/// Bytes as a frame.
pub(crate) fn framed_bytes(payload: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(payload.len()).expect("no case is so large").to_be_bytes().to_vec();
    frame.extend_from_slice(payload);
    frame
}

/// A frame of either side, whose envelopes are alike, with body 59, which no version knows yet.
pub(crate) fn unknown(seq: u64, expects_reply: bool, must_understand: bool) -> Vec<u8> {
    let envelope = WorkerFrame { seq, expects_reply, must_understand, ..Default::default() };
    let mut payload = envelope.encode_to_vec();
    // Field 59, length-delimited, three bytes.
    payload.extend([0xda, 0x03, 3, 0x08, 0x96, 0x01]);
    framed_bytes(&payload)
}

/// A frame of this length, with a field that nobody knows.
pub(crate) fn of_length(length: u32) -> Vec<u8> {
    let length = length as usize;
    // Field 200, length-delimited: two bytes of tag, three of length for anything from 16 KiB on, two below.
    let tag = [0xc2, 0x0c];
    let prefix = if length > 16 * 1024 { 3 } else { 2 };
    let inner = length - tag.len() - prefix;
    let mut payload = tag.to_vec();
    prost::encoding::encode_varint(inner as u64, &mut payload);
    payload.resize(length, 0x55);
    framed_bytes(&payload)
}

/// The header of a frame that is longer than this.
pub(crate) fn header_over(limit: u32) -> Vec<u8> {
    (limit + 1).to_be_bytes().to_vec()
}

/// A frame whose bytes are no message: a field without its value.
pub(crate) fn no_message() -> Vec<u8> {
    framed_bytes(&[0x08])
}

#[cfg(test)]
mod tests {
    use drover_proto::latest::MasterFrame;

    use super::*;

    #[test]
    fn an_unknown_body_has_exactly_the_length_that_is_asked_for() {
        for length in [4096, FrameLimit::WORKER.bytes()] {
            let bytes = of_length(length);
            assert_eq!(bytes.len(), length as usize + 4);
            assert_eq!(MasterFrame::decode(&bytes[4..]).unwrap().body, None);
        }
    }

    #[test]
    fn an_unknown_body_is_unknown_to_the_messages_of_both_sides() {
        let bytes = unknown(7, true, true);
        let master = MasterFrame { seq: 7, expects_reply: true, must_understand: true, ..Default::default() };
        let worker = WorkerFrame { seq: 7, expects_reply: true, must_understand: true, ..Default::default() };
        assert_eq!(MasterFrame::decode(&bytes[4..]).unwrap(), master);
        assert_eq!(WorkerFrame::decode(&bytes[4..]).unwrap(), worker);
    }

    #[test]
    fn what_is_no_message_can_not_be_decoded() {
        assert!(MasterFrame::decode(&no_message()[4..]).is_err());
    }
}
