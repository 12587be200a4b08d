//! The frames in `proto/vectors/v1/` mean in Rust what they mean in every other language.
//!
//! Decoding is compared, encoding is not: protobuf lets a sender choose the order of fields and the length of
//! numbers, and a test of our bytes would pin what no peer relies on. The opening messages are the exception,
//! see [`the_opening_messages_are_sent_byte_for_byte`].

#[path = "../common/mod.rs"]
mod common;
mod control;
mod expected;
mod twin;
mod vectors;

use std::collections::BTreeSet;

use bytes::BytesMut;
use drover_proto::codec::CodecError;
use drover_proto::frame::{FrameError, HEADER_LEN};
use drover_proto::latest::{ErrorCode, Phase, RejectCode, control_response, hello_reply, worker_frame};
use protox::prost_reflect::{DescriptorPool, DynamicMessage};

use expected::expected;
use vectors::{AnyMessage, Vector, read};

/// Frames of this version, and legal ones that a later or another implementation sends.
const LEGAL: [&str; 4] = ["handshake.jsonl", "worker.jsonl", "control.jsonl", "compatibility.jsonl"];

fn descriptors() -> DescriptorPool {
    DescriptorPool::from_file_descriptor_set(common::compiled()).expect("compiled descriptors are consistent")
}

fn legal_vectors() -> Vec<Vector> {
    LEGAL.into_iter().flat_map(read).collect()
}

fn decoded(vector: &Vector) -> AnyMessage {
    let mut wire = BytesMut::from(&vector.frame[..]);
    let message =
        vector.reader().decode(&mut wire).unwrap_or_else(|error| panic!("{}: {error}", vector.name));
    assert!(wire.is_empty(), "{}: {} bytes are left over", vector.name, wire.len());
    message.unwrap_or_else(|| panic!("{}: the frame is not whole", vector.name))
}

fn reflected(vector: &Vector, pool: &DescriptorPool) -> DynamicMessage {
    let full_name = format!("drover.v1.{}", vector.message);
    let message = pool.get_message_by_name(&full_name).unwrap_or_else(|| panic!("no message {full_name}"));
    DynamicMessage::decode(message, &vector.frame[HEADER_LEN..])
        .unwrap_or_else(|error| panic!("{}: {error}", vector.name))
}

#[test]
fn every_vector_decodes_to_the_message_built_in_rust() {
    for vector in legal_vectors() {
        assert_eq!(decoded(&vector), expected(&vector.name), "{}", vector.name);
    }
}

#[test]
fn the_readable_twin_of_every_vector_says_what_its_bytes_say() {
    let pool = descriptors();
    for vector in legal_vectors() {
        assert_eq!(twin::json_of(&reflected(&vector, &pool)), vector.json, "{}", vector.name);
    }
}

#[test]
fn every_field_of_every_message_stands_in_a_vector() {
    let pool = descriptors();
    let mut seen = BTreeSet::new();
    for vector in legal_vectors() {
        twin::note_fields(&reflected(&vector, &pool), &mut seen);
    }
    let fields = pool.all_messages().flat_map(|message| message.fields().collect::<Vec<_>>());
    let missing: Vec<_> =
        fields.map(|field| field.full_name().to_owned()).filter(|name| !seen.contains(name)).collect();
    assert!(missing.is_empty(), "add a frame to proto/vectors/v1 for each of {missing:?}");
}

/// The opening messages are what a peer of any age reads first, so a change of our bytes is a change that every
/// old peer sees, and it is to be noticed here, not there. Other implementations may send other legal bytes.
#[test]
fn the_opening_messages_are_sent_byte_for_byte() {
    for vector in read("handshake.jsonl") {
        assert_eq!(expected(&vector.name).to_frame(), vector.frame, "{}", vector.name);
    }
}

#[test]
fn a_frame_cut_anywhere_asks_for_more_and_then_decodes_whole() {
    for vector in legal_vectors() {
        let reader = vector.reader();
        for cut in 0..vector.frame.len() {
            let (head, tail) = vector.frame.split_at(cut);
            let mut wire = BytesMut::from(head);
            let early = reader.decode(&mut wire);
            assert!(matches!(early, Ok(None)), "{} cut at {cut}: {early:?}", vector.name);
            assert_eq!(&wire[..], head, "{} cut at {cut}: bytes were lost", vector.name);

            wire.extend_from_slice(tail);
            let whole = reader.decode(&mut wire).unwrap();
            assert_eq!(whole, Some(expected(&vector.name)), "{} cut at {cut}", vector.name);
        }
    }
}

