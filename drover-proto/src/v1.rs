//! The messages of `drover.v1`, generated from `proto/drover/v1/` and checked in.
//!
//! The meaning of each message and field stands in its `.proto`, which the generated items repeat.
//! `tests/generated_is_current.rs` regenerates them and fails when they differ.

#![expect(missing_docs, reason = "generated code")]

include!("gen/drover.v1.rs");