#[test]
fn a_stream_that_ends_inside_a_frame_is_an_error_at_every_byte() {
    for vector in legal_vectors() {
        for cut in 1..vector.frame.len() {
            let mut wire = BytesMut::from(&vector.frame[..cut]);
            let end = vector.reader().decode_eof(&mut wire);
            let truncated = matches!(end, Err(CodecError::Frame(FrameError::Truncated { received, .. })) if received == cut);
            assert!(truncated, "{} cut at {cut}: {end:?}", vector.name);
        }
    }
}

#[test]
fn frames_that_arrive_together_are_read_one_by_one() {
    for message in ["WorkerFrame", "MasterFrame", "ControlRequest", "ControlResponse"] {
        let vectors: Vec<_> =
            legal_vectors().into_iter().filter(|vector| vector.message == message).collect();
        let mut wire = BytesMut::new();
        vectors.iter().for_each(|vector| wire.extend_from_slice(&vector.frame));
        let reader = vectors[0].reader();
        for vector in &vectors {
            assert_eq!(reader.decode(&mut wire).unwrap(), Some(expected(&vector.name)), "{}", vector.name);
        }
        assert!(wire.is_empty());
    }
}

#[test]
fn a_body_from_a_later_version_leaves_the_envelope_readable() {
    let mut bodies = 0;
    for vector in read("compatibility.jsonl").iter().filter(|vector| vector.name.starts_with("unknown_body"))
    {
        let (has_body, seq, wants_answer) = match decoded(vector) {
            AnyMessage::MasterFrame(frame) => (frame.body.is_some(), frame.seq, frame.expects_reply),
            AnyMessage::WorkerFrame(frame) => (frame.body.is_some(), frame.seq, frame.expects_reply),
            AnyMessage::ControlRequest(request) => (request.body.is_some(), request.seq, true),
            AnyMessage::ControlResponse(response) => (response.body.is_some(), response.reply_to, true),
            other => panic!("{}: {other:?}", vector.name),
        };
        assert!(!has_body, "{}: a body nobody knows was read as a known one", vector.name);
        assert_eq!(seq > 0, wants_answer, "{}: the answer needs a seq to point to", vector.name);
        bodies += 1;
    }
    assert_eq!(bodies, 6, "one for each envelope, and each of its flags");
}

#[test]
fn enum_values_from_a_later_version_read_as_unspecified() {
    let mut read_as_unspecified = 0;
    for vector in read("compatibility.jsonl") {
        match decoded(&vector) {
            AnyMessage::HelloReply(reply) => {
                let Some(hello_reply::Reply::Reject(reject)) = reply.reply else { continue };
                assert_eq!((reject.code, reject.code()), (99, RejectCode::Unspecified));
            }
            AnyMessage::WorkerFrame(frame) => {
                let Some(worker_frame::Body::Error(error)) = frame.body else { continue };
                assert_eq!((error.code, error.code()), (99, ErrorCode::Unspecified));
            }
            AnyMessage::ControlResponse(response) => {
                let Some(control_response::Body::Event(event)) = response.body else { continue };
                assert_eq!((event.phase, event.phase()), (99, Phase::Unspecified));
            }
            _ => continue,
        }
        read_as_unspecified += 1;
    }
    assert_eq!(read_as_unspecified, 3, "one for each enum that a peer acts on");
}

#[test]
fn every_vector_to_be_refused_is_an_error_and_no_message() {
    for vector in read("refused.jsonl") {
        let mut wire = BytesMut::from(&vector.frame[..]);
        let error = match vector.reader().decode(&mut wire) {
            Err(CodecError::Frame(error)) => error,
            other => panic!("{}: {other:?}", vector.name),
        };
        let as_expected = match vector.name.as_str() {
            "text_instead_of_a_frame" => matches!(error, FrameError::NotAFrame { .. }),
            "worker_frame_over_the_limit" | "control_frame_over_the_limit" => {
                matches!(error, FrameError::TooLarge { length, limit } if length == u64::from(limit) + 1)
            }
            _ => matches!(error, FrameError::Undecodable { .. }),
        };
        assert!(as_expected, "{}: {error:?}", vector.name);
    }
}
